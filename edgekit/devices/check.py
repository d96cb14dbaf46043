"""The table of families: every file on every CPU that can be had, and what that says."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.devices.execute import NotHere, Run, as_inputs, execute
from edgekit.devices.families import Family
from edgekit.devices.places import way_of
from edgekit.devices.rule import Distance, distance, pick_cases, sums_in_16_bits, verdict
from edgekit.devices.subject import Subject
from edgekit.errors import ArtifactError, MachineError, MissingExtraError
from edgekit.manifest import FileEntry, Manifest, check_integrity
from edgekit.parity.golden import open_golden
from edgekit.parity.validate import check_thresholds, fitting, locate
from edgekit.parity.verdict import FileParity, judge
from edgekit.parity.worker import WorkerDied
from edgekit.progress import Progress
from edgekit.runtime.rows import row_length
from edgekit.tasks import get_task
from edgekit.tasks.base import Floats

#: examples that are run on each family
CASES = 8
#: tokens of the longest of them: emulated floats cost 0.1 s a token
LONGEST = 64
#: what makes the command fail
_BAD = ("saturated", "differs", "failed")


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """One file on one family.

    Attributes:
      file, target, recipe: of the file.
      family: name.
      how: how it was run, see ``places.Way``; empty when it was not.
      status: "base", "same", "flips", "moved", "saturated", "differs", "failed" or "missing".
      text: the verdict in words.
      distance: numbers behind it, None when the family was not run.
      parity: metrics against the source and the file's gates, None when it was not run.
      runtime: name and version.
      features: what the process saw of its CPU.
      seconds: wall time.
    """

    file: str
    target: str
    recipe: str
    family: str
    how: str
    status: str
    text: str
    distance: Distance | None = None
    parity: FileParity | None = None
    runtime: str = ""
    features: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Nothing is against the file on this family; one that is not available is not."""
        return self.status not in _BAD and (self.parity is None or self.parity.passed)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **{k: getattr(self, k) for k in ("file", "target", "recipe", "family", "how")},
            "status": self.status,
            "verdict": self.text,
            "passed": self.passed,
            "distance": asdict(self.distance) if self.distance else None,
            "metrics": self.parity.metrics["alone"] if self.parity else None,
            "failed_gates": self.parity.failures if self.parity else [],
            "runtime": self.runtime,
            "features": list(self.features),
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True, slots=True)
class FamilyTable:
    """All files on all families.

    Attributes:
      folder: the export.
      results: by file, then by family.
      examples: how many were run, and out of how many.
      lengths: shortest and longest of them, in tokens.
      problems: of the folder itself (a tokenizer that differs, changed bytes).
    """

    folder: Path
    results: tuple[FamilyResult, ...]
    examples: tuple[int, int]
    lengths: tuple[int, int]
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """No family is against any file."""
        return not self.problems and all(r.passed for r in self.results)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "folder": str(self.folder),
            "passed": self.passed,
            "problems": list(self.problems),
            "examples": {"run": self.examples[0], "of": self.examples[1]},
            "tokens": list(self.lengths),
            "families": [r.to_json() for r in self.results],
        }


def check_families(
    target: str | os.PathLike[str],
    families: Sequence[Family],
    cases: int = CASES,
    thresholds: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> FamilyTable:
    """Run an exported folder, or one file of it, on the kernels of other CPUs.

    Args:
      target: the folder, or a model file in it.
      families: what ``parse_families`` gave.
      cases: examples of golden.npz that are run, mixed in length.
      thresholds: the user's bounds, in place of the table's.
      progress: where stages are told.
    Raises:
      ArtifactError: no finished export is there.
      UsageError: an unknown threshold.
      MissingExtraError: a runtime is not installed here.
      MachineError: of the families asked for beside native, none can be had here.
    """
    progress = progress or Progress.silent()
    folder, only = locate(Path(target))
    manifest = Manifest.read(folder)
    get_task(manifest.contract.task)
    entries = [e for e in manifest.files if only is None or e.path == only]
    if not entries:
        raise ArtifactError(f"'{only}' is not listed in {folder}'s manifest.", "export again.")
    check_thresholds(thresholds, manifest)
    golden, problems = open_golden(folder, manifest)
    _check_runtimes(entries)
    _check_any(families, entries)
    lengths = [row_length(row, manifest.contract) for row in golden.rows]
    picked = pick_cases(lengths, cases, LONGEST)
    subject = Subject.of(golden, picked, manifest)
    results: list[FamilyResult] = []
    for entry in entries:
        if problem := check_integrity(folder, entry):
            problems.append(problem)
            continue
        results += check_file(folder / entry.path, entry, subject, families, thresholds, progress)
    progress.done()
    tokens = [lengths[i] for i in picked]
    return FamilyTable(
        folder,
        tuple(results),
        (len(picked), len(golden.rows)),
        (min(tokens), max(tokens)),
        tuple(problems),
    )


def check_file(
    path: Path,
    entry: FileEntry,
    subject: Subject,
    families: Sequence[Family],
    thresholds: Mapping[str, float] | None,
    progress: Progress,
) -> list[FamilyResult]:
    """One file on all families."""
    made: dict[str, tuple[Run, dict[str, Floats]]] = {}
    rows: dict[str, FamilyResult] = {}
    for family in families:
        way = way_of(family, entry.target)
        row = FamilyResult(
            entry.path, entry.target, entry.recipe, family.name, way.how, "missing",
            f"not available: {way.why_not}",
        )  # fmt: skip
        rows[family.name] = row
        if not way.available:
            continue
        progress.stage(f"{entry.path} on {family.name}")
        start = time.monotonic()
        try:
            run = execute(family, way, path, as_inputs(subject.rows))
            outputs = subject.judged(run)
            fits = {n: v.shape for n, v in outputs.items()} == {
                n: v.shape for n, v in subject.reference.items()
            }
            if not fits:
                raise WorkerDied("its outputs have other shapes than the source's.", "")
        except NotHere as why:
            rows[family.name] = replace(row, text=f"not available: {why}")
        except (WorkerDied, LookupError, ValueError) as error:
            told = error.message if isinstance(error, WorkerDied) else "its outputs do not fit"
            rows[family.name] = replace(row, status="failed", text=f"failed: {told.rstrip('.')}")
        else:
            made[family.name] = run, outputs
            parity = judge(
                {"alone": outputs}, subject.reference, subject.manifest.contract,
                entry.full_recipe(), entry.target, subject.rows,
                overrides=fitting(
                    thresholds, subject.manifest, entry, entry.full_recipe().kind
                ),
                decisions=subject.decisions,
            )  # fmt: skip
            rows[family.name] = replace(
                row, parity=parity, runtime=run.runtime, features=run.features or (),
                seconds=time.monotonic() - start,
            )  # fmt: skip
    _judge_all(entry, subject, made, rows)
    return list(rows.values())


def _judge_all(
    entry: FileEntry,
    subject: Subject,
    made: Mapping[str, tuple[Run, dict[str, Floats]]],
    rows: dict[str, FamilyResult],
) -> None:
    """Put distances and verdicts into the rows of the families that ran."""
    is_float = not entry.full_recipe().int8_activations
    saturates = {
        name: entry.target == "onnx" and not is_float and sums_in_16_bits(run.features)
        for name, (run, _) in made.items()
    }
    # native is what all are held against, unless it is itself one that may saturate
    base = next((n for n in made if not saturates[n]), next(iter(made), None))
    if base is None:
        return
    reference, start = subject.joined(subject.reference), subject.joined(made[base][1])
    for name, (_, outputs) in made.items():
        found = distance(reference, start, subject.joined(outputs))
        status, text = verdict(found, is_float, saturates[name] and not saturates[base])
        if name == base:
            status, text = "base", "base" if np.isfinite(found.error) else "base: not finite"
        failures = rows[name].parity
        if failures is not None and failures.failures:
            text += f"; {failures.failures[0]}"
        rows[name] = replace(rows[name], status=status, text=text, distance=found)


def _check_runtimes(entries: Sequence[FileEntry]) -> None:
    """Refuse to start when native itself could not run."""
    targets = {e.target for e in entries}
    if "onnx" in targets and importlib.util.find_spec("onnxruntime") is None:
        raise MissingExtraError("onnxruntime", "onnx", "running .onnx files")
    if "tflite" in targets and importlib.util.find_spec("ai_edge_litert") is None:
        raise MissingExtraError("ai-edge-litert", "tflite", "running .tflite files")


def _check_any(families: Sequence[Family], entries: Sequence[FileEntry]) -> None:
    """Refuse to start when nothing but native could be run."""
    asked = [f for f in families if f.kind != "native"]
    ways = [way_of(f, t) for f in asked for t in {e.target for e in entries}]
    if ways and not any(way.available for way in ways):
        raise MachineError(
            f"none of {', '.join(f.name for f in asked)} can be had here: {ways[0].why_not}.",
            ways[0].hint,
        )
