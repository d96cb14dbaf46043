"""The examples of golden.npz, by kind of input: texts with their ids, pixels, or arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.preprocessing import Preprocessing
from edgekit.runtime.rows import Row
from edgekit.runtime.tokenizer import DECODER
from edgekit.tasks import Example
from edgekit.tasks.image_classification import PIXELS, example_pixels

Arrays = dict[str, npt.NDArray[Any]]
Packed = Mapping[str, npt.NDArray[Any]]
Unpacked = tuple[tuple[Example, ...], tuple[Row, ...]]


def pack_rows(examples: Sequence[Example], rows: Sequence[Row], contract: Contract) -> Arrays:
    """Examples and their inputs as plain arrays, by the names that they have in golden.npz."""
    texts = {"texts": np.array([e.text for e in examples], np.str_)}
    if contract.preprocessing is not None:
        # bytes, not the floats that follow from them; no resizing when they are read again
        pixels = [example_pixels(e, contract.preprocessing) for e in examples]
        return texts | {"pixels": np.stack(pixels)}
    if contract.input_kind != "text":
        return texts | {
            f"input.{name}": np.stack([row[name] for row in rows]) for name in contract.input_names
        }
    return texts | {
        "pairs": np.array([e.text_pair or "" for e in examples], np.str_),
        "has_pair": np.array([e.text_pair is not None for e in examples]),
        "lengths": np.array([len(row["input_ids"]) for row in rows], np.int64),
        **{f"input.{name}": np.concatenate([row[name] for row in rows]) for name in rows[0]},
        **_pack_targets(examples, rows),
    }


def _pack_targets(examples: Sequence[Example], rows: Sequence[Row]) -> Arrays:
    """Of an encoder-decoder: what each target is and how long, which its source does not say."""
    own = [name for name in rows[0] if name.startswith(DECODER)]
    if not own:
        return {}
    return {
        "labels": np.array([e.label or "" for e in examples], np.str_),
        "target_lengths": np.array([len(row[own[0]]) for row in rows], np.int64),
    }


def unpack_rows(data: Packed, contract: Contract) -> Unpacked:
    """What ``pack_rows`` packed.

    Raises:
      ValueError: arrays that contradict each other or the contract.
      KeyError: one is missing.
    """
    if contract.preprocessing is not None:
        found = _pictures(data, contract, contract.preprocessing)
    else:
        found = _texts(data) if contract.input_kind == "text" else _arrays(data, contract)
    examples, rows = found
    if not rows or len(examples) != len(rows):
        raise ValueError("it holds no cases")
    return found


def _texts(data: Packed) -> Unpacked:
    lengths = _lengths(data, "lengths")
    inputs = {}
    for key, value in data.items():
        if not key.startswith("input."):
            continue
        name = key.removeprefix("input.")
        sizes = _lengths(data, "target_lengths") if name.startswith(DECODER) else lengths
        if value.shape != (sizes.sum(),) or len(sizes) != len(lengths):
            raise ValueError(f"{key} has shape {value.shape}, {sizes.sum()} ids expected")
        inputs[name] = np.split(np.asarray(value, np.int64), np.cumsum(sizes)[:-1])
    if "input_ids" not in inputs:
        raise ValueError("it holds no cases")
    rows = tuple({name: parts[i] for name, parts in inputs.items()} for i in range(len(lengths)))
    labels = [str(label) for label in data["labels"]] if "labels" in data else [None] * len(rows)
    examples = tuple(
        Example(str(t), str(p) if has else None, label)
        for t, p, has, label in zip(
            data["texts"], data["pairs"], data["has_pair"], labels, strict=True
        )
    )
    return examples, rows


def _lengths(data: Packed, name: str) -> npt.NDArray[np.int64]:
    found = np.asarray(data[name], np.int64)
    if found.ndim != 1 or found.min(initial=1) < 1:
        raise ValueError("its lengths are no lengths")
    return found


def _pictures(data: Packed, contract: Contract, preprocessing: Preprocessing) -> Unpacked:
    names, pixels = [str(text) for text in data["texts"]], data["pixels"]
    shape = (len(names), *preprocessing.size, 3)
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise ValueError(f"pixels are {pixels.dtype} {pixels.shape}, uint8 {shape} expected")
    [name] = contract.input_names
    rows = tuple({name: preprocessing.to_floats(picture)} for picture in pixels)
    pairs = zip(names, pixels, strict=True)
    return tuple(Example(text, arrays={PIXELS: picture}) for text, picture in pairs), rows


def _arrays(data: Packed, contract: Contract) -> Unpacked:
    names = [str(text) for text in data["texts"]]
    inputs: Arrays = {}
    for spec in contract.inputs:
        value = data[f"input.{spec.name}"]
        shape = (len(names), *spec.shape[1:])
        if value.shape != shape or value.dtype != spec.dtype:
            raise ValueError(
                f"input.{spec.name} is {value.dtype} {value.shape}, {spec.dtype} {shape} expected"
            )
        inputs[spec.name] = value
    rows = tuple({name: value[i] for name, value in inputs.items()} for i in range(len(names)))
    return tuple(Example(name, arrays=row) for name, row in zip(names, rows, strict=True)), rows
