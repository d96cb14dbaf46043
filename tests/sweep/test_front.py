"""The Pareto front against its definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgekit.sweep.front import front_of, pareto_front
from tests.sweep.made import point

#: few values, so that ties are frequent
PAIRS = st.lists(st.tuples(st.integers(0, 6).map(float), st.integers(0, 6).map(float)), max_size=14)


def dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] <= b[0] and a[1] <= b[1] and a != b


@given(PAIRS)
def test_it_is_what_no_other_dominates(pairs: list[tuple[float, float]]) -> None:
    front = pareto_front(pairs)
    expected = {i for i, b in enumerate(pairs) if not any(dominates(a, b) for a in pairs)}
    assert set(front) == expected
    assert len(front) == len(expected)
    assert [pairs[i] for i in front] == sorted(pairs[i] for i in front)


def test_targets_are_apart_and_broken_files_left_out() -> None:
    points = [
        point("w4c", 100, 0.1), point("w5c", 120, 0.2), point("w8c", 200, 0.01),
        point("w4c_a8", 90, 0.05, target="tflite"),
        point("w3c", 80, 0.001, problems=("wrong weights",)), point("w2c", 70, float("nan")),
    ]  # fmt: skip
    assert [p.recipe for p in front_of(points, "onnx")] == ["w4c", "w8c"]
    assert [p.recipe for p in front_of(points, "tflite")] == ["w4c_a8"]
