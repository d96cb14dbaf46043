"""Bit planes: k-bit codes split into fields of 4, 2 and 1 bits, each packed whole into bytes.

Five bits are a plane of four and one of one; seven are four, two and one. Every field of a byte
comes from another part of the row: with ``per = 8 // width`` fields to a byte, field i of byte j is
element ``i * cols / per + j`` of the row. So a reader takes a plane apart by one mask and one shift
for each field and joins the fields end to end, which stock graph operators can do, at load or for a
few gathered rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgekit.errors import InternalError
from edgekit.qtensor import code_range

Bytes = npt.NDArray[np.uint8]

#: a row of planes has whole bytes when its length is a multiple of this
ROW_MULTIPLE = 8
_BLOCKS = (256, 128, 64, 32, 16)


def plane_widths(bits: int) -> tuple[int, ...]:
    """Widths of the planes of a code of 2..8 bits, widest first; the widest holds the low bits."""
    if bits == 8:
        return (8,)
    return tuple(width for width in (4, 2, 1) if bits & width)


def split_codes(codes: npt.NDArray[np.int8], bits: int) -> dict[int, Bytes]:
    """Codes as planes.

    Args:
      codes: int8 [rows, cols] within ``code_range(bits)``; cols a multiple of 8.
      bits: 2..8.
    Returns:
      width -> uint8 [rows, cols * width / 8]; the codes are stored as ``code + 2**(bits - 1)``.
    Raises:
      InternalError: a code out of range or a row that does not fill its bytes.
    """
    low, high = code_range(bits)
    rows, cols = codes.shape
    if cols % ROW_MULTIPLE:
        raise InternalError(f"rows of {cols} codes do not fill whole bytes")
    if codes.size and (codes.min() < low or codes.max() > high):
        raise InternalError(f"codes outside [{low}, {high}] for {bits} bits")
    unsigned = (codes.astype(np.int16) - low).astype(np.uint8)
    planes: dict[int, Bytes] = {}
    shift = 0
    for width in plane_widths(bits):
        per = 8 // width
        fields = (unsigned >> shift & ((1 << width) - 1)).reshape(rows, per, cols // per)
        plane = np.zeros((rows, cols // per), np.uint8)
        for i in range(per):
            plane |= fields[:, i] << (width * i)
        planes[width] = plane
        shift += width
    return planes


def join_codes(planes: Mapping[int, Bytes], bits: int) -> npt.NDArray[np.int8]:
    """Undo ``split_codes``: int8 [rows, cols].

    Raises:
      ValueError: a plane is missing or the planes have different lengths.
    """
    low, _ = code_range(bits)
    unsigned: npt.NDArray[np.int16] | None = None
    shift = 0
    for width in plane_widths(bits):
        if width not in planes:
            raise ValueError(f"no plane of {width} bits")
        mask = np.uint8((1 << width) - 1)
        fields = [planes[width] >> np.uint8(width * i) & mask for i in range(8 // width)]
        part = np.concatenate(fields, axis=1).astype(np.int16) << shift
        if unsigned is not None and unsigned.shape != part.shape:
            raise ValueError(f"planes of {unsigned.shape} and {part.shape} codes")
        unsigned = part if unsigned is None else unsigned | part
        shift += width
    if unsigned is None:
        raise ValueError(f"no planes for {bits} bits")
    return (unsigned + low).astype(np.int8)


def group_shape(cols: int, group: int, bits: int) -> tuple[int, int]:
    """Groups of a row as it is stored, and codes to a group.

    One group is as long as the row (and fills its bytes); several are padded to whole groups.
    """
    groups = -(-cols // group)
    if groups > 1:
        return groups, group
    multiple = 1 if bits == 8 else ROW_MULTIPLE
    return 1, -(-cols // multiple) * multiple


def pad_groups(codes: npt.NDArray[np.int8], group: int, bits: int) -> npt.NDArray[np.int8]:
    """int8 [rows, cols] filled up with zeros to [rows, *group_shape(cols, group, bits)]."""
    rows, cols = codes.shape
    groups, span = group_shape(cols, group, bits)
    padded = np.zeros((rows, groups * span), np.int8)
    padded[:, :cols] = codes
    return padded.reshape(rows, groups, span)


def nibble_block(cols: int, group: int) -> int:
    """Codes to a block of onnxruntime's MatMulNBits, which knows 16, 32, 64, 128 and 256.

    Args:
      cols: inputs of a row.
      group: inputs per scale; rows with one scale get the blocks that pad them least.
    """
    if group < cols or group in _BLOCKS:
        return group
    return min(_BLOCKS, key=lambda block: (-(-cols // block) * block, -block))


def nibble_blocks(codes: npt.NDArray[np.int8], group: int) -> Bytes:
    """4-bit codes as MatMulNBits reads them: uint8 [rows, blocks, block / 2], even codes low."""
    rows, cols = codes.shape
    block = nibble_block(cols, group)
    blocks = -(-cols // block)
    # 8 stands for zero, also in the padding
    unsigned = np.full((rows, blocks * block), 8, np.uint8)
    unsigned[:, :cols] = (codes.astype(np.int16) + 8).astype(np.uint8)
    pairs = unsigned.reshape(rows, blocks, block // 2, 2)
    packed: Bytes = pairs[..., 0] | pairs[..., 1] << np.uint8(4)
    return packed


def join_nibbles(blocks: Bytes, cols: int) -> npt.NDArray[np.int8]:
    """Undo ``nibble_blocks``: int8 [rows, cols]."""
    halves = np.stack([blocks & np.uint8(15), blocks >> np.uint8(4)], axis=-1)
    return (halves.reshape(len(blocks), -1)[:, :cols].astype(np.int16) - 8).astype(np.int8)
