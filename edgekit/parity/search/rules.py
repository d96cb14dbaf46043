"""What counts as wrong: each rule looks at the errors of a trial and gives findings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from edgekit.parity.search.inputs import Probe, Space
from edgekit.parity.search.outliers import LEAST_FACTOR, LEAST_Z, centre, outliers, ranges, scores
from edgekit.parity.search.result import Finding, Worst
from edgekit.parity.search.shrink import shrink
from edgekit.parity.search.texts import example_for
from edgekit.parity.search.trial import Trial, Tried

#: tokens that a message names; all are in the finding
MOST_NAMED = 5


def worst_of(trial: Trial, space: Space, tried: Tried, keep: Sequence[int] = ()) -> Worst:
    """A tried input with its error in words and its text."""
    probe = tried.probe
    example, exact = example_for(
        probe.row, space.frame, space.contract, space.tokenizer, probe.example, keep
    )
    return Worst(
        probe.kind, probe.note, tried.error, trial.yard.shown(tried.error),
        tuple(int(i) for i in probe.row["input_ids"]), example.text, exact, example.text_pair,
    )  # fmt: skip


def simplest(
    trial: Trial, space: Space, tried: Tried, limit: float, keep: Sequence[int] = ()
) -> Worst:
    """The shortest input found from a bad one that is still as bad as ``limit``."""
    row, error = tried.probe.row, tried.error
    if np.isfinite(error) and tried.width >= 0:
        row, error = shrink(trial, space.frame, row, error, limit, tried.width)
    probe = tried.probe
    if len(row["input_ids"]) < probe.length:
        probe = Probe(probe.kind, f"{len(row['input_ids'])} tokens, from: {probe.note}", row)
    return worst_of(trial, space, Tried(probe, tried.width, error), keep)


def crashes(trial: Trial, space: Space) -> list[Finding]:
    """Inputs on which the runtime died."""
    if not trial.crashes:
        return []
    probe, reason = min(trial.crashes, key=lambda c: c[0].length)
    example = worst_of(trial, space, Tried(probe, 0, float("inf")))
    message = f"{reason.rstrip('.')} on {len(trial.crashes)} inputs, first on {probe.note}"
    return [Finding("crash", message, example)]


def beyond_bound(trial: Trial, space: Space) -> list[Finding]:
    """Inputs farther from the source than the file's own worst case may be."""
    crashed = {id(probe) for probe, _ in trial.crashes}
    bad = [t for t in trial.tried if t.error > trial.yard.bound and id(t.probe) not in crashed]
    if not bad:
        return []
    worst = max(bad, key=lambda t: t.error)
    # an input that stays as bad as the bound allows no file to be
    limit = float(np.nextafter(trial.yard.bound, np.inf))
    example = simplest(trial, space, worst, limit)
    message = (
        f"{len(bad)} of {len(trial.tried)} inputs break {trial.yard.source}: "
        f"{trial.yard.shown(worst.error)} on {worst.probe.note}"
    )
    return [Finding("worst-case", message, example)]


def bad_lengths(trial: Trial, space: Space, step: int) -> list[Finding]:
    """Ranges of lengths at which the file is worse than at the others."""
    by_length = _by_length(trial)
    if len(by_length) < 8:
        return []
    numbers = sorted(by_length)
    medians = np.array([np.median([t.error for t in by_length[n]]) for n in numbers])
    flagged = outliers(medians, trial.yard.floor)
    middle, _ = centre(medians, trial.yard.floor)
    findings = []
    for first, last in ranges([n for n, bad in zip(numbers, flagged, strict=True) if bad], step):
        inside = [n for n in numbers if first <= n <= last]
        level = float(np.median([medians[numbers.index(n)] for n in inside]))
        limit = _limit(medians[~flagged], trial.yard.floor)
        shown = max(by_length[first], key=lambda t: t.error)
        span = f"{first} tokens" if first == last else f"{first} to {last} tokens"
        message = (
            f"wrong at {span}: {trial.yard.shown(level)}, "
            f"{level / np.exp(middle):.0f} times the error at other lengths"
        )
        example = simplest(trial, space, shown, limit)
        findings.append(Finding("lengths", message, example, (first, last)))
    return findings or _bad_buckets(trial, space, numbers, medians)


def _bad_buckets(
    trial: Trial, space: Space, numbers: list[int], medians: np.ndarray
) -> list[Finding]:
    """A whole bucket that is worse than another, too many lengths to be outliers."""
    edges = (0, *space.contract.buckets)
    floor = trial.yard.floor
    groups = {}
    for low, high in itertools.pairwise(edges):
        inside = [m for n, m in zip(numbers, medians, strict=True) if low < n <= high]
        if len(inside) >= 3:
            groups[low + 1, high] = max(floor, float(np.median(inside)))
    findings = []
    for (first, last), level in groups.items():
        factor = level / min(groups.values())
        # a bucket's text is longer than another's, which costs up to 2.5 times the error
        if factor >= 2 * LEAST_FACTOR:
            message = (
                f"the bucket of {last} tokens is off: {trial.yard.shown(level)}, "
                f"{factor:.0f} times the error of the best bucket"
            )
            members = [t for n in numbers if first <= n <= last for t in _by_length(trial)[n]]
            example = worst_of(trial, space, max(members, key=lambda t: t.error))
            findings.append(Finding("lengths", message, example, (first, last)))
    return findings


def bad_padding(trial: Trial, space: Space) -> list[Finding]:
    """Inputs that are worse padded, or in a batch, than inputs of their kind alone."""
    alone = np.array([t.error for t in trial.tried if t.probe.kind == "length" and not _padded(t)])
    padded = [t for t in trial.tried if _padded(t)]
    if len(alone) < 8 or not padded:
        return []
    errors = np.array([t.error for t in padded])
    floor = trial.yard.floor
    by_row: Mapping[bytes, float] = {
        t.probe.row["input_ids"].tobytes(): t.error for t in trial.tried if not _padded(t)
    }
    before = np.array([by_row.get(t.probe.row["input_ids"].tobytes(), np.nan) for t in padded])
    # what is off alone already is no matter of padding
    worse = errors >= LEAST_FACTOR * np.maximum(np.nan_to_num(before, nan=floor), floor)
    bad = np.flatnonzero(outliers(errors, floor, alone) & worse)
    if not bad.size:
        return []
    worst = padded[int(bad[np.argmax(errors[bad])])]
    _, factor = scores(np.array([worst.error]), floor, alone)
    message = (
        f"{bad.size} of {len(padded)} padded inputs are off: {trial.yard.shown(worst.error)} on "
        f"{worst.probe.note} {_how(worst.width)}, {factor[0]:.0f} times the error unpadded"
    )
    example = simplest(trial, space, worst, _limit(alone, floor))
    return [Finding("padding", message, example)]


def bad_tokens(trial: Trial, space: Space, singles: Sequence[Tried]) -> list[Finding]:
    """Tokens whose error alone stands out of all tokens'.

    Args:
      singles: inputs of one token, those under suspicion and others; kind "token".
    """
    errors = np.array([t.error for t in singles])
    if len(errors) < 16:
        return []
    floor = trial.yard.floor
    flagged = np.flatnonzero(outliers(errors, floor))
    if not flagged.size:
        return []
    _, factors = scores(errors, floor)
    order = sorted(flagged.tolist(), key=lambda i: -errors[i])
    tokens = [int(space.frame.tokens(singles[i].probe.row)[0]) for i in order]
    named = [
        f"{token} {space.tokenizer.token(token)!r} ({trial.yard.shown(float(errors[i]))}, "
        f"{factors[i]:.0f} times the median of single tokens)"
        for i, token in zip(order[:MOST_NAMED], tokens, strict=False)
    ]
    more = f" and {len(tokens) - len(named)} more" if len(tokens) > len(named) else ""
    word = "token" if len(tokens) == 1 else "tokens"
    example = worst_of(trial, space, singles[order[0]], tokens[:1])
    message = f"wrong {word}: {'; '.join(named)}{more}"
    return [Finding("tokens", message, example, None, tuple(tokens))]


def _by_length(trial: Trial) -> dict[int, list[Tried]]:
    """Unpadded inputs of kind "length", by their tokens."""
    found: dict[int, list[Tried]] = {}
    for tried in trial.tried:
        if tried.probe.kind == "length" and not _padded(tried):
            found.setdefault(tried.probe.length, []).append(tried)
    return found


def _padded(tried: Tried) -> bool:
    return tried.width < 0 or tried.width > 1


def _how(width: int) -> str:
    return "in a batch of mixed lengths" if width < 0 else f"padded to {width}"


def _limit(errors: np.ndarray, floor: float) -> float:
    """The least error that is an outlier among these."""
    middle, spread = centre(errors, floor)
    return float(np.exp(middle + max(LEAST_Z * spread, np.log(LEAST_FACTOR))))
