"""A whole training: from the last checkpoint to the end, measured before, on the way and after."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit.converters.notes import made_by
from edgekit.converters.quantize.texts import texts_sha256
from edgekit.converters.shrink.distill_loss import measure_of
from edgekit.converters.shrink.distill_pair import check_pair, refuse_same, rows_of
from edgekit.converters.shrink.distill_store import Kept, Store
from edgekit.converters.shrink.distill_texts import HeldOutTexts, texts_of
from edgekit.converters.shrink.distill_train import Trainer
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.sources.definition import definition_of

from edgekit.distillation import CurvePoint, Distillation, DistillOptions
from edgekit.errors import NotFiniteError
from edgekit.parity.metrics import bootstrap
from edgekit.progress import Progress
from edgekit.runtime.rows import Row
from edgekit.tasks import Example


@dataclass(frozen=True, slots=True)
class Lesson:
    """Who teaches whom, on what.

    Attributes:
      student, teacher: at one maximum length.
      examples: to train on.
      held_out: to measure on.
      options: of the training.
    """

    student: Checkpoint
    teacher: Checkpoint
    examples: Sequence[Example]
    held_out: HeldOutTexts
    options: DistillOptions

    def depends(self) -> dict[str, Any]:
        """What the result depends on, by the name that a user knows it by."""
        options = {name.replace("_", " "): v for name, v in asdict(self.options).items()}
        return {
            **options,
            "task": self.student.contract.task,
            "max length": self.student.contract.max_length,
            "data": _digest(self.examples),
            "held-out text": _digest(self.held_out.examples),
            "teacher": self.teacher.source.get("sha256"),
            "student": self.student.source.get("sha256"),
            "configuration of the teacher": definition_of(self.teacher),
            "configuration of the student": definition_of(self.student),
            "version of a package": made_by(),
        }

    def told(self, result: Distillation) -> dict[str, Any]:
        """The entry of edgekit-steps.json: nothing in it differs from run to run."""
        teacher = self.teacher
        return {
            "step": "distill",
            "teacher": {"name": teacher.name, "sha256": teacher.source.get("sha256")},
            "options": asdict(self.options),
            "steps": result.steps,
            "texts": {"count": result.rows, "sha256": texts_sha256(texts_of(self.examples))},
            "measure": result.measure,
            "before": result.before.mean,
            "after": result.after.mean,
        }


def _digest(examples: Sequence[Example]) -> str:
    """Of rows; the same texts in other pairs are another digest."""
    return texts_sha256([json.dumps([each.text, each.text_pair]) for each in examples])


def run_training(
    lesson: Lesson, out: Path, force: bool, progress: Progress
) -> tuple[Distillation, Store]:
    """Train the lesson's student in place.

    Args:
      lesson: both models and all texts.
      out: interrupted work lies beside it.
      force: interrupted work that was begun otherwise is dropped.
      progress: where steps are told.
    Returns:
      what came of it, and the store, to be removed when the result is written.
    Raises:
      EdgekitError: the pair does not fit, interrupted work is of something else, or the loss is no
        number any more.
    """
    check_pair(lesson.student, lesson.teacher)
    rows, held = (rows_of(lesson.student, lesson.teacher, each)
                  for each in (lesson.examples, lesson.held_out.examples))  # fmt: skip
    refuse_same(lesson.student, lesson.teacher)
    watched, last_word = held[::2], held[1::2]
    store = Store(out, lesson.depends())
    kept = store.read(force)
    trainer = Trainer(lesson.student, lesson.teacher, lesson.options, rows)
    with trainer.open():
        progress.stage("measure the student")
        before = bootstrap(trainer.distances(last_word))
        if kept is None:
            kept = Kept(0, (CurvePoint(0, None, float(trainer.distances(watched).mean())),), 0.0)
        else:
            progress.tell(f"going on behind step {kept.done} of {trainer.total}")
            trainer.restore(kept.tensors, kept.done)
        try:
            kept = _Loop(
                trainer, store, watched, progress, measure_of(lesson.student.contract)
            ).run(kept)
        except NotFiniteError:
            store.remove()
            raise
        except BaseException as stop:
            if isinstance(stop, Exception) or not store.has_work:
                raise
            raise type(stop)("the same command goes on at the last checkpoint") from None
        progress.stage("measure the result")
        after = bootstrap(trainer.distances(last_word))
    return Distillation(
        teacher=lesson.teacher.name,
        student=lesson.student.name,
        task=lesson.student.contract.task,
        measure=measure_of(lesson.student.contract),
        options=lesson.options,
        steps=trainer.done,
        rows=len(rows),
        before=before,
        after=after,
        curve=kept.curve,
        cpu_s=kept.cpu_s,
        held_out=lesson.held_out.name,
        left_out=lesson.held_out.left_out,
    ), store


@dataclass(slots=True)
class _Loop:
    """The steps that are left, with a checkpoint after every so many.

    Attributes:
      trainer: open.
      store: gets the checkpoints.
      watched: held-out rows of the curve.
      progress: where checkpoints are told.
      measure: name of the distance.
    """

    trainer: Trainer
    store: Store
    watched: Sequence[Row]
    progress: Progress
    measure: str

    def run(self, kept: Kept) -> Kept:
        """All of them; what the last checkpoint holds."""
        trainer, losses = self.trainer, list[float]()
        cpu, wall, begun = time.process_time(), time.monotonic(), trainer.done
        spent = kept.cpu_s
        while trainer.done < trainer.total:
            losses.append(trainer.step())
            self.progress.done()  # raises an interrupt that foreign code swallowed
            if not trainer.at_checkpoint:
                continue
            away = float(trainer.distances(self.watched).mean())
            point = CurvePoint(trainer.done, sum(losses) / len(losses), away)
            seconds = spent + time.process_time() - cpu
            kept = Kept(trainer.done, (*kept.curve, point), seconds, trainer.state())
            self.store.write(kept)
            pace = (time.monotonic() - wall) / (trainer.done - begun)
            self._tell(point, pace * (trainer.total - trainer.done))
            losses = []
        return kept

    def _tell(self, point: CurvePoint, seconds_left: float) -> None:
        self.progress.tell(
            f"step {point.step} of {self.trainer.total}: loss {point.loss:.4g}, {self.measure} on "
            f"held-out text {point.held_out:.4g}, {seconds_left:.0f} s left"
        )
