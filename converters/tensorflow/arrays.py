"""Named arrays in .npz files, whatever the names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.tensorflow.specs import Arrays


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Names of variables hold slashes and could be "file": they go into an entry of their own."""
    names = np.frombuffer(json.dumps(list(arrays)).encode(), np.uint8)
    np.savez(path, names, *arrays.values())


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """What ``write_arrays`` wrote."""
    with np.load(path, allow_pickle=False) as data:
        names = json.loads(bytes(data["arr_0"]))
        return {name: data[f"arr_{i}"] for i, name in enumerate(names, 1)}
