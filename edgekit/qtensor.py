"""QuantizedTensor: codes and scales of one matrix, the plain data between methods and writers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.errors import InternalError

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class QuantizedTensor:
    """A matrix [out, in] as signed k-bit codes.

    The value of element (i, j) is ``(codes[i, j] - zero_points[i, g]) * scales[i, g]
    * input_multiplier[j]`` with ``g = j // group``.

    Attributes:
      codes: int8 [out, in], each in [-2**(bits-1), 2**(bits-1) - 1].
      scales: float32 [out, ceil(in / group)].
      bits: 2..8.
      group: inputs per scale; equal to ``in`` for one scale per output channel.
      zero_points: int8 [out, ceil(in / group)], or None for zero everywhere.
      input_multiplier: float32 [in] or None: the file multiplies the layer's *input* by it, so the
        codes hold the matrix with each column divided by it (see
        ``edgekit.converters.quantize.equalize``).
      scale_codes, row_scales: int8 [out, ceil(in / group)] and float16 [out], when scales are
        stored in 8 bits; ``scales`` is then exactly ``scale_codes * row_scales[:, None]``.
    Raises:
      InternalError: shapes, dtypes or code range contradict each other.
    """

    codes: npt.NDArray[np.int8]
    scales: Array
    bits: int
    group: int
    zero_points: npt.NDArray[np.int8] | None = None
    input_multiplier: Array | None = None
    scale_codes: npt.NDArray[np.int8] | None = None
    row_scales: npt.NDArray[np.float16] | None = None

    def __post_init__(self) -> None:
        rows, cols = self.codes.shape
        groups = -(-cols // self.group)
        low, high = code_range(self.bits)
        if self.codes.dtype != np.int8 or self.scales.dtype != np.float32:
            raise InternalError(f"codes {self.codes.dtype}, scales {self.scales.dtype}")
        if self.scales.shape != (rows, groups):
            raise InternalError(f"scales {self.scales.shape}, expected {(rows, groups)}")
        if self.codes.size and not (low <= self.codes.min() and self.codes.max() <= high):
            raise InternalError(f"codes outside [{low}, {high}] for {self.bits} bits")
        if not np.isfinite(self.scales).all():
            raise InternalError("scales are not finite")
        if self.input_multiplier is not None and self.input_multiplier.shape != (cols,):
            raise InternalError(f"input multiplier {self.input_multiplier.shape}, expected {cols}")
        if self.zero_points is not None and (
            self.zero_points.shape != (rows, groups) or self.zero_points.dtype != np.int8
        ):
            raise InternalError(f"zero points {self.zero_points.shape}, expected {(rows, groups)}")
        if (self.scale_codes is None) != (self.row_scales is None):
            raise InternalError("8-bit scale codes need row scales, and row scales need codes")
        if self.scale_codes is not None and self.row_scales is not None:
            if self.scale_codes.dtype != np.int8 or self.row_scales.dtype != np.float16:
                raise InternalError(
                    f"scale codes {self.scale_codes.dtype}, row scales {self.row_scales.dtype}"
                )
            product = self.scale_codes * self.row_scales.astype(np.float32)[:, None]
            if not np.array_equal(product, self.scales):
                raise InternalError("scales differ from scale codes times row scales")

    @property
    def shape(self) -> tuple[int, int]:
        """[out, in]."""
        return self.codes.shape[0], self.codes.shape[1]

    def dequantize(self) -> Array:
        """The float32 matrix [out, in] that the codes stand for."""
        wide = np.repeat(self.scales, self.group, axis=1)[:, : self.shape[1]]
        values = self.codes.astype(np.float32)
        if self.zero_points is not None:
            zeros = np.repeat(self.zero_points, self.group, axis=1)[:, : self.shape[1]]
            values -= zeros.astype(np.float32)
        values *= wide
        if self.input_multiplier is not None:
            values *= self.input_multiplier
        return values

    def steps(self) -> Array:
        """The distance between neighbouring values at each element, float32 [out, in]."""
        wide = np.abs(np.repeat(self.scales, self.group, axis=1)[:, : self.shape[1]])
        return wide if self.input_multiplier is None else wide * np.abs(self.input_multiplier)

    def stored_bits(self, scale_bits: int = 32) -> int:
        """Bits of codes, scales and zero points together.

        Args:
          scale_bits: of one scale, unless they are stored as 8-bit codes and row scales.
        """
        zeros = 0 if self.zero_points is None else self.zero_points.size * self.bits
        scales = self.scales.size * scale_bits
        if self.scale_codes is not None and self.row_scales is not None:
            scales = self.scale_codes.size * 8 + self.row_scales.size * 16
        return self.codes.size * self.bits + scales + zeros


def code_range(bits: int) -> tuple[int, int]:
    """The lowest and highest signed code of ``bits`` bits."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def pack(codes: npt.NDArray[np.int8], bits: int) -> bytes:
    """Pack signed codes into bytes, lowest bits first, rows running on without padding.

    Args:
      codes: int8, any shape, each within ``code_range(bits)``; C order is packed.
      bits: 2..8. For 2, 4 and 8 this is TFLite's INT2, INT4 and INT8 layout.
    Returns:
      ceil(codes.size * bits / 8) bytes; unused bits of the last byte are zero.
    """
    low, high = code_range(bits)
    if codes.size and (codes.min() < low or codes.max() > high):
        raise InternalError(f"codes outside [{low}, {high}] for {bits} bits")
    unsigned = codes.astype(np.uint8).ravel() & np.uint8((1 << bits) - 1)
    if bits == 8:
        return unsigned.tobytes()
    planes = (unsigned[:, None] >> np.arange(bits, dtype=np.uint8)) & np.uint8(1)
    return np.packbits(planes.ravel(), bitorder="little").tobytes()


def unpack(data: bytes, bits: int, count: int) -> npt.NDArray[np.int8]:
    """Undo ``pack``: int8 [count].

    Raises:
      InternalError: ``data`` is too short for ``count`` codes.
    """
    raw = np.frombuffer(data, np.uint8)
    if raw.size * 8 < count * bits:
        raise InternalError(f"{raw.size} bytes hold fewer than {count} codes of {bits} bits")
    if bits == 8:
        return raw[:count].view(np.int8).copy()
    planes = np.unpackbits(raw, count=count * bits, bitorder="little").reshape(count, bits)
    unsigned = planes @ (1 << np.arange(bits, dtype=np.int16))
    sign = 1 << (bits - 1)
    return ((unsigned ^ sign) - sign).astype(np.int8)
