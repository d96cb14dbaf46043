"""The training loop: a student is moved towards its teacher, the same way every time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from edgekit.converters.shrink.distill_loss import (
    Seen,
    hidden_distance,
    hidden_states,
    output_distance,
)
from edgekit.converters.sources.checkpoint import Checkpoint
from torch import Tensor, nn

from edgekit.distillation import DistillOptions
from edgekit.errors import NotFiniteError
from edgekit.runtime.rows import Row, batch_rows

#: share of the steps in which the learning rate rises
_WARM_UP = 0.1
#: of weight matrices; biases and norms are not pulled to zero
_WEIGHT_DECAY = 0.01
#: largest norm of a step's gradient
_CLIP = 1.0
#: batches that are sorted by length together: little padding, and still a mixed order
_SORTED_TOGETHER = 16
#: what AdamW keeps of every parameter
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")

Rows = Sequence[Row]


def batches_of_epoch(lengths: Sequence[int], size: int, seed: int, epoch: int) -> list[list[int]]:
    """The batches of a pass over the data: a function of seed and epoch, of nothing else.

    Args:
      lengths: tokens of each text; texts of about one length come into one batch.
      size: texts of a batch; the last of a pass may have fewer.
    Returns:
      places of texts, each exactly once.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths)).tolist()
    found: list[list[int]] = []
    for start in range(0, len(order), size * _SORTED_TOGETHER):
        part = sorted(order[start : start + size * _SORTED_TOGETHER], key=lengths.__getitem__)
        found += [part[i : i + size] for i in range(0, len(part), size)]
    return [found[i] for i in rng.permutation(len(found))]


def learning_rate(step: int, total: int, highest: float) -> float:
    """Of a step, counted from 0: a linear rise, then a linear fall to almost nothing."""
    rising = max(1, round(total * _WARM_UP))
    if step < rising:
        return highest * (step + 1) / (rising + 1)
    return highest * (total - step) / (total - rising + 1)


class Trainer:
    """Trains a student's parameters in place.

    Tables of embeddings that equal the teacher's stay as they are: training moves only the rows of
    tokens that the data has, away from those that it lacks. Both models are in evaluation mode, so
    nothing is dropped at random.

    Args:
      student, teacher: of one contract but for their layers.
      options: learning rate, temperature and order.
      rows: unpadded inputs of the texts to train on.
    Attributes:
      done: steps so far.
      total: steps of the whole training.
      trained: parameters by name.
    """

    def __init__(
        self,
        student: Checkpoint,
        teacher: Checkpoint,
        options: DistillOptions,
        rows: Rows,
    ) -> None:
        self.done = 0
        self.total = options.total(len(rows))
        self._student, self._teacher = student, teacher
        self._options, self._rows = options, rows
        self._lengths = [len(row["input_ids"]) for row in rows]
        self._distance = output_distance(student.contract, options.temperature)
        self._plain_distance = output_distance(student.contract)
        self.trained = trained_parameters(student.model, teacher.model)
        decayed = [p for p in self.trained.values() if p.dim() > 1]
        others = [p for p in self.trained.values() if p.dim() <= 1]
        self._optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": _WEIGHT_DECAY},
             {"params": others, "weight_decay": 0.0}],
            lr=options.learning_rate, foreach=False,
        )  # fmt: skip
        self._epoch = -1
        self._batches: list[list[int]] = []
        self._hidden: list[list[tuple[Tensor, ...]]] = []

    @contextmanager
    def open(self) -> Iterator[Trainer]:
        """Set both models up for training, and give them back as they were."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self._options.threads)
        with ExitStack() as stack:
            stack.callback(torch.set_num_threads, threads)
            stack.callback(self._set_trainable, False)
            self._set_trainable(True)
            for checkpoint in (self._student, self._teacher):
                stack.enter_context(checkpoint.using_attention("eager"))
                self._hidden.append(stack.enter_context(hidden_states(checkpoint.model)))
            yield self

    @property
    def at_checkpoint(self) -> bool:
        """Whether the work is to be kept now."""
        return self.done % self._options.checkpoint_every == 0 or self.done == self.total

    def step(self) -> float:
        """One batch; what was minimised, before the step.

        Raises:
          NotFiniteError: the loss is no number any more.
        """
        inputs, mask = self._inputs([self._rows[i] for i in self._next_batch()])
        with torch.no_grad():
            want = self._run(1, inputs)
        got = self._run(0, inputs)
        loss = self._distance(got.outputs, want.outputs, mask).mean()
        if self._options.hidden:
            hidden = hidden_distance(got.hidden, want.hidden, mask).mean()
            loss = loss + self._options.hidden * hidden
        if not torch.isfinite(loss):
            raise NotFiniteError(
                f"the loss is {loss.item()} at step {self.done + 1}: its weights ran away.",
                "lower --learning-rate.",
            )
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.trained.values(), _CLIP)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.done, self.total, self._options.learning_rate)
        self._optimizer.step()
        self.done += 1
        return float(loss.item())

    def distances(self, rows: Rows) -> npt.NDArray[np.float64]:
        """The distance of the outputs on other texts, at temperature 1: float64 [texts]."""
        found = []
        with torch.inference_mode():
            for start in range(0, len(rows), self._options.batch_size):
                inputs, mask = self._inputs(rows[start : start + self._options.batch_size])
                want, got = self._run(1, inputs), self._run(0, inputs)
                found.append(self._plain_distance(got.outputs, want.outputs, mask))
        distances: npt.NDArray[np.float64] = torch.cat(found).double().numpy()
        return distances

    def state(self) -> dict[str, Tensor]:
        """All that later steps depend on, beside the number of those done."""
        found = {f"weight.{name}": p.detach() for name, p in self.trained.items()}
        for name, parameter in self.trained.items():
            for key, value in self._optimizer.state[parameter].items():
                found[f"{key}.{name}"] = value
        return found

    def restore(self, state: Mapping[str, Tensor], done: int) -> None:
        """Go on behind that many steps.

        Args:
          state: what ``state`` gave then.
          done: steps.
        """
        for name, parameter in self.trained.items():
            parameter.data.copy_(state[f"weight.{name}"])
            moments = {key: state[f"{key}.{name}"] for key in _MOMENTS if f"{key}.{name}" in state}
            if moments:  # a pooler that no output depends on has none
                self._optimizer.state[parameter] = {k: v.clone() for k, v in moments.items()}
        self.done = done

    def _next_batch(self) -> list[int]:
        epoch, place = divmod(self.done, -(-len(self._rows) // self._options.batch_size))
        if epoch != self._epoch:
            size, seed = self._options.batch_size, self._options.seed
            self._batches = batches_of_epoch(self._lengths, size, seed, epoch)
            self._epoch = epoch
        return self._batches[place]

    def _inputs(self, rows: Rows) -> tuple[dict[str, Tensor], Tensor]:
        batch = batch_rows(rows, self._student.contract)
        inputs = {name: torch.from_numpy(value) for name, value in batch.items()}
        return inputs, inputs["attention_mask"]

    def _run(self, which: int, inputs: Mapping[str, Tensor]) -> Seen:
        """The student (0) or the teacher (1) on a batch."""
        checkpoint: Checkpoint = (self._student, self._teacher)[which]
        values: Any = checkpoint.module(**inputs)
        return Seen(values if isinstance(values, tuple) else (values,), self._hidden[which].pop())

    def _set_trainable(self, value: bool) -> None:
        for parameter in self.trained.values():
            parameter.requires_grad_(value)
            parameter.grad = None


def trained_parameters(student: nn.Module, teacher: nn.Module) -> dict[str, nn.Parameter]:
    """The student's parameters that are trained, tied ones once, in the model's own order."""
    tables = {
        f"{name}.weight": part.weight
        for name, part in teacher.named_modules()
        if isinstance(part, nn.Embedding)
    }
    found = {}
    for name, parameter in student.named_parameters():
        table = tables.get(name)
        same = table is not None and torch.equal(table, parameter)
        if not same and parameter.is_floating_point():
            found[name] = parameter
    return found
