"""edgekit.json: what the folder holds, from what and by what it was made; written last."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from edgekit import plain
from edgekit.audit.records import StoredTensor
from edgekit.contract import Contract
from edgekit.errors import ArtifactError, RecipeSyntaxError, first_line
from edgekit.recipe import Grid, Recipe, max_bytes
from edgekit.support import TARGETS

MANIFEST_NAME = "edgekit.json"
GOLDEN_NAME = "golden.npz"
TOKENIZER_NAME = "tokenizer.json"
CHAT_NAME = "chat_template.jinja"

#: 1: the first. A reader refuses what is newer than itself and reads what is older.
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One exported model file.

    Attributes:
      path: relative to the folder.
      target: "onnx" or "tflite".
      recipe: canonical recipe name.
      size_bytes: of the written file and its parts.
      sha256: of the written file.
      effective_bits: stored bits of all weights, scales included, per weight.
      audit: what was found in the file (``FileAudit.to_json``), without the tensors.
      tensors: where each parameter lies in the file (``StoredTensor.to_json``).
      parity: metrics and gates at export (``FileParity.to_json``).
      cpu_levels: parity summary under weaker instruction sets, by level.
      latency: the first latency seen at export, milliseconds by length; orientation only.
      calibration: the text that quantization looked at: ``name``, ``texts`` (how many), ``sha256``,
        ``tokens``; empty for methods that need none.
      notes: what a user should know ("storage only", cut layers, ...).
      mix: parameter -> grid ("4g32") of a mix; empty for all other recipes.
      budget: of a mix: ``limit`` (as its name says it), ``kept``, ``found`` (one sentence), and
        what was predicted and measured; empty for all other recipes.
      structure: what is left of a pruned or clustered source: ``summary``, ``parameters``
        (``edgekit.audit.structure``), ``bytes`` and ``compressed_bytes``; empty for any other.
      parts: further files that the runtime needs beside it (the decoder beside an encoder), by
        name: ``size_bytes`` and ``sha256``.
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
    calibration: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    mix: dict[str, str] = field(default_factory=dict)
    budget: dict[str, Any] = field(default_factory=dict)
    structure: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def file_names(self) -> tuple[str, ...]:
        """Every file of it, the one that is opened first."""
        return (self.path, *self.parts)

    def full_recipe(self) -> Recipe:
        """The recipe with everything that its name does not say: the grids of a mix."""
        recipe = Recipe.parse(self.recipe)
        if not self.mix:
            return recipe
        return recipe.with_mix({name: Grid.parse(grid) for name, grid in self.mix.items()})

    def budget_problem(self) -> str | None:
        """What is wrong with its budget: it was missed at export, or the bytes are too many."""
        if self.budget and not self.budget["kept"]:
            return f"misses its budget: {self.budget['found']}"
        limit = max_bytes(Recipe.parse(self.recipe).budget)
        if limit is not None and self.size_bytes > limit:
            return f"misses its budget: {self.size_bytes:,} bytes, at most {limit:,}"
        return None


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
            raise ArtifactError(
                f"'{path}' cannot be read: {first_line(error)}.", "export again."
            ) from error
        return Manifest.from_json(data, str(path))

    @staticmethod
    def from_json(data: Any, where: str = MANIFEST_NAME) -> Manifest:
        """Check plain data and build the manifest; ``where`` names it in errors."""
        if not isinstance(data, Mapping) or type(data.get("schema")) is not int:
            raise ArtifactError(f"'{where}' is not an edgekit manifest.", "export again.")
        if not 1 <= data["schema"] <= SCHEMA:
            raise ArtifactError(
                f"'{where}' has schema {ascii(data['schema'])[:20]}, this edgekit reads 1 to "
                f"{SCHEMA}.",
                "upgrade edgekit.",
            )
        try:
            plain.check_plain(data, "the manifest")
            return _checked(data)
        except ArtifactError as error:
            raise ArtifactError(f"'{where}': {error.message}", error.hint) from error
        except (KeyError, TypeError, ValueError) as error:
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            raise ArtifactError(
                f"'{where}' is incomplete or damaged ({kind}{first_line(error)}).",
                "export again.",
            ) from error


def _checked(data: Mapping[str, Any]) -> Manifest:
    """The manifest, each field of the kind that its readers rely on."""
    entries = tuple(
        _entry(plain.mapping(item, f"files[{i}]"), f"files[{i}]")
        for i, item in enumerate(plain.sequence(data["files"], "files"))
    )
    if not entries:
        raise ValueError("it lists no files")
    names = [name for entry in entries for name in entry.file_names]
    if len(set(names)) != len(names):
        raise ValueError("two entries name the same file")
    source = plain.mapping(data["source"], "source")
    plain.text(source["name"], "source.name")
    _texts_by_name(source.get("sha256", {}), "source.sha256")
    plain.texts(source.get("notes", []), "source.notes")
    return Manifest(
        contract=Contract.from_json(data["contract"]),
        source=source,
        made_by=_texts_by_name(data["made_by"], "made_by"),
        golden=_texts_by_name(data["golden"], "golden"),
        files=entries,
        dropped=tuple(plain.texts(data["dropped"], "dropped")),
    )


def _entry(data: dict[str, Any], where: str) -> FileEntry:
    values: dict[str, Any] = {}
    for f in fields(FileEntry):
        # what an older edgekit did not write yet has a default
        if f.name in data or f.default_factory is MISSING:
            values[f.name] = data[f.name]
    _check_path(values["path"], where)
    target = plain.text(values["target"], f"{where}.target", TARGETS)
    for name in ("recipe", "sha256"):
        plain.text(values[name], f"{where}.{name}")
    _check_recipe(values, where)
    plain.integer(values["size_bytes"], f"{where}.size_bytes")
    values["effective_bits"] = plain.number(values["effective_bits"], f"{where}.effective_bits")
    for name in ("audit", "parity", "cpu_levels", "latency", "calibration", "structure"):
        if name in values:
            values[name] = plain.mapping(values[name], f"{where}.{name}")
    if structure := values.get("structure"):
        plain.text(structure.get("summary"), f"{where}.structure.summary")
        plain.integer(structure.get("compressed_bytes"), f"{where}.structure.compressed_bytes")
    for name in ("partitions", "outside"):
        plain.mapping(values["audit"].get(name, {}), f"{where}.audit.{name}")
    plain.text(values["audit"].get("fingerprint", ""), f"{where}.audit.fingerprint")
    for name in ("cpu_levels", "latency"):
        for key, found in values.get(name, {}).items():
            plain.mapping(found, f"{where}.{name}.{ascii(key)[:20]}")
    _check_metrics(values["parity"], where)
    plain.texts(values.get("notes", []), f"{where}.notes")
    values["parts"] = _parts(values, where)
    for tensor in plain.sequence(values["tensors"], f"{where}.tensors"):
        stored = StoredTensor.from_json(tensor)
        kind = str if target == "onnx" else int
        if not all(type(place) is kind for place in stored.where.values()):
            raise ValueError(f"{where}: tensor {ascii(stored.parameter)[:40]} lies nowhere")
    return FileEntry(**values)


def _parts(values: dict[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """Plain file names with sizes that fit into the whole."""
    parts = {}
    for name, found in plain.mapping(values.get("parts", {}), f"{where}.parts").items():
        here = f"{where}.parts.{ascii(name)[:40]}"
        _check_path(name, here)
        part = plain.mapping(found, here)
        plain.integer(part["size_bytes"], f"{here}.size_bytes", 0, values["size_bytes"])
        plain.text(part["sha256"], f"{here}.sha256")
        parts[name] = part
    return parts


def _check_recipe(values: dict[str, Any], where: str) -> None:
    """The recipe's name, and for a mix its grids and what became of its budget."""
    mix = values["mix"] = _texts_by_name(values.get("mix", {}), f"{where}.mix")
    budget = values["budget"] = plain.mapping(values.get("budget", {}), f"{where}.budget")
    try:
        recipe = Recipe.parse(values["recipe"])
        for grid in mix.values():
            Grid.parse(grid)
    except RecipeSyntaxError as error:
        raise ValueError(f"{where}: {error.message.rstrip('.')}") from error
    if bool(recipe.budget) != bool(mix) or bool(mix) != bool(budget):
        raise ValueError(f"{where}: a mix has grids and a budget, and no other recipe has")
    if budget:
        plain.flag(budget["kept"], f"{where}.budget.kept")
        plain.text(budget["found"], f"{where}.budget.found")
        plain.text(budget["limit"], f"{where}.budget.limit", (recipe.budget,))


def _check_metrics(parity: dict[str, Any], where: str) -> None:
    """Measured values by mode; NaN is one (a file that gave no numbers)."""
    plain.flag(parity.get("passed", False), f"{where}.parity.passed")
    modes = plain.mapping(parity.get("metrics", {}), f"{where}.parity.metrics")
    for mode, values in modes.items():
        here = f"{where}.parity.metrics.{ascii(mode)[:20]}"
        for metric, value in plain.mapping(values, here).items():
            if type(value) not in (int, float) or (type(value) is int and abs(value) > 2**53):
                raise plain.PlainDataError(f"{here}.{ascii(metric)[:20]}", value, "a number")


def _texts_by_name(value: Any, where: str) -> dict[str, str]:
    found = plain.mapping(value, where)
    return {name: plain.text(item, f"{where}.{ascii(name)[:20]}") for name, item in found.items()}


def _check_path(name: Any, where: str) -> None:
    """A plain file name: nothing that leads out of the folder, on any system."""
    plain.text(name, f"{where}.path")
    if name in ("", ".", "..") or any(c in "/\\:" or not c.isprintable() for c in name):
        raise ValueError(f"file path {ascii(name)[:60]} leads out of the folder")
    if len(os.fsencode(name)) > 255:
        raise ValueError(f"{where}.path is longer than a file name may be")
    if name in (MANIFEST_NAME, GOLDEN_NAME, TOKENIZER_NAME, CHAT_NAME):
        raise ValueError(f"{where}.path is {name}, a model file is expected")


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
    own = entry.size_bytes - sum(part["size_bytes"] for part in entry.parts.values())
    expected = {entry.path: (own, entry.sha256)}
    expected |= {name: (part["size_bytes"], part["sha256"]) for name, part in entry.parts.items()}
    for name, (bytes_expected, digest) in expected.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        size = path.stat().st_size
        if size != bytes_expected:
            return f"{name} has {size:,} bytes, {bytes_expected:,} expected"
        if sha256_file(path) != digest:
            return f"{name} was changed: its sha256 differs from the manifest's"
    return None


def part_entries(paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """``FileEntry.parts`` of some files."""
    return {
        path.name: {"size_bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in paths
    }
