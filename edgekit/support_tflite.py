"""Which recipes stock LiteRT runs, how it stores them, and the nearest to one that it does not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from edgekit.audit.records import TensorRecord
from edgekit.errors import UnsupportedError
from edgekit.recipe import Grid, Recipe
from edgekit.tflite_formats import BLOCKS, TYPES, container

_SLOW_BLOCKS = "on x86 without VNNI products in blocks are slower than float32"


def check_recipe(recipe: Recipe, allow_padded: bool) -> None:
    """Refuse what is not made, with the nearest recipe that runs.

    Args:
      recipe: asked for.
      allow_padded: codes may lie in wider integers, which saves no bytes.
    Raises:
      UnsupportedError: why not, and what instead.
    """
    reason, hint = _refusal(recipe), f"the nearest that runs is {nearest(recipe)}"
    weights = recipe.weights
    if not reason and isinstance(weights, Grid) and padded(weights) and not allow_padded:
        held = container(weights.bits, weights.grain == "group")
        reason = f"its matrices would take as many bytes as at {held} bits"
        hint += "; --allow-padded makes it all the same"
    if reason:
        raise UnsupportedError(f"recipe '{recipe}' is not made for tflite: {reason}.", f"{hint}.")


def _refusal(recipe: Recipe) -> str:
    weights, tables = recipe.weights, recipe.embeddings
    if any(isinstance(grid, Grid) and grid.asymmetric for grid in (weights, tables)):
        return "LiteRT's kernels take no zero points"
    if not isinstance(weights, Grid):
        return ""
    if not recipe.int8_activations:
        return "no kernel multiplies float activations by integer weights at float's speed"
    if weights.grain == "tensor":
        return "one scale per tensor has no kernel of its own"
    if weights.grain == "group" and weights.bits > 4:
        return "scales per block exist for 4 bits alone"
    if weights.grain == "group" and weights.group not in BLOCKS:
        return f"kernels know blocks of {', '.join(map(str, BLOCKS))}"
    return ""


def nearest(recipe: Recipe) -> Recipe:
    """The recipe without padding that runs and comes next, at no fewer bits."""
    tables = recipe.embeddings
    if isinstance(tables, Grid):
        tables = replace(tables, asymmetric=False)
    weights = recipe.weights
    if not isinstance(weights, Grid):
        return replace(recipe, embeddings=tables)
    if weights.grain == "group" and weights.bits <= 4:
        fitting = [block for block in BLOCKS if block <= (weights.group or 0)]
        weights = Grid(4, "group", fitting[-1] if fitting else BLOCKS[0])
    else:
        weights = Grid(container(weights.bits), "channel")
    return replace(recipe, weights=weights, embeddings=tables, int8_activations=True)


def padded(weights: Grid) -> bool:
    """Whether a matrix's codes lie in wider integers than they need."""
    return weights.bits != container(weights.bits, weights.grain == "group")


def recipe_notes(recipe: Recipe) -> list[str]:
    """What a user should know before any file is made."""
    notes = []
    weights = recipe.weights
    if isinstance(weights, Grid) and padded(weights):
        held = container(weights.bits, weights.grain == "group")
        name = TYPES[held].upper()
        notes.append(f"{weights.bits}-bit codes lie in {name}: not smaller than at {held} bits")
    if isinstance(weights, Grid) and weights.grain == "group":
        notes.append(_SLOW_BLOCKS)
    return notes


def file_notes(recipe: Recipe, tensors: Iterable[TensorRecord]) -> list[str]:
    """What a written file does otherwise than its name says, because of shapes.

    Args:
      recipe: of the file.
      tensors: what the audit found.
    """
    weights = recipe.weights
    found = list(tensors)
    notes = []
    if recipe.mix:  # says for each parameter what it is
        blocks = any(t.role == "matrix" and (t.group or 0) < math.prod(t.shape[1:]) for t in found)
        return [_SLOW_BLOCKS] if blocks else []
    for t in (t for t in found if t.role == "tied"):
        if isinstance(recipe.embeddings, Grid) and t.dtype != TYPES.get(recipe.embeddings.bits):
            name = f"{recipe.embeddings.bits}-bit codes of {t.parameter}"
            notes.append(f"{name} lie in {t.dtype.upper()}: it is multiplied, not only looked up")
    if isinstance(recipe.embeddings, Grid):
        side = sum(t.role == "table" and t.bits > recipe.embeddings.bits for t in found)
        if side:
            notes.append(f"{side} tables of few rows (positions, types) are stored in 8 bits")
    if not isinstance(weights, Grid) or weights == Grid(8, "channel"):
        return notes
    kernels = sum(t.role == "kernel" for t in found)
    if kernels:
        notes.append(f"{kernels} weights besides matrices and tables are stored in 8 bits")
    matrices = [t for t in found if t.role == "matrix"]
    wider = [t for t in matrices if t.bits > weights.bits]
    if wider:
        notes.append(f"{len(wider)} matrices whose rows are no whole bytes are stored in 8 bits")
    if weights.grain == "group":
        left = [t for t in matrices if t not in wider and t.group != weights.group]
        finer = [t for t in left if t.group in BLOCKS and (t.group or 0) < (weights.group or 0)]
        coarse = [t for t in left if t not in finer]
        if finer:
            sizes = ", ".join(map(str, sorted({t.group or 0 for t in finer})))
            notes.append(f"{len(finer)} matrices have blocks of {sizes}, which divide their width")
        if coarse:
            notes.append(f"{len(coarse)} matrices have one scale per row: no block divides them")
    return notes


#: recipe, how it is stored, kernel, speed against fp32 (x86, benchmarks/), note
_FC = "FULLY_CONNECTED"
_ROWS = (
    ("fp32", "float32", f"{_FC} (XNNPACK)", "1x", ""),
    ("fp16", "float16 behind DEQUANTIZE", "as fp32: unpacked at load", "1x",
     "storage only; more memory than fp32"),
    ("w8c_a8", "int8 rows, float32 scales", f"{_FC} qd8-qc8w (XNNPACK)",
     "4.3-5.4x; AVX2 1.2-1.6x", "activations per token, asymmetric"),
    ("w4c_a8", "int4 rows, float32 scales", f"{_FC} qd8-qc4w (XNNPACK)",
     "2.8-4.1x; AVX2 1.4-1.8x", "the fastest"),
    ("w4g<32|64|128|256>_a8", "int4 blocks, float16 scales", f"{_FC} qd8-qb4w (XNNPACK)",
     "1.7-2.5x; AVX2 0.7-1.0x", "better than w4c_a8; slower than float32 without VNNI"),
    ("w2c_a8", "int2 rows, float32 scales", f"{_FC} qd8-qc2w (XNNPACK)",
     "1.7-2.6x; AVX2 1.7-2.0x", ""),
    ("w<5|6|7>c_a8", "int8 rows, float32 scales", f"{_FC} qd8-qc8w (XNNPACK)", "as w8c_a8",
     "--allow-padded: as large as w8c_a8"),
    ("w3c_a8", "int4 rows, float32 scales", f"{_FC} qd8-qc4w (XNNPACK)", "as w4c_a8",
     "--allow-padded: as large as w4c_a8"),
    ("w<2|3>g<n>_a8", "int4 blocks, float16 scales", f"{_FC} qd8-qb4w (XNNPACK)", "as w4g<n>_a8",
     "--allow-padded: as large as w4g<n>_a8"),
    ("...+e8c", "int8 rows, float32 scales", "EMBEDDING_LOOKUP", "", ""),
    ("...+e<2|4><c|g<n>>", "int2 or int4, float16 scales", "EMBEDDING_LOOKUP", "", ""),
    ("...+e<3|5|6|7><c|g<n>>", "planes of int4, int2 and single bits, float16 scales",
     "EMBEDDING_LOOKUP of each, ADD, MUL", "", "exact"),
    ("...+e8g<n>", "int8, float16 scales", "EMBEDDING_LOOKUP, MUL", "", "exact"),
)  # fmt: skip


def rows() -> tuple[tuple[str, str, str, str, str], ...]:
    """What ``edgekit recipes`` says: recipe, how it is stored, kernel, speed, note."""
    return _ROWS
