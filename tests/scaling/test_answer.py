"""Answers: the best file that fits, undecided where the texts cannot tell; 4 bits, honestly."""

from __future__ import annotations

import math

import pytest

from edgekit.errors import UsageError
from edgekit.scaling.answer import answer_budget, four_bits
from edgekit.scaling.family import Family
from edgekit.scaling.front import front_of, front_shares
from tests.scaling.made import TEXTS, TOKENS, family, point, scaling


def two(behind: float, noise: float) -> Family:
    """A large model at 4 bits and a small one at 8, of nearly the same bytes."""
    points = (
        point("large", 20_000, 4, 2.0, noise, 1),
        point("small", 10_000, 8, 2.0 + behind, noise, 2),
        point("small", 10_000, 4, 3.0, noise, 3),
    )
    return Family(points, (TOKENS,) * TEXTS)


def test_the_best_file_that_fits() -> None:
    made = two(0.2, 0.01)
    large = made.points[0].size_bytes or 0
    answer = answer_budget(made, large)
    assert (answer.best.model, answer.best.bits) == ("large", 4)
    assert answer.decided
    tight = answer_budget(made, large - 1)
    assert (tight.best.model, tight.best.bits) == ("small", 8)
    assert answer_budget(made, 7_000).best.bits == 4


def test_undecided_where_the_paired_interval_includes_0() -> None:
    answer = answer_budget(two(0.005, 0.1), 20_000)
    assert not answer.decided
    assert [(c.model, c.bits) for c in answer.rivals] == [("small", 8)]
    [rival] = answer.rivals
    assert rival.behind == pytest.approx(0.005)
    assert rival.behind_low < 0 < rival.behind_high
    # the same distance is told where the texts agree: intervals of each alone would overlap
    sure = two(0.005, 0.001)
    assert answer_budget(sure, 20_000).decided
    first, second = sure.estimate(0), sure.estimate(1)
    assert second.low < first.high


def test_a_simulated_or_broken_point_is_no_answer() -> None:
    made = scaling(budgets=(9_000,))
    [answer] = made.answers
    assert answer.best.recipe != "w6g32"  # the best of all, but its audit failed
    assert made.points[-1].problems
    assert all(not made.points[i].simulated for i in made.front)


def test_budgets_outside_the_sizes_are_refused() -> None:
    sizes = [p.size_bytes for p in scaling().points if p.size_bytes and not p.problems]
    for budget in (min(sizes) - 1, max(sizes) + 1):
        with pytest.raises(UsageError, match="outside the sizes that were measured"):
            scaling(budgets=(budget,)).check_budgets()
    scaling(budgets=(min(sizes), max(sizes))).check_budgets()


def test_4_bits_wins_in_a_family_that_is_made_so() -> None:
    """Damage is nothing down to 4 bits, and large below."""

    def law(size: int, k: int) -> float:
        return 9 - 0.3 * math.log2(size) + (0.9 if k < 4 else 0.0)

    made = family(law, widths=(3, 4, 5, 6, 8), noise=0.001)
    front = front_of(made)
    shares = front_shares(made)
    found = four_bits(made, front, shares)
    assert found is not None
    assert found.best == {"int 4 bit": 1.0}
    assert found.undecided == 0
    assert len(found.on_front) == 4
    assert not found.off_front
    assert found.sure == (1.0,) * 4


def test_4_bits_loses_in_a_family_that_is_made_so() -> None:
    def law(size: int, k: int) -> float:
        return 9 - 0.3 * math.log2(size) + (2.0 if k < 6 else 0.0)

    made = family(law, widths=(4, 6, 8), noise=0.001)
    front = front_of(made)
    found = four_bits(made, front, front_shares(made))
    assert found is not None
    assert found.best == {"int 6 bit": 1.0}
    assert len(found.off_front) == 3  # the smallest file of all is always on the front
    without = family(law, widths=(6, 8))
    assert four_bits(without, front_of(without), front_shares(without)) is None
