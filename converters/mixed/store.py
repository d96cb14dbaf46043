"""What a search has computed, found again by content: a killed one goes on where it was.

Every entry is one .npz file of arrays that appears by a rename. Its name is a hash of all that it
depends on: the source's weights, the recipe, the text, and this package's own code.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.float_model import Weight
from edgekit.converters.quantize import sensitivity as _sensitivity
from edgekit.converters.quantize.sensitivity import Sensitivity
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.errors import machine_error
from edgekit.qtensor import QuantizedTensor

Arrays = dict[str, npt.NDArray[Any]]
#: bytes that are kept of a folder, the latest used entries
_KEPT = 2 * 10**9
_FIELDS = tuple(f.name for f in fields(QuantizedTensor))


def default_folder() -> Path:
    """The user's cache folder, as the XDG base directory specification names it."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if root else Path.home() / ".cache") / "edgekit"


class Store:
    """A folder of results.

    Args:
      folder: made when the first entry is written; None to keep nothing.
      checkpoint: the source that everything is computed from.
      needed: a folder that cannot be written is an error; else the work is merely not kept.
    """

    def __init__(self, folder: Path | None, checkpoint: Checkpoint, needed: bool = True) -> None:
        self._folder, self._needed = folder, needed
        self._source = "" if folder is None else _source_digest(checkpoint)

    def key(self, *parts: Any) -> str:
        """The name of what depends on the source, on our code, and on some plain data."""
        text = json.dumps([self._source, *parts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    def arrays(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        """The entry of a key, made when it is not there or cannot be read.

        Raises:
          MachineError: it cannot be written.
        """
        if self._folder is None:
            return make()
        path = self._folder / f"{key}.npz"
        found = _read(path)
        if found is not None:
            return found
        found = make()
        temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as out:
                np.savez_compressed(out, **found)  # type: ignore[arg-type]
            temporary.replace(path)
            _prune(path.parent)
        except OSError as error:
            if self._needed:
                raise machine_error(f"writing into '{self._folder}'", error) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        return found


def _read(path: Path) -> Arrays | None:
    try:
        with np.load(path, allow_pickle=False) as held:
            found = {name: held[name] for name in held.files}
        path.touch()
        return found
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def _prune(folder: Path) -> None:
    """Remove the entries that were not used for longest."""
    with suppress(OSError):
        found = [(path, path.stat()) for path in folder.glob("*.npz")]
        total = 0
        for path, stat in sorted(found, key=lambda entry: -entry[1].st_mtime):
            total += stat.st_size
            if total > _KEPT:
                path.unlink(missing_ok=True)


def _source_digest(checkpoint: Checkpoint) -> str:
    digest = hashlib.sha256(_code().encode())
    digest.update(checkpoint.tokenizer_json.encode())
    # texts are cut at a length; in which buckets a file takes them changes nothing
    contract = {k: v for k, v in checkpoint.contract.to_json().items() if k != "buckets"}
    digest.update(json.dumps(contract, sort_keys=True).encode())
    for name, value in sorted(checkpoint.parameters.items()):
        digest.update(f"{name} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)
    return digest.hexdigest()


@cache
def _code() -> str:
    """Digest of the quantization code and of the libraries that it computes with."""
    import torch

    digest = hashlib.sha256(f"{np.__version__} {torch.__version__}".encode())
    folder = Path(_sensitivity.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def weights_to_arrays(weights: Mapping[str, Weight]) -> Arrays:
    """Codes and arrays of a model, flat."""
    arrays: Arrays = {"names": np.array(list(weights), np.str_)}
    for i, weight in enumerate(weights.values()):
        if isinstance(weight, QuantizedTensor):
            for field in _FIELDS:
                value = getattr(weight, field)
                if value is not None:
                    arrays[f"{i}.{field}"] = np.asarray(value)
        else:
            arrays[f"{i}"] = weight
    return arrays


def weights_from_arrays(arrays: Arrays) -> dict[str, Weight]:
    """Undo ``weights_to_arrays``."""
    weights: dict[str, Weight] = {}
    for i, name in enumerate(arrays["names"]):
        if f"{i}" in arrays:
            weights[str(name)] = arrays[f"{i}"]
            continue
        values: dict[str, Any] = {f: arrays[f"{i}.{f}"] for f in _FIELDS if f"{i}.{f}" in arrays}
        values |= {field: int(values[field]) for field in ("bits", "group")}
        weights[str(name)] = QuantizedTensor(**values)
    return weights


def sensitivity_to_arrays(seen: Sensitivity) -> Arrays:
    """A sensitivity, flat."""
    names = list(seen.damage)
    return {
        "names": np.array(names, np.str_),
        "damage": np.array([seen.damage[n] for n in names], np.float64),
        **{f"importance {name}": value for name, value in seen.importance.items()},
        **{f"rows {name}": value for name, value in seen.rows.items()},
    }


def sensitivity_from_arrays(arrays: Arrays) -> Sensitivity:
    """Undo ``sensitivity_to_arrays``."""

    def part(kind: str) -> dict[str, Any]:
        return {
            n.removeprefix(f"{kind} "): v for n, v in arrays.items() if n.startswith(f"{kind} ")
        }

    damage = {str(n): float(d) for n, d in zip(arrays["names"], arrays["damage"], strict=True)}
    return Sensitivity(damage, part("importance"), part("rows"))
