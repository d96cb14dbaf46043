"""Which recipe exists on which target: how it is stored, which kernel runs it, or why not."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit import support_onnx
from edgekit.errors import UnsupportedError
from edgekit.recipe import Grid, Recipe

TARGETS = ("onnx", "tflite")
#: methods that need no text
DATA_FREE = ("hqq", "mse", "rtn")


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
    Support("fp32", "tflite", "float32", "FULLY_CONNECTED (XNNPACK)", "1x"),
    Support("fp16", "tflite", "float16 behind DEQUANTIZE", "as fp32: unpacked at load", "1x",
            "storage only; more memory than fp32"),
    Support("w8c_a8", "tflite", "int8 rows, float32 scales", "FULLY_CONNECTED qd8-qc8w (XNNPACK)",
            "4.3-5.4x; AVX2 1.2-1.6x", "activations per token, asymmetric"),
)  # fmt: skip


def supported(target: str | None = None) -> list[Support]:
    """The rows of one target, or of both."""
    return [row for row in _ROWS if target is None or row.target == target]


def check_supported(recipe: Recipe, target: str) -> None:
    """Refuse a recipe that the target's writer does not make.

    Raises:
      UnsupportedError: with the nearest recipe that runs.
    """
    if recipe.method not in (None, *DATA_FREE):
        raise UnsupportedError(
            f"quantization method '{recipe.method}' is not made in this version.",
            f"known: {', '.join(DATA_FREE)}.",
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
    eight_per_row = Grid(8, "channel")
    weights_fine = recipe.weights in ("fp32", "fp16") or (
        recipe.weights == eight_per_row and recipe.int8_activations
    )
    if weights_fine and recipe.embeddings in ("fp32", "fp16", eight_per_row):
        return
    names = ", ".join(row.recipe for row in supported(target))
    raise UnsupportedError(
        f"recipe '{recipe}' is not made for {target} in this version.",
        f"the nearest that runs is w8c_a8; {target} has {names}.",
    )
