"""The group of commands, and the one place where errors become exit codes."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Any, NoReturn

import click

from edgekit._version import __version__
from edgekit.errors import EdgekitError, InternalError, MachineError, first_line, machine_error
from edgekit.progress import note_interrupt

#: command -> one line of help; the module edgekit.cli.<command>, with "_" for "-", is imported when
#: it is called
COMMANDS = {
    "export": "Export a fine-tuned model to verified .onnx and .tflite files.",
    "validate": "Re-check an exported folder or file, without torch.",
    "compare": "Hold an export or a bench result against an older one; fail on regressions.",
    "bundle": "Put what an app needs into one folder: model, tokenizer, contract, self-test.",
    "generate": "Let a language model write on behind a prompt, streamed to stdout.",
    "inspect": "Show what is in an exported file: inputs, operators, tensor types, provenance.",
    "evaluate": "Measure accuracy, F1 and the like on labelled data, beside the source.",
    "explain": "Show where a file's quality went: by block, by cause, by matrix.",
    "bench": "Measure latency and memory of exported files.",
    "sweep": "Measure many recipes of one model: quality against size, and which to ship.",
    "scaling": "Measure a family at k bits: which model at which k for a budget of bytes.",
    "prune": "Make a checkpoint with narrower FFNs, repaired on text (experimental).",
    "distill": "Train a pruned or shortened model to give its teacher's outputs again.",
    "recipes": "List the recipes: how each is stored and which kernel runs it.",
    "trim-vocab": "Cut tokens that your text never uses out of a checkpoint, provably.",
    "doctor": "Show runtimes, versions and CPU features, and what is missing.",
}

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
#: after an interrupt, where a command has nothing better to say
_NOTHING_LEFT = "nothing was left half done"


class LazyGroup(click.Group):
    """Imports a command's module on use, so that ``--help`` is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of a first use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"edgekit.cli.{name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgekit")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Small, verified .onnx and .tflite files from fine-tuned models.

    \b
    edgekit export ./my-model -o out      both targets, int8, proven
    edgekit validate out                  the same proof again, without torch
    """
    ctx.obj = {"debug": debug}


class Terminated(BaseException):
    """SIGTERM, raised so that temporary files are removed on the way out."""


def _on_signal(number: int, frame: FrameType | None) -> NoReturn:
    kind = Terminated if number == signal.SIGTERM else KeyboardInterrupt
    note_interrupt(kind)
    raise kind


def _on_unraisable(found: sys.UnraisableHookArgs) -> None:
    """An interrupt inside a callback is raised again by the next stage: nothing to be told yet."""
    if not issubclass(found.exc_type, KeyboardInterrupt | Terminated):
        sys.__unraisablehook__(found)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; every way out has its exit code (see ``edgekit.errors``)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    signal.signal(signal.SIGTERM, _on_signal)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored: nohup
        signal.signal(signal.SIGINT, _on_signal)
    sys.unraisablehook = _on_unraisable
    sys.exit(run_command(arguments))


def run_command(arguments: list[str]) -> int:
    """Run one command; its exit code, with every error told on stderr."""
    debug = "--debug" in arguments
    try:
        outcome = cli.main(arguments, prog_name="edgekit", standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort) as interrupt:
        note_interrupt(None)
        told = str(interrupt.__cause__ or interrupt)  # click's Abort comes of a KeyboardInterrupt
        click.echo(f"interrupted; {told or _NOTHING_LEFT}.", err=True)
        return EXIT_INTERRUPTED
    except Terminated as interrupt:
        note_interrupt(None)
        click.echo(f"terminated; {str(interrupt) or _NOTHING_LEFT}.", err=True)
        return EXIT_TERMINATED
    except BrokenPipeError:
        # the reader of stdout went away: not an error of ours, and nothing more can be said to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except EdgekitError as error:
        return _tell(error, debug)
    except MemoryError:
        return _tell(
            MachineError("out of memory.", "close other programs, or use a smaller model."),
            debug,
        )
    except OSError as error:
        return _tell(machine_error("the command", error), debug)
    except Exception as error:
        return _tell(
            InternalError(f"a bug in edgekit: {type(error).__name__}: {first_line(error)}."), debug
        )


def _tell(error: EdgekitError, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    click.echo(f"Error: {error.message}", err=True)
    click.echo(f"\nhint: {error.hint}", err=True)
    return error.exit_code


def print_json(result: Any) -> None:
    """The one JSON form of every command: ``{"schema", "edgekit", "result"}`` on stdout."""
    document = {"schema": 1, "edgekit": __version__, "result": result}
    click.echo(json.dumps(document, indent=1, ensure_ascii=False))
