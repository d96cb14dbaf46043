"""What stock LiteRT stores and multiplies: which grid a weight gets, and in which integers it lies.

One place for the planner, the writer and the audit. Measured on ai-edge-litert 2.3.0 with files of
one matrix (tests/test_tflite_codes.py); numbers in docs/decisions/0009-tflite-kbit.md.

Matrices (FULLY_CONNECTED): XNNPACK takes INT8, INT4 and INT2 with one float32 scale per row, and
INT4 with one float16 scale per block of 32, 64, 128 or 256 inputs, which it rounds to bfloat16.
Scales must be positive, and codes must leave out the lowest one, which built-in kernels misread.

Tables (EMBEDDING_LOOKUP, never delegated): INT8 rows with float32 scales; INT4 and INT2 with one
float16 scale per block of any even length. Scales may be negative, all codes are read. Any other k
is stored as planes of 4, 2 and 1 bits (``planes``) that are looked up apart and added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgekit.recipe import Grid
from edgekit.side_tables import SIDE_GRID, is_side_table

#: inputs per scale that XNNPACK's kernels know
BLOCKS = (32, 64, 128, 256)
#: bits that TFLite has an integer type for, narrowest first
CONTAINERS = (2, 4, 8)
#: codes of a container that fill a byte: rows must be whole bytes, odd ones are read shifted
_PER_BYTE = {2: 4, 4: 2, 8: 1}

#: a plane of single bits lies in bytes
TYPES = {1: "int1", 2: "int2", 4: "int4", 8: "int8"}


def container(bits: int, blocks: bool = False) -> int:
    """Bits of the integer type that holds a matrix's codes of ``bits`` bits.

    Args:
      bits: 2..8.
      blocks: one scale per block of inputs; XNNPACK knows those of INT4 alone.
    """
    return next(held for held in CONTAINERS if held >= (max(bits, 4) if blocks else bits))


def planes(bits: int) -> tuple[int, ...]:
    """Widths of the planes that hold a table's codes exactly, highest bits first.

    2, 4 and 8 are types of their own; 3 = 2 + 1, 5 = 4 + 1, 6 = 4 + 2, 7 = 4 + 2 + 1.
    """
    if bits in CONTAINERS:
        return (bits,)
    return tuple(width for width in (4, 2, 1) if bits & width)


def stored_type(bits: int, role: str, blocks: bool = False) -> str:
    """Name of the type(s) in which codes of ``bits`` bits lie: "int4", "int4+int2+int1"."""
    if role == "table":
        return "+".join(TYPES[width] for width in planes(bits))
    return TYPES[container(bits, blocks)]


def table_width(cols: int, group: int) -> int:
    """Columns of a table stored below 8 bits or in groups: whole groups, whole bytes of each plane.

    Args:
      cols: of the parameter.
      group: columns per scale; ``cols`` or more for one scale per row.
    """
    span = 8 if group >= cols else group
    return -(-cols // span) * span


def stored_grid(wanted: Grid, role: str, shape: Sequence[int], most: int = 0) -> Grid:
    """The grid that a weight really gets.

    Args:
      wanted: what the recipe says of weights of this role ("tied" ones follow the tables).
      role: "matrix", "tied", "table" or "kernel".
      shape: of the parameter; the first axis has the rows.
      most: rows of the model's largest table, see ``is_side_table``.
    Returns:
      ``wanted`` with the codes and the form of scales that the kernels read; where the shape does
      not allow it, the nearest: smaller blocks, one scale per row where a block is the row or none
      divides it, 8 bits for convolutions and for rows that are no whole bytes.
    """
    cols = int(np.prod(shape[1:]))
    if role == "table":
        side = is_side_table(shape[0], most)
        return SIDE_GRID if side else _table_grid(wanted, cols)
    if role == "kernel":
        return Grid(8, "channel")
    grid = replace(wanted, codes="symmetric", scales="float32")
    if grid.grain == "group":
        fitting = [b for b in BLOCKS if b <= (grid.group or 0) and cols % b == 0]
        if fitting and fitting[-1] < cols and grid.bits <= 4:
            return replace(grid, group=fitting[-1], scales="bfloat16")
        grid = replace(grid, grain="channel", group=None)
    if cols % _PER_BYTE[container(grid.bits)]:
        return Grid(8, "channel")
    return grid


def _table_grid(wanted: Grid, cols: int) -> Grid:
    if wanted.bits == 8 and wanted.grain != "group":
        return wanted  # INT8 rows with float32 scales
    grid = replace(wanted, codes="signed", scales="float16")
    if grid.grain == "group" and (grid.group or 0) >= cols:
        return replace(grid, grain="channel", group=None)
    return grid


def as_bfloat16(scales: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What XNNPACK makes of float16 block scales: rounded to 8 significant bits, ties to even.

    Args:
      scales: float32, as the file holds them.
    Returns:
      float32, the numbers that are multiplied.
    """
    bits = np.ascontiguousarray(scales, np.float32).view(np.uint32)
    even = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + even) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32)
