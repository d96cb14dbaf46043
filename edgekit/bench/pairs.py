"""Two files in turn, in the same processes: the ratio of their CPU times with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.bench.processes import Measured, run_job
from edgekit.bench.profiles import Profile
from edgekit.bench.stats import Ratio, paired_ratio
from edgekit.errors import UsageError
from edgekit.manifest import sha256_file
from edgekit.runtime.rows import Row

#: an interval from fewer is as wide as the world
FEWEST_PROCESSES = 3
PROCESSES = 8
ROUNDS = 40


@dataclass(frozen=True, slots=True)
class PairResult:
    """A file against another.

    Attributes:
      vs: name of the other.
      vs_sha256: its content: two ratios can be compared when it is the same.
      clock: "thread" or "process": whose CPU time; of the process with more than one thread.
      lengths: tokens -> ratio (this file's CPU time over the other's).
      samples: per process, tokens -> log ratio.
    """

    vs: str
    vs_sha256: str
    clock: str
    lengths: dict[str, Ratio]
    samples: tuple[dict[str, float], ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "vs": self.vs,
            "vs_sha256": self.vs_sha256,
            "clock": self.clock,
            "lengths": {length: ratio.to_json() for length, ratio in self.lengths.items()},
            "samples": list(self.samples),
        }


def compare_pair(
    file: Measured,
    other: Measured,
    rows: Mapping[str, Row],
    profile: Profile,
    processes: int = PROCESSES,
    rounds: int = ROUNDS,
    weight_cache: bool = False,
) -> PairResult:
    """Measure the ratio of two files' CPU times.

    Both are open in each process and run alternately, so that clock and neighbours are the same
    for both. Luck with addresses and pages is not: it stays for a process's life. Hence several
    processes, the loading order changing from one to the next, and an interval over processes.

    Args:
      file, other: the ratio is the first's time over the second's.
      rows: length -> inputs.
      profile: threads and level. No memory limit: it would hold for both files together.
      processes: at least ``FEWEST_PROCESSES``.
      rounds: of both files, per process and length.
      weight_cache: TFLite: map packed weights from a cache file. Its pages stay where they are from
        one process to the next, so their luck is never drawn anew: a file seemed 1-2 % slower than
        its own copy in 12 of 20 comparisons. Private packing has no such bias.
    Raises:
      UsageError: too few processes; the two take different inputs.
      MachineError, ArtifactError: see ``run_job``.
    """
    if processes < FEWEST_PROCESSES:
        raise UsageError(
            f"{processes} processes give no interval.",
            f"--vs needs --processes {FEWEST_PROCESSES} or more.",
        )
    if set(file.contract.input_names) != set(other.contract.input_names):
        raise UsageError(
            f"'{file.path.name}' and '{other.path.name}' take different inputs.",
            "compare two files of the same model.",
        )
    runs = [
        run_job(
            [file, other],
            rows,
            profile,
            None,
            rounds,
            weight_cache=weight_cache,
            seed=number,
            load_order=[0, 1] if number % 2 == 0 else [1, 0],
        )
        for number in range(processes)
    ]
    samples = tuple(
        {length: found["log_ratio"] for length, found in run["lengths"].items()} for run in runs
    )
    return PairResult(
        other.path.name,
        sha256_file(other.path),
        "thread" if profile.threads == 1 else "process",
        {length: paired_ratio([s[length] for s in samples]) for length in rows},
        samples,
    )
