"""What a report says to a person who was not there: verdicts and metrics in plain words."""

from __future__ import annotations

from edgekit.parity.validate import Validation

_METRICS = {
    "cosine_mean": "how alike the directions are on average; 1 is the same",
    "cosine_min": "the least alike case; 1 is the same",
    "cosine_p5": "19 of 20 cases are more alike",
    "max_abs_rel": "largest single error, against the largest value",
    "rms_rel": "size of all errors together, against the size of the values",
    "top1": "share of decisions that are the source's",
    "top1_clear": "share of the source's clear decisions that are kept",
    "batch_drift": "difference between a case alone and in a padded batch",
    "cache_drift": "difference between a text run whole and piece by piece through the cache",
    "kl_mean": "how far the next token's probabilities are from the source's on average, in nats",
    "kl_p99": "99 of 100 places are nearer to the source's probabilities",
    "nll_rise": "how much more the real next token surprises the file, in nats per token",
    "ppl_ratio": "perplexity of the file over the source's on the same tokens",
    "span_exact": "share of answers that are the source's",
}


def metric_words(metric: str) -> str:
    """What a metric is, in a line; empty for one that has no words yet."""
    return _METRICS.get(metric, "")


def verdict_sentence(result: Validation) -> str:
    """The outcome of a validation in one or two sentences."""
    count = len(result.files)
    files = "the file does" if count == 1 else f"all {count} files do"
    if result.passed:
        return (
            f"Passed: {files} what the source model does, within the bounds of each recipe. Bytes, "
            "graph, weights and outputs were checked in this run."
        )
    failed = [verdict.entry.path for verdict in result.files if not verdict.passed]
    if not failed:
        return (
            "Failed: what the folder itself holds does not fit together; its files' outputs are "
            "within their bounds."
        )
    which = failed[0] if len(failed) == 1 else f"{len(failed)} of {count} files"
    verb = "is" if len(failed) == 1 else "are"
    return f"Failed: {which} {verb} not proven to be the source model. Do not ship it as it is."
