"""What each recipe becomes in an .onnx file, by kind of grid."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.recipe import MAX_BITS, MIN_BITS, FloatFormat, Grid, Recipe

#: speed classes against fp32, measured on x86 (benchmarks/kbit_files.py)
_FLOAT_SPEED, _NIBBLE_SPEED, _INT8_SPEED = "1x", "0.85-1x", "as w8c_a8"


def rows() -> Iterator[tuple[str, str, str, str, str]]:
    """(recipe or family, stored as, kernel, speed, note) of every weight width and table."""
    for bits in range(MIN_BITS, MAX_BITS + 1):
        for grain in ("c", "g<n>"):
            form = stored(bits, grain)
            if bits == 4:
                form = form.replace("4-bit plane", "blocks of packed 4-bit codes")
            yield (f"w{bits}{grain}", form, *_float_kernel(bits))
    for bits in range(MIN_BITS, MAX_BITS + 1):
        for grain in ("c", "g<n>"):
            if (bits, grain) != (8, "c"):
                yield (f"w{bits}{grain}_a8", stored(bits, grain), *_int8_kernel(bits, grain))
    yield ("+e<k>c", "codes as for w<k>c", "Gather, unpacked behind it", "", "k from 2 to 8")
    yield ("+e<k>g<n>", "codes as for w<k>g<n>", "Gather, unpacked behind it", "",
           "tied matrices too: stored once, unpacked at load")  # fmt: skip


def stored(bits: int, grain: str) -> str:
    """How codes and scales lie in the file."""
    if bits == 8:
        return "int8, " + ("float32 scales" if grain == "c" else "8-bit scales")
    widths = [str(width) for width in (4, 2, 1) if bits & width]
    planes = f"{'+'.join(widths)}-bit plane{'s' if len(widths) > 1 else ''}"
    return f"{planes}, " + ("float16 scales" if grain == "c" else "8-bit scales")


def _float_kernel(bits: int) -> tuple[str, str, str]:
    if bits == 4:
        return ("MatMulNBits, float32 (MLAS)", _NIBBLE_SPEED, "codes stay packed in memory")
    return ("MatMul (MLAS)", _FLOAT_SPEED, "unpacked to float32 at load: small on disk alone")


def _int8_kernel(bits: int, grain: str) -> tuple[str, str, str]:
    note = "unpacked to int8 at load" if grain == "c" else "folded to int8 rows at load"
    return ("MatMulIntegerToFloat (MLAS)", _INT8_SPEED, note)


def refusal(recipe: Recipe) -> tuple[str, str] | None:
    """Why a recipe is not made and the nearest that is, or None when it is made."""
    for grid in (recipe.weights, recipe.embeddings):
        if not isinstance(grid, Grid):
            continue
        if grid.asymmetric:
            return "zero points buy less than smaller groups do", _nearest(recipe)
        if grid.grain == "tensor":
            return "one scale per tensor is for study alone", _nearest(recipe)
    return None


def _nearest(recipe: Recipe) -> str:
    """The same recipe without zero points, per channel instead of per tensor."""
    return str(Recipe(_plain(recipe.weights), _plain(recipe.embeddings), recipe.int8_activations))


def _plain(wanted: FloatFormat | Grid) -> FloatFormat | Grid:
    if not isinstance(wanted, Grid):
        return wanted
    return Grid(wanted.bits, "channel" if wanted.grain == "tensor" else wanted.grain, wanted.group)
