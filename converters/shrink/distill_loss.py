"""How far a student is from its teacher: what training lowers, and what held-out text measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from edgekit.contract import Contract

Outputs = tuple[Tensor, ...]
#: (student's outputs, teacher's outputs, attention mask) -> float32 [batch], one number a text
Distance = Callable[[Outputs, Outputs, Tensor], Tensor]

#: keeps a logarithm or a quotient of zero apart; far below float32's resolution of the values
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Seen:
    """What one model makes of a batch.

    Attributes:
      outputs: of the task, float32 [batch, ...].
      hidden: float32 [batch, length, width], of the embeddings and of every layer.
    """

    outputs: Outputs
    hidden: tuple[Tensor, ...]


def measure_of(contract: Contract) -> str:
    """The name of ``output_distance`` for that contract's task."""
    if _compares_vectors(contract):
        return "1 - cosine"
    return "squared error" if contract.problem_type == "regression" else "KL"


def output_distance(contract: Contract, temperature: float = 1.0) -> Distance:
    """The distance of a task's outputs.

    Vectors: 1 - cosine. Logits: the Kullback-Leibler divergence of the student's distribution from
    the teacher's, both at a temperature, times its square so that gradients keep their size; the
    mean over a text's tokens where each has its own. Regression: the squared error.

    Args:
      contract: of teacher and student.
      temperature: above 1 the teacher's small probabilities count more; logits alone have one.
    Source: Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network (2015).
    """
    if _compares_vectors(contract):
        return _vectors
    if contract.problem_type == "regression":
        return _squared
    if contract.problem_type == "multi_label":
        return lambda s, t, mask: (
            _each_label(s[0] / temperature, t[0] / temperature) * (temperature**2)
        )
    spans = contract.task == "question-answering"
    return lambda s, t, mask: (
        _divergence([v / temperature for v in s], [v / temperature for v in t], mask, spans)
        * (temperature**2)
    )


def hidden_distance(student: Sequence[Tensor], teacher: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Mean squared error of hidden states over the teacher's mean square, one number a text.

    A student with fewer layers is held against evenly spread ones of the teacher's, the first and
    the last always; layers whose widths differ are left out.

    Args:
      student, teacher: float32 [batch, length, width], of the embeddings and of every layer.
      mask: int64 [batch, length], 1 on tokens.
    Returns:
      float32 [batch]; zeros where no widths agree.
    Source: Jiao et al., TinyBERT (2020), equation 8, without its projection.
    """
    parts = [_relative_error(student[i], teacher[j], mask)
             for i, j in even_layers(len(student), len(teacher))
             if student[i].shape == teacher[j].shape]  # fmt: skip
    return torch.stack(parts).mean(dim=0) if parts else torch.zeros(len(mask))


def even_layers(student: int, teacher: int) -> list[tuple[int, int]]:
    """Which states are held against each other, by their places.

    Args:
      student, teacher: numbers of hidden states, that of the embeddings with them.
    """
    steps = max(student - 1, 1)
    return [(i, (2 * i * (teacher - 1) + steps) // (2 * steps)) for i in range(student)]


@contextmanager
def hidden_states(model: Any) -> Iterator[list[tuple[Tensor, ...]]]:
    """The list gets the hidden states of every call of a transformers model, in order."""
    kept: list[tuple[Tensor, ...]] = []
    before = model.config.output_hidden_states
    hook = model.register_forward_hook(lambda _, __, found: kept.append(tuple(found.hidden_states)))
    model.config.output_hidden_states = True
    try:
        yield kept
    finally:
        hook.remove()
        model.config.output_hidden_states = before


def _compares_vectors(contract: Contract) -> bool:
    return contract.task in ("sentence-embedding", "feature-extraction")


def _vectors(student: Outputs, teacher: Outputs, mask: Tensor) -> Tensor:
    away = 1 - functional.cosine_similarity(student[0], teacher[0], dim=-1, eps=_TINY)
    return away if away.dim() == 1 else _over_tokens(away, mask)


def _squared(student: Outputs, teacher: Outputs, mask: Tensor) -> Tensor:
    return (student[0] - teacher[0]).square().flatten(1).mean(dim=1)


def _each_label(student: Tensor, teacher: Tensor) -> Tensor:
    """Of labels that stand each for themselves: Bernoulli distributions, float32 [batch]."""
    p = teacher.sigmoid()
    own = functional.binary_cross_entropy(p, p, reduction="none")
    cross = functional.binary_cross_entropy_with_logits(student, p, reduction="none")
    return (cross - own).mean(dim=-1)


def _divergence(
    student: Sequence[Tensor], teacher: Sequence[Tensor], mask: Tensor, spans: bool
) -> Tensor:
    """Kullback-Leibler divergence; of spans the distribution runs over a text's tokens."""
    found = []
    for s, t in zip(student, teacher, strict=True):
        if spans:
            s, t = (v.masked_fill(mask == 0, torch.finfo(v.dtype).min) for v in (s, t))
        p, q = t.log_softmax(dim=-1), s.log_softmax(dim=-1)
        found.append((p.exp() * (p - q)).sum(dim=-1))
    away = torch.stack(found).mean(dim=0)
    return away if away.dim() == 1 else _over_tokens(away, mask)


def _over_tokens(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens of each text: [batch, length] -> [batch]."""
    return (values * mask).sum(dim=1) / mask.sum(dim=1)


def _relative_error(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    error, signal = ((student - teacher).square().mean(-1), teacher.square().mean(-1))
    return _over_tokens(error, mask) / _over_tokens(signal, mask).clamp(min=_TINY)
