"""The examples of golden.npz, by kind of input: texts with their ids, pixels, or arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.preprocessing import Preprocessing
from edgekit.runtime.rows import Row
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
    lengths = np.asarray(data["lengths"], np.int64)
    if lengths.ndim != 1 or lengths.min(initial=1) < 1:
        raise ValueError("its lengths are no lengths")
    for name, value in data.items():
        if name.startswith("input.") and value.shape != (lengths.sum(),):
            raise ValueError(f"{name} has shape {value.shape}, {lengths.sum()} ids expected")
    ends = np.cumsum(lengths)[:-1]
    inputs = {
        name.removeprefix("input."): np.split(np.asarray(value, np.int64), ends)
        for name, value in data.items()
        if name.startswith("input.")
    }
    if "input_ids" not in inputs:
        raise ValueError("it holds no cases")
    rows = tuple({name: parts[i] for name, parts in inputs.items()} for i in range(len(lengths)))
    examples = tuple(
        Example(str(t), str(p) if has else None)
        for t, p, has in zip(data["texts"], data["pairs"], data["has_pair"], strict=True)
    )
    return examples, rows


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
