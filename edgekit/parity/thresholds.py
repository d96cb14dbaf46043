"""Thresholds: one table, each with where it came from.

A user overrides single values (``edgekit validate --threshold cosine_mean=0.998`` or edgekit.toml),
for all files or those of a recipe. Files may not get worse than they were at export either: see
``moved_limit``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgekit.errors import UsageError

Side = Literal["min", "max"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """One bound of one metric.

    Attributes:
      metric: a key of ``edgekit.parity.metrics.compare`` or of the task's own metrics.
      side: whether the bound is the least or the greatest value allowed.
      value: the bound.
      source: where it came from.
    """

    metric: str
    side: Side
    value: float
    source: str

    def passes(self, value: float) -> bool:
        """Whether a measured value keeps the bound; NaN never does."""
        return value >= self.value if self.side == "min" else value <= self.value


_EXACT = "float32 differs by the order of sums only; 6e-6 was the most seen on 6-layer encoders"
_HALF = "float16 weights, float32 arithmetic; measured on MiniLM: 0.999999 / 0.0007"
_INT8 = "measured on MiniLM: 0.9987-0.9994 at int8; a per-tensor activation scale gave 0.992"
_LOGITS = "measured on MiniLM/SST-2 at int8: rms 0.03-0.05; no clear decision of 872 was lost"

#: widths below 8 bits: least mean and single cosine, greatest share of logits, clear decisions kept
_NARROW = {
    "w7": (0.993, 0.97, 0.15, 0.98),
    "w6": (0.983, 0.92, 0.2, 0.97),
    "w5": (0.955, 0.8, 0.35, 0.95),
    "w4": (0.88, 0.6, 0.55, 0.92),
    "w3": (0.7, 0.3, 0.85, 0.8),
    "w2": (0.3, -0.5, 1.2, 0.5),
}
_NARROW_SOURCE = (
    "MiniLM, clip-searched codes without calibration: cosine 0.813, 0.933, 0.970, 0.989 at 3 to 6 "
    "bits with one scale per row, 0.692 and 0.998 at 2 and 7 bits in groups; that damage and at "
    "least half more, since per row 2 and 7 bits were not measured"
)

#: vectors: sentence embeddings, token features
_VECTORS: dict[str, tuple[Threshold, ...]] = {
    "fp32": (
        Threshold("max_abs_rel", "max", 1e-5, _EXACT),
        Threshold("cosine_min", "min", 0.99999, _EXACT),
    ),
    "fp16": (
        Threshold("cosine_mean", "min", 0.99999, _HALF),
        Threshold("cosine_min", "min", 0.9999, _HALF),
    ),
    "w8": (
        Threshold("cosine_mean", "min", 0.995, _INT8),
        Threshold("cosine_min", "min", 0.97, _INT8),
    ),
    **{
        kind: (
            Threshold("cosine_mean", "min", mean, _NARROW_SOURCE),
            Threshold("cosine_min", "min", least, _NARROW_SOURCE),
        )
        for kind, (mean, least, _, _) in _NARROW.items()
    },
}
#: logits: a label, a span or a word is decided
_DECISIONS: dict[str, tuple[Threshold, ...]] = {
    "fp32": (
        Threshold("max_abs_rel", "max", 1e-5, _EXACT),
        Threshold("top1", "min", 1.0, _EXACT),
    ),
    "fp16": (
        Threshold("rms_rel", "max", 0.005, _HALF),
        Threshold("top1", "min", 0.98, _HALF),
    ),
    "w8": (
        Threshold("rms_rel", "max", 0.12, _LOGITS),
        Threshold("top1_clear", "min", 0.99, _LOGITS),
    ),
    **{
        kind: (
            Threshold("rms_rel", "max", rms, _NARROW_SOURCE),
            Threshold("top1_clear", "min", kept, _NARROW_SOURCE),
        )
        for kind, (_, _, rms, kept) in _NARROW.items()
    },
}
_TOKENS_EXACT = (
    "measured on stories260k and lm-0.6m, alone and cached: 2e-6 of the largest logit, 3e-12 nats, "
    "every best token of 3,800 kept"
)
_TOKENS_SOURCE = (
    "built-in texts, worst of stories260k (264 k parameters) and lm-0.6m, calibrated codes by row "
    "and by group, alone and cached: KL 1e-6 (fp16), 0.0013 (w8), 0.0041 (w8 with int8 "
    "activations), 0.0015, 0.0056, 0.021, 0.074, 0.27, 0.99 (w7 to w2), 0.080 (w4 with int8 "
    "activations), and 2.5 times that or more: small models lose most"
)
#: mean and 99th percentile of KL (nats), rise of the mean loss (nats), rms, clear best tokens kept
_TOKEN_BOUNDS = {
    "fp16": (1e-5, 1e-4, 0.002, 0.005, 0.999),
    "w8": (0.012, 0.1, 0.03, 0.08, 0.99),
    "w7": (0.015, 0.12, 0.03, 0.08, 0.99),
    "w6": (0.025, 0.2, 0.04, 0.1, 0.98),
    "w5": (0.06, 0.5, 0.08, 0.12, 0.97),
    "w4": (0.2, 1.7, 0.15, 0.2, 0.95),
    "w3": (0.7, 5.0, 0.4, 0.35, 0.8),
    "w2": (2.5, 16.0, 1.2, 0.7, 0.3),
}
#: logits of what comes next, a vocabulary wide
_TOKENS: dict[str, tuple[Threshold, ...]] = {
    "fp32": (
        Threshold("max_abs_rel", "max", 1e-5, _TOKENS_EXACT),
        Threshold("kl_mean", "max", 1e-9, _TOKENS_EXACT),
        Threshold("top1_clear", "min", 1.0, _TOKENS_EXACT),
    ),
    **{
        kind: (
            Threshold("kl_mean", "max", mean, _TOKENS_SOURCE),
            Threshold("kl_p99", "max", rare, _TOKENS_SOURCE),
            Threshold("nll_rise", "max", rise, _TOKENS_SOURCE),
            Threshold("rms_rel", "max", rms, _TOKENS_SOURCE),
            Threshold("top1_clear", "min", kept, _TOKENS_SOURCE),
        )
        for kind, (mean, rare, rise, rms, kept) in _TOKEN_BOUNDS.items()
    },
}
#: task -> recipe class -> bounds
_TABLE: dict[str, dict[str, tuple[Threshold, ...]]] = {
    "array-classification": _DECISIONS,
    "array-outputs": _VECTORS,
    "sentence-embedding": _VECTORS,
    "feature-extraction": _VECTORS,
    "text-classification": _DECISIONS,
    "image-classification": _DECISIONS,
    "token-classification": _DECISIONS,
    "question-answering": _DECISIONS,
    "fill-mask": _DECISIONS,
    "text-generation": _TOKENS,
    "text2text-generation": _TOKENS,
}

#: a row alone and in a padded batch: the share of the largest value by which they may differ
BATCH_LIMIT = Threshold(
    "batch_drift", "max", 1e-5, "one activation scale per token: results do not depend on the batch"
)

#: a text alone and through the cache, in pieces, with padding in front
CACHE_LIMIT = Threshold(
    "cache_drift", "max", 1e-5, "the same sums in another order; 2e-6 was the most seen"
)

#: how much farther from the source a file may be than it was at export (another CPU family flips
#: single roundings, which scatters; saturation or a defect moves the mean)
MOVED_FACTOR, MOVED_COSINE, MOVED_RMS, MOVED_KL = 1.5, 2e-4, 5e-3, 5e-4


def thresholds_for(
    task: str, kind: str, overrides: Mapping[str, float] | None = None
) -> tuple[Threshold, ...]:
    """The bounds of a task and recipe class, with the user's values in place.

    Raises:
      UsageError: an override names a metric that this task and class are not judged by.
    """
    rows = _TABLE[task].get(kind) or _TABLE[task]["w8"]
    unknown = set(overrides or {}) - {t.metric for t in rows}
    if unknown:
        raise UsageError(
            f"'{sorted(unknown)[0]}' is no threshold of {task} at {kind}.",
            f"known: {', '.join(t.metric for t in rows)}.",
        )
    return tuple(
        Threshold(t.metric, t.side, overrides[t.metric], "given by the user")
        if overrides and t.metric in overrides
        else t
        for t in rows
    )


def moved_limit(task: str, at_export: Mapping[str, float]) -> Threshold:
    """The bound that keeps a file as close to its source as it was at export."""
    source = "as close to the source as at export, plus rounding flips of other CPUs"
    if _TABLE[task] is _VECTORS:
        apart = MOVED_FACTOR * (1 - at_export["cosine_mean"]) + MOVED_COSINE
        return Threshold("cosine_mean", "min", 1 - apart, source)
    if _TABLE[task] is _TOKENS:
        return Threshold("kl_mean", "max", MOVED_FACTOR * at_export["kl_mean"] + MOVED_KL, source)
    return Threshold("rms_rel", "max", MOVED_FACTOR * at_export["rms_rel"] + MOVED_RMS, source)


def check_metric_names(thresholds: Mapping[str, float], known: Mapping[str, set[str]]) -> None:
    """Every bound must be one of some file.

    Args:
      thresholds: "metric" or "recipe.metric" -> bound.
      known: recipe, or class of recipes -> the metrics that it is judged by.
    Raises:
      UsageError: a metric or recipe that no file has.
    """
    metrics = set().union(*known.values())
    for key in sorted(thresholds):
        recipe, _, metric = key.rpartition(".")
        if metric not in (known.get(recipe, set()) if recipe else metrics):
            if recipe and recipe not in known:
                raise UsageError(
                    f"'{recipe}' is no recipe of these files.", f"known: {', '.join(known)}."
                )
            raise UsageError(
                f"'{metric}' is no threshold of these files.",
                f"known: {', '.join(sorted(metrics))}.",
            )


def bounds_of(thresholds: Mapping[str, float], recipe: str, kind: str) -> dict[str, float]:
    """The bounds of one file by metric: its recipe's, else its class's, else those of all files."""
    found: dict[str, float] = {}
    for owner in ("", kind, recipe):  # later ones are closer
        for key, value in thresholds.items():
            of, _, metric = key.rpartition(".")
            if of == owner:
                found[metric] = value
    return found
