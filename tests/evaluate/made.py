"""Contracts and answers that tests of the evaluation make up, seeded."""

from __future__ import annotations

import numpy as np

from edgekit.contract import Contract, TensorSpec
from edgekit.evaluate.metrics import Answers
from edgekit.evaluate.perplexity import Losses, Windows

NAMES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
_PROBLEMS = {
    "single-label": "single_label",
    "multi-label": "multi_label",
    "regression": "regression",
}


def contract(kind: str, labels: int | None = None, names: tuple[str, ...] = ()) -> Contract:
    if labels is None:
        labels = 1 if kind == "regression" else 2
    if kind == "token-classification":
        names = names or NAMES
    return Contract(
        task="text-classification" if kind in _PROBLEMS else kind,
        architecture="bert",
        inputs=(TensorSpec("input_ids", "int64", ("batch", "length")),),
        outputs=(TensorSpec("logits", "float32", ("batch", labels)),),
        max_length=48,
        pad_id=0,
        labels=names or tuple(f"name{i}" for i in range(labels)),
        problem_type=_PROBLEMS.get(kind, ""),
    )


def random_answers(kind: str, seed: int, n: int = 80, labels: int = 4) -> Answers:
    """About two thirds right, with ties and empty rows where the kind has them."""
    rng = np.random.default_rng(seed)
    if kind == "single-label":
        truth = rng.integers(0, labels, n)
        return Answers(kind, truth, np.where(rng.random(n) < 0.6, truth,
                                             rng.integers(0, labels, n)))  # fmt: skip
    if kind == "multi-label":
        table = rng.random((n, labels)) < 0.4
        return Answers(kind, table, table ^ (rng.random((n, labels)) < 0.15))
    if kind in ("regression", "sentence-embedding"):
        scores = rng.integers(0, 6, n).astype(np.float64)
        return Answers(kind, scores, scores / 6 + rng.normal(0, 0.3, n).round(1))
    if kind == "token-classification":
        truth = [list(rng.choice(NAMES, rng.integers(1, 9))) for _ in range(n)]
        found = [[t if rng.random() < 0.8 else str(rng.choice(NAMES)) for t in row]
                 for row in truth]  # fmt: skip
        return Answers(kind, [[str(t) for t in row] for row in truth],
                       [[str(t) for t in row] for row in found])  # fmt: skip
    if kind == "language-model":
        tokens = rng.integers(1, 60, n).astype(np.float64)
        nats = tokens * rng.gamma(4, 0.5, n)
        return Answers(kind, [None] * n, Losses(nats, tokens, tokens // 2 + 1, tokens * 4,
                                                Windows(64, 32)))  # fmt: skip
    if kind == "written-text":
        said = ("the", "fox", "Häuser", "ran,", "over", "2.5", "a", "wall", "again.")
        texts = [[str(w) for w in rng.choice(said, rng.integers(3, 15))] for _ in range(n)]
        other = [[w if rng.random() < 0.8 else str(rng.choice(said)) for w in row]
                 for row in texts]  # fmt: skip
        return Answers(kind, [" ".join(row) for row in texts],
                       [" ".join(row) for row in other])  # fmt: skip
    words = ("red", "the fox", "a house", "Blue!", "")
    truth = [tuple(rng.choice(words, rng.integers(0, 3))) for _ in range(n)]
    said = [str(row[0]) if row and rng.random() < 0.6 else str(rng.choice(words)) + " old"
            for row in truth]  # fmt: skip
    return Answers(kind, [tuple(map(str, row)) for row in truth], said)
