"""The folder that an app embeds: whole, exact, the same bytes again, refused where it must be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.bundle import bundle
from edgekit.bundle.snippets import snippet_for
from edgekit.errors import ArtifactError, FolderExistsError, UnprovenError, UsageError
from edgekit.manifest import Manifest
from edgekit.parity.golden import read_golden
from edgekit.runtime.session import open_session

Copy = Callable[[Path], Path]
pytestmark = pytest.mark.heavy


def read(folder: Path, name: str = "contract.json") -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_listed_files_are_all_files_with_their_digests(
    exported_embedder: Path, tmp_path: Path, target: str
) -> None:
    result = bundle(exported_embedder, tmp_path / "app", target, "w8c_a8")
    contract = read(tmp_path / "app")
    assert contract == result.contract
    names = {f["path"] for f in contract["files"]} | {"contract.json"}
    assert names == {p.name for p in (tmp_path / "app").iterdir()} == set(result.sizes)
    for listed in contract["files"]:
        content = (tmp_path / "app" / listed["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == listed["sha256"]
        assert len(content) == listed["bytes"]
    entry = next(
        e for e in Manifest.read(exported_embedder).files if e.path == contract["model"]["path"]
    )
    assert contract["model"]["sha256"] == entry.sha256 == contract["files"][0]["sha256"]


def test_same_export_same_bytes(exported_classifier: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        bundle(exported_classifier, tmp_path / name, "tflite", "fp32")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize("target", ["onnx", "tflite"])
@pytest.mark.parametrize("recipe", ["fp32", "w8c_a8"])
def test_an_app_that_follows_the_contract_passes_the_self_test(
    exported_embedder: Path, tmp_path: Path, target: str, recipe: str
) -> None:
    app = tmp_path / "app"
    bundle(exported_embedder, app, target, recipe)
    contract = read(app)
    assert self_test(app, contract)
    # wrong ids: the second case's for the first
    golden = read(app, "golden.json")
    golden["cases"][0]["ids"] = golden["cases"][-1]["ids"]
    golden["cases"][0]["type_ids"] = golden["cases"][-1]["type_ids"]
    (app / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    assert not self_test(app, contract)


def self_test(app: Path, contract: dict[str, Any]) -> bool:
    """What android_demo and web_demo do, with the session of this machine."""
    session = open_session(app / contract["model"]["path"], 1)
    test, wrong = contract["self_test"], []
    for case in read(app, "golden.json")["cases"]:
        values = {"input_ids": case["ids"], "token_type_ids": case["type_ids"]}
        values["attention_mask"] = [1] * len(case["ids"])
        feed = {i["name"]: np.array([values[i["name"]]], np.int64) for i in contract["inputs"]}
        found = session.run(feed)[contract["outputs"][0]["name"]][0]
        expected = np.array(case["output"][0], np.float32)
        if test["metric"] == "cosine":
            cosine = found @ expected / np.linalg.norm(found) / np.linalg.norm(expected)
            wrong.append(not cosine >= test["least"])
        else:
            assert test["metric"] == "max_abs_rel"
            error = np.abs(found - expected).max() / max(1, np.abs(expected).max())
            wrong.append(not error <= test["most"])
    return not any(wrong)


def test_golden_numbers_are_the_exact_float32_of_the_export(
    exported_classifier: Path, tmp_path: Path
) -> None:
    bundle(exported_classifier, tmp_path / "app", "onnx", "fp32")
    golden = read_golden(exported_classifier)
    name = next(iter(golden.outputs))
    texts = [(e.text, e.text_pair) for e in golden.examples]
    cases = read(tmp_path / "app", "golden.json")["cases"]
    assert len(cases) == 8
    for case in cases:
        i = texts.index((case["text"], case["pair"]))
        assert np.array_equal(np.array(case["output"][0], np.float32), golden.outputs[name][i])
        assert case["ids"] == golden.rows[i]["input_ids"].tolist()
    lengths = {len(case["ids"]) for case in cases}
    assert {f(len(row["input_ids"]) for row in golden.rows) for f in (min, max)} <= lengths


def test_buckets_name_signatures_with_inputs_in_their_order(
    exported_embedder: Path, tmp_path: Path
) -> None:
    bundle(exported_embedder, tmp_path / "app", "tflite", "fp32")
    contract = read(tmp_path / "app")
    assert [b["length"] for b in contract["buckets"]] == [16, 48]
    names = [spec["name"] for spec in contract["inputs"]]
    assert all(sorted(b["inputs"]) == sorted(names) for b in contract["buckets"])
    assert {spec["dtype"] for spec in contract["inputs"]} == {"int32"}


def test_labels_and_activation(exported_classifier: Path, tmp_path: Path) -> None:
    bundle(exported_classifier, tmp_path / "app", "onnx", "fp16")
    contract = read(tmp_path / "app")
    assert contract["post"]["activation"] == "softmax"
    assert contract["post"]["labels"] == list(edgekit.load(exported_classifier).contract.labels)
    assert contract["self_test"]["metric"] == "rms_rel"


@pytest.mark.parametrize("language", ["kotlin", "swift", "javascript"])
@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_snippets_name_this_file_and_leave_no_placeholder(
    exported_embedder: Path, tmp_path: Path, target: str, language: str
) -> None:
    result = bundle(exported_embedder, tmp_path / "app", target, "w8c_a8")
    code = snippet_for(result.contract, language)
    assert result.contract["outputs"][0]["name"] in code
    assert f"model.w8c_a8.{target}" in code or language == "kotlin"
    assert all(line.count("$") <= 1 for line in code.splitlines() if "${folder}" not in line)


@pytest.mark.parametrize("name", ["golden.npz", "tokenizer.json", "model.fp32.onnx"])
def test_a_tampered_export_is_refused(
    exported_embedder: Path, copy_of: Copy, tmp_path: Path, name: str
) -> None:
    folder = copy_of(exported_embedder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=name.replace(".", r"\.")) as caught:
        bundle(folder, tmp_path / "app", "onnx", "fp32")
    assert caught.value.exit_code == 3
    assert not (tmp_path / "app").exists()


@pytest.mark.parametrize("name", ["golden.npz", "tokenizer.json", "edgekit.json"])
def test_a_missing_file_is_named(
    exported_embedder: Path, copy_of: Copy, tmp_path: Path, name: str
) -> None:
    folder = copy_of(exported_embedder)
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name.replace(".", r"\.")):
        bundle(folder, tmp_path / "app", "onnx", "fp32")


def test_a_file_that_failed_at_export_is_not_shipped(
    exported_embedder: Path, copy_of: Copy, tmp_path: Path
) -> None:
    folder = copy_of(exported_embedder)
    data = read(folder, "edgekit.json")
    data["files"][0]["parity"]["passed"] = False
    (folder / "edgekit.json").write_text(json.dumps(data), encoding="utf-8")
    entry = data["files"][0]
    with pytest.raises(UnprovenError, match="did not pass"):
        bundle(folder, tmp_path / "app", entry["target"], entry["recipe"])


@pytest.mark.parametrize(
    ("target", "recipe", "told"),
    [
        ("coreml", "fp32", "unknown target 'coreml'"),
        ("onnx", None, "3 onnx files"),
        ("onnx", "w4c_a8", "no onnx file of recipe 'w4c_a8'"),
        ("onnx", "w99", "w99"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    exported_embedder: Path, tmp_path: Path, target: str, recipe: str | None, told: str
) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        bundle(exported_embedder, tmp_path / "app", target, recipe)
    assert caught.value.exit_code == 2


def test_only_a_bundle_is_ever_replaced(exported_embedder: Path, tmp_path: Path) -> None:
    app = tmp_path / "app"
    bundle(exported_embedder, app, "onnx", "fp32")
    with pytest.raises(FolderExistsError):
        bundle(exported_embedder, app, "onnx", "w8c_a8")
    bundle(exported_embedder, app, "onnx", "fast", force=True)
    assert read(app)["model"]["recipe"] == "w8c_a8"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(FolderExistsError, match=r"contract\.json"):
        bundle(exported_embedder, tmp_path / "mine", "onnx", "fp32", force=True)


def test_the_command_prints_sizes_and_code(
    exported_embedder: Path, tmp_path: Path, edgekit_cli: Callable[..., Any]
) -> None:
    arguments = ("bundle", exported_embedder, "--target", "tflite", "--recipe", "w8c_a8", "-o")
    done = edgekit_cli(*arguments, tmp_path / "app")
    assert done.returncode == 0, done.stderr
    assert "together" in done.stdout
    assert "runSignature" in done.stdout
    done = edgekit_cli(*arguments, tmp_path / "two", "--json", "--snippet", "swift")
    result = json.loads(done.stdout)["result"]
    assert "signatureRunner" in result["snippet"]
    assert result["sizes"]["vocab.json"] == (tmp_path / "two" / "vocab.json").stat().st_size
