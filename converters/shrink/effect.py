"""What a step is worth: a file of the model before and of the model after it, measured alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgekit.converters.sweep.source import Setup, Source

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
    and both are timed against its float32 file.

    Args:
      model: checkpoint folder, hub id, or "demo": before the step.
      changed: checkpoint folder: after it.
      scratch: an empty folder for the files.
      recipe, target: of the files.
      task, max_length, base: as ``model`` was opened with.
    Returns:
      the points named "before" and "after".
    Raises:
      UsageError: the two do not answer the same question.
      UnsupportedError: the target cannot export one of them, or not in that recipe.
    """
    before = Setup(model, (target,), base, task, max_length, timed=True)
    wanted = Combination(target, str(Recipe.parse(recipe, target)))
    points = []
    for name, setup in (
        ("before", before),
        ("after", replace(before, model=str(changed), original=model)),
    ):
        work = scratch / name
        (work / "file").mkdir(parents=True)
        source = Source(setup, work)
        points.append(source.measure(replace(wanted, model=name), work / "file"))
    return points[0], points[1]
