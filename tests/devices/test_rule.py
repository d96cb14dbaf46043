"""The rule: rounding, flips, moved means, saturation; numpy alone."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.devices.families import FAMILIES, is_family_list, parse_families
from edgekit.devices.rule import (
    distance,
    pick_cases,
    sign_flip_chance,
    sums_in_16_bits,
    verdict,
)
from edgekit.errors import UsageError

RNG = np.random.default_rng(0)
N, WIDTH = 16, 384


def noisy(source: list[np.ndarray], size: float, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [s + rng.normal(0, size, s.shape).astype(np.float32) for s in source]


@pytest.fixture
def source() -> list[np.ndarray]:
    return [RNG.normal(size=(1, WIDTH)).astype(np.float32) for _ in range(N)]


def test_the_order_of_sums_is_the_same(source) -> None:
    base = noisy(source, 0.05, 1)
    found = distance(source, base, [b + np.float32(2e-7) for b in base])
    assert verdict(found, is_float=True, may_saturate=True) == ("same", "same")
    assert found.moved == 0
    assert found.error == pytest.approx(0.05, rel=0.1)


def test_a_float_file_that_differs_is_told(source) -> None:
    base = noisy(source, 1e-7, 1)
    other = [b.copy() for b in base]
    other[3][0, 5] += 1e-3
    status, text = verdict(distance(source, base, other), is_float=True, may_saturate=False)
    assert status == "differs"
    assert "of the largest value" in text


@pytest.mark.parametrize(
    ("own", "gap", "status"),
    [
        (1e-7, 0.9e-6, "same"),
        (1e-7, 1.5e-6, "differs"),
        (1e-6, 1.5e-6, "same"),  # its own sums are as far from the source's
        (1e-6, 3e-6, "differs"),
        (1e-3, 8e-6, "same"),  # float16 weights: far from the source, alike everywhere
        (1e-3, 2e-5, "differs"),
    ],
)
def test_how_far_sums_of_floats_may_be_apart(own: float, gap: float, status: str) -> None:
    source = [np.full((1, 4), 0.5, np.float32) for _ in range(8)]
    base = [s.copy() for s in source]
    base[1][0, 0] += np.float32(own)
    other = [b.copy() for b in base]
    other[2][0, 1] += np.float32(gap)
    assert verdict(distance(source, base, other), True, False)[0] == status


@pytest.mark.parametrize("seed", range(20))
def test_flips_scatter_and_are_no_move(source, seed: int) -> None:
    """Two families whose roundings are independent draws of one kind: far apart, equally good."""
    base, other = noisy(source, 0.05, 100 + seed), noisy(source, 0.05, 200 + seed)
    found = distance(source, base, other)
    assert found.apart > found.error
    assert verdict(found, is_float=False, may_saturate=True)[0] == "flips"
    assert found.moved == N


@pytest.mark.parametrize("count", [8, 16])
def test_saturation_moves_the_mean(source, count: int) -> None:
    source = source[:count]
    base = noisy(source, 0.05, 1)
    other = [b - 0.04 * np.maximum(b, 0) for b in base]  # the large positive sums are cut
    found = distance(source, base, other)
    assert verdict(found, False, may_saturate=True)[0] == "saturated"
    status, text = verdict(found, False, may_saturate=False)
    assert (status, text.startswith("moved: other kernel")) == ("moved", True)
    back = distance(source, other, base)
    assert verdict(back, False, may_saturate=True)[1].endswith("closer")


def test_one_bad_example_of_many_is_no_moved_mean(source) -> None:
    base = noisy(source, 0.05, 1)
    other = [b.copy() for b in base]
    other[2] += np.float32(0.3)
    assert verdict(distance(source, base, other), False, True)[1] == f"flips (1 of {N})"


def test_nan_never_passes(source) -> None:
    base = noisy(source, 0.05, 1)
    other = [b.copy() for b in base]
    other[0][0, 0] = np.nan
    for is_float in (True, False):
        assert verdict(distance(source, base, other), is_float, False)[0] == "differs"


def test_examples_without_a_judged_row_are_left_out(source) -> None:
    none = np.zeros((0, WIDTH), np.float32)
    base = [none, *noisy(source, 0.05, 1)]
    assert distance([none, *source], base, base).examples == N


def test_the_sign_flip_test_is_exact_for_few_and_seeded_for_many() -> None:
    assert sign_flip_chance(np.ones(8)) == 2 / 256
    assert sign_flip_chance(np.zeros(8)) == 1
    assert sign_flip_chance(np.array([1.0, -1.0])) == 1
    many = np.random.default_rng(1).normal(0, 1, 40)
    assert sign_flip_chance(many) == sign_flip_chance(many) > 0.01
    assert sign_flip_chance(many + 2) < 0.01


def test_chance_is_right_where_flips_are_all_there_is() -> None:
    """Of 2000 pairs of equally good families about one in a hundred looks like a move."""
    rng = np.random.default_rng(5)
    hits = sum(sign_flip_chance(rng.normal(size=10)) <= 0.01 for _ in range(2000))
    assert 5 <= hits <= 45


def test_cases_are_mixed_in_length_seeded_and_cheap() -> None:
    lengths = [128, 3, 5, 40, 12, 60, 9, 90, 20, 33, 7, 2]
    picked = pick_cases(lengths, 4, longest=64)
    found = [lengths[i] for i in picked]
    assert found == sorted(found)
    assert found[0] <= 7
    assert 33 <= found[-1] <= 64
    assert picked == pick_cases(lengths, 4, longest=64)
    assert len(set(pick_cases(lengths, 50, 64))) == len(lengths)


def test_which_cpus_sum_in_16_bits() -> None:
    assert sums_in_16_bits(("sse4_1", "avx", "avx2"))
    assert sums_in_16_bits(("avx2", "avx512f"))
    assert not sums_in_16_bits(("avx2", "avx_vnni"))
    assert not sums_in_16_bits(("avx2", "avx512f", "avx512_vnni"))
    assert not sums_in_16_bits(("sse4_1",))
    assert not sums_in_16_bits(("asimd", "asimddp"))
    assert not sums_in_16_bits(None)


def test_lists_of_families() -> None:
    assert [f.name for f in parse_families("wasm, avx2")] == ["native", "avx2", "wasm"]
    assert is_family_list("arm-nodot")
    assert is_family_list("native,avx2")
    assert not is_family_list("avx2")
    assert not is_family_list("sse9")
    for bad, words in (("avx2,sse9", "unknown CPU family 'sse9'"), ("avx2,avx2", "named twice")):
        with pytest.raises(UsageError, match=words):
            parse_families(bad)
    assert set(FAMILIES) > {"native", "avx2", "sse4.1", "arm-dotprod", "arm-nodot", "wasm"}
