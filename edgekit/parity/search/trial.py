"""A trial: file and source on the same inputs, within a budget of CPU time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgekit.parity.search.inputs import Probe
from edgekit.parity.search.measure import Doubles, Yardstick
from edgekit.parity.search.runner import Answer, Runner
from edgekit.parity.worker import WorkerDied
from edgekit.runtime.tokenizer import Ids

#: inputs that may each kill the runtime before the file is given up
MOST_CRASHES = 8
#: bytes of the source's answers that are kept for the next file of the folder
MOST_KEPT = 1 << 28
#: rows between two looks at the clock
SLICE = 128


class Remembered:
    """The source, its answers kept: all files of a folder are tried on much the same inputs."""

    def __init__(self, runner: Runner, name: str) -> None:
        self._runner, self.name = runner, name
        self._answers: dict[bytes, Answer] = {}
        self._bytes = 0

    @property
    def cpu(self) -> float:
        """CPU seconds of its processes so far."""
        return self._runner.cpu

    def run(self, rows: Sequence[Ids]) -> list[Answer]:
        """The judged rows of each input, run without padding."""
        keys = [b"|".join(row[name].tobytes() for name in sorted(row)) for row in rows]
        missing = {k: row for k, row in zip(keys, rows, strict=True) if k not in self._answers}
        fresh = dict(zip(missing, self._runner.run(list(missing.values())), strict=True))
        answers = [fresh[k] if k in fresh else self._answers[k] for k in keys]
        for key, answer in fresh.items():
            size = sum(value.nbytes for value in answer.values()) + len(key)
            if self._bytes + size <= MOST_KEPT:
                self._bytes += size
                self._answers[key] = answer
        return answers


@dataclass(slots=True)
class Clock:
    """CPU seconds of this process and of those that answer, against a budget."""

    seconds: float
    runners: Sequence[Runner | Remembered]
    _own: float = field(default_factory=time.process_time)
    _before: float = 0.0

    def __post_init__(self) -> None:
        self._before = sum(r.cpu for r in self.runners)

    @property
    def spent(self) -> float:
        """So far."""
        return time.process_time() - self._own + sum(r.cpu for r in self.runners) - self._before

    def over(self, share: float = 1.0) -> bool:
        """Whether that share of the budget is spent."""
        return self.spent >= share * self.seconds


@dataclass(frozen=True, slots=True)
class Tried:
    """An input that was tried: alone (width 0), or padded (see ``Runner.run``)."""

    probe: Probe
    width: int
    error: float


class Trial:
    """Runs probes and keeps every error."""

    def __init__(self, file: Runner, source: Remembered, yard: Yardstick, clock: Clock) -> None:
        self._file, self._source, self.yard, self.clock = file, source, yard, clock
        self.tried: list[Tried] = []
        self.crashes: list[tuple[Probe, str]] = []

    def errors(self, rows: Sequence[Ids], width: int = 0) -> Doubles:
        """The error of each input, float64 [n]; nothing is kept."""
        if not rows:
            return np.zeros(0)
        return self.yard.errors(self._source.run(rows), self._file.run(rows, width))

    def run(self, probes: Sequence[Probe], width: int = 0, share: float = 1.0) -> Doubles:
        """Try inputs until a share of the budget is spent.

        Returns:
          float64 [m], m <= n: the errors of the first m probes; infinite where the runtime died.
        Raises:
          WorkerDied: it died more than ``MOST_CRASHES`` times.
        """
        found: list[float] = []
        for start in range(0, len(probes), SLICE):
            if self.clock.over(share):
                break
            part = probes[start : start + SLICE]
            errors = self._surviving(part, width)
            self.tried += [Tried(p, width, float(e)) for p, e in zip(part, errors, strict=True)]
            found += errors.tolist()
        return np.array(found)

    def _surviving(self, probes: Sequence[Probe], width: int) -> Doubles:
        """Errors, infinite for inputs that kill the runtime: they are found by halving."""
        try:
            return self.errors([p.row for p in probes], width)
        except WorkerDied as died:
            if len(probes) == 1:
                self.crashes.append((probes[0], died.message))
                if len(self.crashes) > MOST_CRASHES:
                    raise
                return np.array([np.inf])
            half = len(probes) // 2
            return np.concatenate(
                [self._surviving(probes[:half], width), self._surviving(probes[half:], width)]
            )
