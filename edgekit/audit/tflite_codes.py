"""What a .tflite file's integers stand for: types, codes and scales as its kernels read them.

Nothing is taken from the manifest but where to look: types, scales, block lengths and plane weights
are the file's own, and codes that a kernel would misread are an error.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.audit.records import Contents, StoredTensor, weights_digest
from edgekit.errors import ArtifactError
from edgekit.qtensor import unpack
from edgekit.tflite_formats import as_bfloat16, planes

Floats = npt.NDArray[np.float32]

_BITS = {"int2": 2, "int4": 4, "int8": 8}


class Buffers(Protocol):
    """The parts of a parsed file that are needed here."""

    def views(self, number: int) -> list[tuple[Any, Any]]:
        """Every (subgraph, tensor) that reads a buffer."""
        ...

    def buffer(self, number: int) -> bytes:
        """The bytes of a buffer."""
        ...

    def type_name(self, tensor: Any) -> str:
        """Element type of a tensor."""
        ...


def scale_tensor(tensor: Any) -> int | None:
    """The tensor that holds the scales of a blockwise quantized one, in its subgraph."""
    details = None if tensor.quantization is None else tensor.quantization.details
    return None if details is None else int(details.scales)


def read_codes(file: Buffers, tensor: StoredTensor) -> Contents:
    """The weights of one parameter that is stored in integers.

    Raises:
      ArtifactError: signatures disagree, zero points or negative scales where kernels take none,
        or codes that kernels misread.
    """
    codes, kinds = _codes(file, tensor)
    scales, scale_bits = _scales(file, tensor)
    rows, cols = len(codes), int(np.prod(tensor.shape[1:]))
    held_codes = codes.size * sum({"int1": 1, **_BITS}[kind] for kind in kinds)
    looked_up = tensor.role == "table"
    if len(scales) not in (1, rows) or codes.shape[1] % scales.shape[1]:
        raise ArtifactError(
            f"{tensor.parameter} has scales {list(scales.shape)} for codes {list(codes.shape)}", ""
        )
    if not looked_up:
        _check_matrix(tensor, codes, scales, int(held_codes / codes.size))
        if scales.shape[1] > 1 or "scales" in tensor.where:
            scales = as_bfloat16(scales)
    scales = scales / np.float32(tensor.transform.factor)
    groups = scales.shape[1]
    span = codes.shape[1] // groups
    scales = np.broadcast_to(scales, (rows, groups))
    # a group of zeros is exact
    used = codes.reshape(rows, groups, span).any(axis=2)
    steps = np.repeat(np.where(used, np.abs(scales), np.float32(0)), span, axis=1)[:, :cols]
    wide = np.repeat(scales, span, axis=1)[:, :cols]
    codes = codes[:, :cols]
    values = codes.astype(np.float32) * wide
    bits = held_codes + scale_bits
    if "multiplier" in tensor.where:
        raw = file.buffer(int(tensor.where["multiplier"]))
        multiplier = np.frombuffer(raw, np.float32).reshape(1, -1)
        steps, values = steps * np.abs(multiplier), values * multiplier
        bits += multiplier.size * 32
    noise = (steps / np.float32(np.sqrt(12))).astype(np.float32)
    span = span if groups > 1 else cols
    digest = weights_digest(values)
    values, noise = (tensor.transform.undo_axes(array, tensor.shape) for array in (values, noise))
    return Contents(values, noise, "+".join(kinds), bits, digest, span)


def _codes(file: Buffers, tensor: StoredTensor) -> tuple[npt.NDArray[np.int16], list[str]]:
    """Codes [rows, width], padding included, and the types of their planes."""
    parts = ["values", *sorted((n for n in tensor.where if n.startswith("plane")), reverse=True)]
    if len(parts) == 1:
        found, kind = _integers(file, tensor, "values")
        return found.astype(np.int16), [kind]
    total: npt.NDArray[np.int16] | None = None
    kinds = []
    for width, part in zip(planes(tensor.bits), parts, strict=True):
        found, kind = _integers(file, tensor, part)
        if width == 1:
            lowest = np.unpackbits(found.view(np.uint8), axis=1, bitorder="little")
            found, kind = lowest.view(np.int8), "int1"
        elif total is not None:
            found = found + np.int8(2)  # 0..3, see edgekit.converters.to_tflite.table_codes
        weight = _plane_weight(file, tensor, part)
        total = found * weight if total is None else total + found * weight
        kinds.append(kind)
    assert total is not None
    return total, kinds


def _integers(file: Buffers, tensor: StoredTensor, part: str) -> tuple[npt.NDArray[np.int8], str]:
    """One buffer's integers [rows, width], as every signature reads them."""
    number = int(tensor.where[part])
    views = [view for _, view in file.views(number)]
    if not views:
        raise ArtifactError(f"no signature reads {part} of {tensor.parameter}", "")
    kinds = {file.type_name(view) for view in views}
    shapes = {tuple(int(n) for n in view.shape) for view in views}
    if len(kinds) != 1 or len(shapes) != 1 or not kinds <= set(_BITS):
        raise ArtifactError(f"signatures read {tensor.parameter} differently", "")
    [kind], [shape] = kinds, shapes
    held = tensor.transform.stop or tensor.shape[0]
    rows = held - tensor.transform.start if tensor.transform.layout == "rows" else tensor.shape[0]
    count = int(np.prod(shape))
    if count % rows:
        raise ArtifactError(f"{tensor.parameter} has shape {list(shape)} in the file", "")
    data = file.buffer(number)
    if len(data) != -(-count * _BITS[kind] // 8):
        raise ArtifactError(f"{tensor.parameter} has {len(data)} bytes for {count} {kind}", "")
    return unpack(data, _BITS[kind], count).reshape(rows, -1), kind


def _scales(file: Buffers, tensor: StoredTensor) -> tuple[Floats, int]:
    """Scales [rows or 1, groups] and their bits in the file."""
    views = file.views(int(tensor.where["values"]))
    planar = any(name.startswith("plane") for name in tensor.where)
    apart = "scales" in tensor.where
    found: list[Floats] = []
    for graph, view in views:
        where = scale_tensor(view)
        if where is not None:
            if not apart or graph.tensors[where].buffer != tensor.where["scales"]:
                raise ArtifactError(f"{tensor.parameter} has its scales in another place", "")
            shape = [int(n) for n in graph.tensors[where].shape]
            scales = _half(file, int(tensor.where["scales"])).reshape(shape)
            block = int(view.quantization.details.blockSize)
            if block * shape[-1] != int(view.shape[-1]):
                raise ArtifactError(f"{tensor.parameter} has blocks of {block}", "")
            found.append(scales)
        elif apart:
            scales = _half(file, int(tensor.where["scales"]))
            rows = int(view.shape[0])
            found.append(scales.reshape(rows, -1))
            if not planar and _per_row(tensor, view).tolist() != [[1.0]]:
                raise ArtifactError(f"{tensor.parameter} has two kinds of scales", "")
        else:
            found.append(_per_row(tensor, view))
    if any(not np.array_equal(other, found[0]) for other in found[1:]):
        raise ArtifactError(f"signatures read {tensor.parameter} differently", "")
    return found[0], found[0].size * (16 if apart else 32)


def _half(file: Buffers, number: int) -> Floats:
    return np.frombuffer(file.buffer(number), np.float16).astype(np.float32)


def _plane_weight(file: Buffers, tensor: StoredTensor, part: str) -> np.int16:
    found = [_per_row(tensor, view) for _, view in file.views(int(tensor.where[part]))]
    weight = found[0].ravel()[0]
    if any(f.tolist() != [[weight]] for f in found) or weight != np.rint(weight):
        raise ArtifactError(f"{part} of {tensor.parameter} has scales that are no plane's", "")
    return np.int16(weight)


def _per_row(tensor: StoredTensor, view: Any) -> Floats:
    """float32 [rows or 1, 1] of the file's own quantization parameters."""
    held = view.quantization
    if held is None or held.scale is None:
        return np.ones((1, 1), np.float32)
    if np.any(held.zeroPoint) or int(held.quantizedDimension) != 0:
        raise ArtifactError(f"{tensor.parameter} has zero points or scales per column", "")
    return np.asarray(held.scale, np.float32).reshape(-1, 1)


def _check_matrix(
    tensor: StoredTensor, codes: npt.NDArray[np.int16], scales: Floats, held: int
) -> None:
    """What LiteRT's matrix kernels misread or refuse."""
    low = -(1 << (held - 1))
    if codes.min(initial=0) <= low:
        raise ArtifactError(
            f"{tensor.parameter} uses code {low}, which LiteRT's built-in kernels misread", ""
        )
    top = (1 << (tensor.bits - 1)) - 1
    if np.abs(codes).max(initial=0) > top:
        raise ArtifactError(f"{tensor.parameter} has codes beyond {tensor.bits} bits", "")
    if not (scales > 0).all():
        raise ArtifactError(f"{tensor.parameter} has scales that are not positive", "")
