"""Which file is recommended, and how sure."""

from __future__ import annotations

import math
from dataclasses import replace

from edgekit.sweep.point import Point
from edgekit.sweep.recommend import TOLERANCE, recommend
from tests.sweep.made import metric, point, sweep


def test_the_smallest_file_within_the_tolerance() -> None:
    found = recommend(sweep().points, "onnx")
    assert found.recipe == "w4g32"
    assert found.undecided == ()
    assert "take w4g32 (12.00 MB)" in found.sentence
    assert "0.0050 (95 % 0.0045 to 0.0055)" in found.sentence
    assert "the next smaller, w3g32 (11.00 MB), loses 0.0200" in found.sentence
    assert "the next larger, w5g32, would win 0.0040 for 1.00 MB more" in found.sentence
    assert found.sentence.count("\n") == 0
    assert found.to_json()["tolerance"] == TOLERANCE


def test_the_next_larger_pays_when_it_wins_more_than_its_bits() -> None:
    a = point("w4c", 100_000, 0.008, 0.0001)
    for loss, width, pays in (
        (0.004, 0.0001, True), (0.0048, 0.0001, False), (0.0039, 0.005, False), (0.0, 0.0, False)
    ):  # fmt: skip
        b = replace(point("w4g32", 120_000, loss, width), effective_bits=a.effective_bits + 0.4)
        found = recommend([a, b], "onnx")
        assert found.recipe == "w4c"
        # 4 ** 0.4 = 1.74
        assert ("and pays: 2.0 times less loss, where 0.40 bits" in found.sentence) is pays
        assert ("pays" in found.sentence) is pays


def test_a_smaller_file_that_may_do_too_is_undecided() -> None:
    points = [point("w3c", 100_000, 0.0105, 0.001), point("w4c", 120_000, 0.0096, 0.0003)]
    found = recommend(points, "onnx")
    assert found.recipe == "w4c"
    assert found.undecided == ("w3c", "w4c")
    assert "undecided between w3c (0.10 MB) and w4c (0.12 MB)" in found.sentence
    assert "their intervals overlap (loss: w3c " in found.sentence
    assert "w4c is the safe choice" in found.sentence


def test_a_file_that_may_lose_too_much_itself_is_only_the_safer_one() -> None:
    points = [point("w3c", 100, 0.0105, 0.005), point("w4c", 120, 0.0096, 0.003)]
    assert "w4c is the safer choice" in recommend(points, "onnx").sentence


def test_a_file_that_may_not_do_names_the_next_that_surely_will() -> None:
    points = [
        point("w3c", 100, 0.009, 0.002), point("w4c", 120, 0.0095, 0.0001),
        point("w5c", 140, 0.001, 0.0001),
    ]  # fmt: skip
    found = recommend(points, "onnx")
    assert found.recipe == "w3c"
    assert found.undecided == ("w3c", "w5c")
    assert "an interval reaches across 0.01" in found.sentence
    assert "w5c is the safe choice" in found.sentence


def test_doubt_without_a_safe_choice_is_told() -> None:
    found = recommend([point("w3c", 100, 0.009, 0.002)], "onnx")
    assert found.recipe == "w3c"
    assert "no file measured here is surely within" in found.sentence


def test_none_within_the_tolerance() -> None:
    found = recommend([point("w2c", 100, 0.3), point("w3c", 120, 0.1)], "onnx")
    assert found.recipe is None
    assert "no file loses at most 0.01" in found.sentence
    assert "the best, w3c" in found.sentence


def test_none_that_can_be_judged() -> None:
    broken = [point("w2c", 100, math.nan), point("w3c", 9, 0.0, problems=("wrong",))]
    for points in ([], broken):
        found = recommend(points, "onnx")
        assert found.recipe is None
        assert "no file could be judged" in found.sentence


def test_with_a_metric_the_difference_to_the_source_counts() -> None:
    """Cosines that would say the opposite are not looked at."""
    points: list[Point] = [
        point("w2c", 100, 0.001, metric=metric(-0.05, 0.01)),
        point("w3c", 120, 0.5, metric=metric(-0.004, 0.003)),
        point("w8c", 200, 0.0, metric=metric(0.002, 0.001)),
    ]
    found = recommend(points, "onnx")
    assert found.recipe == "w3c"
    assert found.undecided == ()
    assert "loses at most 0.01 of accuracy: 0.0040 (95 % 0.0010 to 0.0070)" in found.sentence
    # a tenth of the rows: the smallest may do as well
    noisy = [point("w2c", 100, 0.0, metric=metric(-0.02, 0.03)), *points[1:]]
    assert recommend(noisy, "onnx").undecided == ("w2c", "w3c")


def test_each_target_has_its_own() -> None:
    points = [point("w4c", 100, 0.001), point("w8c_a8", 150, 0.002, target="tflite")]
    assert recommend(points, "onnx").recipe == "w4c"
    assert recommend(points, "tflite").recipe == "w8c_a8"
