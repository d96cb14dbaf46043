"""Tables of few rows, beside the vocabulary's: they stay at 8 bits whatever the recipe's width."""

from __future__ import annotations

from edgekit.recipe import FloatFormat, Grid

#: what they are stored in, in both targets
SIDE_GRID = Grid(8, "channel")


def is_side_table(rows: int, most: int) -> bool:
    """Whether a table has few rows beside the vocabulary's: positions, token types.

    Every token reads one of them, so their errors add up where a word's are its own, and 8 bits for
    them cost next to nothing: in TFLite MiniLM's mean cosine is 0.9651 with 4-bit rows for all
    tables and 0.9812 with these at 8, for 0.026 MB.

    Args:
      rows: of the table.
      most: rows of the model's largest table.
    """
    return rows * 8 <= most


def table_format(wanted: FloatFormat | Grid, rows: int, most: int) -> FloatFormat | Grid:
    """What a recipe's table format is for a table of so many rows (see ``is_side_table``)."""
    narrow = isinstance(wanted, Grid) and wanted.bits < SIDE_GRID.bits
    return SIDE_GRID if narrow and is_side_table(rows, most) else wanted
