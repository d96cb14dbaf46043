"""What a step is worth: a file of the model before and of the model after it, measured alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.sweep.clock import relative_time
from edgekit.converters.sweep.source import Setup, Source

from edgekit.bench.processes import Measured
from edgekit.recipe import Recipe
from edgekit.sweep.options import Combination
from edgekit.sweep.point import Point

#: the recipe that the files are written in
DEFAULT_RECIPE = "w8c_a8"


def before_and_after(
    model: str,
    changed: Path,
    scratch: Path,
    recipe: str = DEFAULT_RECIPE,
    target: str = "onnx",
    task: str | None = None,
    max_length: int | None = None,
    base: str | None = None,
) -> tuple[Point, Point]:
    """Write both models as files and measure them: bytes, cosine, CPU time.

    Both are held against the float outputs of the model as it was, on the built-in held-out text,
    and the second file is timed in turn with the first.

    Args:
      model: checkpoint folder, hub id, or "demo": before the step.
      changed: checkpoint folder: after it.
      scratch: an empty folder for the files.
      recipe, target: of the files.
      task, max_length, base: as ``model`` was opened with.
    Returns:
      the points named "before" and "after"; the latter's ``time`` is over the former's file.
    Raises:
      UsageError: the two do not answer the same question.
      UnsupportedError: the target cannot export one of them, or not in that recipe.
    """
    own = Setup(model, (target,), base, task, max_length)
    wanted = Combination(target, str(Recipe.parse(recipe, target)))
    before, first, old = _measured(own, replace(wanted, model="before"), scratch)
    beside = replace(own, model=str(changed), original=model)
    after, second, new = _measured(beside, replace(wanted, model="after"), scratch)
    time = relative_time(new, second, Measured(first, old.contract))
    return before, replace(after, time=time)


def _measured(setup: Setup, wanted: Combination, scratch: Path) -> tuple[Point, Path, Checkpoint]:
    """A model's point, its file, which stays, and the model."""
    folder = scratch / wanted.model
    (folder / "file").mkdir(parents=True)
    source = Source(setup, folder)
    point = source.measure(wanted, folder / "file")
    [path] = (folder / "file").glob(f"*.{wanted.target}")
    return point, path, source.checkpoint
