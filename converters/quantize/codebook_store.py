"""A file with its weights cut out and stored as packed codes: what would be decoded at install.

No runtime reads it: it is written to be measured. Decoding gives the float file back, byte by byte.

Layout: the length of the header (8 bytes, little-endian), the header (JSON: what the codes are,
and where each piece of decoded weights goes in the file), the tensors' bytes, the file's rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.codebook import Centroids, CodebookTensor

from edgekit.audit.records import StoredTensor, Transform
from edgekit.errors import InternalError
from edgekit.qtensor import QuantizedTensor, pack, unpack

Coded = CodebookTensor | QuantizedTensor
Floats = npt.NDArray[np.float32]

#: bytes of a piece that are looked for before all of them are compared
_HEAD = 1 << 14


def encode_file(path: Path, stored: Sequence[StoredTensor], coded: Mapping[str, Coded]) -> bytes:
    """A float file as a codebook store.

    Args:
      path: of the file; its weights are what the codes stand for.
      stored: where each parameter lies in it.
      coded: the parameters whose values are kept as codes; all others stay in the file's rest.
    Raises:
      InternalError: a parameter's values are not in the file.
    """
    data = path.read_bytes()
    found: list[tuple[int, int, StoredTensor]] = []
    for tensor in stored:
        if tensor.parameter in coded:
            piece = _piece(coded[tensor.parameter], tensor.shape, tensor.transform)
            found.append((_find(data, piece, found), len(piece), tensor))
    found.sort(key=lambda each: each[0])
    rest, at = [], 0
    for start, size, _ in found:
        rest.append(data[at:start])
        at = start + size
    rest.append(data[at:])
    heads, bodies = [], []
    for name, each in coded.items():
        head, parts = _encode(each)
        heads.append({"parameter": name, **head, "sizes": [len(part) for part in parts]})
        bodies += parts
    pieces = [{"parameter": tensor.parameter, "shape": tensor.shape, "start": start,
               "transform": asdict(tensor.transform)} for start, _, tensor in found]  # fmt: skip
    header = json.dumps({"tensors": heads, "pieces": pieces}, separators=(",", ":")).encode()
    return b"".join([len(header).to_bytes(8, "little"), header, *bodies, *rest])


def decode_file(data: bytes) -> bytes:
    """The float file of what ``encode_file`` gave."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    coded: dict[str, Coded] = {}
    for head in header["tensors"]:
        parts = []
        for size in head["sizes"]:
            parts.append(data[start : start + size])
            start += size
        coded[head["parameter"]] = _decode(head, parts)
    whole, written = [], 0
    for piece in header["pieces"]:
        gap = piece["start"] - written
        whole.append(data[start : start + gap])
        start += gap
        transform = Transform(**piece["transform"])
        whole.append(_piece(coded[piece["parameter"]], tuple(piece["shape"]), transform))
        written = piece["start"] + len(whole[-1])
    return b"".join([*whole, data[start:]])


def coded_bytes(tensor: Coded) -> int:
    """Bytes of a tensor's codes, centroids and scales in the store."""
    return sum(len(part) for part in _encode(tensor)[1])


def _piece(tensor: Coded, shape: tuple[int, ...], transform: Transform) -> bytes:
    return transform.apply(tensor.dequantize().reshape(shape)).tobytes()


def _find(data: bytes, piece: bytes, taken: Sequence[tuple[int, int, StoredTensor]]) -> int:
    """Where a piece lies, beside those that were found before."""
    at = data.find(piece[:_HEAD])
    while at >= 0:
        end = at + len(piece)
        free = all(end <= start or start + size <= at for start, size, _ in taken)
        if free and data[at:end] == piece:
            return at
        at = data.find(piece[:_HEAD], at + 1)
    raise InternalError("a clustered weight is not in the written file")


def _encode(tensor: Coded) -> tuple[dict[str, Any], list[bytes]]:
    """What a tensor is, in plain data, and its bytes: codes first."""
    head: dict[str, Any] = {"shape": tensor.shape, "bits": tensor.bits, "group": tensor.group}
    parts = [pack(tensor.codes, tensor.bits)]
    if isinstance(tensor, CodebookTensor):
        head |= {"books": len(tensor.centroids), "exponent": tensor.exponent,
                 "half": tensor.centroids.dtype == np.float16}  # fmt: skip
        parts.append(tensor.centroids.tobytes())
        return head, parts if tensor.scales is None else [*parts, tensor.scales.tobytes()]
    if tensor.zero_points is not None or tensor.input_multiplier is not None:
        raise InternalError("a table with zero points or input multipliers has no store")
    if tensor.scale_codes is not None and tensor.row_scales is not None:
        return head, [*parts, tensor.scale_codes.tobytes(), tensor.row_scales.tobytes()]
    half = tensor.scales.astype(np.float16)
    head["half"] = bool(np.array_equal(half.astype(np.float32), tensor.scales))
    return head, [*parts, (half if head["half"] else tensor.scales).tobytes()]


def _decode(head: Mapping[str, Any], parts: Sequence[bytes]) -> Coded:
    (rows, cols), bits, group = head["shape"], head["bits"], head["group"]
    codes = unpack(parts[0], bits, rows * cols).reshape(rows, cols)
    groups = -(-cols // group)
    if "books" in head:
        books: Centroids = np.frombuffer(parts[1], np.float32)
        if head["half"]:
            books = np.frombuffer(parts[1], np.float16)
        centroids = books.reshape(head["books"], 1 << bits)
        scales = None
        if len(parts) == 3:
            scales = np.frombuffer(parts[2], np.float16).reshape(rows, groups)
        return CodebookTensor(codes, centroids, bits, head["exponent"], scales, group)
    if len(parts) == 2:
        plain: Floats = np.frombuffer(parts[1], np.float32)
        if head["half"]:
            plain = np.frombuffer(parts[1], np.float16).astype(np.float32)
        return QuantizedTensor(codes, plain.reshape(rows, groups), bits, group)
    fine = np.frombuffer(parts[1], np.int8).reshape(rows, groups)
    coarse = np.frombuffer(parts[2], np.float16)
    both = fine * coarse.astype(np.float32)[:, None]
    return QuantizedTensor(codes, both, bits, group, scale_codes=fine, row_scales=coarse)
