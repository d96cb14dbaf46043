"""Which recipe exists on which target: how it is stored, which kernel runs it, or why not."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit import support_onnx, support_tflite
from edgekit.errors import UnsupportedError
from edgekit.recipe import Recipe

TARGETS = ("onnx", "tflite")
#: as recipes name them behind the @; the converters' registry has the same (a test holds that)
METHODS = ("absmax", "gptq", "hqq", "mse", "rtn", "two-sided")


@dataclass(frozen=True, slots=True)
class Support:
    """One row of ``edgekit recipes``.

    Attributes:
      recipe: canonical name, or that of a family: <k> bits, groups of <n> inputs.
      target: "onnx" or "tflite".
      stored: how weights lie in the file.
      kernel: what multiplies them.
      speed: expected class against fp32, measured on x86 (benchmarks/).
      note: what else to know.
    """

    recipe: str
    target: str
    stored: str
    kernel: str
    speed: str
    note: str = ""


_ROWS = (
    Support("fp32", "onnx", "float32", "MatMul, MultiHeadAttention (MLAS)", "1x"),
    Support("fp16", "onnx", "float16 behind a Cast", "as fp32: folded at load", "1x",
            "storage only"),
    Support("w8c_a8", "onnx", "int8 rows, float32 scales", "MatMulIntegerToFloat (MLAS)",
            "2.4-2.7x; AVX2 1.5-1.8x", "one activation scale per token; cannot saturate 16 bits"),
    *(Support(recipe, "onnx", *rest) for recipe, *rest in support_onnx.rows()),
    *(Support(name, "tflite", *rest) for name, *rest in support_tflite.rows()),
)  # fmt: skip


def supported(target: str | None = None) -> list[Support]:
    """The rows of one target, or of both."""
    return [row for row in _ROWS if target is None or row.target == target]


def check_supported(recipe: Recipe, target: str, allow_padded: bool = False) -> None:
    """Refuse a recipe that the target's writer does not make.

    Args:
      recipe: asked for.
      target: "onnx" or "tflite".
      allow_padded: codes may lie in wider integers, which saves no bytes.
    Raises:
      UnsupportedError: with the nearest recipe that runs.
    """
    if recipe.method not in (None, *METHODS):
        raise UnsupportedError(
            f"quantization method '{recipe.method}' is not known.", f"known: {', '.join(METHODS)}."
        )
    if target == "onnx":
        refused = support_onnx.refusal(recipe)
        if refused is None:
            return
        reason, nearest = refused
        raise UnsupportedError(
            f"recipe '{recipe}' is not made for onnx: {reason}.",
            f"the nearest that runs is {nearest}; see `edgekit recipes`.",
        )
    support_tflite.check_recipe(recipe, allow_padded)
