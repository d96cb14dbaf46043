"""Statistics on numbers that are made here: no clock is read."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.bench.stats import (
    FASTER,
    LAYOUT,
    NO_DIFFERENCE,
    SLOWER,
    TOO_NOISY,
    is_noisy,
    judge,
    paired_ratio,
    summary,
)
from edgekit.errors import InternalError


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.99, 1.02, NO_DIFFERENCE),
        (0.90, 1.10, TOO_NOISY),
        (1.01, 1.02, SLOWER),
        (1.05, 1.60, SLOWER),  # wide, but on one side
        (0.80, 0.99, FASTER),
        (1.0, 1.05, NO_DIFFERENCE),
    ],
)
def test_verdicts(low: float, high: float, verdict: str) -> None:
    assert judge(low, high) == verdict


@pytest.mark.parametrize("processes", [3, 5, 8, 20])
@pytest.mark.parametrize("spread", [0.02, 0.1])
def test_the_interval_holds_the_truth_as_often_as_it_says(processes: int, spread: float) -> None:
    rng = np.random.default_rng(3)
    truth = np.log(1.07)
    hits = 0
    for _ in range(300):
        found = paired_ratio(rng.normal(truth, spread, processes).tolist())
        hits += found.low <= 1.07 <= found.high
    assert hits >= 0.92 * 300  # 95 % asked for; the plain percentile bootstrap gives 76 % with 3


def test_outliers_of_single_processes_widen_the_interval() -> None:
    calm = paired_ratio([0.001, -0.002, 0.0, 0.002, -0.001, 0.0, 0.001, -0.001])
    shaken = paired_ratio([0.001, -0.002, 0.0, 0.35, -0.001, 0.0, 0.001, -0.001])
    assert calm.verdict == NO_DIFFERENCE
    assert shaken.low < 1 < shaken.high
    assert shaken.verdict == TOO_NOISY


def test_20_percent_is_told_and_the_layout_keeps_half_a_percent_silent() -> None:
    slower = paired_ratio(np.log([1.19, 1.22, 1.20, 1.18, 1.21, 1.20]).tolist())
    assert slower.verdict == SLOWER
    assert slower.estimate == pytest.approx(1.2, abs=0.005)
    same = paired_ratio([0.005] * 8)  # no spread at all: still not believed to half a percent
    assert same.verdict == NO_DIFFERENCE
    assert np.log(same.high / same.low) == pytest.approx(2 * LAYOUT)


def test_the_same_numbers_give_the_same_interval() -> None:
    logs = [0.01, 0.02, -0.01, 0.04]
    assert paired_ratio(logs) == paired_ratio(logs)


@pytest.mark.parametrize("logs", [[], [0.1], [0.1, float("nan")]])
def test_too_little_for_an_interval(logs: list[float]) -> None:
    with pytest.raises(InternalError):
        paired_ratio(logs)


@pytest.mark.parametrize(
    ("before", "after", "noisy"),
    [
        ((0.0201, 0.02), (0.0202, 0.0201), False),
        ((0.03, 0.02), (0.0202, 0.0201), True),  # somebody had the core before
        ((0.0201, 0.02), (0.03, 0.02), True),  # and after
        ((0.02, 0.02), (0.0212, 0.0212), True),  # the clock moved by 6 %
        ((0.02, 0.0), (0.02, 0.02), True),  # a clock that stands still proves nothing
    ],
)
def test_the_quietness_gate(
    before: tuple[float, float], after: tuple[float, float], noisy: bool
) -> None:
    assert is_noisy(before, after) is noisy


def test_a_summary_is_in_milliseconds() -> None:
    calls = np.arange(1, 101) / 1e3
    found = summary(calls.tolist(), (calls / 2).tolist())
    assert found["p50"] == pytest.approx(50.5)
    assert found["p90"] == pytest.approx(90.1)
    assert found["p99"] == pytest.approx(99.01)
    assert found["cpu_p50"] == pytest.approx(25.25)
    assert found["cpu_min"] == pytest.approx(0.5)
