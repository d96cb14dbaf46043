"""Make a bundle: check the export, copy one model file, write what belongs to it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.bundle import self_test
from edgekit.bundle.contract import CONTRACT_NAME, contract_json
from edgekit.bundle.tokenizer import VOCABULARY_NAME, read_tokenizer
from edgekit.errors import ArtifactError, UnprovenError, UnsupportedError, UsageError
from edgekit.manifest import FileEntry, Manifest, check_integrity, sha256_file
from edgekit.parity.golden import open_golden
from edgekit.recipe import Recipe
from edgekit.runtime.rows import require_text
from edgekit.staging import staged_folder
from edgekit.support import TARGETS
from edgekit.tasks import get_task


@dataclass(frozen=True, slots=True)
class Bundle:
    """A finished bundle.

    Attributes:
      folder: where it lies.
      contract: the content of contract.json.
      sizes: bytes of each file, by name, in the order contract, model, vocabulary, golden vectors.
    """

    folder: Path
    contract: dict[str, Any]
    sizes: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"folder": str(self.folder), "sizes": self.sizes, "contract": self.contract}


def bundle(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    target: str,
    recipe: str | None = None,
    force: bool = False,
) -> Bundle:
    """Write what an app needs of one exported file into a folder that appears whole.

    The same export gives the same bytes.

    Args:
      folder: an exported folder.
      out: the folder to appear: contract.json, the model file, vocab.json, golden.json.
      target: "onnx" or "tflite".
      recipe: of the file, or a preset; may be left out where the target has one file only.
      force: replace an older bundle at ``out``.
    Raises:
      ArtifactError: the export is incomplete, damaged or was changed.
      UnprovenError: the file did not pass its gates at export.
      UsageError: no such target or recipe, or several recipes and none named.
      UnsupportedError: the tokenizer cannot be described for a small reader, or there is none; an
        encoder-decoder, whose two entries the app cores do not run.
      FolderExistsError, FolderBusyError, MachineError: see ``edgekit.staging``.
    """
    source = Path(folder)
    manifest = Manifest.read(source)
    get_task(manifest.contract.task)
    require_text(manifest.contract, "a bundle")
    _refuse_two_entries(manifest)
    entry = _pick(manifest, target, recipe)
    golden, problems = open_golden(source, manifest)
    problem = check_integrity(source, entry) or next(iter(problems), None)
    if problem:
        raise ArtifactError(f"'{source}' cannot be bundled: {problem}.")
    check_proven(entry)
    tokenizer, vocabulary = read_tokenizer(source)
    test = {"file": self_test.GOLDEN_NAME, **self_test.bound(entry, manifest.contract)}
    with staged_folder(Path(out), force, CONTRACT_NAME) as staging:
        _write(staging / VOCABULARY_NAME, vocabulary)
        _write(
            staging / self_test.GOLDEN_NAME, {"cases": self_test.cases(golden, manifest.contract)}
        )
        shutil.copyfile(source / entry.path, staging / entry.path)
        files = [_listed(staging / n) for n in (VOCABULARY_NAME, self_test.GOLDEN_NAME)]
        copied = _listed(staging / entry.path)
        if copied["sha256"] != entry.sha256:
            raise ArtifactError(f"'{entry.path}' changed while it was copied.", "run again.")
        contract = contract_json(source, manifest, entry, tokenizer, test, [copied, *files])
        _write(staging / CONTRACT_NAME, contract, indent=1)
        names = (CONTRACT_NAME, entry.path, VOCABULARY_NAME, self_test.GOLDEN_NAME)
        sizes = {name: (staging / name).stat().st_size for name in names}
    return Bundle(Path(out), contract, sizes)


def _refuse_two_entries(manifest: Manifest) -> None:
    generation = manifest.contract.generation
    if generation is not None and generation.start_id is not None:
        raise UnsupportedError(
            f"a bundle of {manifest.contract.task} is not supported: the app cores run no "
            "encoder-decoder.",
            "use `edgekit generate`, or edgekit.load in Python.",
        )


def check_proven(entry: FileEntry) -> None:
    """Refuse a file whose own export found it wanting.

    Raises:
      UnprovenError: it failed a gate.
    """
    if not entry.parity.get("passed", False):
        raise UnprovenError(
            f"'{entry.path}' did not pass its gates when it was exported.",
            "see them with `edgekit validate`, or bundle another recipe.",
        )


def _pick(manifest: Manifest, target: str, recipe: str | None) -> FileEntry:
    if target not in TARGETS:
        raise UsageError(f"unknown target '{target}'.", f"known: {', '.join(TARGETS)}.")
    entries = {e.recipe: e for e in manifest.files if e.target == target}
    if not entries:
        raise UsageError(f"the export has no {target} file.", f"export with --target {target}.")
    listed = ", ".join(entries)
    if recipe is None:
        if len(entries) > 1:
            raise UsageError(
                f"the export has {len(entries)} {target} files.", f"choose with --recipe: {listed}."
            )
        return next(iter(entries.values()))
    name = recipe if recipe in entries else str(Recipe.parse(recipe, target))
    if name not in entries:
        raise UsageError(
            f"the export has no {target} file of recipe '{name}'.", f"it has {listed}."
        )
    return entries[name]


def _write(path: Path, document: dict[str, Any], indent: int | None = None) -> None:
    separators = None if indent else (",", ":")
    text = json.dumps(
        document, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators
    )
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def _listed(path: Path) -> dict[str, Any]:
    return {"path": path.name, "bytes": path.stat().st_size, "sha256": sha256_file(path)}
