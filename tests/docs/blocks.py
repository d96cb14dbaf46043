"""The fenced blocks of the documents: what they are, and what a comment above says of them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COMMANDS = ("sh", "bash", "console")
#: what a block may be besides commands; "text" shows something that nobody types
OTHER = ("python", "text", "toml", "yaml")
#: why a block may stay unrun
REASONS = {
    "network": "fetches or installs",
    "phone": "needs a phone on a cable",
    "machines": "needs several machines",
    "long": "takes an hour or more; a smaller one of the same command is run",
}

_BLOCK = re.compile(
    r"(?:^<!-- (?P<said>[^\n]*?) -->\n)?^```(?P<kind>\S*)\n(?P<text>.*?)^```$", re.S | re.M
)
_EXIT = re.compile(r"exit code (?P<codes>\d+(?: or \d+)*)(?::.*)?")
_NOT_RUN = re.compile(r"not run: (?P<reason>[a-z]+)(?:, .*)?")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
      page: relative to the repository.
      line: of the fence.
      kind: what follows the fence.
      text: what is in it.
      reason: why it is not run, "" where it is.
      codes: exit codes that its last command may have.
    """

    page: str
    line: int
    kind: str
    text: str
    reason: str
    codes: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def shown(self) -> list[tuple[str, list[str]]]:
        """Commands with the output lines below them (none where the block shows none)."""
        if self.kind != "console":
            return [(command, []) for command in joined(self.text)]
        found: list[tuple[str, list[str]]] = []
        for line in self.text.rstrip().split("\n"):
            if line.startswith("$ "):
                found.append((plain(line[2:]), []))
            elif found:
                found[-1][1].append(line)
            else:
                raise ValueError(f"{self}: output before a command")
        return found


def plain(command: str) -> str:
    """A command without its comment."""
    lexer = shlex.shlex(command, posix=False, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, "#"
    return " ".join(lexer)


def joined(text: str) -> list[str]:
    """The commands of a script: continued lines joined, comments and empty lines gone."""
    lines = text.replace("\\\n", " ").split("\n")
    return [command for command in map(plain, lines) if command]


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page of the repository."""
    return read_blocks(page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix())


def read_blocks(text: str, place: str) -> list[Block]:
    """Every fenced block of a text.

    Raises:
      ValueError: a comment above a block that says nothing known.
    """
    found = []
    for match in _BLOCK.finditer(text):
        said = match["said"] or ""
        line = text.count("\n", 0, match.start("text"))
        reason, codes = "", (0,)
        if not_run := _NOT_RUN.fullmatch(said):
            reason = not_run["reason"]
        elif exits := _EXIT.fullmatch(said):
            codes = tuple(int(code) for code in exits["codes"].split(" or "))
        elif said.startswith(("not run", "exit")):
            raise ValueError(f"{place}:{line}: '{said}' is no known word about a block")
        found.append(Block(place, line, match["kind"], match["text"], reason, codes))
    return found


def pages() -> list[Path]:
    """READMEs and docs/, in the order of reading; decisions show no commands to type."""
    return [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").glob("*.md"))]
