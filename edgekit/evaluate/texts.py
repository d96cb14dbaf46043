"""Metrics of written text: BLEU and chrF (sacrebleu), ROUGE (rouge-score), exact match.

All are shares from 0 to 1. BLEU is sacrebleu's with its default tokenizer (13a) and smoothing
(exp), chrF its chrF2; both are of the corpus, not means over rows. ROUGE is the mean F1 of rows,
without stemming; its tokenizer knows Latin letters and digits alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from edgekit.evaluate import counts
from edgekit.evaluate.resample import Doubles, Weighted

#: metric -> module and package behind it; none for what needs no library
LIBRARIES: dict[str, tuple[str, str] | None] = {
    "bleu": ("sacrebleu", "sacrebleu"),
    "chrf": ("sacrebleu", "sacrebleu"),
    "rouge-1": ("rouge_score", "rouge-score"),
    "rouge-2": ("rouge_score", "rouge-score"),
    "rouge-l": ("rouge_score", "rouge-score"),
    "exact-match": None,
}
_CHRF_ORDER, _CHRF_BETA = 6, 2
_BLEU_ORDER = 4


def value(name: str, truth: Sequence[str], predicted: Sequence[str]) -> float:
    """A metric by the library that defines it.

    Args:
      name: a key of ``LIBRARIES``.
      truth, predicted: one text per row.
    """
    if name == "bleu":
        return float(_bleu().corpus_score(list(predicted), [list(truth)]).score) / 100
    if name == "chrf":
        from sacrebleu.metrics.chrf import CHRF

        return float(CHRF().corpus_score(list(predicted), [list(truth)]).score) / 100
    return float(np.mean(row_scores(name, truth, predicted)))


def weighted(name: str, truth: Sequence[str], predicted: Sequence[str]) -> Weighted:
    """The same metric as a function of how often each row counts."""
    if name == "bleu":
        return _weighted_bleu(truth, predicted)
    if name == "chrf":
        return _weighted_chrf(truth, predicted)
    return counts.mean(row_scores(name, truth, predicted))


def row_scores(name: str, truth: Sequence[str], predicted: Sequence[str]) -> list[float]:
    """ROUGE or exact match of each row; white space at the ends of a text says nothing."""
    pairs = list(zip(truth, predicted, strict=True))
    if name == "exact-match":
        return [float(a.strip() == b.strip()) for a, b in pairs]
    key = {"rouge-1": "rouge1", "rouge-2": "rouge2", "rouge-l": "rougeL"}[name]
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer([key])
    return [float(scorer.score(a, b)[key].fmeasure) for a, b in pairs]


def _bleu(effective_order: bool = False) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(effective_order=effective_order)


def _weighted_bleu(truth: Sequence[str], predicted: Sequence[str]) -> Weighted:
    """BLEU is a function of sums over rows: matches and totals by order, and both lengths."""
    metric = _bleu(effective_order=True)
    rows = []
    for a, b in zip(truth, predicted, strict=True):
        found = metric.sentence_score(b, [a])
        rows.append([*found.counts, *found.totals, found.sys_len, found.ref_len])
    table = np.array(rows, np.float64)

    @cache
    def score(sums: tuple[int, ...]) -> float:
        of_sums = _bleu().compute_bleu(
            list(sums[:_BLEU_ORDER]),
            list(sums[_BLEU_ORDER : 2 * _BLEU_ORDER]),
            sums[-2],
            sums[-1],
            smooth_method="exp",
        )
        return float(of_sums.score) / 100

    def of_counts(weights: Doubles) -> Doubles:
        sums = np.rint(weights @ table).astype(int)
        return np.array([score(tuple(row.tolist())) for row in sums])

    return of_counts


def _weighted_chrf(truth: Sequence[str], predicted: Sequence[str]) -> Weighted:
    """chrF: precision and recall of character n-grams, averaged over orders, then F."""
    table = np.array(
        [_ngram_counts(a, b) for a, b in zip(truth, predicted, strict=True)], np.float64
    )

    def of_counts(weights: Doubles) -> Doubles:
        hits, said, real = np.split(weights @ table, 3, axis=1)
        both = (said > 0) & (real > 0)
        orders = np.maximum(both.sum(axis=1), 1)
        precision, recall = (
            np.divide(hits, n, out=np.zeros_like(hits), where=both).sum(axis=1) / orders
            for n in (said, real)
        )
        weight = _CHRF_BETA**2
        below = weight * precision + recall
        above = (1 + weight) * precision * recall
        found: Doubles = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
        return found

    return of_counts


def _ngram_counts(truth: str, predicted: str) -> list[int]:
    """Matches, then n-grams of the prediction, then of the truth, each by order."""
    sides = ["".join(text.split()) for text in (truth, predicted)]
    found: list[list[int]] = [[], [], []]
    for order in range(1, _CHRF_ORDER + 1):
        real, said = (
            Counter(text[i : i + order] for i in range(len(text) - order + 1)) for text in sides
        )
        for row, number in zip(
            found, ((real & said).total(), said.total(), real.total()), strict=True
        ):
            row.append(number)
    return [number for row in found for number in row]
