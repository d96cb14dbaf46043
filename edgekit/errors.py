"""Every error a user can meet: what failed, on which object, a hint, and the exit code.

    EdgekitError                    exit code
    |- GateFailed                   1    parity, size, budget or regression gate
    |  |- NotFiniteError            1    a file gave NaN or infinity where numbers are wanted
    |  |- BudgetError               1    no choice of bits or tokens keeps a limit
    |  `- UnprovenError             1    a file that failed at export was to be shipped
    |- UsageError                   2    wrong option, recipe or combination
    |  `- RecipeSyntaxError         2
    |- InputError                   3    bad or missing input
    |  |- CheckpointError           3    model folder, weights, tokenizer of the source
    |  |- CasesError                3    file of texts
    |  |- ConfigError               3    edgekit.toml
    |  |- FolderExistsError         3    the output folder is there already
    |  |- FolderBusyError           3    another command writes into it
    |  |- PromptError               3    a prompt is empty, too long, or not of this tokenizer
    |  |- CacheFullError            3    more tokens than the cache of a file holds
    |  `- ArtifactError             3    exported folder or file missing, tampered, truncated
    |- MissingExtraError            4    a package of an extra is not installed
    |- UnsupportedError             5    model, task, operator or recipe not supported
    |  `- UnboundConstantError      5    a weight of the exported graph could not be identified
    |- MachineError                 6    disk full, no permission, killed worker
    `- InternalError                70   a bug of ours

130 is an interrupt (Ctrl-C), 143 a SIGTERM. click's own usage errors exit with 2 as well.
"""

from __future__ import annotations


class EdgekitError(Exception):
    """Root of all errors that edgekit raises on purpose.

    Args:
      message: one sentence: what failed, on which object, what was found and expected. It is kept
        to one printable line that ends in a period, whatever names and foreign texts are in it.
      hint: what the user can do about it, one sentence or command; the class's own when empty.
    """

    exit_code = 70
    default_hint = "see `edgekit doctor`."

    def __init__(self, message: str, hint: str = "") -> None:
        line = printable(" ".join(message.split("\n")).rstrip())
        self.message = line if line.endswith((".", "!", "?")) else f"{line}."
        self.hint = hint or self.default_hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}"


class GateFailed(EdgekitError):  # noqa: N818 - a gate that fails is a verdict, not a malfunction
    """A measured value missed its threshold; the work itself was done."""

    exit_code = 1
    default_hint = "see the failed checks with `edgekit validate DIR`."


class BudgetError(GateFailed):
    """No choice of bits, or of tokens, keeps the limit that was asked for."""


class NotFiniteError(GateFailed):
    """A file gave NaN or infinity where numbers are wanted."""

    default_hint = "the file is broken: check it with `edgekit validate DIR`."


class UnprovenError(GateFailed):
    """A file that did not pass its gates was asked for, to be shipped."""


class UsageError(EdgekitError):
    """The command was called in a way that cannot work."""

    exit_code = 2
    default_hint = "see the command's options with --help."


class RecipeSyntaxError(UsageError):
    """A recipe name does not follow the grammar."""


class InputError(EdgekitError):
    """Something that the user gave is missing or broken."""

    exit_code = 3
    default_hint = "check the file or folder that was named."


class CheckpointError(InputError):
    """The source model's folder, weights or tokenizer cannot be used."""


class CasesError(InputError):
    """A file of texts cannot be read as cases."""


class ConfigError(InputError):
    """edgekit.toml cannot be read, or says something that is not known."""


class FolderExistsError(InputError):
    """The output folder exists and ``--force`` was not given."""


class FolderBusyError(InputError):
    """Another export is writing into the same output folder."""


class PromptError(InputError):
    """A prompt is empty, longer than the file's cache, or not of the folder's tokenizer."""


class CacheFullError(InputError):
    """More tokens than the cache of a file holds."""

    default_hint = "ask for fewer tokens, or export with a larger --max-length."


class ArtifactError(InputError):
    """An exported folder or file is missing, incomplete, tampered or truncated."""

    default_hint = "export the model again, or copy the folder anew."


class MissingExtraError(EdgekitError):
    """A package that an extra brings is not installed."""

    exit_code = 4

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed.",
            f"pip install 'edgekit[{extra}]'",
        )


class UnsupportedError(EdgekitError):
    """Model, task, operator or recipe is not supported on that target."""

    exit_code = 5
    default_hint = "see what is supported with `edgekit recipes`."


class UnboundConstantError(UnsupportedError):
    """A constant of the exported graph belongs to no parameter of the source."""


class MachineError(EdgekitError):
    """The machine failed us: disk full, no permission, a worker that was killed."""

    exit_code = 6
    default_hint = "check disk space, memory and permissions, then run again."


class InternalError(EdgekitError):
    """A state that our own code should have made impossible."""

    exit_code = 70
    default_hint = "run again with --debug and report the traceback."


def printable(text: str) -> str:
    """The text with everything escaped that a terminal would act upon or cannot show."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


#: a foreign error's text is cut there: some quote the whole input that they met
_LONGEST = 300


def first_line(error: BaseException) -> str:
    """The first line of a foreign error's text, or its class where it has none.

    Returns:
      printable text of at most 300 characters, without the period at its end.
    """
    lines = str(error).strip().splitlines()
    line = printable(lines[0].rstrip(".")) if lines else type(error).__name__
    return line if len(line) <= _LONGEST else line[: _LONGEST - 4] + " ..."


def machine_error(action: str, error: OSError) -> MachineError:
    """Turn an operating system error into ours, with the remedy for the usual two."""
    import errno

    hints = {
        errno.ENOSPC: "free some space, or write to another disk with -o.",
        errno.EDQUOT: "your disk quota is used up: write to another disk with -o.",
        errno.EACCES: "choose a folder that you may write to with -o.",
        errno.EPERM: "choose a folder that you may write to with -o.",
        errno.EROFS: "the file system is read-only: choose another folder with -o.",
    }
    reason = error.strerror or str(error)
    where = f" ({error.filename})" if error.filename else ""
    return MachineError(f"{action} failed: {reason}{where}.", hints.get(error.errno or 0, ""))
