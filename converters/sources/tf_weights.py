"""Looking at tf_model.h5, and reading it without TensorFlow.

Source: transformers' TensorFlow classes wrote their weights with Keras' HDF5 layout: one group per
layer of the model, in it one dataset per variable under the variable's whole name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.sources.tf_names import fitted, torch_names

from edgekit.errors import CheckpointError, EdgekitError, MissingExtraError, UnsupportedError

SINGLE = "tf_model.h5"
INDEX = "tf_model.h5.index.json"

#: dtypes as safetensors writes them, which the manifest names
_DTYPES = {"float16": "F16", "float32": "F32", "float64": "F64"}

Array = npt.NDArray[Any]


def stored_tensors(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and dtype ("F16", "F32", "F64") of every tensor of a file, by its path in there.

    Raises:
      CheckpointError: no HDF5 file, cut off, or tensors whose data lie elsewhere.
      MissingExtraError: h5py is not installed.
      UnsupportedError: a tensor that is stored in something else than floats.
    """
    with _opened(path) as file:
        return {
            name: (tuple(dataset.shape), _DTYPES[dataset.dtype.name])
            for name, dataset in _datasets(path, file)
        }


def listed_in(path: Path, names: Iterable[str]) -> set[str]:
    """The variables of an index that a shard holds.

    Source: a shard names a variable without the first part, which is the model's own scope.
    """
    held = stored_tensors(path)
    return {n for n in names if n in held or n.partition("/")[2] in held}


def check_tf_weights(paths: Iterable[Path]) -> tuple[dict[str, str], set[str]]:
    """Check structure and values of all files; see ``weights_check.check_weights``.

    Returns:
      sha256 by file name, and the stored dtypes.
    Raises:
      CheckpointError: not readable, or NaN / infinite values.
    """
    digests, dtypes = {}, set()
    for path in paths:
        with _opened(path) as file:
            for name, dataset in _datasets(path, file):
                dtypes.add(_DTYPES[dataset.dtype.name])
                bad = int(dataset.size - np.isfinite(dataset[()]).sum())
                if bad:
                    raise CheckpointError(
                        f"tensor '{name}' of '{path}' holds {bad:,} NaN or infinite values.",
                        "the training diverged or the file is damaged: use an earlier checkpoint.",
                    )
        with path.open("rb") as handle:
            digests[path.name] = hashlib.file_digest(handle, "sha256").hexdigest()
    return digests, dtypes


def read_tf_weights(
    paths: Iterable[Path], wanted: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, Array], list[tuple[str, tuple[int, ...], tuple[int, ...]]], list[str]]:
    """The arrays of a torch model.

    Args:
      paths: checked files.
      wanted: shapes by torch name.
    Returns:
      found: float32 arrays by torch name, with torch's axes.
      misfits: torch name, shape found (torch's axes), shape wanted.
      unused: tensors of the files that no torch name was found for.
    Raises:
      CheckpointError: two tensors that differ say they are the same one.
    """
    found: dict[str, Array] = {}
    misfits: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    unused: list[str] = []
    for path in paths:
        with _opened(path) as file:
            for name, dataset in _datasets(path, file):
                torch_name = next((n for n in torch_names(name) if n in wanted), None)
                if torch_name is None:
                    unused.append(name)
                    continue
                array = fitted(name, np.asarray(dataset[()], np.float32), wanted[torch_name])
                if array.shape != wanted[torch_name]:
                    misfits.append((torch_name, array.shape, wanted[torch_name]))
                elif not np.array_equal(found.setdefault(torch_name, array), array):
                    raise CheckpointError(
                        f"'{path}' holds two different tensors for '{torch_name}', one of them "
                        f"'{name}'.",
                        "save the model again with save_pretrained.",
                    )
    return found, misfits, unused


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The HDF5 file; whatever h5py raises on a damaged one becomes one sentence of ours."""
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "tf", f"reading {path.name}") from None
    try:
        with h5py.File(path, "r") as file:
            yield file
    except EdgekitError:
        raise
    except Exception as error:  # OSError, RuntimeError, KeyError, ...: by where the damage is
        raise CheckpointError(
            f"'{path}' is no whole HDF5 file ({error!s:.200}).", "copy or download the file again."
        ) from error


def _datasets(path: Path, file: Any) -> Iterator[tuple[str, Any]]:
    """The tensors of a file in the order of their names, each looked at before it is read."""
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(visit)
    if not found:
        raise CheckpointError(f"'{path}' holds no tensor.", "copy or download the file again.")
    for name, dataset in sorted(found.items()):
        if dataset.dtype.name not in _DTYPES:
            raise UnsupportedError(
                f"tensor '{name}' of '{path}' is stored in {dataset.dtype.name}.",
                "save the checkpoint in float16 or float32.",
            )
        # data in other files, made up by a filter, or never written: nothing that Keras does
        plain = dataset.chunks is None and not dataset.is_virtual and not dataset.external
        if not plain or dataset.id.get_storage_size() != dataset.nbytes:
            raise CheckpointError(
                f"tensor '{name}' of '{path}' has no plain data of its own in the file "
                f"({dataset.nbytes:,} bytes expected).",
                "save the model again with save_pretrained, without compression.",
            )
        yield name, dataset
