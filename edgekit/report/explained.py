"""An explanation as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgekit.report.rows import megabytes
from edgekit.report.terminal import print_line, print_table

if TYPE_CHECKING:
    from edgekit.converters.api import Explanation, Matrix

#: header and rows
Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def print_explanation(found: Explanation) -> None:
    """Shares, blocks, matrices, notes, and the sentence."""
    if found.shares is not None:
        shares = found.shares
        print_line(
            f"{found.file}, {megabytes(found.size_bytes)}: mean cosine {shares.file.mean:.5f} "
            f"({shares.file.low:.5f} to {shares.file.high:.5f}) on {found.texts} texts that "
            "calibration never saw"
        )
        for header, rows in (_shares(found), _blocks(found), _matrices(found), _raises(found)):
            if rows:
                print_line("")
                print_table(header, rows)
        print_line("")
        for note in found.notes:
            print_line(f"  {note}")
    print_line(found.sentence)


def _shares(found: Explanation) -> Table:
    shares = found.shares
    assert shares is not None
    parts = (
        ("matrices alone", shares.matrices),
        ("tables alone", shares.tables),
        ("activations alone", shares.activations),
        ("all, simulated", shares.all),
        ("the file itself", shares.loss),
    )
    rows = [(name, _fixed(loss), f"{loss / max(shares.loss, 1e-9):.0%}") for name, loss in parts]
    return ("what is quantized", "1 - cosine", "of the file's"), rows


def _blocks(found: Explanation) -> Table:
    def number(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    rows = [
        (
            block.name + (f" (x{block.calls})" if block.calls > 1 else ""),
            number(block.weights_cosine, ".5f"),
            number(block.weights_sqnr, ".1f"),
            number(block.cosine, ".5f"),
            number(block.sqnr, ".1f"),
            _fixed(block.adds),
            _fixed(block.wins),
        )
        for block in found.blocks
    ]
    header = ("block's output", "weights", "dB", "+activations", "dB", "alone adds", "float wins")
    return header, rows


def _matrices(found: Explanation) -> Table:
    rows = [
        (m.name, _bits(m), megabytes(m.bytes), _fixed(m.wins.mean))
        for m in found.matrices
        if m.wins is not None
    ]
    return ("matrix", "bits", "size", "float wins"), rows


def _raises(found: Explanation) -> Table:
    rows = [
        (
            m.name,
            f"{m.bits} to {r.bits}",
            r.method,
            f"+{size_text(r.bytes)}",
            _fixed(r.wins.mean),
            f"{_fixed(r.wins.low)} to {_fixed(r.wins.high)}",
        )
        for m in found.matrices
        for r in m.raises
    ]
    return ("worst matrices", "bits", "method", "costs", "wins", "95 % interval"), rows


def _fixed(number: float) -> str:
    """Five decimals, without the minus of a zero."""
    return f"{round(number, 5) + 0.0:.5f}"


def _bits(matrix: Matrix) -> str:
    grouped = matrix.group is not None and matrix.group < matrix.cols
    return f"{matrix.bits}g{matrix.group}" if grouped else f"{matrix.bits}c"


def size_text(size: int) -> str:
    """Bytes, in full where they are few."""
    return f"{size} bytes" if abs(size) < 1000 else megabytes(size)
