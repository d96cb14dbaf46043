"""TFLite files through LiteRT's CompiledModel: buckets, int32 inputs, XNNPACK's weight cache.

The weight cache matters: each signature packs its own copy of the weights into private memory
unless the packed weights lie in a file that all of them map (127 MB of private memory become 8.5
for MiniLM in float32 with three buckets; measured with LiteRT 2.3.0).
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import hashlib
import os
import sys
import weakref
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ArtifactError, MissingExtraError, UsageError, first_line
from edgekit.runtime.cpu import has_avx
from edgekit.runtime.session import Inputs, Outputs
from edgekit.runtime.tflite_plain import (
    Signatures,
    bucket_keys,
    fit,
    open_runners,
    quiet_first_run,
    quiet_native_log,
    smallest_bucket,
)


class TfliteSession:
    """One signature per bucket; the smallest that holds the batch's length runs, row by row."""

    def __init__(
        self,
        path: Path,
        threads: int = 1,
        bucket: int | None = None,
        weight_cache: bool = True,
    ) -> None:
        if not has_avx():
            self._signatures = self._open_plain(path, threads, bucket)
            return
        with quiet_native_log():  # importing starts the runtime's environment already
            try:
                import ai_edge_litert.compiled_model as litert
            except ImportError:
                raise MissingExtraError(
                    "ai-edge-litert", "tflite", "running .tflite files"
                ) from None
        cache = weight_cache_path(path) if weight_cache else None
        # a first run packs under a name of its own, so that two processes never share a half
        # written cache; the finished one is renamed
        building = None
        if cache is not None and not cache.is_file():
            building = cache.with_name(f"{cache.name}.{os.getpid()}")
        used = building or cache
        with quiet_native_log():
            try:
                options = litert.Options(
                    hardware_accelerators=litert.HardwareAccelerator.CPU,
                    cpu_options=litert.CpuOptions(
                        num_threads=threads, xnnpack_weight_cache_path=str(used or "")
                    ),
                )
                model = litert.CompiledModel.from_file(str(path), options=options)
                self._signatures = self._open_signatures(model, bucket)
            except (ArtifactError, UsageError):
                raise
            except Exception as error:  # the binding raises RuntimeError and worse
                raise ArtifactError(
                    f"LiteRT cannot load '{path}': {first_line(error)}.",
                    "the file may be truncated: export again, or check with `edgekit validate`.",
                ) from error
        if building is not None and cache is not None and building.is_file():
            with contextlib.suppress(OSError):
                building.replace(cache)
        # the runtime talks when it is taken down as well
        weakref.finalize(self, _release, self._signatures)
        _quiet_exit()

    @property
    def signatures(self) -> Signatures:
        """(entry, length) -> what runs it."""
        return self._signatures

    def _open_plain(self, path: Path, threads: int, bucket: int | None) -> Signatures:
        found = open_runners(path, threads, bucket)
        self.buckets = tuple(sorted({length for _, length in found if length}))
        return found

    def _open_signatures(self, model: Any, only: int | None) -> Signatures:
        listed = model.get_signature_list()
        found: Signatures = {
            key: _Signature(model, name, listed[name])
            for key, name in bucket_keys(listed, only).items()
        }
        self.buckets = tuple(sorted({length for _, length in found if length}))
        return found

    def run(self, inputs: Inputs, entry: str = "main") -> Outputs:
        """See ``Session.run``."""
        batch = len(next(iter(inputs.values())))
        signature = self._signatures[entry, smallest_bucket(self.buckets, inputs)]
        with quiet_first_run():
            rows = [
                signature.run({name: array[i : i + 1] for name, array in inputs.items()})
                for i in range(batch)
            ]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


@cache
def _quiet_exit() -> None:
    """The runtime's environment is taken down by C++, after all of Python: mute it there.

    Only where edgekit itself is the program: an app's own exit handlers keep their stderr.
    """
    if "edgekit" not in Path(sys.argv[0]).parts and not sys.argv[0].endswith("/edgekit"):
        return

    def mute() -> None:
        if not os.environ.get("EDGEKIT_NATIVE_LOG"):
            sys.stderr.flush()
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    atexit.register(mute)


def _release(signatures: Signatures) -> None:
    with quiet_native_log():
        signatures.clear()
        gc.collect()


class _Signature:
    """Buffers of one signature, made once."""

    def __init__(self, model: Any, name: str, io: dict[str, list[str]]) -> None:
        self._model = model
        self._index = model.get_signature_index(name)
        self._input_names = list(io["inputs"])
        self._output_names = list(io["outputs"])
        self._inputs = model.create_input_buffers(self._index)
        self._outputs = model.create_output_buffers(self._index)
        shapes = model.get_input_tensor_details(name)
        self._kinds = [
            (tuple(shapes[n]["shape"]), np.dtype(shapes[n]["dtype"])) for n in self._input_names
        ]
        details = model.get_output_tensor_details(name)
        self._output_shapes = [tuple(details[n]["shape"]) for n in self._output_names]

    def run(self, inputs: Inputs) -> Outputs:
        for name, kind, buffer in zip(self._input_names, self._kinds, self._inputs, strict=True):
            if name not in inputs:
                raise UsageError(f"input '{name}' is missing.", "")
            buffer.write(fit(inputs[name], *kind))
        self._model.run_by_index(self._index, self._inputs, self._outputs)
        return {
            name: np.array(buffer.read(int(np.prod(shape)), np.float32)).reshape(shape)
            for name, shape, buffer in zip(
                self._output_names, self._output_shapes, self._outputs, strict=True
            )
        }


def weight_cache_path(path: Path) -> Path | None:
    """Where the packed weights of that file are kept, or None when no folder can be written.

    The name holds file, size and time of change, LiteRT's version and the CPU's features: packing
    differs between instruction sets. XNNPACK checks the content itself and runs uncached when the
    file is not its own.
    """
    from importlib.metadata import version

    from edgekit.runtime.cpu import cpu_features

    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(root) / "edgekit" / "xnnpack"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stat = path.stat()
    except OSError:
        return None
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns, version("ai-edge-litert"))
    text = repr((key, cpu_features()))
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.bin"
