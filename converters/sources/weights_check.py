"""Looking at weight files before anything trusts them."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from edgekit.converters.sources import tf_weights

from edgekit.errors import CheckpointError, UnsupportedError

#: longest header that is read; the format's own limit is 100 MB (safetensors, README, "Format")
MAX_HEADER_BYTES = 100_000_000
#: sizes and offsets below this; more bytes than any disk holds
MAX_SIZE = 2**60
#: axes of a tensor, as many as numpy knows
MAX_AXES = 64

_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "I16": 16, "U16": 16, "F16": 16,
    "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
}  # fmt: skip
_FLOATS = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8")}

_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")


def find_weights(folder: Path) -> list[Path]:
    """The weight files of a checkpoint: one, or the shards that the index lists.

    safetensors; where there are none, the HDF5 files of transformers' TensorFlow classes.

    Raises:
      CheckpointError: there are none, a shard is missing, or only pickle weights are there.
    """
    single = folder / "model.safetensors"
    if single.is_file():
        return [single]
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return _shards(index, lambda path, _: set(read_header(path)[0]))
    if (folder / tf_weights.SINGLE).is_file():
        return [folder / tf_weights.SINGLE]
    if (folder / tf_weights.INDEX).is_file():
        return _shards(folder / tf_weights.INDEX, tf_weights.listed_in)
    if any((folder / name).exists() for name in _PICKLES):
        raise CheckpointError(
            f"'{folder}' holds only pickle weights (pytorch_model.bin), which can run code.",
            "save it as safetensors: model.save_pretrained(DIR, safe_serialization=True).",
        )
    raise CheckpointError(
        f"'{folder}' holds no weights (model.safetensors).",
        "save the model with save_pretrained, then give that folder.",
    )


def _shards(index: Path, held_in: Callable[[Path, Iterable[str]], set[str]]) -> list[Path]:
    """The files that an index lists, after a look at whether they hold what it says.

    Args:
      held_in: the tensors of a shard, given those that the index knows.
    Source: transformers' sharded checkpoints: ``weight_map`` has tensor name -> file name.
    """
    folder = index.parent
    listed: dict[str, set[str]] = {}
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        for tensor, name in weight_map.items():
            if not isinstance(name, str) or name in ("", ".", ".."):
                raise ValueError(f"the file of '{tensor}' is {name!r}")
            listed.setdefault(name, set()).add(tensor)
        if not listed:
            raise ValueError("it lists no tensor")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"'{index}' is damaged ({error}).", "copy it anew.") from error
    for name in listed:
        if "/" in name or "\\" in name or Path(name).is_absolute():
            raise CheckpointError(
                f"'{index}' names a shard '{name}' outside its folder.",
                "shards lie beside the index: copy the folder anew from where you trust it.",
            )
    paths = [folder / name for name in sorted(listed)]
    for path in paths:
        if not path.is_file():
            raise CheckpointError(
                f"shard '{path.name}' of '{folder}' is missing.", "copy the folder anew."
            )
    for path in paths:
        held = held_in(path, weight_map)
        for tensor in sorted(listed[path.name] - held):
            raise CheckpointError(
                f"shard '{path}' lacks tensor '{tensor}', which the index says it holds.",
                "index and shards must come from the same save_pretrained.",
            )
        for tensor in sorted(held & weight_map.keys() - listed[path.name]):
            raise CheckpointError(
                f"shard '{path}' holds tensor '{tensor}', which the index places in "
                f"'{weight_map[tensor]}'.",
                "index and shards must come from the same save_pretrained.",
            )
    return paths


def check_weights(paths: list[Path]) -> tuple[dict[str, str], set[str]]:
    """Check headers, sizes and values of all files.

    Returns:
      sha256 by file name, and the stored dtypes.
    Raises:
      CheckpointError: truncated, header damaged, or NaN / infinite values.
    """
    if all(path.suffix == ".h5" for path in paths):
        return tf_weights.check_tf_weights(paths)
    digests, dtypes = {}, set()
    for path in paths:
        header, start = read_header(path)
        digest = hashlib.sha256()
        with path.open("rb") as handle:
            while piece := handle.read(1 << 22):
                digest.update(piece)
        digests[path.name] = digest.hexdigest()
        data = np.memmap(path, np.uint8, mode="r")
        for name, info in header.items():
            dtypes.add(info["dtype"])
            _check_finite(path, name, info, data[start:])
    return digests, dtypes


def check_structure(path: Path) -> None:
    """Hold a weight file's sizes against what it says of itself; no values are looked at.

    Raises:
      CheckpointError: cut off or damaged.
    """
    if path.suffix == ".h5":
        tf_weights.stored_tensors(path)
    else:
        read_header(path)


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Header of a safetensors file, checked entry by entry, and where the data begins.

    Source: the format's description in the safetensors README: 8 bytes of little-endian header
    length, JSON, then one buffer without holes.
    Raises:
      CheckpointError: anything in it contradicts the format or the file's size.
    """

    def bad(reason: str) -> CheckpointError:
        return CheckpointError(
            f"'{path}' is damaged: {reason}.", "copy or download the file again."
        )

    size = path.stat().st_size
    if size < 8:
        raise bad(f"{size} bytes are too few for a header")
    with path.open("rb") as handle:
        (length,) = struct.unpack("<Q", handle.read(8))
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise bad(f"its header claims {length:,} bytes, the file has {size:,}")
        try:
            header = json.loads(handle.read(length).decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise bad(f"its header is no JSON ({error})") from None
    if not isinstance(header, dict):
        raise bad("its header is no object")
    header.pop("__metadata__", None)
    room = size - 8 - length
    end_of_last = 0
    for name, info in sorted(header.items(), key=lambda item: _begin(item[1])):
        shown = _shown(name)
        try:
            dtype, shape = info["dtype"], info["shape"]
            begin, end = info["data_offsets"]
            numbers = [*shape, begin, end]
            bits = _BITS[dtype]
        except (KeyError, TypeError, ValueError):
            raise bad(f"the entry of tensor '{shown}' cannot be read") from None
        # looked at before anything is multiplied: a product of huge sizes is an attack of its own
        valid = all(type(n) is int and 0 <= n < MAX_SIZE for n in numbers)
        if not valid or not isinstance(shape, list) or len(shape) > MAX_AXES:
            raise bad(f"the entry of tensor '{shown}' cannot be read")
        needed = math.prod(shape) * bits // 8
        if begin != end_of_last or end - begin != needed:
            expected = f"{needed:,}" if needed < MAX_SIZE else "far more"
            raise bad(f"tensor '{shown}' has offsets {begin}..{end}, {expected} bytes expected")
        if end > room:
            raise bad(f"tensor '{shown}' ends at byte {end:,}, the file has {room:,} of data")
        end_of_last = end
    if end_of_last != room:
        raise bad(f"{room - end_of_last:,} bytes behind the last tensor belong to none")
    return header, 8 + length


def _begin(info: Any) -> int:
    try:
        begin = info["data_offsets"][0]
    except (KeyError, TypeError, IndexError):
        return -1
    return begin if type(begin) is int else -1


def _shown(name: str) -> str:
    """A tensor's name as a message can hold it: one line, not endless."""
    return name if name.isprintable() and len(name) <= 200 else ascii(name)[1:101]


def _check_finite(path: Path, name: str, info: dict[str, Any], data: Any) -> None:
    begin, end = info["data_offsets"]
    raw = data[begin:end]
    if info["dtype"] == "BF16":
        exponent_full = (raw.view("<u2") & 0x7F80) == 0x7F80
        bad = int(exponent_full.sum())
    elif info["dtype"] in _FLOATS:
        values = raw.view(_FLOATS[info["dtype"]])
        bad = int(values.size - np.isfinite(values).sum())
    elif info["dtype"].startswith("F8"):
        raise UnsupportedError(
            f"tensor '{name}' of '{path}' is stored in {info['dtype']}.",
            "save the checkpoint in bfloat16, float16 or float32.",
        )
    else:
        return
    if bad:
        raise CheckpointError(
            f"tensor '{name}' of '{path}' holds {bad:,} NaN or infinite values.",
            "the training diverged or the file is damaged: use an earlier checkpoint.",
        )
