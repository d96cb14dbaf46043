"""The way of a model: load, export once per target, quantize, write, audit, verify, manifest."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.float_model import FloatModel, Target, Weight, WrittenFile, never_used
from edgekit.converters.garbage import let_go
from edgekit.converters.kept_structure import kept_structure, structures_of, with_clusters
from edgekit.converters.notes import (
    budget_notes,
    calibration_notes,
    made_by,
    structure_notes,
)
from edgekit.converters.quantize.plan import apply_plan, column_factors, make_plan
from edgekit.converters.quantize.statistics import InputStats, input_statistics
from edgekit.converters.quantize.texts import CalibrationText
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.sources.padding_check import check_padding
from edgekit.converters.verify import verify

from edgekit._version import __version__
from edgekit.audit.audit import open_file
from edgekit.audit.sketch import Sketch, make_sketch
from edgekit.manifest import (
    GOLDEN_NAME,
    TOKENIZER_NAME,
    Manifest,
    sha256_file,
)
from edgekit.parity.golden import make_golden
from edgekit.parity.validate import FileVerdict
from edgekit.progress import Progress
from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Recipe
from edgekit.report.markdown import folder_report
from edgekit.runtime.tokenizer import TextTokenizer
from edgekit.tasks import Example, get_task


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What an export made.

    Attributes:
      folder: where it lies.
      manifest: its edgekit.json.
      verdicts: of each file.
    """

    folder: Path
    manifest: Manifest
    verdicts: tuple[FileVerdict, ...]

    @property
    def passed(self) -> bool:
        """Every file keeps its thresholds and is what its recipe says."""
        return all(verdict.passed for verdict in self.verdicts)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "folder": str(self.folder),
            "passed": self.passed,
            "source": self.manifest.source,
            "max_length": self.manifest.contract.max_length,
            "files": [
                {**verdict.to_json(), "latency": verdict.entry.latency,
                 "cpu_levels": verdict.entry.cpu_levels, "notes": verdict.entry.notes,
                 "mix": verdict.entry.mix, "budget": verdict.entry.budget}
                for verdict in self.verdicts
            ],
        }  # fmt: skip


def run_pipeline(
    checkpoint: Checkpoint,
    targets: Sequence[Target],
    recipes: Mapping[str, Sequence[Recipe]],
    examples: Sequence[Example],
    folder: Path,
    progress: Progress,
    calibration: CalibrationText | None = None,
    mixer: Mixer | None = None,
) -> tuple[Manifest, tuple[FileVerdict, ...]]:
    """Write every file of an export into a folder, and the manifest last.

    Args:
      checkpoint: the source, with its final lengths in the contract.
      targets: in order.
      recipes: of each target, in order; all supported by it.
      examples: the cases.
      folder: an empty folder.
      progress: where stages are told.
      calibration: text for the methods that look at some; the built-in one when None.
      mixer: finds the grids of the recipes that are mixes.
    """
    contract = checkpoint.contract
    carried = [GOLDEN_NAME]
    tokenizer = None
    for name, text_file in checkpoint.texts.items():
        carried.append(name)
        (folder / name).write_text(text_file, encoding="utf-8", newline="\n")
    if contract.input_kind == "text":
        carried.append(TOKENIZER_NAME)
        (folder / TOKENIZER_NAME).write_text(checkpoint.tokenizer_json, encoding="utf-8")
        tokenizer = TextTokenizer.from_folder(folder, contract)
    progress.stage("reference outputs")
    examples = checkpoint.judged_examples(examples)
    rows = get_task(contract.task).prepare(examples, contract, tokenizer)
    if contract.input_kind == "text":
        check_padding(checkpoint, rows)
    reference = checkpoint.reference(rows)
    sketches = {name: make_sketch(value) for name, value in checkpoint.parameters.items()}
    golden = make_golden(examples, rows, reference, contract, sketches)
    golden.save(folder / GOLDEN_NAME, contract)
    structures = structures_of(checkpoint.parameters)
    weights_bytes = sum(value.nbytes for value in checkpoint.parameters.values())
    stats: dict[str, InputStats] = {}
    integer = any(r.int8_activations for target in targets for r in recipes[target.name])
    if integer and checkpoint.can_calibrate:
        progress.stage("input statistics")
        stats = input_statistics(checkpoint)
    text = calibration or CalibrationText.builtin()
    let_go(weights_bytes)
    verdicts: list[FileVerdict] = []
    dropped: set[str] = set()
    # in the hidden folder, so that a rerun clears what a killed run leaves
    with tempfile.TemporaryDirectory(prefix="float-", dir=folder) as scratch:
        for target in targets:
            progress.stage(f"export {target.name} float32")
            model = target.export(checkpoint, Path(scratch))
            let_go(weights_bytes)
            dropped |= never_used(model)
            for recipe in recipes[target.name]:
                budget: dict[str, Any] = {}
                if recipe.budget and mixer is not None:
                    recipe, made, budget = mixer(target, model, recipe, stats, Path(scratch))
                else:
                    made = quantized(
                        checkpoint, target, model, recipe, stats, text, progress, Path(scratch)
                    )
                progress.stage(f"write {target.name} {recipe}")
                written = write_recipe(checkpoint, target, model, recipe, made, folder, sketches)
                calibrated = made.calibration
                del made  # all weights of the model: they are in the file now
                let_go(weights_bytes)
                for file in written:
                    file = with_clusters(file, structures)
                    golden = replace(golden, sketches=dict(sketches))
                    progress.stage(f"verify {file.path.name}")
                    verdict = verify(file, target, recipe, golden, checkpoint)
                    notes = calibration_notes(calibrated, text, examples)
                    kept = kept_structure(file, checkpoint.parameters, structures)
                    notes += structure_notes(kept)
                    entry = replace(
                        verdict.entry,
                        calibration=calibrated,
                        notes=[*verdict.entry.notes, *notes, *budget_notes(budget)],
                        structure=kept,
                        mix={name: str(grid) for name, grid in recipe.mix.items()},
                        budget=budget,
                    )
                    missed = entry.budget_problem()
                    problems = (*verdict.problems, *([missed] if missed else []))
                    verdicts.append(replace(verdict, entry=entry, problems=problems))
    if len(golden.sketches) > len(checkpoint.parameters):  # some files have sketches of their own
        golden.save(folder / GOLDEN_NAME, contract)
    progress.done()
    manifest = Manifest(
        contract=contract,
        source=checkpoint.source,
        made_by=made_by(checkpoint.source["kind"]),
        golden={name: sha256_file(folder / name) for name in carried},
        files=tuple(verdict.entry for verdict in verdicts),
        dropped=tuple(sorted(dropped)),
    )
    (folder / "report.md").write_text(folder_report(manifest, verdicts), encoding="utf-8")
    manifest.write(folder)
    return manifest, tuple(verdicts)


@dataclass(frozen=True, slots=True)
class Quantized:
    """What a recipe makes of a model on one target.

    Attributes:
      weights: of every parameter that the graph uses.
      corrected: the biases that calibration changed, float32.
      calibration: what it looked at, for the manifest; empty where it looked at nothing.
    """

    weights: Mapping[str, Weight]
    corrected: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)


#: (target, float model, recipe of a mix, input statistics, scratch folder) -> the recipe with its
#: grids, what it makes of the model, and what the manifest says of the budget
Mixer = Callable[
    [Target, FloatModel, Recipe, Mapping[str, InputStats], Path],
    tuple[Recipe, Quantized, dict[str, Any]],
]


def quantized(
    checkpoint: Checkpoint,
    target: Target,
    model: FloatModel,
    recipe: Recipe,
    stats: Mapping[str, InputStats],
    text: CalibrationText,
    progress: Progress,
    scratch: Path,
) -> Quantized:
    """What a recipe makes of every parameter that a target's graph uses.

    Args:
      checkpoint, target, model, recipe: what, for which kernels, read by which graph, and how.
      stats: of the matrices' inputs, for equalization.
      text: for methods that look at some.
      progress: where the calibration is told.
      scratch: keeps the float path between the recipes of one export.
    """
    roles: dict[str, str] = {}
    for graph in model.values():
        roles.update(graph.roles())
    shapes = {name: checkpoint.parameters[name].shape for name in roles}
    plan = make_plan(recipe, roles, shapes, target.name)
    matrices = {name for name, role in roles.items() if role == "matrix"}
    factors = column_factors(plan, checkpoint.parameters, stats, matrices)
    if not checkpoint.can_calibrate:
        return Quantized(apply_plan(plan, checkpoint.parameters, factors))
    from edgekit.converters.quantize.calibration import calibrate_plan, needs_calibration  # torch

    if not needs_calibration(plan, matrices):
        return Quantized(apply_plan(plan, checkpoint.parameters, factors))
    progress.stage(f"calibrate {target.name} {recipe} on {len(text.texts)} texts")
    symmetric = target.symmetric_activations if recipe.int8_activations else None
    # tables first: what they lose is then seen, and made up for, by the matrices behind them
    first = apply_plan(plan.without(matrices), checkpoint.parameters, {})
    tables = {name: tensor for name, tensor in first.items() if isinstance(tensor, QuantizedTensor)}
    start = {name: tensor.dequantize().reshape(shapes[name]) for name, tensor in tables.items()}
    found = calibrate_plan(
        checkpoint, plan, matrices, factors, text, symmetric, scratch / "float-path", start=start
    )
    parameters = {**checkpoint.parameters, **found.biases}
    made = {**found.tensors, **tables}
    weights = apply_plan(plan, parameters, factors, lambda name, *_: made.get(name))
    return Quantized(weights, found.biases, {**text.to_json(), "tokens": found.tokens})


def write_recipe(
    checkpoint: Checkpoint,
    target: Target,
    model: FloatModel,
    recipe: Recipe,
    made: Quantized,
    folder: Path,
    sketches: dict[str, Sketch],
) -> list[WrittenFile]:
    """Write a recipe's file(s) into a folder, with what the audit needs to know of them.

    Args:
      checkpoint, target, model, recipe: as ``quantized`` had them.
      made: what it gave.
      folder: where the files go.
      sketches: of the source's parameters; those of corrected biases are added.
    """
    written = write_file(checkpoint, target, model, recipe, made.weights, folder)
    return [_with_proofs(file, made.corrected, sketches) for file in written]


def write_file(
    checkpoint: Checkpoint,
    target: Target,
    model: FloatModel,
    recipe: Recipe,
    weights: Mapping[str, Weight],
    folder: Path,
) -> list[WrittenFile]:
    """Write what a recipe made of a model into a folder, under the recipe's name."""
    source = ",".join(str(digest) for digest in checkpoint.source["sha256"].values())
    metadata = {
        "edgekit": __version__,
        "recipe": str(recipe),
        "task": checkpoint.contract.task,
        "source_sha256": source,
    }
    if checkpoint.contract.generation is not None:
        # the cache grows with the text: the graph itself knows no end
        metadata["context"] = str(checkpoint.contract.generation.context)
    path = folder / f"model.{recipe}.{target.name}"
    return target.write(model, weights, path, metadata, recipe.int8_activations)


def _with_proofs(
    file: WrittenFile, corrected: Mapping[str, npt.NDArray[np.float32]], sketches: dict[str, Sketch]
) -> WrittenFile:
    """The file with what tells its weights from others that are as near to the source's.

    Sketches of its own for the biases that calibration corrected, and digests of its codes.
    """
    stored = []
    held = open_file(file.path)
    for tensor in file.stored:
        if tensor.digest is None and not tensor.dtype.startswith("float"):
            tensor = replace(tensor, digest=held.contents(tensor).digest)
        if tensor.parameter in corrected:
            name = f"{tensor.parameter}@{file.path.name}"
            sketches[name] = make_sketch(corrected[tensor.parameter])
            tensor = replace(tensor, sketch=name)
        stored.append(tensor)
    return replace(file, stored=tuple(stored))
