"""The order of a sweep: what is known already, measure the rest, write the result."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from edgekit.converters.sweep.job import Answer, Job
from edgekit.converters.sweep.source import Setup
from edgekit.converters.sweep.store import SWEEP, PointStore, content_of
from edgekit.converters.sweep.workers import Workers

from edgekit.errors import UnsupportedError, UsageError
from edgekit.progress import Progress
from edgekit.report.rows import megabytes
from edgekit.report.sweep_files import PLOTS, files_of
from edgekit.sweep.options import Combination, Refused, SweepOptions
from edgekit.sweep.point import Point
from edgekit.sweep.result import Failed, Sweep


class Runner(Protocol):
    """Where jobs are done.

    Attributes:
      count: how many at once.
    """

    count: int

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
        """Answers in the order in which they come, each with its job's index."""
        ...

    def close(self) -> None:
        """Give up what is still running."""
        ...


def run_sweep(
    setups: Sequence[Setup],
    options: SweepOptions,
    out: Path,
    jobs: int,
    scheduler: str | None,
    progress: Progress,
) -> Sweep:
    """Measure all combinations that are not in the folder yet, and write the result.

    Args:
      setups: of the sweep's own model, and of those beside it, which are held against it.
      options: what of each.
      out: the sweep's folder.
      jobs: processes on this machine.
      scheduler: address of a Dask scheduler whose workers take their place.
      progress: where each point is told.
    Raises:
      UnsupportedError: every combination is refused.
      EdgekitError: the source, text or data cannot be used; the folder or scheduler cannot.
    """
    combined, refused = options.combinations()
    if not combined:
        raise UnsupportedError(
            f"all {len(refused)} combinations are refused, the first one: {refused[0].reason}",
            refused[0].hint,
        )
    with PointStore(out, SWEEP) as store:
        runner: Runner
        if scheduler is None:
            runner = Workers(min(jobs, len(combined) * len(setups)), store.work)
        else:
            from edgekit.converters.sweep.cluster import Cluster

            runner = Cluster(scheduler)
        try:
            sweep = _measure_all(runner, store, setups, combined, refused, progress)
        finally:
            runner.close()
        progress.stage("write tables and plots")
        files, missing = files_of(sweep)
        for name in PLOTS:  # of an earlier sweep
            if name not in files:
                (out / name).unlink(missing_ok=True)
        for name, content in files.items():
            store.publish(name, content)
        if missing is not None:
            progress.tell(missing)
        progress.done()
        return sweep


def _measure_all(
    runner: Runner,
    store: PointStore[Point],
    setups: Sequence[Setup],
    combined: Sequence[Combination],
    refused: Sequence[Refused],
    progress: Progress,
) -> Sweep:
    members = _open(runner, setups, progress)
    wanted = [replace(each, model=name) for name in members for each in combined]
    contents = {each: content_of(members[each.model].facts, each) for each in wanted}
    points = {
        each: replace(found, model=each.model)  # it may come of a sweep of one
        for each in wanted
        if (found := store.read(contents[each])) is not None
    }
    missing = [each for each in wanted if each not in points]
    if points:
        progress.tell(f"{len(points)} of {len(wanted)} points are in the folder already")
    failures: list[Failed] = []
    unsupported: list[Refused] = []
    pace = _Pace(len(missing), runner.count)
    jobs = [Job(members[e.model].setup, e, members[e.model].facts) for e in missing]
    try:
        progress.done()
        for index, answer in runner.run(jobs):
            each = missing[index]
            told = " ".join(part for part in (each.target, each.model, each.recipe) if part)
            problem = (each.target, each.recipe, answer.message, answer.hint, each.model)
            pace.note(answer.seconds)
            if answer.value is not None:
                points[each] = point = Point.from_json(answer.value)
                store.write(contents[each], point)
                told += f", {megabytes(point.size_bytes)}, cosine {point.cosine.mean:.5f}"
            elif answer.exit_code == UnsupportedError.exit_code:
                unsupported.append(Refused(*problem))
                told += f": refused: {answer.message}"
            else:
                failures.append(Failed(*problem))
                told += f": failed: {answer.message}"
            progress.tell(f"{len(wanted) - pace.left} of {len(wanted)}: {told}{pace}")
    except BaseException as error:
        if isinstance(error, Exception | SystemExit | GeneratorExit):
            raise
        kept = f"{len(points)} of {len(wanted)} points kept; run the same command to go on"
        raise type(error)(kept) from None
    if not points and not failures:
        raise UnsupportedError(
            f"all {len(wanted)} combinations are refused, the first one: {unsupported[0].reason}",
            unsupported[0].hint,
        )
    order = [points[each] for each in wanted if each in points]
    own, *beside = (member.facts for member in members.values())
    if beside:
        own = {**own, "beside": [{k: f[k] for k in ("source", "definition")} for f in beside]}
    return Sweep(own, tuple(order), (*refused, *unsupported), tuple(failures))


@dataclass(frozen=True, slots=True)
class _Member:
    """A model of the sweep, and what its points depend on."""

    setup: Setup
    facts: dict[str, Any]


def _open(runner: Runner, setups: Sequence[Setup], progress: Progress) -> dict[str, _Member]:
    """The sweep's models by name; a single one is called "".

    Raises:
      UsageError: two have the same name.
    """
    members: dict[str, _Member] = {}
    told: set[str] = set()
    for setup in setups:
        progress.stage("open the source" if setup.original is None else "open a model beside it")
        facts = _describe(runner, setup)
        for note in facts["notes"]:
            if note not in told:
                progress.tell(note)
        told.update(facts["notes"])
        name = facts["source"]["name"] if len(setups) > 1 else ""
        if name in members:
            raise UsageError(
                f"two of the models are called '{name}'.", "rename the folder of one of them."
            )
        members[name] = _Member(setup, facts)
    return members


def _describe(runner: Runner, setup: Setup) -> dict[str, Any]:
    """What the points will depend on, as a process of the runner sees it."""
    [(_, answer)] = runner.run([Job(setup)])
    answer.raise_error()
    facts: Mapping[str, Any] = answer.value or {}
    plain: dict[str, Any] = json.loads(json.dumps(facts))
    return plain


class _Pace:
    """Time left, from the median of the points that are done."""

    def __init__(self, count: int, at_once: int) -> None:
        self.left = count
        self._at_once = max(1, at_once)
        self._seconds: list[float] = []

    def note(self, seconds: float) -> None:
        self.left -= 1
        self._seconds.append(seconds)

    def __str__(self) -> str:
        if not self.left:
            return ""
        rounds = -(-self.left // min(self._at_once, self.left))
        left = statistics.median(self._seconds) * rounds
        return f"; about {left / 60:.0f} min left" if left >= 90 else f"; about {left:.0f} s left"
