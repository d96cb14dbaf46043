"""Fits find the law that a family was made by, and print nothing that it does not tell."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgekit.scaling.curves import fit_offsets, interpolated, split_by_bits
from edgekit.scaling.laws import damage_lines, fit_power
from edgekit.scaling.leave_one_out import leave_one_out
from edgekit.scaling.power import power_laws
from tests.scaling.made import damaged, family, power


def test_interpolation_is_linear_and_stays_inside() -> None:
    x, y = np.array([10.0, 12.0, 16.0]), np.array([4.0, 3.0, 1.0])
    for at, expected in ((10.0, 4.0), (11.0, 3.5), (12.0, 3.0), (15.0, 1.5), (16.0, 1.0)):
        value = interpolated(x, y, at)
        assert value is not None
        assert float(value) == pytest.approx(expected)
    assert interpolated(x, y, 9.99) is None
    assert interpolated(x, y, 16.01) is None
    assert interpolated(x[:1], y[:1], 10.0) is None


def test_offsets_of_parallel_curves_are_found() -> None:
    """y falls by 0.3 per log2 of model bits; k = 4 lies 0.5 above that, k = 8 0.1."""
    shift = {32: 0.0, 4: 0.5, 8: 0.1}

    def law(size: int, k: int) -> float:
        stored = size * (k + (0.0 if k == 32 else 0.5))
        return 9 - 0.3 * math.log2(stored) + shift[k]

    made = family(law, widths=(4, 8))
    found = fit_offsets(made, made.usable())
    assert found is not None
    assert found.offsets == pytest.approx({"fp32": 0.0, "int 8 bit": 0.1, "int 4 bit": 0.5})
    assert found.mean_error == pytest.approx(0, abs=1e-9)
    assert found.spare == 12 - 6
    assert found.predict("int 4 bit", 18.0) == pytest.approx(9 - 0.3 * 18 + 0.5)


def test_one_model_or_one_width_has_no_offsets() -> None:
    alone = family(power, sizes=(10_000,))
    assert fit_offsets(alone, alone.usable()) is None
    narrow = family(power, widths=(4,), base=False)
    assert fit_offsets(narrow, narrow.usable()) is None


def test_few_bits_are_fitted_apart() -> None:
    made = family(damaged, widths=(2, 3, 4, 8))
    groups = split_by_bits(made, made.usable())
    bits = [{made.points[i].bits for i in mine} for mine in groups.values()]
    assert bits == [{4, 8, 32}, {2, 3}]


def test_a_power_law_is_found_with_its_exponents() -> None:
    fits = {fit.name: fit for fit in power_laws(family(power), {})[2:3]}
    law = fits["a * N^b * k^c"].law
    assert law is not None
    assert law.exponents == pytest.approx({"N": -0.2, "k": -0.1})
    assert math.exp(law.log_scale) == pytest.approx(20)
    assert law.mean_error == pytest.approx(0, abs=1e-9)
    assert law.predict({"N": 1e5, "k": 7.0}) == pytest.approx(power(100_000, 7))


def test_data_is_a_variable_where_tokens_are_given() -> None:
    tokens = {"m10000": 1e6, "m40000": 9e6, "m160000": 2e6, "m640000": 3e7}
    made = family(lambda n, k: 50 * n**-0.2 * tokens[f"m{n}"] ** -0.1)
    by_name = {fit.name: fit for fit in power_laws(made, tokens)}
    law = by_name["a * N^b * D^c"].law
    assert law is not None
    assert law.exponents == pytest.approx({"N": -0.2, "D": -0.1})
    left_out = {fit.name: fit for fit in power_laws(made, {})}["a * N^b * D^c"]
    assert left_out.law is None
    assert "--tokens" in left_out.why


def test_what_is_not_identified_is_not_printed() -> None:
    rows = [{"N": 10.0, "D": 100.0}, {"N": 20.0, "D": 200.0}, {"N": 40.0, "D": 400.0}]
    y = np.array([3.0, 2.0, 1.5])
    assert fit_power(("N", "D"), rows, y) is None  # the two rise together
    same = [{"N": 10.0, "k": float(k)} for k in (4, 5, 6)]
    assert fit_power(("N", "k"), same, y) is None  # one size: no b
    few = power_laws(family(power, sizes=(10_000, 40_000)), {})
    assert all(fit.law is None for fit in few)
    assert "exponents" not in few[0].to_json()


def test_standard_errors_cover_noise() -> None:
    rng = np.random.default_rng(3)
    rows = [{"N": float(n), "k": float(k)} for n in (1e4, 1e5, 1e6) for k in (4, 5, 6, 7, 8)]
    y = np.array([power(int(r["N"]), int(r["k"])) for r in rows]) * np.exp(rng.normal(0, 0.02, 15))
    law = fit_power(("N", "k"), rows, y)
    assert law is not None
    assert abs(law.exponents["N"] + 0.2) < 4 * law.errors["N"]
    assert 0.0005 < law.errors["N"] < 0.01
    exact = fit_power(("N",), rows[:1] + rows[5:6], y[[0, 5]])
    assert exact is not None
    assert exact.spare == 0
    assert math.isnan(exact.errors["N"])


def test_damage_falls_by_the_factor_it_was_made_with() -> None:
    lines = damage_lines(family(damaged, widths=(2, 3, 4, 5, 6)))
    assert len(lines) == 2 * 4
    for line in lines:
        assert line.factor == pytest.approx(4, rel=1e-6)
        assert line.bits == ((2, 3) if line.few else (4, 5, 6))
    # 8 bits of this family lose less than the texts can tell
    noisy = damage_lines(family(damaged, widths=(4, 5, 6, 8), noise=0.02))
    assert all(8 in line.left_out for line in noisy)


def test_leave_one_out_over_models() -> None:
    found = {(h.form, h.points): h for h in leave_one_out(family(power))}
    group = "files, 4 bits and more"
    law = found["a * N^b * k^c", group]
    assert law.mean_error == pytest.approx(0, abs=1e-9)
    assert law.models == ("m40000", "m160000")  # nothing is extrapolated
    assert law.count == 2 * 4
    line = found["interpolation", group]
    assert line.count == law.count
    # a power law is curved over log2 bits: a chord lies above it, and its height is known
    chord = (power(10_000, 4) + power(160_000, 4)) / 2
    worst = math.log(chord / power(40_000, 4))
    assert line.worst == pytest.approx(worst, rel=1e-6)
    assert 0 < line.mean_error <= line.worst


def test_two_models_leave_nothing_out() -> None:
    assert leave_one_out(family(power, sizes=(10_000, 40_000))) == []
