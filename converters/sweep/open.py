"""Opening a sweep: options and paths are checked before anything is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgekit.converters.checked_options import refuse_inside
from edgekit.converters.opening import calibration_text
from edgekit.converters.sources.resolve import resolve

from edgekit.errors import UsageError
from edgekit.progress import Progress
from edgekit.sweep.options import SweepOptions
from edgekit.sweep.result import Sweep
from edgekit.tasks.cases import read_text


def sweep(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: SweepOptions | None = None,
    data: str | os.PathLike[str] | None = None,
    metric: str | None = None,
    calibration: str | os.PathLike[str] | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    task: str | None = None,
    max_length: int | None = None,
    base: str | None = None,
    progress: Progress | None = None,
    beside: Sequence[str | os.PathLike[str]] = (),
    timed: bool = False,
) -> Sweep:
    """Measure many recipes of one model, and of others beside it, on their written files.

    Each file is made in a process of its own, measured in a fresh one and thrown away; what was
    measured stays in ``out``, so that the same call after an interrupt does the rest. As processes
    are spawned, a script that calls this keeps its own start behind ``if __name__ == "__main__"``.

    Args:
      model: checkpoint folder, hub id, or "demo".
      out: folder of the result; what an earlier sweep left in it is used again.
      options: which recipes; the default ones when None.
      data: labelled rows, as ``edgekit.evaluate`` reads them.
      metric: over them, against the source; the task's default when None.
      calibration: file of texts that quantization may look at, in place of the built-in ones.
      jobs: processes on this machine, one thread each.
      scheduler: address of a Dask scheduler; its workers take the processes' place and must see
        model and data under the same paths.
      task, max_length, base: as for ``export``.
      progress: where each point is told.
      beside: other checkpoints for the same task (pruned, trimmed, distilled ...): the same recipes
        of them, all held against the outputs of ``model``.
      timed: measure CPU time too, in turn with the float32 file of ``model``.
    Raises:
      EdgekitError: see ``edgekit.errors``; files that failed alone are in the result instead.
    """
    from edgekit.converters.sweep.run import run_sweep
    from edgekit.converters.sweep.source import Setup

    options = options or SweepOptions()
    options.combinations()  # wrong options are told before anything is read
    if metric is not None and data is None:
        raise UsageError("--metric is measured over --data FILE, and none was given.", "add it.")
    if data is not None:
        read_text(Path(data))
    for each in (str(model), *map(str, beside), *([] if base is None else [base])):
        refuse_inside(Path(out), resolve(each))
    setup = Setup(
        model=_absolute(str(model)),
        targets=tuple(dict.fromkeys(options.target_names())),
        base=None if base is None else _absolute(base),
        task=task,
        max_length=max_length,
        calibration=None if calibration is None else calibration_text(Path(calibration)),
        data=None if data is None else str(Path(data).resolve()),
        metric=metric,
        timed=timed,
    )
    others = [replace(setup, model=_absolute(str(each)), original=setup.model) for each in beside]
    progress = progress or Progress.silent()
    return run_sweep([setup, *others], options, Path(out), jobs, scheduler, progress)


def _absolute(model: str) -> str:
    """A folder's path from anywhere; hub ids and "demo" as they are."""
    path = Path(model).expanduser()
    return str(path.resolve()) if path.is_dir() else model
