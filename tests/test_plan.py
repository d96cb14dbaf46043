"""What a recipe makes of a model's parameters, and who makes the codes."""

from __future__ import annotations

import numpy as np
from edgekit.converters.quantize.methods import get_method
from edgekit.converters.quantize.plan import apply_plan, make_plan

from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid, Recipe

ROLES = {"m": "matrix", "t": "table", "tied": "tied", "v": "vector", "k": "kernel"}
VALUES = {
    name: np.random.default_rng(i).normal(size=(24, 32) if name != "v" else 24).astype(np.float32)
    for i, name in enumerate(ROLES)
}
SHAPES = {name: value.shape for name, value in VALUES.items()}


def formats(recipe: str, target: str) -> dict[str, object]:
    return dict(make_plan(Recipe.parse(recipe), ROLES, SHAPES, target).formats)


def test_onnx_gets_signed_codes_and_small_scales() -> None:
    small = Grid(4, "group", 32, codes="signed", scales="int8")
    row = Grid(6, "channel", codes="signed", scales="float16")
    found = formats("w4g32+e6c", "onnx")
    assert found == {"m": small, "k": small, "t": row, "tied": row, "v": "fp32"}
    assert formats("w4g32_a8+e6c", "onnx") == found


def test_eight_bit_rows_are_kept_from_saturating_where_they_are_multiplied() -> None:
    safe, plain = Grid(8, "channel", max_pair_sum=128), Grid(8, "channel")
    assert formats("w8c_a8", "onnx") == {
        "m": safe, "k": plain, "t": plain, "tied": safe, "v": "fp32"
    }  # fmt: skip
    # folding takes care of scales per group
    assert formats("w8g32_a8", "onnx")["m"] == Grid(8, "group", 32, codes="signed", scales="int8")


def test_given_codes_are_taken_and_the_rest_is_made() -> None:
    plan = make_plan(Recipe.parse("w4g32+e4g32"), ROLES, SHAPES, "onnx")
    grid = plan.formats["m"]
    assert isinstance(grid, Grid)
    given, _ = get_method("rtn").quantize(VALUES["m"] * 2, None, None, grid)
    asked: list[str] = []

    def quantizer(name: str, matrix: np.ndarray, grid: Grid) -> QuantizedTensor | None:
        asked.append(name)
        np.testing.assert_array_equal(matrix, VALUES[name])
        return given if name == "m" else None

    weights = apply_plan(plan, VALUES, {}, quantizer)
    assert weights["m"] is given
    assert sorted(asked) == ["k", "m", "t", "tied"]
    expected, _ = get_method("mse").quantize(VALUES["t"], None, None, grid)
    found = weights["t"]
    assert isinstance(found, QuantizedTensor)
    np.testing.assert_array_equal(found.codes, expected.codes)
    assert weights["v"] is VALUES["v"]
