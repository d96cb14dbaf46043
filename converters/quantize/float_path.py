"""The float path's activations: computed beside the quantized path, or read from a cache.

The cache is a folder of plain .npy files, one per stage and batch, in a folder named by the sha256
of what they depend on: parameters, text, and the way through the module. It appears by one rename
when it is complete, and is read through memory maps.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from edgekit.converters.quantize.walk import Batch, Course, Lane, open_lanes

Floats = npt.NDArray[np.float32]


class FloatPath(Protocol):
    """Where a stage's float activations come from."""

    def payload(self, stage: int, lane: int) -> Floats:
        """float32 [tokens, channels]: a layer's input, or the sum that its result goes into."""
        ...

    def finish(self) -> None:
        """All stages were read."""
        ...


@contextmanager
def open_float_path(
    module: Any, batches: Sequence[Batch], course: Course, cache: Path | None
) -> Iterator[FloatPath]:
    """The float path; from the cache when it is there, else into it when one is given."""
    if cache is None:
        with open_lanes(module, batches, course, float_path=True) as lanes:
            yield _Live(lanes, None)
        return
    folder = cache / _key(module, batches, course)
    if folder.is_dir():
        yield _Stored(folder)
        return
    cache.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".float-", dir=cache))
    try:
        with open_lanes(module, batches, course, float_path=True) as lanes:
            live = _Live(lanes, scratch)
            yield live
        if live.complete:
            with contextlib.suppress(OSError):  # another run was faster
                scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Live:
    def __init__(self, lanes: Sequence[Lane], scratch: Path | None) -> None:
        self._lanes, self._scratch = lanes, scratch
        self.complete = False

    def payload(self, stage: int, lane: int) -> Floats:
        runner = self._lanes[lane]
        runner.advance()
        found = runner.given if runner.given is not None else runner.stream
        assert found is not None
        assert runner.stage == stage
        values: Floats = found.reshape(-1, found.shape[-1]).numpy()
        if self._scratch is not None:
            np.save(self._scratch / f"{stage}-{lane}.npy", values, allow_pickle=False)
        return values

    def finish(self) -> None:
        self.complete = True


class _Stored:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def payload(self, stage: int, lane: int) -> Floats:
        values: Floats = np.load(
            self._folder / f"{stage}-{lane}.npy", mmap_mode="r", allow_pickle=False
        )
        return values

    def finish(self) -> None:
        pass


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
