"""Re-check an exported folder: bytes, tokenizer, graph, weights, outputs. No torch needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.audit import FileAudit, StoredTensor, audit_file
from edgekit.errors import ArtifactError, UsageError
from edgekit.manifest import FileEntry, Manifest, check_integrity
from edgekit.parity.case_results import CaseResult, case_results, worst
from edgekit.parity.golden import Golden, open_golden
from edgekit.parity.thresholds import bounds_of, check_metric_names, thresholds_for
from edgekit.parity.verdict import FileParity, judge
from edgekit.parity.worker import WorkerDied, run_file
from edgekit.progress import Progress
from edgekit.tasks import get_task
from edgekit.tasks.examples import read_examples

if TYPE_CHECKING:
    from edgekit.parity.search.result import Search


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """Everything found about one file.

    Attributes:
      entry: the manifest's entry.
      problems: failed checks, one sentence each, in the order bytes, audit, parity.
      parity: metrics and gates, or None when the file could not be run.
      audit: what is in the file, or None when it could not be read.
      cases: every case run alone; empty when the file could not be run.
    """

    entry: FileEntry
    problems: tuple[str, ...]
    parity: FileParity | None
    audit: FileAudit | None
    cases: tuple[CaseResult, ...] = ()

    @property
    def passed(self) -> bool:
        """No check failed."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "file": self.entry.path,
            "target": self.entry.target,
            "recipe": self.entry.recipe,
            "size_bytes": self.entry.size_bytes,
            "effective_bits": self.entry.effective_bits,
            "passed": self.passed,
            "problems": list(self.problems),
            "parity": self.parity.to_json() if self.parity else None,
            "audit": self.audit.to_json() if self.audit else None,
            "worst_cases": [case.to_json() for case in worst(self.cases, 10)],
        }


@dataclass(frozen=True, slots=True)
class Validation:
    """The verdicts of a folder.

    Attributes:
      folder: where the files lie.
      files: what was found about each.
      problems: of the folder itself, one sentence each.
      search: the search for the worst inputs, where one was asked for; what it found wrong is
        among the problems of its file.
    """

    folder: Path
    files: tuple[FileVerdict, ...]
    problems: tuple[str, ...] = ()
    search: Search | None = None

    @property
    def passed(self) -> bool:
        """Every file passed, and the folder's own checks too."""
        return not self.problems and all(f.passed for f in self.files)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "folder": str(self.folder),
            "passed": self.passed,
            "problems": list(self.problems),
            "files": [f.to_json() for f in self.files],
            **({"search": self.search.to_json()} if self.search else {}),
        }

    def with_search(self, search: Search) -> Validation:
        """The same with a search's findings as problems of the files that they are about."""
        told = {
            found.file: tuple(f"search, {f.rule}: {f.message}" for f in found.findings)
            for found in search.files
        }
        files = tuple(
            replace(v, problems=(*v.problems, *told.get(v.entry.path, ()))) for v in self.files
        )
        return replace(self, files=files, search=search)


def validate(
    target: str | os.PathLike[str],
    reference: str | None = None,
    cases: str | os.PathLike[str] | None = None,
    thresholds: Mapping[str, float] | None = None,
    level: str = "native",
    progress: Progress | None = None,
    base: str | None = None,
    custom_objects: str | os.PathLike[str] | None = None,
) -> Validation:
    """Re-check an exported folder, or one file of it.

    Args:
      target: the folder, or a model file in it.
      reference: a checkpoint to compute the expected outputs from (needs the ``convert`` extra);
        the stored golden outputs when None.
      cases: texts to judge on instead of the stored ones; needs ``reference``.
      thresholds: bounds by metric, in place of the table's; "w8c_a8.cosine_mean" for the files
        of one recipe, "w8.cosine_mean" for those of a class of recipes.
      level: CPU level to run on, see ``edgekit.runtime.cpu_level``.
      progress: where stages are told.
      base: folder or hub id of the base, where ``reference`` is an adapter.
      custom_objects: Python file with the layers of a Keras model; it is run.
    Returns:
      the verdicts; ``passed`` is False when any check failed.
    Raises:
      ArtifactError: no finished export is there.
      UsageError: ``cases`` or ``base`` without ``reference``, or an unknown threshold.
    """
    if base is not None and reference is None:
        raise UsageError(
            "--base names the base of an adapter given with --reference, and none was given.",
            "add --reference with the adapter that was exported.",
        )
    if cases is not None and reference is None:
        raise UsageError(
            "--cases needs --reference MODEL: the folder knows the source's outputs for its own "
            "cases only.",
            "add --reference with the checkpoint that was exported.",
        )
    progress = progress or Progress.silent()
    folder, only = locate(Path(target))
    manifest = Manifest.read(folder)
    get_task(manifest.contract.task)  # a task that this edgekit does not know is refused first
    entries = [e for e in manifest.files if only is None or only in e.file_names]
    if not entries:
        raise ArtifactError(f"'{only}' is not listed in {folder}'s manifest.", "export again.")
    check_thresholds(thresholds, manifest)
    golden, problems = open_golden(folder, manifest)
    if reference is not None:
        from edgekit.converters.api import reference_golden

        progress.stage("reference")
        contract = manifest.contract
        examples = list(golden.examples) if cases is None else read_examples(Path(cases), contract)
        source = reference_golden(
            reference,
            manifest.contract,
            examples,
            base,
            manifest.source.get("signature"),
            custom_objects,
        )
        # what quantization corrected is proven by the folder's own sketches, the rest by the source
        golden = replace(source, sketches={**golden.sketches, **source.sketches})
    verdicts = []
    for entry in entries:
        progress.stage(f"check {entry.path}")
        verdicts.append(
            check_file(folder, entry, manifest, golden, thresholds, level, cases is None)
        )
    progress.done()
    return Validation(folder, tuple(verdicts), tuple(problems))


def check_file(
    folder: Path,
    entry: FileEntry,
    manifest: Manifest,
    golden: Golden,
    thresholds: Mapping[str, float] | None = None,
    level: str = "native",
    same_cases: bool = True,
) -> FileVerdict:
    """All checks of one file."""
    problem = check_integrity(folder, entry)
    if problem:
        return FileVerdict(entry, (problem,), None, None)
    recipe, path = entry.full_recipe(), folder / entry.path
    try:
        stored = [StoredTensor.from_json(t) for t in entry.tensors]
        audit = audit_file(
            path,
            recipe,
            stored,
            golden.sketches,
            entry.audit["fingerprint"],
            False,
            entry.audit.get("derived", ()),
        )
    except ArtifactError as error:
        return FileVerdict(entry, (error.message,), None, None)
    except (KeyError, TypeError, ValueError) as error:
        problem = f"the manifest's entry of {entry.path} is damaged ({type(error).__name__})"
        return FileVerdict(entry, (problem,), None, None)
    try:
        modes = run_file(path, golden.rows, manifest.contract, level)
    except WorkerDied as died:  # what the audit found tells why
        return FileVerdict(entry, (*audit.problems, died.message), None, audit)
    except ArtifactError as error:
        return FileVerdict(entry, (*audit.problems, error.message), None, audit)
    expected, found = golden.outputs, modes["alone"]
    if {n: v.shape for n, v in expected.items()} != {n: v.shape for n, v in found.items()}:
        return FileVerdict(entry, ("its outputs have other shapes than the source's",), None, audit)
    try:
        parity = judge(
            modes,
            golden.outputs,
            manifest.contract,
            recipe,
            entry.target,
            golden.rows,
            at_export=entry.parity if same_cases else None,
            overrides=fitting(thresholds, manifest, entry, recipe.kind),
            decisions=golden.decisions,
        )
    except (LookupError, ValueError) as error:  # labels or metrics that are not those of the file
        problem = f"the manifest does not fit {entry.path} ({type(error).__name__})"
        return FileVerdict(entry, (problem,), None, audit)
    missed = entry.budget_problem()
    problems = (*audit.problems, *parity.failures, *([missed] if missed else []))
    cases = case_results(found, golden, manifest.contract)
    return FileVerdict(entry, problems, parity, audit, cases)


def fitting(
    thresholds: Mapping[str, float] | None, manifest: Manifest, entry: FileEntry, kind: str
) -> dict[str, float]:
    """The user's bounds that this file is judged by."""
    known = {t.metric for t in thresholds_for(manifest.contract.task, kind)}
    found = bounds_of(thresholds or {}, entry.recipe, kind)
    return {name: value for name, value in found.items() if name in known}


def check_thresholds(thresholds: Mapping[str, float] | None, manifest: Manifest) -> None:
    """Every bound must fit one file of the folder at least."""
    known: dict[str, set[str]] = {}
    for entry in manifest.files:
        kind = entry.full_recipe().kind
        metrics = {t.metric for t in thresholds_for(manifest.contract.task, kind)}
        for name in (entry.recipe, kind):
            known.setdefault(name, set()).update(metrics)
    check_metric_names(thresholds or {}, known)


def locate(target: Path) -> tuple[Path, str | None]:
    """An export's folder, and the file of it that was named; None for all.

    Raises:
      ArtifactError: neither a folder nor a model file.
    """
    if target.is_dir():
        return target, None
    if target.is_file() and target.suffix in (".onnx", ".tflite"):
        return target.parent, target.name
    if not target.exists() and target.suffix in (".onnx", ".tflite") and target.parent.is_dir():
        return target.parent, target.name
    raise ArtifactError(f"'{target}' is no exported folder or file.", "check the path.")
