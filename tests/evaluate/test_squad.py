"""Exact match and F1 on cases worked out by hand from SQuAD's definition."""

from __future__ import annotations

import pytest

from edgekit.evaluate.squad import exact_match, f1, normalize


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Cat's hat.", "cats hat"),
        ("an apple a day", "apple day"),
        ("theatre, another Anthem", "theatre another anthem"),
        ("U.S.-based", "usbased"),
        ("—dash stays—", "—dash stays—"),
        ("the", ""),
        ("\tÉcole\n des  Mines ", "école des mines"),
    ],
)
def test_normalisation(text: str, normal: str) -> None:
    assert normalize(text) == normal


@pytest.mark.parametrize(
    ("answer", "accepted", "exact", "overlap"),
    [
        ("the Eiffel Tower", ("Eiffel tower!",), 1, 1),
        ("in Paris", ("Paris",), 0, 2 / 3),
        # precision 2/4, recall 2/3: words count as often as both have them
        ("new york new york", ("york york city",), 0, 4 / 7),
        ("Rome", ("Paris", "Rome in Italy", "rome"), 1, 1),
        ("Rome now", ("Paris", "Rome in Italy"), 0, 2 / 5),
        ("Rome", ("Paris",), 0, 0),
        ("", (), 1, 1),
        ("the", (), 1, 1),
        ("Rome", (), 0, 0),
        ("", ("Rome",), 0, 0),
        # an accepted answer that normalises to nothing does not make "no answer" right
        ("", ("the", "Rome"), 0, 0),
    ],
)
def test_scores(answer: str, accepted: tuple[str, ...], exact: float, overlap: float) -> None:
    assert exact_match(answer, accepted) == exact
    assert f1(answer, accepted) == pytest.approx(overlap, abs=1e-15)
