import numpy as np
from edgekit.converters.quantize.equalize import choose_factors, equalize, predicted_noise
from edgekit.converters.quantize.statistics import InputStats

from edgekit.recipe import Grid

GRID = Grid(8, "channel")


def stats(sample: np.ndarray, **more: object) -> InputStats:
    values = {"shared": "group", "behind_norm": True, **more}
    return InputStats(np.abs(sample).max(axis=0), sample.astype(np.float32), **values)  # type: ignore[arg-type]


def case(outlier: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    sample = rng.standard_normal((64, 48)).astype(np.float32)
    sample[:, 5] *= outlier
    return rng.standard_normal((32, 48)).astype(np.float32), sample


def int8(values: np.ndarray) -> np.ndarray:
    step = np.abs(values).max(axis=1, keepdims=True) / 127
    return np.rint(values / step) * step


def test_an_outlier_channel_is_divided_down_and_the_product_gains() -> None:
    weight, sample = case(outlier=40)
    factors = choose_factors([weight], stats(sample), [GRID])
    assert factors is not None
    assert factors[5] > 5 * np.median(factors)
    exact = sample @ weight.T
    plain = int8(sample) @ int8(weight).T
    equalized = int8(sample / factors) @ int8(weight * factors).T
    assert np.square(equalized - exact).mean() < 0.5 * np.square(plain - exact).mean()


def test_even_channels_are_left_alone() -> None:
    weight, sample = case(outlier=1)
    assert choose_factors([weight], stats(sample), [GRID]) is None


def test_predicted_noise_is_the_measured_one() -> None:
    weight, sample = case(outlier=10)
    exact = sample @ weight.T
    measured = np.square(int8(sample) @ int8(weight).T - exact).mean(axis=0).sum()
    predicted = predicted_noise([weight], sample, np.ones(48, np.float32), [GRID])
    assert 0.8 < predicted / measured < 1.25


def test_matrices_of_one_input_share_a_vector_and_inputs_not_behind_a_norm_get_none() -> None:
    weight, sample = case(outlier=40)
    both = {"q": weight, "k": weight * 2, "down": weight}
    found = equalize(
        both,
        {"q": stats(sample), "k": stats(sample), "down": stats(sample, behind_norm=False)},
        dict.fromkeys(both, GRID),
    )
    assert set(found) == {"q", "k"}
    assert found["q"] is found["k"]


def test_dead_channels_and_zero_columns_stay_finite() -> None:
    weight, sample = case(outlier=40)
    sample[:, 3] = 0
    weight[:, 4] = 0
    factors = choose_factors([weight], stats(sample), [GRID])
    assert factors is not None
    assert np.isfinite(factors).all()
    assert factors[3] == factors[4] == 1
    assert choose_factors([np.zeros_like(weight)], stats(sample), [GRID]) is None
