"""Codebooks: values looked up among 2**k fitted ones; a study, no runtime's format.

Three forms, named as grids are: ``4t`` has one codebook for the tensor, ``4c`` one for each row,
and ``4g32`` one for the tensor, of values that are divided by a scale of their block of 32 inputs.
Centroids (``kmeans``) and scales are fitted to the weights alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.kmeans import fit_centroids, nearest

from edgekit.errors import InternalError
from edgekit.qtensor import code_range
from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Centroids = npt.NDArray[np.float32] | npt.NDArray[np.float16]

#: codebook and scales are fitted in turns so many times at most; the first ones bring nearly all
_TURNS = 4


@dataclass(frozen=True, slots=True)
class CodebookTensor:
    """A matrix [out, in] as k-bit indices into codebooks.

    The value of element (i, j) is ``centroids[b, codes[i, j] + 2**(bits-1)] * scales[i, j // group]
    * 2**exponent``, with ``b = i`` where every row has a codebook and 0 where the tensor has one.

    Attributes:
      codes: int8 [out, in], each in [-2**(bits-1), 2**(bits-1) - 1].
      centroids: [1 or out, 2**bits], ascending: float32 for a tensor's, float16 for a row's.
      bits: 2..8.
      exponent: keeps float16 in its range, whatever the size of the weights.
      scales: float16 [out, ceil(in / group)], or None for 1 everywhere.
      group: inputs per scale; equal to ``in`` without scales.
    Raises:
      InternalError: shapes, dtypes or code range contradict each other.
    """

    codes: npt.NDArray[np.int8]
    centroids: Centroids
    bits: int
    exponent: int
    scales: npt.NDArray[np.float16] | None
    group: int

    def __post_init__(self) -> None:
        rows, cols = self.codes.shape
        low, high = code_range(self.bits)
        if self.codes.dtype != np.int8 or self.centroids.dtype not in (np.float16, np.float32):
            raise InternalError(f"codes {self.codes.dtype}, centroids {self.centroids.dtype}")
        if self.centroids.shape not in ((1, 1 << self.bits), (rows, 1 << self.bits)):
            raise InternalError(f"centroids {self.centroids.shape} for {rows} rows")
        if self.codes.size and not (low <= self.codes.min() and self.codes.max() <= high):
            raise InternalError(f"codes outside [{low}, {high}] for {self.bits} bits")
        if not np.isfinite(self.centroids).all():
            raise InternalError("centroids are not finite")
        groups = -(-cols // self.group)
        if self.scales is not None and (
            self.scales.shape != (rows, groups) or self.scales.dtype != np.float16
        ):
            raise InternalError(f"scales {self.scales.shape}, expected {(rows, groups)}")

    @property
    def shape(self) -> tuple[int, int]:
        """[out, in]."""
        return self.codes.shape[0], self.codes.shape[1]

    def dequantize(self) -> Floats:
        """The float32 matrix [out, in] that the codes stand for."""
        book = np.arange(len(self.centroids))[:, None]
        index = self.codes.astype(np.int64) + (1 << (self.bits - 1))
        values = self.centroids.astype(np.float32)[book, index]
        if self.scales is not None:
            values = values * _wide(self.scales.astype(np.float32), self.group, self.shape[1])
        return np.ldexp(values, self.exponent).astype(np.float32)

    def stored_bits(self) -> int:
        """Bits of codes, centroids, scales and the exponent (16) together."""
        scales = 0 if self.scales is None else self.scales.size * 16
        return self.codes.size * self.bits + self.centroids.nbytes * 8 + scales + 16

    @property
    def bits_per_weight(self) -> float:
        """All stored bits for each weight."""
        return self.stored_bits() / max(1, self.codes.size)


def cluster(matrix: Floats, grid: Grid) -> CodebookTensor:
    """Put a matrix into codebooks.

    Args:
      matrix: float32 [out, in], finite.
      grid: its bits; "tensor" or "channel" say what has a codebook, "group" what has a scale.
    Raises:
      InternalError: the matrix holds NaN or infinity.
    """
    if not np.isfinite(matrix).all():
        raise InternalError("a matrix to be clustered holds NaN or infinity")
    rows, cols = matrix.shape
    count, by_row = 1 << grid.bits, grid.grain == "channel"
    group = grid.span(cols)
    # a tensor's centroids are float32 as its values are: those of a clustered matrix stay exact
    exponent = 0
    if grid.grain != "tensor":
        exponent = int(np.frexp(np.abs(matrix).max(initial=0.0).astype(np.float64))[1])
    values = np.ldexp(matrix.astype(np.float64), -exponent)
    if grid.grain == "group":
        return _blocks(values, grid.bits, exponent, group)
    books = values if by_row else values.reshape(1, -1)
    if matrix.size:
        centroids = fit_centroids(books, None, count)
    else:
        centroids = np.zeros((rows if by_row else 1, count))
    stored: Centroids = centroids.astype(np.float32)
    if by_row:
        stored = centroids.astype(np.float16)
    codes = nearest(books, stored.astype(np.float64)).reshape(matrix.shape) - count // 2
    return CodebookTensor(codes.astype(np.int8), stored, grid.bits, exponent, None, group)


def _blocks(values: Doubles, bits: int, exponent: int, group: int) -> CodebookTensor:
    """One codebook of values over their block's scale; both are fitted in turns."""
    count, cols = 1 << bits, values.shape[1]
    blocks = _per_block(values, group)
    # with its sign: an uneven codebook then serves whichever tail of a block is the longer
    high, low = blocks.max(axis=2, initial=0.0), blocks.min(axis=2, initial=0.0)
    scales = _half(np.where(high >= -low, high, low))
    best, found = np.inf, None
    for _ in range(_TURNS):
        wide = _wide(scales.astype(np.float64), group, cols)
        scaled = np.divide(values, wide, out=np.zeros_like(values), where=wide != 0).reshape(1, -1)
        # weighted so that the error that counts is the matrix's
        weights = np.square(wide).reshape(1, -1)
        books = np.zeros((1, count), np.float32)
        if values.size:
            books = fit_centroids(scaled, weights, count).astype(np.float32)
        index = nearest(scaled, books.astype(np.float64)).reshape(values.shape)
        levels = books[0].astype(np.float64)[index]
        error = float(np.square(values - levels * wide).sum())
        if not error < best:
            break
        best = error
        codes = (index - count // 2).astype(np.int8)
        found = CodebookTensor(codes, books, bits, exponent, scales, group)
        # least squares: the scale that is best for the block's codes
        products = _per_block(values * levels, group).sum(axis=2)
        squares = _per_block(np.square(levels), group).sum(axis=2)
        better = np.divide(products, squares, out=scales.astype(np.float64), where=squares > 0)
        scales = _half(better)
    assert found is not None  # no first error is infinite
    return found


def _per_block(values: Doubles, group: int) -> Doubles:
    """[out, ceil(in / group), group], filled up with zeros."""
    rows, cols = values.shape
    padded = np.pad(values, ((0, 0), (0, -cols % group)))
    return padded.reshape(rows, padded.shape[1] // group, group)


def _half(values: Doubles) -> npt.NDArray[np.float16]:
    half: npt.NDArray[np.float16] = values.astype(np.float16)
    return half


def _wide(scales: npt.NDArray[np.floating], group: int, cols: int) -> npt.NDArray[np.floating]:
    """A block's number beside each of its elements, [out, in]."""
    return np.repeat(scales, group, axis=1)[:, :cols]
