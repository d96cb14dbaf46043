"""10,000 damaged manifests: refused by our error, or read into something that works."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import edgekit
from edgekit.cli.main import run_command
from edgekit.contract import Contract
from edgekit.errors import ArtifactError, EdgekitError
from edgekit.manifest import MANIFEST_NAME, Manifest, check_integrity
from tests.fuzz.manifests import MANIFEST
from tests.fuzz.mutate_json import mutated, mutated_bytes, nested, text_of

COUNT = 10_000


def assert_well_told(error: EdgekitError) -> None:
    assert error.exit_code in (3, 5)
    assert error.hint
    assert error.message.endswith(".")
    assert error.message.isprintable()
    assert len(error.message) < 1000


def test_the_manifest_itself_is_read_and_written_alike() -> None:
    assert json.loads(json.dumps(Manifest.from_json(MANIFEST).to_json())) == MANIFEST


def test_ten_thousand_manifests(tmp_path: Path) -> None:
    read = 0
    for number in range(COUNT):
        rng = random.Random(number)
        damaged = mutated(MANIFEST, rng, rng.choice((1, 1, 2, 3)))
        try:
            found = Manifest.from_json(damaged)
        except EdgekitError as error:
            assert_well_told(error)
            continue
        read += 1
        # what was read can be used, printed and written
        assert Manifest.from_json(json.loads(json.dumps(found.to_json(), indent=1))) is not None
        for entry in found.files:
            assert (tmp_path / entry.path).parent == tmp_path
            assert check_integrity(tmp_path, entry) == f"{entry.path} is missing"
    assert COUNT / 100 < read < COUNT / 2


def test_damaged_bytes(tmp_path: Path) -> None:
    path, read = tmp_path / MANIFEST_NAME, 0
    text = text_of(MANIFEST)
    for number in range(2000):
        path.write_bytes(mutated_bytes(text, random.Random(number)))
        try:
            Manifest.read(tmp_path)
        except EdgekitError as error:
            assert_well_told(error)
        else:
            read += 1
    assert 20 < read < 1000


def test_ten_thousand_contracts() -> None:
    read = 0
    for number in range(COUNT):
        rng = random.Random(number)
        damaged = mutated(MANIFEST["contract"], rng, rng.choice((1, 1, 2)))
        try:
            found = Contract.from_json(damaged)
        except EdgekitError as error:
            assert_well_told(error)
        else:
            read += 1
            assert Contract.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert COUNT / 100 < read < COUNT / 2


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change at a place like ``files.0.path``."""

    def change(data: Any) -> None:
        *steps, last = (int(p) if p.isdigit() else p for p in path.split("."))
        for step in steps:
            data = data[step]
        data[last] = value

    return change


FOUND: dict[str, Callable[[dict[str, Any]], None]] = {
    # each was read once, and something failed on it later
    "size is text": put("files.0.size_bytes", "5"),
    "audit is a list": put("files.0.audit", []),
    "partitions are a list": put("files.0.audit.partitions", [1]),
    "parity is text": put("files.0.parity", "good"),
    "recipe is none of the grammar": put("files.0.recipe", "w99"),
    "recipe is a list": put("files.0.recipe", []),
    "target is unknown": put("files.0.target", "coreml"),
    "NUL in a path": put("files.0.path", "a\0b"),
    "a path of 5000 letters": put("files.0.path", "x" * 5000),
    "a path into a folder": put("files.0.path", "a/b.onnx"),
    "a path of another system": put("files.0.path", "..\\b.onnx"),
    "a lone surrogate": put("source.name", "\ud800"),
    "infinite length": put("contract.max_length", float("inf")),
    "length as text": put("contract.max_length", "48"),
    "negative length": put("contract.max_length", -1),
    "length of a googol": put("contract.max_length", 10**100),
    "labels are text": put("contract.labels", "ab"),
    "a label too few": put("contract.labels", ["a"]),
    "unknown side": put("contract.padding_side", "up"),
    "no outputs": put("contract.outputs", []),
    "source hashes are a list": put("source.sha256", []),
    "a place that is no number": put("files.1.tensors.0.where.values", "w"),
    "a factor of zero": put("files.0.tensors.0.transform.factor", 0),
    "rows that end before they begin": put("files.0.tensors.1.transform.stop", 0),
    "schema is true": put("schema", True),
    "schema of the past": put("schema", -1),
    "deep nesting": put("files.0.audit.partitions", nested(400, random.Random(0))),
    "no files": put("files", []),
    "one file twice": put("files.1.path", "model.w8c_a8.onnx"),
}


@pytest.mark.parametrize("name", FOUND)
def test_found_before(name: str) -> None:
    data = copy.deepcopy(MANIFEST)
    FOUND[name](data)
    with pytest.raises(ArtifactError) as caught:
        Manifest.from_json(data)
    assert_well_told(caught.value)


@pytest.fixture
def folder(exported_classifier: Path, tmp_path: Path) -> Path:
    """The files of the two int8 exports alone: what is run is small."""
    out = Path(shutil.copytree(exported_classifier, tmp_path / "out"))
    data = json.loads((out / MANIFEST_NAME).read_text(encoding="utf-8"))
    data["files"] = [f for f in data["files"] if f["recipe"] == "w8c_a8"]
    (out / MANIFEST_NAME).write_text(json.dumps(data), encoding="utf-8")
    return out


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's own code without its process: hundreds of processes would take minutes."""
    from edgekit.parity import validate, worker

    def run(path: Path, rows: Any, contract: Any, level: str) -> Any:
        job = {"path": str(path), "threads": 1, "modes": ["alone", "padded"]}
        try:
            return worker._run_modes(job, list(rows), contract)
        except Exception as error:
            raise worker.WorkerDied(f"the runtime failed: {error}", "") from error

    monkeypatch.setattr(validate, "run_file", run)


@pytest.mark.heavy
def test_commands_on_damaged_manifests(
    folder: Path, in_process: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / MANIFEST_NAME
    good = json.loads(path.read_text(encoding="utf-8"))
    codes: dict[int, int] = {}
    for number in range(120):
        rng = random.Random(number)
        data = copy.deepcopy(good)
        # the parts by turns: most of a manifest is its list of tensors
        part = rng.choice(("contract", "files", "source", "golden", "made_by"))
        data[part] = mutated(data[part], rng, 1)
        path.write_text(json.dumps(data), encoding="utf-8")
        file = str(folder / rng.choice(("model.w8c_a8.onnx", "model.w8c_a8.tflite")))
        for arguments in (["validate", file, "-q"], ["inspect", file, *["--json"][number % 2 :]]):
            code = run_command(arguments)
            told = capsys.readouterr()
            assert code in (0, 1, 3, 5), (number, arguments, told)
            assert "Traceback" not in told.err
            codes[code] = codes.get(code, 0) + 1
        try:
            edgekit.load(folder, target=("onnx", "tflite")[number % 2])
        except EdgekitError as error:
            assert_well_told(error)
    # some still pass, most are refused
    assert codes.get(0, 0) > 0, codes
    assert codes.get(3, 0) > 60, codes
