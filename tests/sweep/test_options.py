"""What the options of a sweep combine to, and what they refuse."""

from __future__ import annotations

import pytest

from edgekit.errors import UsageError
from edgekit.recipe import Recipe
from edgekit.sweep.options import SweepOptions


def recipes(**options: tuple[str, ...]) -> list[str]:
    made, refused = SweepOptions(**options).combinations()
    assert not refused
    return [c.recipe for c in made]


def test_the_default_is_three_to_eight_bits_in_groups_and_rows_for_onnx() -> None:
    made, refused = SweepOptions().combinations()
    assert not refused
    assert {c.target for c in made} == {"onnx"}
    assert [c.recipe for c in made] == [f"w{k}{g}" for g in ("g32", "c") for k in range(3, 9)]


def test_commas_repeats_and_ranges_are_the_same() -> None:
    expected = ["w2c", "w3c", "w4c", "w8c"]
    assert recipes(bits=("2-4,8",), groups=("c",)) == expected
    assert recipes(bits=("2", "3,4", "3-4", "8"), groups=("c", "c")) == expected


def test_every_option_reaches_the_name() -> None:
    found = recipes(
        bits=("4",), groups=("c", "16"), embeddings=("8c,4g32",), methods=("gptq", "default"),
        activations=("int8,float",),
    )  # fmt: skip
    assert len(found) == len(set(found)) == 16
    assert {"w4c", "w4g16_a8+e4g32@gptq", "w4c_a8@gptq", "w4g16+e4g32"} <= set(found)
    assert found == [str(Recipe.parse(name)) for name in found]


def test_what_a_target_does_not_make_is_refused_with_its_reason() -> None:
    options = SweepOptions(
        bits=("4,5",), groups=("c,32",), targets=("onnx,tflite",), activations=("float,int8",)
    )
    made, refused = options.combinations()
    assert {(r.target, r.recipe) for r in refused} == {
        ("tflite", name) for name in ("w4c", "w4g32", "w5c", "w5g32", "w5c_a8", "w5g32_a8")
    }
    assert {c.recipe for c in made if c.target == "tflite"} == {"w4c_a8", "w4g32_a8"}
    assert all(r.reason.endswith(".") and "w" in r.hint for r in refused)


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("bits", "1", "--bits"), ("bits", "9", "--bits"), ("bits", "5-3", "--bits"),
        ("bits", "four", "--bits"), ("bits", "2-", "--bits"), ("bits", "-3", "--bits"),
        ("bits", "", "--bits"), ("bits", "3,,4", "--bits"), ("bits", "²", "--bits"),
        ("groups", "48", "--group"), ("groups", "g32", "--group"), ("groups", "t", "--group"),
        ("groups", "", "--group"), ("groups", "16z", "--group"),
        ("embeddings", "9c", "--embeddings"),
        ("embeddings", "8c@rtn", "--embeddings"), ("methods", "awq", "--method"),
        ("activations", "int4", "--activations"), ("targets", "coreml", "--target"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_its_option(option: str, value: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        SweepOptions(**{option: (value,)}).combinations()
    assert caught.value.message.startswith(named)
    assert caught.value.exit_code == 2
    assert caught.value.hint
