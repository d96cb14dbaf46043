"""Bootstrap intervals: they cover, they repeat, and a model does not differ from itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgekit.evaluate import resample
from edgekit.evaluate.counts import mean
from edgekit.evaluate.metrics import KINDS, library_value, weighted
from edgekit.evaluate.resample import draws, estimate, resampled
from edgekit.evaluate.run import SOURCE, compare_models
from tests.evaluate.made import random_answers


def test_resamples_draw_n_rows_each_and_repeat() -> None:
    first, again = (np.concatenate(list(draws(50))) for _ in range(2))
    assert first.shape == (1000, 50)
    assert (first.sum(axis=1) == 50).all()
    assert np.array_equal(first, again)
    assert len(np.unique(first, axis=0)) == 1000


def test_the_size_of_the_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(draws(33)))
    monkeypatch.setattr(resample, "_CHUNK", 33 * 7)
    assert len(list(draws(33))) > 100
    assert np.array_equal(np.concatenate(list(draws(33))), whole)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        right = (rng.random(120) < 0.8).astype(float)
        found = estimate(right.mean(), resampled(120, {"a": mean(right)})["a"])
        covered += found.low <= 0.8 <= found.high
    # 95 % of 200 is 190; a binomial of that lies in here nearly always
    assert 180 <= covered <= 199


def test_the_interval_is_that_of_the_librarys_value_on_resampled_rows() -> None:
    answers = random_answers("token-classification", 8, n=40)
    rng = np.random.default_rng(resample.BOOTSTRAP_SEED)
    values = []
    for picks in rng.integers(0, 40, (1000, 40)):
        truth = [answers.truth[i] for i in picks]
        found = [answers.predicted[i] for i in picks]
        again = type(answers)(answers.kind, truth, found)
        values.append(library_value("entity-f1", again))
    low, high = np.quantile(values, [0.025, 0.975])
    function = weighted("entity-f1", answers)
    got = estimate(0.5, resampled(40, {"x": function})["x"])
    assert got.low == pytest.approx(low, abs=1e-12)
    assert got.high == pytest.approx(high, abs=1e-12)


def test_values_that_are_not_defined_are_left_out() -> None:
    found = estimate(0.5, np.array([0.4, np.nan, 0.6]))
    assert 0.4 <= found.low < found.high <= 0.6
    assert math.isnan(estimate(math.nan, np.array([0.5])).low)
    assert math.isnan(estimate(0.5, np.array([np.nan])).high)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_does_not_differ_from_itself_at_all(kind: str) -> None:
    answers = random_answers(kind, 4, labels=2)
    metrics = KINDS[kind] if kind != "multi-label" else KINDS[kind][:2]
    scores = compare_models(metrics, {SOURCE: answers, "file": answers}, 80)
    for model in scores:
        for difference in model.differences.values():
            assert (difference.value, difference.low, difference.high) == (0, 0, 0)
        assert all(v.low < v.value < v.high for v in model.values.values())


def test_differences_are_paired() -> None:
    """Two models of the same rows right but three: the interval is far narrower than theirs."""
    source = random_answers("single-label", 6, n=300)
    changed = source.predicted.copy()
    right = np.flatnonzero(source.predicted == source.truth)[:3]
    changed[right] = (source.truth[right] + 1) % 4
    other = type(source)(source.kind, source.truth, changed)
    _, file = compare_models(("accuracy",), {SOURCE: source, "file": other}, 300)
    value, difference = file.values["accuracy"], file.differences["accuracy"]
    assert difference.value == pytest.approx(-0.01)
    assert difference.low < -0.01 < difference.high <= 0
    assert difference.high - difference.low < (value.high - value.low) / 3
    assert file.same == pytest.approx(0.99)


def test_without_a_source_nothing_is_compared() -> None:
    answers = random_answers("single-label", 1)
    [alone] = compare_models(("accuracy",), {SOURCE: answers}, 80)
    assert not alone.differences
    assert alone.same is None
    both = compare_models(("accuracy",), {"a": answers, "b": answers}, 80)
    assert not any(model.differences for model in both)


def test_texts_agree_until_the_first_other_token() -> None:
    said = random_answers("written-text", 2, n=3)
    ids = ((1, 2, 3), (4,), (5, 6))
    source = type(said)(said.kind, said.truth, said.predicted, tokens=ids)
    file = type(said)(said.kind, said.truth, said.predicted, tokens=((1, 2, 9), (4, 7), (0, 6)))
    first, other = compare_models(("chrf",), {SOURCE: source, "file": file}, 3)
    assert first.agreement == pytest.approx((3 + 1 + 2) / 3)
    assert other.agreement == pytest.approx((2 + 1 + 0) / 3)
