"""The float path's activations: what every stage is given by the float model, on disk.

It runs batch by batch before the quantized path, so that one batch is all that memory holds of it.
The files are plain .npy, one per stage and batch, in a folder named by the sha256 of what they
depend on: parameters, text, and the way through the module. It appears by one rename when it is
complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from edgekit.converters.modules.function_hook import FunctionHook
from edgekit.converters.quantize.walk import (
    Batch,
    Course,
    Gate,
    StopRun,
    to_torch,
    weight_names,
)
from torch import Tensor

Floats = npt.NDArray[np.float32]


class FloatPath:
    """Where a stage's float activations come from.

    Args:
      folder: of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def payload(self, stage: int, batch: int) -> Floats:
        """float32 [tokens, channels]: a layer's input, or the sum that its result goes into."""
        values: Floats = np.load(self._folder / f"{stage}-{batch}.npy", allow_pickle=False)
        return values


@contextmanager
def open_float_path(
    module: Any, batches: Sequence[Batch], course: Course, cache: Path | None
) -> Iterator[FloatPath]:
    """The float path; from the cache when it is there, else computed, and kept when there is one.

    Args:
      module: the float model.
      batches: the text.
      course: the stages.
      cache: a folder that outlives this run, or None.
    """
    if cache is None:
        with tempfile.TemporaryDirectory(prefix="edgekit-float-") as scratch:
            _record(module, batches, course, Path(scratch))
            yield FloatPath(Path(scratch))
        return
    folder = cache / _key(module, batches, course)
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".float-", dir=cache))
        try:
            _record(module, batches, course, made)
            with contextlib.suppress(OSError):  # another run was faster
                made.rename(folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    yield FloatPath(folder)


def _record(module: Any, batches: Sequence[Batch], course: Course, folder: Path) -> None:
    names = weight_names(module)
    for number, batch in enumerate(batches):
        writer = _Writer(folder, number, len(course.stages) - 1)
        gate = Gate(writer, names, course, float_path=True)
        with contextlib.suppress(StopRun), torch.inference_mode(), FunctionHook(gate):
            module(**to_torch(batch))


class _Writer:
    """Stands where a lane would wait: what is offered is written, and nobody waits."""

    def __init__(self, folder: Path, batch: int, last: int) -> None:
        self._folder, self._batch, self._last = folder, batch, last

    def wait(self, stage: int, given: Tensor | None, stream: Tensor | None) -> None:
        found = given if given is not None else stream
        assert found is not None
        values = found.reshape(-1, found.shape[-1]).numpy()
        np.save(self._folder / f"{stage}-{self._batch}.npy", values, allow_pickle=False)
        if stage == self._last:
            raise StopRun


def _key(module: Any, batches: Sequence[Batch], course: Course) -> str:
    digest = hashlib.sha256(f"1 {torch.__version__} {course}".encode())
    for name, parameter in module.named_parameters():
        digest.update(f"{name} {tuple(parameter.shape)}".encode())
        digest.update(np.ascontiguousarray(parameter.detach().numpy()).data)
    for batch in batches:
        for name, ids in sorted(batch.items()):
            digest.update(f"{name} {ids.shape}".encode())
            digest.update(np.ascontiguousarray(ids).data)
    return digest.hexdigest()[:32]
