"""Weight sketches: proof that a file holds the source's weights, without the source.

For every parameter W the folder keeps two projections, ``W @ d`` and ``d' @ W``, with fixed
vectors d of +1 and -1 (Johnson-Lindenstrauss in one dimension per row and column), and the energy
of each row, the sum of its squares. A file's dequantized weights must give the same numbers within
the noise that their own grid adds: rounding moves each weight by at most half a step, so a row of n
weights moves by about sqrt(n / 12) steps. Swapped rows, a transposed or stale matrix move the
projections by many times that, a wrong scale the energy, although the model's outputs may hardly
show it. Vectors (biases, norms) are kept whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.audit.records import Contents, StoredTensor
from edgekit.errors import ArtifactError

Floats = npt.NDArray[np.float32]

#: Largest projection error of one row or column, in standard deviations of the storage noise.
#: Rounding errors are bounded and nearly independent, so a row's sum is close to normal; over
#: 100,000 rows the largest is about 4.4. docs/checks.md has what was measured.
LIMIT_MAX = 7.0
#: Root mean square over all rows and columns; 1.0 is expected of plain rounding.
LIMIT_RMS = 1.5

#: Largest distance of a whole matrix from the source's by bits, for codes that are not plain
#: rounding. The most seen on MiniLM's matrices with one scale per row, plain or clip-searched, is
#: 0.87, 0.54, 0.45, 0.26, 0.14, 0.07 at 2 to 7 bits (8 was not measured); at 2 bits a classifier of
#: two rows, whose target makes up for all layers before it, was about 1.1 away. A stale or
#: transposed matrix is 1.4 away, one of zeros 1.0; which codes exactly, a digest proves.
LIMIT_DISTANCE = {2: 1.1, 3: 0.7, 4: 0.6, 5: 0.35, 6: 0.2, 7: 0.12, 8: 0.08}


@dataclass(frozen=True, slots=True)
class Sketch:
    """Projections of one parameter seen as a matrix [rows, cols].

    Attributes:
      rows: float32 [rows], ``W @ d``.
      cols: float32 [cols], ``d' @ W``.
      energies: float32 [rows], sum of squares.
    """

    rows: Floats
    cols: Floats
    energies: Floats


def signs(n: int) -> Floats:
    """The fixed vector of +1 and -1 of length n (from PCG64's raw stream, seeded by n)."""
    raw = np.random.PCG64(n).random_raw(n)
    return np.where(raw & np.uint64(1 << 40), np.float32(1), np.float32(-1))


#: values that are looked at in float64 at once: 32 MB
_BLOCK = 1 << 22


def as_matrix(value: Floats) -> Floats:
    """A parameter as [rows, cols]: vectors become one row, higher axes join the columns."""
    return value.reshape(1, -1) if value.ndim < 2 else value.reshape(value.shape[0], -1)


def make_sketch(value: Floats) -> Sketch:
    """Sketch a float32 parameter of any shape."""
    matrix = as_matrix(value)
    rows, cols = matrix.shape
    down, across = signs(rows), signs(cols)
    by_row, energy = np.zeros(rows), np.zeros(rows)
    by_col = np.zeros(cols)
    # a vocabulary's table is a large part of a model: it is not held in float64 as a whole
    step = max(1, _BLOCK // max(1, cols))
    for start in range(0, rows, step):
        part = slice(start, start + step)
        block = matrix[part].astype(np.float64)
        by_row[part] = block @ across
        by_col += down[part] @ block
        energy[part] = np.square(block).sum(axis=1)
    return Sketch(by_row.astype(np.float32), by_col.astype(np.float32), energy.astype(np.float32))


def deviations(expected: Sketch, stored: StoredTensor, found: Contents) -> Floats:
    """How far a file's weights are from the source's, per row and column.

    Args:
      expected: sketch of the whole parameter.
      stored: says which rows the file holds.
      found: the file's weights and their storage noise, in the parameter's orientation.
    Returns:
      float32 [2 * rows held + cols], in standard deviations: projections of rows, energies of
      rows, and, only when all rows are held, projections of columns.
    """
    matrix, noise = as_matrix(found.values), as_matrix(found.noise)
    got = make_sketch(matrix)
    part = slice(stored.transform.start, stored.transform.stop)
    whole = stored.transform.layout != "rows"
    rows = expected.rows if whole else expected.rows[part]
    energies = expected.energies if whole else expected.energies[part]
    if rows.shape != got.rows.shape or expected.cols.shape != got.cols.shape:
        raise ArtifactError(
            f"weights of {stored.parameter} have shape {matrix.shape}, not the source's.", ""
        )
    count, cols = matrix.shape
    by_row, energy, spread = np.zeros(count), np.zeros(count), np.zeros(count)
    by_col = np.zeros(cols)
    step = max(1, _BLOCK // max(1, cols))
    for start in range(0, count, step):
        held = slice(start, start + step)
        variance = np.square(noise[held], dtype=np.float64)
        squares = np.square(matrix[held], dtype=np.float64)
        by_row[held], energy[held] = variance.sum(axis=1), squares.sum(axis=1)
        by_col += variance.sum(axis=0)
        # of w + e with e uniform: mean of the energy w'w + n var(e), variance 4 w'w var(e) + 0.8 n
        # var(e)**2 (the fourth moment of a uniform error is 9/5 of its squared variance)
        spread[held] = (4 * squares * variance + 0.8 * np.square(variance)).sum(axis=1)
    # float32 keeps 24 bits of a projection: its own rounding is part of the noise
    rounding = np.float64(2.0**-23)
    row_noise = np.sqrt(by_row) + rounding * np.abs(rows) + 1e-30
    result = [np.abs(got.rows - rows) / row_noise]
    spread = np.sqrt(spread) + rounding * np.abs(energies) + 1e-30
    result.append(np.abs(energy - by_row - energies) / spread)
    if whole:
        col_noise = np.sqrt(by_col) + rounding * np.abs(expected.cols) + 1e-30
        result.append(np.abs(got.cols - expected.cols) / col_noise)
    return np.concatenate(result).astype(np.float32)


def distance(expected: Sketch, stored: StoredTensor, found: Contents) -> tuple[float, float]:
    """How far a file's matrix is from the source's, as a share of the source's.

    For errors E that do not know d, the mean square of ``E @ d`` over rows is that of E's rows, and
    so with columns: the longer side gives the better estimate of ``|E| / |W|`` (Frobenius norms).
    Unlike ``deviations`` this asks nothing of E: clipped, calibrated and shifted weights are
    farther from the source than the rounding noise of their grid, and better for it.

    Returns:
      the estimate, and the factor by which chance may enlarge it (5 standard deviations).
    Raises:
      ArtifactError: the shapes are not the source's.
    """
    got = make_sketch(as_matrix(found.values))
    part = slice(stored.transform.start, stored.transform.stop)
    cut = stored.transform.layout == "rows"
    rows = expected.rows[part] if cut else expected.rows
    energies = expected.energies[part] if cut else expected.energies
    if rows.shape != got.rows.shape or expected.cols.shape != got.cols.shape:
        raise ArtifactError(f"weights of {stored.parameter} have not the source's shape.", "")
    apart = got.rows - rows
    if not cut and expected.cols.size > rows.size:
        apart = got.cols - expected.cols
    error, total = (float(np.sum(a, dtype=np.float64)) for a in (np.square(apart), energies))
    luck = float(np.sqrt(1 + 5 * np.sqrt(2 / apart.size)))
    return float(np.sqrt(error / total)) if total else float(error > 0), luck


def worst_distance(found: Contents) -> float:
    """The most that plain rounding can move a matrix, as a share of its size.

    The errors of dense weights average out, which ``deviations`` relies on. Those of a clustered
    matrix do not: each of its few values is rounded once, and by up to half a step (sqrt(3)
    standard deviations; two roundings in a row by sqrt(6) of both together).
    """
    noise, size = _sum_of_squares(found.noise), _sum_of_squares(found.values)
    return float(np.sqrt(6 * noise / size)) if size else 0.0


def to_arrays(sketches: Mapping[str, Sketch]) -> dict[str, npt.NDArray[np.generic]]:
    """All sketches as five arrays for golden.npz."""
    names = sorted(sketches)
    return {
        "sketch.names": np.array(names, dtype=np.str_),
        "sketch.shapes": np.array(
            [(sketches[n].rows.size, sketches[n].cols.size) for n in names], np.int64
        ).reshape(-1, 2),
        "sketch.rows": _join([sketches[n].rows for n in names]),
        "sketch.cols": _join([sketches[n].cols for n in names]),
        "sketch.energies": _join([sketches[n].energies for n in names]),
    }


def from_arrays(arrays: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, Sketch]:
    """Undo ``to_arrays``."""
    shapes = np.asarray(arrays["sketch.shapes"], np.int64)
    row_ends, col_ends = np.cumsum(shapes[:, 0]), np.cumsum(shapes[:, 1])
    rows = np.split(np.asarray(arrays["sketch.rows"], np.float32), row_ends[:-1])
    cols = np.split(np.asarray(arrays["sketch.cols"], np.float32), col_ends[:-1])
    energies = np.split(np.asarray(arrays["sketch.energies"], np.float32), row_ends[:-1])
    names = [str(n) for n in arrays["sketch.names"]]
    return {n: Sketch(*parts) for n, *parts in zip(names, rows, cols, energies, strict=True)}


def _join(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _sum_of_squares(values: Floats) -> float:
    """In float64, a block at a time."""
    flat = values.reshape(-1)
    blocks = (flat[start : start + _BLOCK] for start in range(0, len(flat), _BLOCK))
    return sum(float(np.square(block, dtype=np.float64).sum()) for block in blocks)
