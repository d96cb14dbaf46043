"""What is evaluated: the files of an exported folder, a checkpoint, or both side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.contract import Contract
from edgekit.errors import ArtifactError, UnsupportedError, UsageError
from edgekit.manifest import MANIFEST_NAME, FileEntry, Manifest
from edgekit.recipe import Recipe
from edgekit.runtime.loading import load
from edgekit.runtime.model import Model
from edgekit.runtime.session import TARGETS

#: how a checkpoint is called beside the files made from it
SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Subject:
    """One model to evaluate.

    Attributes:
      name: the file's path in its folder, or "source".
      open: loads it; called once, when its turn comes.
    """

    name: str
    open: Callable[[], Model]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which files of a folder, or how to read a checkpoint; empty and None leave it open.

    Attributes:
      targets, recipes: of the folder's files.
      task, max_length: of a checkpoint that stands alone.
      base: of the checkpoint, or of the folder's reference, where that is an adapter.
      threads: of the files' runtime.
    """

    targets: Sequence[str] = ()
    recipes: Sequence[str] = ()
    task: str | None = None
    max_length: int | None = None
    base: str | None = None
    threads: int = 1


def subjects_of(
    model: str | os.PathLike[str], reference: str | None, choice: Choice
) -> tuple[Contract, list[Subject]]:
    """The contract that all share, and the models: the source first, where there is one.

    Args:
      model: exported folder, one file in it, or a checkpoint.
      reference: the folder's source checkpoint, or None.
      choice: narrows the folder's files or steers the checkpoint's loading.
    Raises:
      UsageError: options for a folder with a checkpoint, or the other way round.
      UnsupportedError: the folder has no file of that target and recipe.
      ArtifactError, CheckpointError: what is there cannot be read.
    """
    path = Path(model)
    if path.suffix in TARGETS and not path.is_dir():
        folder, only = path.parent, path.name
    else:
        folder, only = path, None
    if only is None and not (folder / MANIFEST_NAME).is_file():
        return _checkpoint(str(model), reference, choice)
    if choice.task is not None or choice.max_length is not None:
        raise UsageError(
            f"'{model}' is exported: its task and length are fixed.",
            "--task and --max-length are for checkpoints.",
        )
    if choice.base is not None and reference is None:
        raise UsageError(
            "--base names the base of an adapter given with --reference, and none was given.",
            "add --reference with the adapter that was exported.",
        )
    manifest = Manifest.read(folder)
    entries = _entries(manifest, only, choice)
    subjects = [Subject(e.path, _opener(folder, e, choice.threads)) for e in entries]
    if reference is not None:
        contract = manifest.contract
        source = Subject(SOURCE, lambda: _source(reference, contract=contract, base=choice.base))
        subjects.insert(0, source)
    return manifest.contract, subjects


def _entries(manifest: Manifest, only: str | None, choice: Choice) -> list[FileEntry]:
    if only is not None:
        entries = [e for e in manifest.files if only in e.file_names]
        if not entries:
            raise ArtifactError(
                f"'{only}' is not in the folder's manifest.", "export again, or name the folder."
            )
    else:
        entries = list(manifest.files)
    for name in choice.targets:
        if name not in TARGETS.values():
            raise UsageError(f"unknown target '{name}'.", f"known: {', '.join(TARGETS.values())}.")
    wanted = [{t: str(Recipe.parse(text, t)) for t in TARGETS.values()} for text in choice.recipes]
    fitting = [
        e
        for e in entries
        if (not choice.targets or e.target in choice.targets)
        and (not wanted or any(e.recipe == names[e.target] for names in wanted))
    ]
    if not fitting:
        raise UnsupportedError(
            f"no file for target {' or '.join(choice.targets) or 'any'}, "
            f"recipe {' or '.join(choice.recipes) or 'any'}.",
            f"there is: {', '.join(e.path for e in entries)}.",
        )
    return fitting


def _opener(folder: Path, entry: FileEntry, threads: int) -> Callable[[], Model]:
    return lambda: load(folder, entry.target, entry.recipe, threads=threads)


def _checkpoint(
    model: str, reference: str | None, choice: Choice
) -> tuple[Contract, list[Subject]]:
    if reference is not None or choice.targets or choice.recipes:
        raise UsageError(
            f"'{model}' is no exported folder: it holds no {MANIFEST_NAME}.",
            "--reference, --target and --recipe are for folders; a checkpoint stands alone.",
        )
    opened = _source(model, choice.task, max_length=choice.max_length, base=choice.base)
    return opened.contract, [Subject(SOURCE, lambda: opened)]


def _source(
    model: str,
    task: str | None = None,
    contract: Contract | None = None,
    max_length: int | None = None,
    base: str | None = None,
) -> Model:
    from edgekit.converters.api import open_source

    return open_source(model, task, contract, max_length, base)
