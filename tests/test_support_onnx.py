"""Which recipes exist for ONNX, and what the others are told."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import UnsupportedError
from edgekit.recipe import Recipe
from edgekit.support import check_supported, supported

GRAINS = st.sampled_from(["c", "g16", "g32", "g64", "g128", "g256"])
K = st.integers(2, 8)


@given(
    K,
    GRAINS,
    st.sampled_from(["", "_a8"]),
    K,
    GRAINS,
    st.sampled_from(["", "@rtn", "@mse", "@gptq"]),
)
def test_every_width_and_group_is_made(
    k: int, grain: str, a8: str, ek: int, egrain: str, method: str
) -> None:
    check_supported(Recipe.parse(f"w{k}{grain}{a8}+e{ek}{egrain}{method}"), "onnx")


def test_every_family_has_a_row_that_says_how_it_is_stored() -> None:
    rows = {row.recipe: row for row in supported("onnx")}
    for k in range(2, 9):
        for grain in ("c", "g<n>"):
            for a8 in ("", "_a8"):
                row = rows[f"w{k}{grain}{a8}"]
                assert row.stored
                assert row.kernel
                assert row.speed
                widths = re.findall(r"\d", re.split(r"-bit (?:plane|codes)", row.stored)[0])
                assert sum(map(int, widths)) == k or (k == 8 and "int8" in row.stored)
                assert ("MatMulNBits" in row.kernel) == (k == 4 and not a8)
    assert {"+e<k>c", "+e<k>g<n>", "fp32", "fp16"} <= set(rows)
    assert len(rows) == len(supported("onnx"))


@pytest.mark.parametrize("name", ["w4g32z", "w3t_a8", "w4c+e4g32z", "w4tz+e4cz", "w8t"])
def test_refusals_name_a_recipe_that_runs(name: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        check_supported(Recipe.parse(name), "onnx")
    found = re.search(r"nearest that runs is (\S+);", str(caught.value.hint))
    assert found is not None
    nearest = Recipe.parse(found.group(1))
    assert nearest != Recipe.parse(name)
    check_supported(nearest, "onnx")
