"""edgekit.load(DIR): which file of an exported folder, checked, behind its task's methods."""

from __future__ import annotations

import os
from pathlib import Path

from edgekit.errors import ArtifactError, UnsupportedError
from edgekit.manifest import (
    CHAT_NAME,
    TOKENIZER_NAME,
    FileEntry,
    Manifest,
    check_integrity,
    sha256_file,
)
from edgekit.recipe import Recipe
from edgekit.runtime.model import Model
from edgekit.runtime.session import open_session
from edgekit.runtime.tokenizer import TextTokenizer


def load(
    folder: str | os.PathLike[str],
    target: str | None = None,
    recipe: str | None = None,
    threads: int = 1,
    check: bool = True,
) -> Model:
    """Open an exported folder.

    Args:
      folder: what ``edgekit export -o`` made.
      target: "onnx" or "tflite"; onnx where the folder has it, when None.
      recipe: for example "w8c_a8" or "fast"; the folder's smallest file of that target when None.
      threads: CPU threads inside one call.
      check: compare size and sha256 with the manifest first.
    Raises:
      ArtifactError: not a finished export, or a file was changed.
      UnsupportedError: the folder has no file of that target and recipe.
      MissingExtraError: the runtime or tokenizers is not installed.
    """
    path = Path(folder)
    manifest = Manifest.read(path)
    entry = choose_file(manifest, target, recipe)
    if check:
        problem = check_integrity(path, entry)
        changed = [
            name for name in _beside(manifest) if _digest(path / name) != manifest.golden.get(name)
        ]
        if changed and not problem:
            problem = f"{changed[0]} is missing or was changed"
        if problem:
            raise ArtifactError(f"{problem}.", "export again, or copy the folder anew.")
    tokenizer = None
    if manifest.contract.input_kind == "text":
        tokenizer = TextTokenizer.from_folder(path, manifest.contract)
    # a token is hundreds of small products: threads that sleep in between cost a third of the speed
    spin = threads > 1 and manifest.contract.generation is not None
    session = open_session(path / entry.path, threads, spin=spin)
    return Model(f"{path.name}/{entry.path}", manifest.contract, tokenizer, session)


def _beside(manifest: Manifest) -> list[str]:
    """Files that decide what a text becomes."""
    contract = manifest.contract
    chat = contract.generation is not None and contract.generation.chat
    found = [TOKENIZER_NAME] if contract.input_kind == "text" else []
    return [*found, CHAT_NAME] if chat else found


def _digest(path: Path) -> str | None:
    return sha256_file(path) if path.is_file() else None


def choose_file(manifest: Manifest, target: str | None, recipe: str | None) -> FileEntry:
    """The file of that target and recipe; the smallest where the choice is open."""
    fits = [
        f
        for f in manifest.files
        if (target is None or f.target == target)
        and (recipe is None or f.recipe == str(Recipe.parse(recipe, f.target)))
    ]
    if not fits:
        have = ", ".join(f.path for f in manifest.files)
        raise UnsupportedError(
            f"the folder has no file for target {target or 'any'}, recipe {recipe or 'any'}.",
            f"it holds: {have}.",
        )
    # a file that failed its gates at export is the last choice
    return min(
        fits,
        key=lambda f: (
            not f.parity.get("passed", True),
            target is None and f.target != "onnx",
            f.size_bytes,
        ),
    )
