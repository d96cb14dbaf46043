"""Every class of the error tree is provoked for real, and told as the house rules want it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import pytest

from edgekit import errors
from edgekit.cli.main import cli, run_command
from edgekit.errors import EdgekitError

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [*(ROOT / "edgekit").rglob("*.py"), *(ROOT / "converters").rglob("*.py")]

Provoke = Callable[[Path, pytest.MonkeyPatch], object]


def root_error(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.parity.worker import _raise_for

    _raise_for(4, "running .onnx files needs the package 'onnxruntime', which is not installed.\n")


def usage(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.cli.options import parse_lengths

    parse_lengths("16,many", "--buckets")


def recipe(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.recipe import Recipe

    Recipe.parse("w11c")


def checkpoint(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.converters.sources.weights_check import find_weights

    find_weights(folder)


def cases(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.tasks.cases import read_cases

    read_cases(folder / "none.tsv")


def folder_exists(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.staging import staged_folder

    with staged_folder(folder, force=False):
        pass


def folder_busy(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.staging import staged_folder

    with staged_folder(folder / "out", False), staged_folder(folder / "out", False):
        pass


def artifact(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.parity.validate import validate

    validate(folder)


def missing_extra(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.runtime.onnx_session import open_runtime

    patch.setitem(sys.modules, "onnxruntime", None)
    open_runtime(folder / "model.onnx")


def unsupported(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.tasks import get_task

    get_task("translation")


def unbound(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.converters.bindings import bind, derived_constants

    constant = np.linspace(1, 2, 256, dtype=np.float32).reshape(16, 16)
    _, unknown = bind([("mystery", constant)], {"w": np.eye(4, dtype=np.float32)})
    derived_constants(unknown, [("mystery", constant + 1)])


def machine(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.staging import staged_folder

    (folder / "file").write_text("not a folder")
    with staged_folder(folder / "file" / "out", force=False):
        pass


def internal(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.parity.metrics import compare

    compare(np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32))


def worker_died(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """A worker process that really dies on a signal."""
    from edgekit.parity.worker import run_file
    from tests.test_manifest import CONTRACT

    killer = folder / "python"
    killer.write_text("#!/bin/sh\nkill -SEGV $$\n")
    killer.chmod(0o755)
    patch.setattr(sys, "executable", str(killer))
    run_file(folder / "m.onnx", [{"input_ids": np.ones(3, np.int64)}], CONTRACT)


def page_failed(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """A browser that starts and never opens the page."""
    from edgekit.devices.browser import run_page

    idle = folder / "chromium"
    idle.write_text("#!/bin/sh\nexec sleep 20\n")
    idle.chmod(0o755)
    patch.setenv("EDGEKIT_CHROMIUM", str(idle))
    run_page(folder, "/index.html", timeout=0.1)


def over_budget(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.converters.quantize.budget import Option, choose

    choose({"w": [Option("4c", 100, 0.1)]}, max_size=10)


def config(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.config import read_config

    read_config(str(folder / "edgekit.toml"))


def not_finite(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.generation.steps import require_finite

    require_finite(np.array([0.5, np.nan], np.float32), 3)


def prompt(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.generation.chat import render_chat

    render_chat("{{ raise_exception('roles must\\nalternate') }}", [], {})


def cache_full(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.generation.names import PAST
    from edgekit.runtime.onnx_generation import OnnxState

    class Session:
        context = 2

        def empty(self, rows: int) -> dict[str, object]:
            return {PAST: np.zeros((rows, 1, 0, 1))}

    OnnxState(Session(), 1).feed(np.ones((1, 3), np.int64))  # type: ignore[arg-type]


def unproven(folder: Path, patch: pytest.MonkeyPatch) -> None:
    from edgekit.bundle.build import check_proven
    from edgekit.manifest import FileEntry

    check_proven(FileEntry("m.onnx", "onnx", "fp32", 1, "", 32.0, {}, [], {"passed": False}))


#: class -> a call that raises it, and the exit code that the design gives it
PROVOKED: dict[str, tuple[Provoke, int]] = {
    "EdgekitError": (root_error, 4),
    "UsageError": (usage, 2),
    "BudgetError": (over_budget, 1),
    "UnprovenError": (unproven, 1),
    "RecipeSyntaxError": (recipe, 2),
    "CheckpointError": (checkpoint, 3),
    "CasesError": (cases, 3),
    "ConfigError": (config, 3),
    "FolderExistsError": (folder_exists, 3),
    "FolderBusyError": (folder_busy, 3),
    "ArtifactError": (artifact, 3),
    "NotFiniteError": (not_finite, 1),
    "PromptError": (prompt, 3),
    "CacheFullError": (cache_full, 3),
    "MissingExtraError": (missing_extra, 4),
    "UnsupportedError": (unsupported, 5),
    "UnboundConstantError": (unbound, 5),
    "MachineError": (machine, 6),
    "InternalError": (internal, 70),
    "WorkerDied": (worker_died, 1),
    "PageFailed": (page_failed, 1),
}

#: classes that only group others: nothing raises them (a test below holds that)
GROUPS = {"GateFailed": 1, "InputError": 3}


def classes_in(source: str) -> Iterator[tuple[str, set[str]]]:
    """Names of classes and of their bases."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            yield node.name, {ast.unparse(base).rpartition(".")[2] for base in node.bases}


def error_tree(sources: list[str]) -> set[str]:
    """All classes below EdgekitError, wherever they are defined, without importing anything."""
    found, grown = {"EdgekitError"}, True
    classes = [pair for source in sources for pair in classes_in(source)]
    while grown:
        more = {name for name, bases in classes if bases & found} - found
        found |= more
        grown = bool(more)
    return found


def read_sources() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in SOURCES]


def test_every_class_has_a_test() -> None:
    assert error_tree(read_sources()) == set(PROVOKED) | set(GROUPS)


def test_a_new_class_would_be_noticed() -> None:
    more = "class A(errors.InputError): ...\nclass B(A): ...\nclass C(ValueError): ...\n"
    assert error_tree([*read_sources(), more]) == set(PROVOKED) | set(GROUPS) | {"A", "B"}


def test_groups_are_never_raised_themselves() -> None:
    called = {
        ast.unparse(node.func).rpartition(".")[2]
        for source in read_sources()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
    }
    assert not called & set(GROUPS)
    # every other class is raised somewhere; the root by what a worker's exit code stands for
    assert set(PROVOKED) - {"EdgekitError"} <= called


def test_the_drawing_names_every_class_with_its_exit_code() -> None:
    drawn = dict(re.findall(r"^[ |`-]*(\w+) +(\d+)\b", str(errors.__doc__), re.MULTILINE))
    here = {n: c for n, c in vars(errors).items()
            if isinstance(c, type) and issubclass(c, EdgekitError)}  # fmt: skip
    assert {name: cls.exit_code for name, cls in here.items() if name != "EdgekitError"} == {
        name: int(code) for name, code in drawn.items() if name != "EdgekitError"
    }
    for name, code in GROUPS.items():
        assert here[name].exit_code == code


@pytest.mark.parametrize("name", PROVOKED)
def test_each_is_one_sentence_with_a_hint(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provoke, code = PROVOKED[name]
    with pytest.raises(EdgekitError) as caught:
        provoke(tmp_path, monkeypatch)
    error = caught.value
    assert type(error).__name__ == name
    assert error.exit_code == code
    assert re.fullmatch(r"\S.*\S\.", error.message)
    assert error.message.isprintable()
    assert error.hint.strip()
    assert "\n" not in error.hint
    assert str(error) == f"{error.message}\nhint: {error.hint}"


@pytest.mark.parametrize("name", PROVOKED)
def test_each_is_told_by_the_command_line(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The same calls inside a command: exit code, two lines on stderr, a traceback for --debug."""
    provoke, code = PROVOKED[name]
    for debug in (False, True):
        folder = tmp_path / str(debug)
        folder.mkdir()

        @click.command("fail")
        def fail(folder: Path = folder) -> None:
            provoke(folder, monkeypatch)

        monkeypatch.setattr(cli, "get_command", lambda ctx, name, fail=fail: fail)
        assert run_command([*(["--debug"] if debug else []), "fail"]) == code
        told = capsys.readouterr()
        assert told.out == ""
        assert ("Traceback" in told.err) is debug
        *_, first, _, hint = ["", *told.err.rstrip("\n").split("\n")]
        assert first.startswith("Error: ")
        assert hint.startswith("hint: ")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MemoryError(), 6, "out of memory"),
        (PermissionError(13, "Permission denied", "/x"), 6, "Permission denied (/x)"),
        (OSError(28, "No space left on device"), 6, "No space left"),
        (ZeroDivisionError("division by zero"), 70, "a bug in edgekit: ZeroDivisionError"),
        (KeyError("a\nb"), 70, "a bug in edgekit: KeyError"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_foreign_errors_get_an_exit_code_too(
    error: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @click.command("fail")
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "get_command", lambda ctx, name: fail)
    assert run_command(["fail"]) == code
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told
    assert ("hint: " in told) is (code != 130)


@pytest.mark.parametrize("message", ["no period", "two\nlines.", "bell \x07 and \ud800.", ""])
def test_messages_stay_one_printable_line(message: str) -> None:
    error = EdgekitError(message)
    assert error.message.isprintable()
    assert error.message.endswith(".")
    assert error.hint
