"""edgekit.json: what the folder holds, from what and by what it was made; written last."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.contract import Contract
from edgekit.errors import ArtifactError

MANIFEST_NAME = "edgekit.json"
GOLDEN_NAME = "golden.npz"
TOKENIZER_NAME = "tokenizer.json"

#: 1: the first. A reader refuses what is newer than itself and reads what is older.
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One exported model file.

    Attributes:
      path: relative to the folder.
      target: "onnx" or "tflite".
      recipe: canonical recipe name.
      size_bytes, sha256: of the written file.
      effective_bits: stored bits of all weights, scales included, per weight.
      audit: what was found in the file (``FileAudit.to_json``), without the tensors.
      tensors: where each parameter lies in the file (``StoredTensor.to_json``).
      parity: metrics and gates at export (``FileParity.to_json``).
      cpu_levels: parity summary under weaker instruction sets, by level.
      latency: the first latency seen at export, milliseconds by length; orientation only.
      notes: what a user should know ("storage only", cut layers, ...).
    """

    path: str
    target: str
    recipe: str
    size_bytes: int
    sha256: str
    effective_bits: float
    audit: dict[str, Any]
    tensors: list[dict[str, Any]]
    parity: dict[str, Any]
    cpu_levels: dict[str, Any] = field(default_factory=dict)
    latency: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole of edgekit.json.

    Attributes:
      contract: inputs, outputs, tokenization, labels.
      source: name, kind, sha256 and files of the checkpoint.
      made_by: versions of edgekit and of the packages that shaped the files.
      golden: sha256 of golden.npz and of the tokenizer.
      files: the exported model files.
      dropped: parameters of the source that the graph does not use.
    """

    contract: Contract
    source: dict[str, Any]
    made_by: dict[str, str]
    golden: dict[str, str]
    files: tuple[FileEntry, ...]
    dropped: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data, stable key order."""
        return {
            "schema": SCHEMA,
            "made_by": dict(self.made_by),
            "source": self.source,
            "contract": self.contract.to_json(),
            "golden": self.golden,
            "files": [
                {name: getattr(entry, name) for name in FileEntry.__dataclass_fields__}
                for entry in self.files
            ],
            "dropped": list(self.dropped),
        }

    def write(self, folder: Path) -> None:
        """Write edgekit.json under a temporary name, flush it to disk, rename it."""
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False, sort_keys=False)
        temporary = folder / (MANIFEST_NAME + ".part")
        with temporary.open("w", encoding="utf-8", newline="\n") as out:
            out.write(text + "\n")
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(folder / MANIFEST_NAME)

    @staticmethod
    def read(folder: Path) -> Manifest:
        """Read and check edgekit.json.

        Raises:
          ArtifactError: missing, not JSON, newer than this edgekit, or incomplete.
        """
        path = folder / MANIFEST_NAME
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ArtifactError(
                f"'{folder}' holds no {MANIFEST_NAME}: it is not a finished export.",
                "run `edgekit export MODEL -o DIR` first.",
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise ArtifactError(f"'{path}' cannot be read: {error}.", "export again.") from error
        return Manifest.from_json(data, str(path))

    @staticmethod
    def from_json(data: Any, where: str = MANIFEST_NAME) -> Manifest:
        """Check plain data and build the manifest; ``where`` names it in errors."""
        if not isinstance(data, Mapping) or not isinstance(data.get("schema"), int):
            raise ArtifactError(f"'{where}' is not an edgekit manifest.", "export again.")
        if data["schema"] > SCHEMA:
            raise ArtifactError(
                f"'{where}' has schema {data['schema']}, this edgekit reads up to {SCHEMA}.",
                "upgrade edgekit.",
            )
        try:
            entries = tuple(
                FileEntry(**{name: entry[name] for name in FileEntry.__dataclass_fields__})
                for entry in data["files"]
            )
            for entry in entries:
                _check_relative(entry.path)
            return Manifest(
                contract=Contract.from_json(data["contract"]),
                source=dict(data["source"]),
                made_by=dict(data["made_by"]),
                golden=dict(data["golden"]),
                files=entries,
                dropped=tuple(data["dropped"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(
                f"'{where}' is incomplete or damaged ({type(error).__name__}: {error}).",
                "export again.",
            ) from error


def _check_relative(name: Any) -> None:
    if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"file path {name!r} leads out of the folder")


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while piece := handle.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def check_integrity(folder: Path, entry: FileEntry) -> str | None:
    """What is wrong with a file's bytes, or None.

    Returns:
      One sentence ("... is missing", "... has n bytes, m expected", "... sha256 differs").
    """
    path = folder / entry.path
    if not path.is_file():
        return f"{entry.path} is missing"
    size = path.stat().st_size
    if size != entry.size_bytes:
        return f"{entry.path} has {size:,} bytes, {entry.size_bytes:,} expected"
    if sha256_file(path) != entry.sha256:
        return f"{entry.path} was changed: its sha256 differs from the manifest's"
    return None
