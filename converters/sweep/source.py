"""What one process opens once and measures many files with."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from edgekit.converters.float_model import FloatModel, Target, WrittenFile
from edgekit.converters.held_out import HeldOut, evaluation_texts
from edgekit.converters.notes import made_by
from edgekit.converters.opening import fit_tflite, load_source, open_target, require_packages
from edgekit.converters.pipeline import quantized, write_file, write_recipe
from edgekit.converters.quantize.statistics import InputStats, input_statistics
from edgekit.converters.quantize.texts import CalibrationText, shared_texts, texts_sha256
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.sources.definition import definition_of
from edgekit.converters.sweep.clock import Clock
from edgekit.converters.sweep.comparable import require_comparable
from edgekit.converters.sweep.labelled import Labelled
from edgekit.converters.sweep.study import cluster_model, pack_study, zlib_bytes

from edgekit.audit import audit_file
from edgekit.audit.sketch import Sketch, make_sketch
from edgekit.progress import Progress
from edgekit.recipe import Recipe
from edgekit.runtime.rows import require_text
from edgekit.sweep.options import Combination
from edgekit.sweep.point import Point
from edgekit.sweep.study import CodebookStudy, is_study


@dataclass(frozen=True, slots=True)
class Setup:
    """What all files of a sweep share. Paths must mean the same to every process that measures.

    Attributes:
      model: checkpoint folder, hub id, or "demo".
      targets: whose exporters are needed; with "tflite" text is cut at its largest bucket.
      base: of the sweep's own model, where that is an adapter.
      task, max_length: as for ``export``.
      calibration: the user's text; the built-in one when None.
      data: labelled rows, or None.
      metric: over them; the task's default when None.
      original: the model whose outputs count, where that is another one: same task, same labels.
      timed: files are timed too.
    """

    model: str
    targets: tuple[str, ...]
    base: str | None = None
    task: str | None = None
    max_length: int | None = None
    calibration: CalibrationText | None = None
    data: str | None = None
    metric: str | None = None
    original: str | None = None
    timed: bool = False


class Source:
    """An opened setup.

    Args:
      setup: what to open.
      work: folder for float exports, written files and the calibration's float path.
    """

    def __init__(self, setup: Setup, work: Path) -> None:
        require_packages(setup.targets)
        self._work = work
        base = setup.base if setup.original is None else None
        self._checkpoint = checkpoint = _opened(setup, setup.model, base)
        self._original = checkpoint
        if setup.original is not None:
            self._original = _opened(setup, setup.original, setup.base)
            require_comparable(checkpoint, self._original)
        self._clock = Clock(self._original, work) if setup.timed else None
        self._text = setup.calibration or CalibrationText.builtin()
        self._models: dict[str, tuple[Target, FloatModel]] = {}
        self._labelled = None
        if setup.data is not None:
            self._labelled = Labelled(checkpoint, Path(setup.data), setup.metric, self._original)

    @property
    def checkpoint(self) -> Checkpoint:
        """The model whose files are measured."""
        return self._checkpoint

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the measured values depend on, beside target and recipe: plain data."""
        checkpoint = self._checkpoint
        contract = checkpoint.contract
        texts = evaluation_texts()
        seen = shared_texts(self._text.texts, texts)
        told = f"{len(seen)} held-out texts are calibration texts too: cosines on them prove less"
        return {
            "source": checkpoint.source,
            "definition": definition_of(checkpoint),
            "task": contract.task,
            "max_length": contract.max_length,
            "buckets": list(contract.buckets),
            "calibration": self._text.to_json(),
            "held_out": {"texts": len(texts), "sha256": texts_sha256(texts)},
            "data": None if self._labelled is None else self._labelled.facts,
            "made_by": made_by(),
            "notes": [told] if seen else [],
            "timed": self._clock is not None,
            **self._other,
        }

    @property
    def _other(self) -> dict[str, Any]:
        """What the values depend on where another model's outputs count."""
        original = self._original
        if original is self._checkpoint:
            return {}
        return {"original": {"source": original.source, "definition": definition_of(original)}}

    @cached_property
    def _held_out(self) -> HeldOut:
        # calibration has seen none of it, so nothing speaks against taking all
        other = None if self._original is self._checkpoint else self._original
        return HeldOut.builtin(self._checkpoint, "all", original=other)

    @cached_property
    def _stats(self) -> Mapping[str, InputStats]:
        return input_statistics(self._checkpoint)

    @cached_property
    def _sketches(self) -> dict[str, Sketch]:
        return {name: make_sketch(v) for name, v in self._checkpoint.parameters.items()}

    def _model(self, name: str) -> tuple[Target, FloatModel]:
        if name not in self._models:
            folder = self._work / f"float-{name}"
            folder.mkdir()
            target = open_target(name)
            self._models[name] = target, target.export(self._checkpoint, folder)
        return self._models[name]

    def measure(self, wanted: Combination, folder: Path) -> Point:
        """Make one file and measure it.

        Args:
          wanted: which.
          folder: an empty folder to write it into.
        Raises:
          UnsupportedError: the target cannot export the source, or not in that recipe.
          WorkerDied: the runtime cannot run the file.
        """
        target, model = self._model(wanted.target)
        if is_study(wanted.recipe):
            return self._study(wanted, target, model, folder)
        recipe = Recipe.parse(wanted.recipe)
        stats = self._stats if recipe.int8_activations else {}
        start = time.process_time()
        made = quantized(
            self._checkpoint, target, model, recipe, stats, self._text, Progress.silent(),
            self._work,
        )  # fmt: skip
        took = time.process_time() - start
        sketches = dict(self._sketches)
        written = write_recipe(self._checkpoint, target, model, recipe, made, folder, sketches)
        [file] = written  # one entry: an encoder-decoder would have two
        return self._judge(wanted, file, recipe, sketches, took)

    def _study(self, wanted: Combination, target: Target, model: FloatModel, folder: Path) -> Point:
        start = time.process_time()
        made = cluster_model(self._checkpoint, target, model, CodebookStudy.parse(wanted.recipe))
        took = time.process_time() - start
        sketches = self._sketches | {
            name: make_sketch(value.astype(np.float32)) for name, value in made.weights.items()
        }
        [file] = write_file(self._checkpoint, target, model, made.recipe, made.weights, folder)
        point = self._judge(wanted, file, made.recipe, sketches, took)
        packed, problems = pack_study(file, made.coded)
        bits = made.effective_bits
        return replace(point, effective_bits=bits, packed=packed,
                       problems=(*point.problems, *problems))  # fmt: skip

    def _judge(
        self,
        wanted: Combination,
        file: WrittenFile,
        recipe: Recipe,
        sketches: Mapping[str, Sketch],
        took: float,
    ) -> Point:
        audit = audit_file(
            file.path, recipe, file.stored, sketches, count_partitions=False, derived=file.derived
        )
        cosine = self._held_out.measure(file.path)
        metric = None if self._labelled is None else self._labelled.measure(file.path)
        return Point(
            wanted.target,
            wanted.recipe,
            file.path.stat().st_size,
            round(audit.effective_bits, 4),
            cosine,
            round(took, 2),
            metric,
            audit.problems,
            zlib_bytes=zlib_bytes(file.path.read_bytes()),
            model=wanted.model,
            time=None if self._clock is None else self._clock.time(self._checkpoint, file.path),
        )


def _opened(setup: Setup, model: str, base: str | None) -> Checkpoint:
    checkpoint = load_source(model, setup.task, setup.max_length, base)
    require_text(checkpoint.contract, "a sweep")
    return fit_tflite(checkpoint, setup.max_length) if "tflite" in setup.targets else checkpoint
