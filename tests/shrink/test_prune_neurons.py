"""The closed forms of pruning against what they claim to solve, on small arrays."""

from __future__ import annotations

import numpy as np
import pytest
from edgekit.converters.quantize.method import LayerStats
from edgekit.converters.quantize.moments import Moment
from edgekit.converters.shrink.neurons import Normal, greedy, refitted_bias
from edgekit.converters.shrink.width import check_share, kept_width

from edgekit.errors import UsageError

TOKENS, OUT, WIDTH = 600, 5, 12


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.fixture
def h(random: np.random.Generator) -> np.ndarray:
    """Correlated activations with a mean, float32 [TOKENS, WIDTH]."""
    mixed = random.normal(size=(TOKENS, WIDTH)) @ random.normal(size=(WIDTH, WIDTH))
    return (mixed + random.normal(size=WIDTH)).astype(np.float32)


@pytest.fixture
def weight(random: np.random.Generator) -> np.ndarray:
    return random.normal(size=(OUT, WIDTH)).astype(np.float32)


@pytest.fixture
def bias(random: np.random.Generator) -> np.ndarray:
    return random.normal(size=OUT).astype(np.float32)


def stats_of(h: np.ndarray, missing: np.ndarray | None = None) -> LayerStats:
    """Statistics as calibration has them; ``missing`` is what the layer should give more."""
    mean = h.mean(axis=0)
    centred = h - mean
    moment = Moment(centred.T @ centred / len(h), mean)
    if missing is None:
        return LayerStats(moment, tokens=len(h))
    gap = (missing - missing.mean(axis=0)).T @ centred / len(h)
    return LayerStats(moment, gap, missing.mean(axis=0), tokens=len(h))


def test_a_refit_is_least_squares_with_a_bias(h, weight, bias) -> None:
    stats, kept = stats_of(h), np.array([0, 2, 3, 7, 11])
    columns = Normal.of(weight, bias, stats, 0.0, 1e-9).refit(kept)
    fitted = refitted_bias(bias, weight, columns, kept, stats, 0.0)
    design = np.hstack([h[:, kept], np.ones((TOKENS, 1))])
    best = np.linalg.lstsq(design, h @ weight.T + bias, rcond=None)[0]
    np.testing.assert_allclose(columns, best[:-1].T, atol=2e-4)
    np.testing.assert_allclose(fitted, best[-1], atol=2e-3)


def test_without_a_bias_the_mean_is_fitted_too(h, weight) -> None:
    kept = np.array([1, 2, 5, 8])
    columns = Normal.of(weight, None, stats_of(h), 0.0, 1e-9).refit(kept)
    best = np.linalg.lstsq(h[:, kept], h @ weight.T, rcond=None)[0]
    np.testing.assert_allclose(columns, best.T, atol=2e-4)


@pytest.mark.parametrize("with_bias", [True, False])
def test_a_shift_makes_up_for_what_the_model_is_off_by(
    h, weight, bias, random, with_bias: bool
) -> None:
    missing = (h[:, :3] @ random.normal(size=(3, OUT)) + 0.7).astype(np.float32)
    given, kept = bias if with_bias else None, np.array([0, 1, 2, 6, 9])
    stats = stats_of(h, missing)
    columns = Normal.of(weight, given, stats, 1.0, 1e-9).refit(kept)
    design = np.hstack([h[:, kept], np.ones((TOKENS, 1))]) if with_bias else h[:, kept]
    wanted = h @ weight.T + missing + (bias if with_bias else 0)
    best = np.linalg.lstsq(design, wanted, rcond=None)[0]
    np.testing.assert_allclose(columns, best[: len(kept)].T, atol=3e-4)
    if with_bias:
        fitted = refitted_bias(bias, weight, columns, kept, stats, 1.0)
        np.testing.assert_allclose(fitted, best[-1], atol=3e-3)


def error(problem: Normal, kept: np.ndarray) -> float:
    """What a choice costs after its refit, in the problem's own measure."""
    off = problem.aim.copy()
    off[:, kept] -= problem.refit(kept)
    return float(np.einsum("oi,ij,oj->", off, problem.gram, off))


def test_the_first_neuron_to_go_is_the_cheapest_of_all(h, weight, bias) -> None:
    problem = Normal.of(weight, bias, stats_of(h), 0.0)
    found = greedy(problem, WIDTH - 1)
    costs = [error(problem, np.delete(np.arange(WIDTH), j)) for j in range(WIDTH)]
    assert error(problem, found) == pytest.approx(min(costs))


def test_neurons_that_repeat_others_go_and_nothing_is_lost(h, weight, bias) -> None:
    twice = np.hstack([h, h[:, ::-1]])
    both = np.hstack([weight, weight])
    problem = Normal.of(both, bias, stats_of(twice), 0.0, 1e-6)
    kept = greedy(problem, WIDTH)
    assert sorted(np.where(kept < WIDTH, kept, 2 * WIDTH - 1 - kept)) == list(range(WIDTH))
    whole = Normal.of(both, bias, stats_of(twice), 0.0, 1e-6)
    assert error(whole, kept) < 1e-4 * np.einsum("oi,ij,oj->", both, whole.gram, both)


def test_greedy_is_better_than_most_choices(h, weight, bias, random) -> None:
    problem = Normal.of(weight, bias, stats_of(h), 0.0)
    own = error(problem, greedy(problem, 6))
    others = [error(problem, np.sort(random.permutation(WIDTH)[:6])) for _ in range(100)]
    assert own < np.quantile(others, 0.1)


@pytest.mark.parametrize(
    ("width", "share", "kept"),
    [(1536, 0.75, 1152), (1536, 0.5, 768), (172, 0.75, 128), (64, 0.5, 32), (172, 1.0, 172),
     (3072, 0.7, 2144), (48, 0.6, 32)],
)  # fmt: skip
def test_widths_are_whole_blocks(width: int, share: float, kept: int) -> None:
    assert kept_width(width, share) == kept


@pytest.mark.parametrize(
    ("width", "share", "some", "hint"),
    [(1536, 0.005, "none", "--ffn 0.0208 keeps one block, --ffn 0.979 all but one"),
     (64, 0.9, "all", "--ffn 0.5 keeps one of its two blocks"),
     (16, 0.6, "all", "stays as it is"), (32, 0.2, "none", "stays as it is")],
)  # fmt: skip
def test_a_share_of_no_or_all_blocks(width: int, share: float, some: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"is {some} of them") as caught:
        kept_width(width, share)
    assert hint in caught.value.hint


@pytest.mark.parametrize("share", [0.0, -0.5, 1.01, float("nan"), float("inf")])
def test_what_is_no_share(share: float) -> None:
    with pytest.raises(UsageError, match="--ffn is the share"):
        check_share(share)
