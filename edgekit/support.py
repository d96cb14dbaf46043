"""Which recipe exists on which target: how it is stored, which kernel runs it, or why not."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit import support_tflite
from edgekit.errors import UnsupportedError
from edgekit.recipe import Grid, Recipe

TARGETS = ("onnx", "tflite")


@dataclass(frozen=True, slots=True)
class Support:
    """One row of ``edgekit recipes``.

    Attributes:
      recipe: canonical name.
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
    eight_per_row = Grid(8, "channel")
    weights_fine = recipe.weights in ("fp32", "fp16") or (
        recipe.weights == eight_per_row and recipe.int8_activations
    )
    tables_fine = recipe.embeddings in ("fp32", "fp16", eight_per_row)
    if recipe.method not in (None, "rtn"):
        raise UnsupportedError(
            f"quantization method '{recipe.method}' is not made in this version.", "known: rtn."
        )
    if target == "tflite":
        support_tflite.check_recipe(recipe, allow_padded)
        return
    if weights_fine and tables_fine:
        return
    names = ", ".join(row.recipe for row in supported(target))
    raise UnsupportedError(
        f"recipe '{recipe}' is not made for {target} in this version.",
        f"the nearest that runs is w8c_a8; {target} has {names}.",
    )
