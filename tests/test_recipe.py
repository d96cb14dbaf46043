import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import RecipeSyntaxError
from edgekit.recipe import PRESETS, Grid, Recipe
from edgekit.support import TARGETS, check_supported

GRAINS = st.sampled_from(["c", "g16", "g32", "g64", "g128", "g256"])
K = st.integers(2, 8)


@st.composite
def recipe_names(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        compute = f"w{draw(K)}{draw(st.sampled_from(['c', 't', 'g32']))}"
        compute += draw(st.sampled_from(["", "z"])) + draw(st.sampled_from(["", "_a8"]))
    else:
        compute = "fp16"
    embedding = draw(
        st.one_of(
            st.sampled_from(["", "+e16", "+e32"]),
            st.builds(lambda k, g, z: f"+e{k}{g}{z}", K, GRAINS, st.sampled_from(["", "z"])),
        )
    )
    return compute + embedding + draw(st.sampled_from(["", "@rtn", "@gptq"]))


@given(recipe_names())
def test_every_name_of_the_grammar_parses_to_one_canonical_name(name: str) -> None:
    recipe = Recipe.parse(name)
    assert Recipe.parse(str(recipe)) == recipe
    assert str(Recipe.parse(str(recipe))) == str(recipe)


@given(st.text(max_size=12))
def test_any_other_text_gives_our_error(text: str) -> None:
    with contextlib.suppress(RecipeSyntaxError):
        assert Recipe.parse(text) == Recipe.parse(str(Recipe.parse(text)))


def test_defaults_are_left_out_of_the_name() -> None:
    assert str(Recipe.parse("w8c_a8+e8c")) == "w8c_a8"
    assert str(Recipe.parse("fast")) == "w8c_a8"
    assert str(Recipe.parse("fp16+e16")) == "fp16"
    assert str(Recipe.parse("w4g32+e4g32@gptq")) == "w4g32+e4g32@gptq"


def test_embeddings_default_to_eight_bits_beside_quantized_weights() -> None:
    assert Recipe.parse("w4g32").embeddings == Grid(8, "channel")
    assert Recipe.parse("w4g32+e32").embeddings == "fp32"


@pytest.mark.parametrize("name", ["w9c", "w1c_a8", "w4g31", "w4", "fp32+e8c", "W8c", "", "w8c_a4"])
def test_wrong_recipes_are_refused(name: str) -> None:
    with pytest.raises(RecipeSyntaxError):
        Recipe.parse(name)


@pytest.mark.parametrize(
    ("name", "kind"), [("fp32", "fp32"), ("fp16", "fp16"), ("w8c_a8+e4c", "w4"), ("w3g32", "w3")]
)
def test_kind_is_the_narrowest_grid(name: str, kind: str) -> None:
    assert Recipe.parse(name).kind == kind


def test_a_grid_says_which_codes_it_uses_and_what_it_stores() -> None:
    assert Grid(4, "channel").limits == (-7, 7)
    assert Grid(4, "channel", codes="full").limits == (-8, 7)
    assert Grid(2, "channel", codes="signed").limits == (-2, 1)
    assert Grid(3, "channel", asymmetric=True).limits == (-4, 3)
    assert Grid(4, "group", 16).span(384) == 16
    assert Grid(4, "channel").span(384) == 384
    grid = Grid(4, "group", 16, codes="signed", scales="int8")
    assert grid.bits_per_weight(384) == pytest.approx(4 + 8 / 16 + 16 / 384)
    # a last group that is not full needs a scale all the same
    assert grid.bits_per_weight(172) == pytest.approx(4 + (11 * 8 + 16) / 172)
    assert Grid(4, "group", 32, True, scales="float16").bits_per_weight(64) == 4 + 20 / 32


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_is_a_recipe_that_its_target_makes(name: str) -> None:
    assert set(PRESETS[name]) == set(TARGETS)
    for target, recipe in PRESETS[name].items():
        assert str(Recipe.parse(name, target)) == recipe  # canonical, so files bear that name
        check_supported(Recipe.parse(name, target), target, allow_padded=False)


def test_other_names_mean_the_same_on_every_target() -> None:
    assert Recipe.parse("w4g32+e4g32", "tflite") == Recipe.parse("w4g32+e4g32", "onnx")
