"""Which file is explained, and whether the model that was named is its source. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from edgekit.converters.explain.result import Explanation
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.audit import StoredTensor
from edgekit.audit.sketch import Sketch, make_sketch
from edgekit.errors import ArtifactError, CheckpointError, UsageError
from edgekit.manifest import GOLDEN_NAME, FileEntry, Manifest, check_integrity
from edgekit.parity.golden import Golden
from edgekit.recipe import Recipe
from edgekit.support import TARGETS

#: float32 sums of the same weights may differ by this share between machines
_SAME = 1e-4


@dataclass(frozen=True, slots=True)
class Subject:
    """One file of an exported folder.

    Attributes:
      folder: where it lies.
      manifest: of the folder.
      entry: of the file.
      notes: what was chosen for the user.
    """

    folder: Path
    manifest: Manifest
    entry: FileEntry
    notes: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Of the file."""
        return self.folder / self.entry.path

    @property
    def recipe(self) -> Recipe:
        """Of the file."""
        return Recipe.parse(self.entry.recipe)

    @property
    def has_codes(self) -> bool:
        """Anything in it is quantized."""
        return any(not tensor.dtype.startswith("float") for tensor in self.stored())

    def stored(self) -> list[StoredTensor]:
        """Where each parameter lies in the file."""
        return [StoredTensor.from_json(tensor) for tensor in self.entry.tensors]


def nothing_to_explain(subject: Subject) -> Explanation:
    """What is said of a file without codes."""
    entry = subject.entry
    return Explanation(
        entry.path, entry.recipe, entry.target, entry.size_bytes,
        str(subject.manifest.source["name"]), 0, None, (), (), subject.notes,
    )  # fmt: skip


def find_subject(folder: Path, recipe: str, target: str | None) -> Subject:
    """The file of that recipe, its bytes checked.

    Args:
      folder: an exported folder.
      recipe: name of a recipe or preset.
      target: "onnx", "tflite", or None for the only one or onnx.
    Raises:
      RecipeSyntaxError: no recipe's name.
      UsageError: an unknown target.
      ArtifactError: no finished export, no such file in it, or bytes that are not the manifest's.
    """
    wanted = {name: str(Recipe.parse(recipe, name)) for name in TARGETS}
    if target is not None and target not in TARGETS:
        raise UsageError(f"unknown target '{target}'.", f"known: {', '.join(TARGETS)}.")
    manifest = Manifest.read(folder)
    fitting = [
        entry
        for entry in manifest.files
        if entry.recipe == wanted[entry.target] and target in (None, entry.target)
    ]
    if not fitting:
        where = f" for {target}" if target else ""
        there = ", ".join(f"{e.recipe} ({e.target})" for e in manifest.files)
        raise ArtifactError(
            f"'{folder}' holds no file of recipe {recipe}{where}.", f"there is: {there}."
        )
    entry = min(fitting, key=lambda e: TARGETS.index(e.target))
    notes = []
    if len(fitting) > 1:
        others = ", ".join(e.target for e in fitting if e is not entry)
        notes.append(f"{entry.target} is explained; --target {others} explains the other file")
    problem = check_integrity(folder, entry)
    if problem:
        raise ArtifactError(f"{problem}.", "export again, or copy the folder anew.")
    return Subject(folder, manifest, entry, tuple(notes))


def check_source(subject: Subject, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Whether a checkpoint is what the folder was exported from.

    The bytes of its weights tell, and where those differ (a checkpoint that was saved again) the
    weights' sketches.

    Returns:
      what is to be said of it.
    Raises:
      CheckpointError: it is another model.
      ArtifactError: golden.npz cannot be read.
    """
    made_from = subject.manifest.source.get("sha256", {})
    if made_from and made_from == checkpoint.source["sha256"]:
        return ()
    golden = Golden.load(subject.folder / GOLDEN_NAME, subject.manifest.contract)
    differs = _first_difference(golden.sketches, checkpoint.parameters, subject.stored())
    if differs is not None:
        raise CheckpointError(
            f"'{checkpoint.name}' is not the model that '{subject.folder}' was exported from: "
            f"{differs}.",
            f"give the checkpoint '{subject.manifest.source['name']}' with --reference.",
        )
    return (f"{checkpoint.name}: other bytes than the export's source, but the same weights",)


def _first_difference(
    sketches: Mapping[str, Sketch],
    parameters: Mapping[str, npt.NDArray[np.float32]],
    stored: list[StoredTensor],
) -> str | None:
    for name in dict.fromkeys(tensor.parameter for tensor in stored):
        if name not in parameters:
            return f"it has no parameter {name}"
        if name not in sketches:
            return f"{GOLDEN_NAME} has no sketch of {name}"
        ours, theirs = make_sketch(parameters[name]), sketches[name]
        for mine, other in ((ours.rows, theirs.rows), (ours.cols, theirs.cols)):
            if mine.shape != other.shape:
                return f"{name} has another shape"
            size = float(np.sqrt(np.square(other, dtype=np.float64).mean()))
            if np.abs(mine - other).max(initial=0.0) > _SAME * (size + 1e-6):
                return f"{name} has other values"
    return None
