"""Metrics as functions of how often each row counts: what bootstrap intervals are made with.

Each equals the library's value on rows repeated that often (tests/evaluate/test_metrics.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.evaluate.resample import Doubles, Weighted


def mean(values: npt.ArrayLike) -> Weighted:
    """Weighted mean of one value per row, float64 [n]."""
    column = np.asarray(values, np.float64)
    return lambda counts: counts @ column / counts.sum(axis=1)


def share(right: npt.ArrayLike, total: npt.ArrayLike) -> Weighted:
    """Share of right words over all rows; both float64 [n]."""
    table = np.stack([np.asarray(right, np.float64), np.asarray(total, np.float64)], axis=1)

    def value(counts: Doubles) -> Doubles:
        sums = counts @ table
        return _ratio(sums[:, 0], sums[:, 1])

    return value


def of_classes(
    score: str, average: str, truth: npt.ArrayLike, predicted: npt.ArrayLike, positive: int = 0
) -> Weighted:
    """Precision, recall or F1 over classes.

    Args:
      score: "precision", "recall" or "f1".
      average: "micro", "macro", or "binary" for the positive class alone.
      truth, predicted: int [n] class indices, or bool [n, classes] for several labels a row.
      positive: index of the positive class.
    """
    from scipy.sparse import csr_array

    actual, found = _indicators(truth, predicted, positive)
    # macro leaves out classes that neither side has, as scikit-learn does for single labels
    all_count = np.ndim(truth) == 2
    # hits, found and actual side by side, sparse: rows name one class of possibly hundreds
    table = csr_array(np.hstack([actual & found, found, actual])).astype(np.float64)

    def value(counts: Doubles) -> Doubles:
        scores: Doubles
        hits, marked, real = np.split(np.asarray(counts @ table), 3, axis=1)
        if average == "binary":
            hits, marked, real = (a[:, [positive]] for a in (hits, marked, real))
        if average == "micro":
            hits, marked, real = (a.sum(axis=1, keepdims=True) for a in (hits, marked, real))
        scores = _score(score, hits, marked, real)
        if average != "macro" or all_count:
            return np.asarray(scores.mean(axis=1))
        return _ratio(scores.sum(axis=1), ((marked + real) > 0).sum(axis=1))

    return value


def of_entities(
    score: str, truth: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> Weighted:
    """Precision, recall or F1 of whole entities over all types (seqeval's micro average)."""
    from seqeval.metrics.sequence_labeling import get_entities

    def entities(tags: Sequence[str]) -> set[Any]:
        return set(get_entities(list(tags)))

    rows = [(entities(a), entities(b)) for a, b in zip(truth, predicted, strict=True)]
    table = np.array([(len(a & b), len(b), len(a)) for a, b in rows], np.float64)
    return lambda counts: _score(score, *(counts @ table).T)


def pearson(x: npt.ArrayLike, y: npt.ArrayLike) -> Weighted:
    """Weighted Pearson correlation of two float64 [n]."""
    # centred once, so that squares lose no digits
    a, b = (np.asarray(v, np.float64)[None] for v in (x, y))
    return lambda counts: _correlation(counts, a - a.mean(), b - b.mean())


def spearman(x: npt.ArrayLike, y: npt.ArrayLike) -> Weighted:
    """Pearson correlation of ranks; ranks are made anew in each resample, ties share one."""
    sides = [np.unique(np.asarray(v, np.float64), return_inverse=True)[1] for v in (x, y)]
    orders = [np.argsort(side, kind="stable") for side in sides]
    starts = [
        np.searchsorted(side[o], np.arange(side.max() + 1))
        for side, o in zip(sides, orders, strict=True)
    ]

    def value(counts: Doubles) -> Doubles:
        n = counts.sum(axis=1, keepdims=True)
        ranks = []
        for side, order, start in zip(sides, orders, starts, strict=True):
            # of each distinct value: how many draws are smaller, plus half of its own
            ties = np.add.reduceat(counts[:, order], start, axis=1)
            middle = np.cumsum(ties, axis=1) - ties / 2
            ranks.append((middle - n / 2)[:, side])
        return _correlation(counts, *ranks)

    return value


def _correlation(counts: Doubles, a: Doubles, b: Doubles) -> Doubles:
    n = counts.sum(axis=1)

    def average(values: Doubles) -> Doubles:
        found: Doubles = (counts * values).sum(axis=1) / n
        return found

    mean_a, mean_b = average(a), average(b)
    square_a, square_b = average(a * a), average(b * b)
    spread_a, spread_b = square_a - mean_a**2, square_b - mean_b**2
    # rounding leaves a little of a spread that is zero
    equal = (spread_a <= 1e-12 * square_a) | (spread_b <= 1e-12 * square_b)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (average(a * b) - mean_a * mean_b) / np.sqrt(spread_a * spread_b)
    return np.where(equal, np.nan, np.clip(found, -1.0, 1.0))


def _indicators(
    truth: npt.ArrayLike, predicted: npt.ArrayLike, positive: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    actual, found = np.asarray(truth), np.asarray(predicted)
    if actual.ndim == 2:
        return actual.astype(bool), found.astype(bool)
    classes = np.arange(max(actual.max(), found.max(), positive) + 1)
    return actual[:, None] == classes, found[:, None] == classes


def _score(score: str, hits: Doubles, found: Doubles, actual: Doubles) -> Doubles:
    if score == "precision":
        return _ratio(hits, found)
    if score == "recall":
        return _ratio(hits, actual)
    return _ratio(2 * hits, found + actual)


def _ratio(above: Doubles, below: Doubles) -> Doubles:
    """A share; 0 where there is nothing to have a share of, as scikit-learn's zero_division=0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
