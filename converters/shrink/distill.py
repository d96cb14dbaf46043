"""A smaller student is taught by the model that it was made of: no labels, only its outputs."""

from __future__ import annotations

import os
from pathlib import Path

from edgekit.converters.checked_options import refuse_inside
from edgekit.converters.opening import load_source
from edgekit.converters.shrink.distill_texts import (
    judged_on,
    lessons_of,
    refuse_without_context,
)
from edgekit.converters.shrink.folder import changing, reopened, write_checkpoint
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.sources.resolve import resolve

from edgekit.distillation import Distillation, DistillOptions
from edgekit.progress import Progress
from edgekit.report.distilled import CURVES, write_curves


def distill(
    teacher: str | os.PathLike[str],
    student: str | os.PathLike[str],
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: DistillOptions | None = None,
    held_out: str | os.PathLike[str] | None = None,
    task: str | None = None,
    max_length: int | None = None,
    base: str | os.PathLike[str] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Distillation:
    """Train a student to give its teacher's outputs: the repair of pruned or shortened models.

    Interrupted work goes on by the same call, to the same weights as without the interruption.

    Args:
      teacher: checkpoint folder, hub id, or "demo".
      student: a checkpoint of the same tokenizer, task and outputs.
      data: TSV or JSONL file of texts; labels are not read.
      out: the trained student's checkpoint folder; it appears whole, when everything is done.
      options: of the training; the default ones when None.
      held_out: file of texts to measure on, in place of the built-in evaluation text.
      task: overrides what the student's checkpoint says.
      max_length: tokens; longer text is cut.
      base: of a teacher that is an adapter, where it does not name one that is there.
      force: replace an existing result, and drop interrupted work that was begun otherwise.
      progress: where steps are told.
    Raises:
      EdgekitError: see ``edgekit.errors``; nothing is left at ``out`` then.
    """
    options, progress = options or DistillOptions(), progress or Progress.silent()
    options.check()
    lessons = lessons_of(Path(data))
    judged = judged_on(lessons, None if held_out is None else Path(held_out))
    under = None if base is None else os.fspath(base)
    for source in (str(teacher), *([] if under is None else [under])):
        refuse_inside(Path(out), resolve(source))
    progress.stage("load")
    with changing(str(student), Path(out), force, task, max_length) as (pupil, folder):
        master = load_source(str(teacher), task, max_length, under)
        from edgekit.converters.shrink.distill_run import Lesson, run_training

        pupil, master = _at_one_length(pupil, master)
        refuse_without_context(lessons, pupil.contract.task, Path(data))
        if held_out is not None:
            refuse_without_context(judged.examples, pupil.contract.task, Path(held_out))
        lesson = Lesson(pupil, master, lessons, judged, options)
        result, store = run_training(lesson, Path(out), force, progress)
        progress.stage("write")
        write_checkpoint(pupil, folder, lesson.told(result))
        reopened(folder, pupil)
        result = write_curves(result, folder / CURVES)
    progress.done()
    store.remove()
    return result


def _at_one_length(pupil: Checkpoint, master: Checkpoint) -> tuple[Checkpoint, Checkpoint]:
    """Both at the smaller of their maximum lengths."""
    from edgekit.converters.sources.transformers_folder import with_length

    length = min(pupil.contract.max_length, master.contract.max_length)
    return (
        with_length(pupil, length, pupil.contract.buckets),
        with_length(master, length, master.contract.buckets),
    )
