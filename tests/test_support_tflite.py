"""Which recipes TFLite has, and what is said of the others."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from edgekit import support_tflite
from edgekit.audit.records import TensorRecord
from edgekit.errors import UnsupportedError
from edgekit.recipe import Grid, Recipe
from edgekit.support import check_supported, supported
from tests.test_recipe import recipe_names


def refusal(recipe: Recipe) -> UnsupportedError | None:
    try:
        check_supported(recipe, "tflite")
    except UnsupportedError as error:
        return error
    return None


@given(recipe_names())
def test_what_is_refused_comes_with_a_recipe_that_runs(name: str) -> None:
    recipe = Recipe.parse(name.partition("@")[0])
    near = support_tflite.nearest(recipe)
    check_supported(near, "tflite")
    error = refusal(recipe)
    if error is None:
        return
    assert f"is {near}" in error.hint
    assert near != recipe
    for grid, wanted in ((near.weights, recipe.weights), (near.embeddings, recipe.embeddings)):
        assert isinstance(grid, Grid) == isinstance(wanted, Grid)
        assert not isinstance(grid, Grid) or grid.bits >= wanted.bits


@pytest.mark.parametrize(
    ("name", "near", "why"),
    [
        ("w4g32", "w4g32_a8", "float activations"),
        ("w4g16_a8", "w4g32_a8", "blocks of 32"),
        ("w5g64_a8", "w8c_a8", "4 bits alone"),
        ("w4cz_a8+e4c", "w4c_a8+e4c", "zero points"),
        ("w4c_a8+e4cz", "w4c_a8+e4c", "zero points"),
        ("w8t_a8", "w8c_a8", "per tensor"),
        ("w5c_a8", "w8c_a8", "as many bytes as at 8 bits"),
        ("w3g32_a8+e3c", "w4g32_a8+e3c", "as many bytes as at 4 bits"),
    ],
)
def test_refusals_say_why_and_what_instead(name: str, near: str, why: str) -> None:
    with pytest.raises(UnsupportedError, match=why) as caught:
        check_supported(Recipe.parse(name), "tflite")
    assert re.search(rf"nearest that runs is {re.escape(near)}[.;]", caught.value.hint)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("name", ["w3c_a8", "w5c_a8", "w6c_a8", "w7c_a8", "w2g32_a8", "w3g64_a8"])
def test_padded_recipes_need_the_option_and_say_so(name: str) -> None:
    recipe = Recipe.parse(name)
    with pytest.raises(UnsupportedError) as caught:
        check_supported(recipe, "tflite")
    assert "--allow-padded" in caught.value.hint
    check_supported(recipe, "tflite", allow_padded=True)
    assert "not smaller" in support_tflite.recipe_notes(recipe)[0]


@pytest.mark.parametrize("name", ["w2c_a8", "w4c_a8", "w8c_a8", "w4g32_a8", "w4g256_a8"])
def test_what_has_a_type_of_its_own_needs_no_option(name: str) -> None:
    for tables in ("", "+e2c", "+e3c", "+e4g32", "+e5g64", "+e8g16", "+e16", "+e32"):
        check_supported(Recipe.parse(name + tables), "tflite")
    notes = support_tflite.recipe_notes(Recipe.parse(name))
    assert ("slower than float32" in " ".join(notes)) == ("g" in name)
    assert "not smaller" not in " ".join(notes)


def test_other_weights_than_the_recipe_says_are_told() -> None:
    def record(role: str, bits: int, group: int) -> TensorRecord:
        return TensorRecord("p", role, (8, 96), f"int{bits}", bits, 0, group=group)  # type: ignore[arg-type]

    recipe = Recipe.parse("w4g128_a8")
    fine = [record("matrix", 4, 128), record("table", 8, 96)]
    assert support_tflite.file_notes(recipe, fine) == []
    others = [record("matrix", 4, 32), record("matrix", 4, 96), record("matrix", 8, 33),
              record("kernel", 8, 9)]  # fmt: skip
    told = " | ".join(support_tflite.file_notes(recipe, [*fine, *others]))
    assert "1 weights besides" in told
    assert "1 matrices have blocks of 32" in told
    assert "1 matrices have one scale per row" in told
    assert "1 matrices whose rows are no whole bytes" in told


def test_a_tied_table_that_does_not_shrink_is_told() -> None:
    tied = TensorRecord("words", "tied", (8, 96), "int4", 3, 0, group=96)
    [note] = support_tflite.file_notes(Recipe.parse("w4c_a8+e3c"), [tied])
    assert "3-bit codes of words lie in INT4" in note
    assert support_tflite.file_notes(Recipe.parse("w4c_a8+e4c"), [tied]) == []


def test_the_table_names_every_kind_of_recipe() -> None:
    names = [row.recipe for row in supported("tflite")]
    assert names[:4] == ["fp32", "fp16", "w8c_a8", "w4c_a8"]
    assert all(row.stored and row.kernel for row in supported("tflite"))
