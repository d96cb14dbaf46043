"""What ``edgekit distill`` is asked for, and what it found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgekit.errors import UsageError
from edgekit.parity.metrics import Interval

#: passes over the data where neither passes nor steps are asked for
DEFAULT_EPOCHS = 3


@dataclass(frozen=True, slots=True)
class DistillOptions:
    """How a student is trained.

    Attributes:
      epochs: passes over the data; None for ``DEFAULT_EPOCHS``, or as many as ``steps`` take.
      steps: batches, in place of passes.
      batch_size: texts.
      learning_rate: its highest, behind the warm-up.
      seed: of the order of the texts.
      temperature: of teacher and student, where the outputs are logits.
      hidden: weight of the hidden states' distance beside that of the outputs.
      checkpoint_every: steps between two checkpoints, and two looks at held-out text.
      threads: of torch; sums in another order are other last bits, so it is part of the result.
    """

    epochs: int | None = None
    steps: int | None = None
    batch_size: int = 32
    learning_rate: float = 1e-4
    seed: int = 0
    temperature: float = 2.0
    hidden: float = 1.0
    checkpoint_every: int = 50
    threads: int = 1

    def check(self) -> None:
        """Refuse what cannot work, before anything is read.

        Raises:
          UsageError: a number is out of range, or both epochs and steps are given.
        """
        if self.epochs is not None and self.steps is not None:
            raise UsageError("--epochs and --steps were both given.", "give one of the two.")
        for name in ("epochs", "steps", "batch_size", "checkpoint_every", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(
                    f"--{name.replace('_', '-')} is {value}, and must be 1 or more.",
                    "leave it out for its default.",
                )
        for name in ("learning_rate", "temperature"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise UsageError(
                    f"--{name.replace('_', '-')} is {value}, and must be above 0.",
                    "leave it out for its default.",
                )
        if not 0 <= self.hidden < float("inf"):
            raise UsageError(f"--hidden is {self.hidden}, and must be 0 or more.", "leave it out.")
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}, and must be 0 or more.", "leave it out.")

    def total(self, rows: int) -> int:
        """Steps of the whole training over so many rows."""
        if self.steps is not None:
            return self.steps
        return (self.epochs or DEFAULT_EPOCHS) * -(-rows // self.batch_size)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A look at the training.

    Attributes:
      step: that was done last; 0 before the first.
      loss: mean of what was minimised, over the steps since the point before; None at step 0.
      held_out: mean distance on the held-out texts of the curve.
    """

    step: int
    loss: float | None
    held_out: float


@dataclass(frozen=True, slots=True)
class Distillation:
    """A finished training.

    Attributes:
      teacher, student: their names.
      task: of both.
      measure: of the distance to the teacher: "1 - cosine", "KL" or "squared error".
      options: as they were asked for.
      steps: that were done, of all runs together.
      rows: texts that were trained on.
      before, after: mean distance on held-out texts that no point of the curve is measured on,
        with 95 % intervals over texts.
      curve: points in order of their steps.
      cpu_s: thread CPU time of all runs together, seconds.
      held_out: what was measured on: "built-in", or the user's file.
      left_out: its texts that the training data had too, and that were not measured on.
      notes: to be told below the table.
    """

    teacher: str
    student: str
    task: str
    measure: str
    options: DistillOptions
    steps: int
    rows: int
    before: Interval
    after: Interval
    curve: tuple[CurvePoint, ...]
    cpu_s: float
    held_out: str = "built-in"
    left_out: int = 0
    notes: tuple[str, ...] = ()

    @property
    def won_back(self) -> float:
        """Share of the distance that training took away; negative where it grew."""
        return 1 - self.after.mean / self.before.mean if self.before.mean > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {**asdict(self), "won_back": self.won_back}
