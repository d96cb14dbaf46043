"""edgekit.load(DIR): run an exported folder with numpy, one runtime and tokenizers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ArtifactError, UnsupportedError, UsageError
from edgekit.manifest import (
    TOKENIZER_NAME,
    FileEntry,
    Manifest,
    check_integrity,
    sha256_file,
)
from edgekit.recipe import Recipe
from edgekit.runtime.session import open_session
from edgekit.runtime.tokenizer import Ids, TextTokenizer, pad_batch
from edgekit.tasks import Example, get_task

Text = str | tuple[str, str]


class Model:
    """An exported model, ready to run. Made by ``edgekit.load``."""

    def __init__(self, folder: Path, entry: FileEntry, manifest: Manifest, threads: int) -> None:
        self.folder, self.entry, self.contract = folder, entry, manifest.contract
        self._task = get_task(self.contract.task)
        self._tokenizer = TextTokenizer.from_folder(folder, self.contract)
        self._session = open_session(folder / entry.path, threads)

    def embed(self, texts: Sequence[Text], batch_size: int = 16) -> npt.NDArray[np.float32]:
        """Sentence vectors, float32 [len(texts), dim].

        Raises:
          UsageError: the folder holds another task.
        """
        self._expect("sentence-embedding", "embed")
        if not len(texts):
            width = self.contract.outputs[0].shape[-1]
            return np.zeros((0, int(width)), np.float32)
        return np.stack(self._results(texts, batch_size))

    def classify(self, texts: Sequence[Text], batch_size: int = 16) -> list[dict[str, Any]]:
        """One ``{"label", "score", "scores"}`` per text, or per ``(text, text_pair)``.

        Raises:
          UsageError: the folder holds another task.
        """
        self._expect("text-classification", "classify")
        return self._results(texts, batch_size)

    def _expect(self, task: str, method: str) -> None:
        if self.contract.task != task:
            raise UsageError(
                f".{method}() needs a {task} model; '{self.folder}' is {self.contract.task}.", ""
            )

    def _results(self, texts: Sequence[Text], batch_size: int) -> list[Any]:
        if isinstance(texts, str):
            raise UsageError("a list of texts is expected, not one text.", "write [text].")
        examples = [Example(*t) if isinstance(t, tuple) else Example(t) for t in texts]
        rows = self._task.prepare(examples, self.contract, self._tokenizer)
        results: list[Any] = [None] * len(rows)
        for chunk in _batches(rows, self._session.buckets, batch_size):
            outputs = self._session.run(pad_batch([rows[i] for i in chunk], self.contract))
            for i, result in zip(chunk, self._task.read(outputs, self.contract), strict=True):
                results[i] = result
        return results


def _batches(rows: Sequence[Ids], buckets: tuple[int, ...], batch_size: int) -> Iterable[list[int]]:
    """Indices in batches of like length: little padding, and the smallest bucket for each."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]["input_ids"]))
    size = 1 if buckets else max(1, batch_size)
    return (order[start : start + size] for start in range(0, len(order), size))


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
        if not problem and _digest(path / TOKENIZER_NAME) != manifest.golden.get(TOKENIZER_NAME):
            problem = f"{TOKENIZER_NAME} is missing or was changed"
        if problem:
            raise ArtifactError(f"{problem}.", "export again, or copy the folder anew.")
    return Model(path, entry, manifest, threads)


def _digest(path: Path) -> str | None:
    return sha256_file(path) if path.is_file() else None


def choose_file(manifest: Manifest, target: str | None, recipe: str | None) -> FileEntry:
    """The file of that target and recipe; the smallest where the choice is open."""
    wanted = None if recipe is None else str(Recipe.parse(recipe))
    fits = [
        f
        for f in manifest.files
        if (target is None or f.target == target) and (wanted is None or f.recipe == wanted)
    ]
    if not fits:
        have = ", ".join(f.path for f in manifest.files)
        raise UnsupportedError(
            f"the folder has no file for target {target or 'any'}, recipe {wanted or 'any'}.",
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
