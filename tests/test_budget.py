"""The knapsack behind mixed precision is exact, and says so when nothing fits."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from edgekit.converters.quantize.budget import Option, choose
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import BudgetError, UsageError

Options = dict[str, list[Option]]


def toy(seed: int, matrices: int = 6, widths: int = 4) -> Options:
    rng = np.random.default_rng(seed)
    return {
        f"m{i}": [
            Option(f"{k + 3}g32", int(rng.integers(800, 1200)) * (k + 3), float(w * 4.0**-k))
            for k, w in enumerate(rng.uniform(0.5, 2, widths) * rng.lognormal(0, 2))
        ]
        for i in range(matrices)
    }


def by_force(options: Options, max_size: int) -> float:
    every = product(*options.values())
    return min(sum(o.damage for o in pick) for pick in every
               if sum(o.size for o in pick) <= max_size)  # fmt: skip


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_six_matrices_equal_brute_force(seed: int, share: float) -> None:
    options = toy(seed)
    least = sum(min(o.size for o in row) for row in options.values())
    most = sum(max(o.size for o in row) for row in options.values())
    limit = int(least + share * (most - least))
    found = choose(options, max_size=limit)
    assert found.size <= limit
    assert found.damage == pytest.approx(by_force(options, limit), rel=1e-5)
    assert found.gap <= 1e-5
    picked = [options[name][i] for name, i in found.picks.items()]
    assert found.size == sum(o.size for o in picked)


def test_a_limit_of_damage_gives_the_smallest_file() -> None:
    options = toy(3)
    found = choose(options, max_size=sum(row[1].size for row in options.values()))
    smallest = choose(options, max_damage=found.damage * 1.0001)
    assert smallest.size <= found.size
    assert smallest.damage <= found.damage * 1.0001


def test_nothing_fits_and_nothing_is_asked() -> None:
    options = toy(4)
    with pytest.raises(BudgetError, match="least possible"):
        choose(options, max_size=100)
    with pytest.raises(BudgetError, match="damage"):
        choose(options, max_damage=1e-12)
    for limits in ({}, {"max_size": 5, "max_damage": 1.0}, {"max_size": 0}, {"max_damage": -1.0}):
        with pytest.raises(UsageError):
            choose(options, **limits)


def test_what_the_solver_prints_does_not_reach_stdout(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """HiGHS has printf calls of its own; they would break --json."""
    import ctypes

    from scipy import optimize

    real = optimize.milp

    def talkative(*args: Any, **options: Any) -> Any:
        ctypes.CDLL(None).puts(b"debugging")
        return real(*args, **options)

    monkeypatch.setattr(optimize, "milp", talkative)
    choose({"a": [Option("4g32", 10, 1.0)]}, max_size=10)
    print("result")
    assert capfd.readouterr().out == "result\n"
