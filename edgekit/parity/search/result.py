"""What a search found, as plain records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Worst:
    """One input and how far file and source are apart on it.

    Attributes:
      kind: what it was made as ("length", "token", "padded", ...).
      note: in short, what it is: "33 tokens of text", "token 29613 '##ɬ' alone".
      error: in the yardstick's measure; infinite where the file gave no usable output.
      shown: the error in the words of the thresholds.
      ids: the tokens.
      text: text that gives these ids, or the nearest that there is.
      exact: the text gives exactly these ids.
      text_pair: the second text, or None.
    """

    kind: str
    note: str
    error: float
    shown: str
    ids: tuple[int, ...]
    text: str
    exact: bool
    text_pair: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong: the rule that says so, and the simplest input that shows it.

    Attributes:
      rule: "worst-case", "lengths", "tokens", "padding" or "crash".
      message: one sentence that names what is wrong and where.
      example: the shortest input found that shows it, or None (a crash of a whole group).
      lengths: (first, last) where the rule is about lengths, else None.
      tokens: ids of the tokens that the rule is about.
    """

    rule: str
    message: str
    example: Worst | None = None
    lengths: tuple[int, int] | None = None
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The search of one file.

    Attributes:
      file: its path in the folder.
      served: who stood for the source: a checkpoint, or a file's path.
      metric, bound, bound_source: the yardstick.
      inputs: how many were run, by kind.
      medians: median error by kind.
      vocabulary: ``tokens`` tried of ``of``, ``per_row`` how many at once.
      worst: the five worst inputs, worst first.
      findings: what is wrong; empty for a good file.
      cpu_seconds: of file and source together.
      notes: what was left out, and why.
    """

    file: str
    served: str
    metric: str
    bound: float
    bound_source: str
    inputs: Mapping[str, int]
    medians: Mapping[str, float]
    vocabulary: Mapping[str, int]
    worst: tuple[Worst, ...]
    findings: tuple[Finding, ...]
    cpu_seconds: float
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Nothing wrong was found."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """Plain data; null for an infinite error."""
        return {"passed": self.passed, **_finite(asdict(self))}


@dataclass(frozen=True, slots=True)
class Search:
    """The searches of a folder's files."""

    files: tuple[Found, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Nothing wrong was found in any file."""
        return all(found.passed for found in self.files)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "passed": self.passed,
            "seconds": self.seconds,
            "files": [found.to_json() for found in self.files],
        }


def _finite(value: Any) -> Any:
    """The same data with null for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
