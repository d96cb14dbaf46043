"""The whole search on tiny exported models: good files pass, planted defects are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import edgekit
from edgekit.cli.main import run_command
from edgekit.errors import UsageError
from edgekit.parity.search import Found, search_folder
from edgekit.parity.search.runner import FileRunner
from edgekit.parity.worker import WorkerDied
from edgekit.runtime.tokenizer import TextTokenizer
from edgekit.tasks.cases import read_cases
from tests import plant

pytestmark = pytest.mark.heavy

Copy = Callable[[Path], Path]


def searched(target: Path, reference: Path | None = None, seconds: float = 60.0) -> Found:
    validation = edgekit.validate(target)
    given = None if reference is None else str(reference)
    [found] = search_folder(validation, given, seconds=seconds).files
    return found


def test_good_files_pass(exported_embedder: Path) -> None:
    search = search_folder(edgekit.validate(exported_embedder), seconds=40.0)
    assert len(search.files) == 6
    for found in search.files:
        assert found.passed, (found.file, found.findings)
        assert len(found.worst) == 5
        errors = [w.error for w in found.worst]
        assert errors == sorted(errors, reverse=True)
        assert errors[0] <= found.bound
        # each file is held against another: the float32 file of the other target for itself
        assert found.served.startswith("model.fp32.")
        assert found.served != found.file
        assert {"form", "length", "special", "repeated", "token"} <= set(found.inputs)
        assert found.vocabulary["tokens"] > 0.95 * found.vocabulary["of"]
    json.dumps(search.to_json(), allow_nan=False)


def test_a_bound_of_one_recipe_holds_for_its_files_alone(exported_embedder: Path) -> None:
    bounds = {"w8c_a8.cosine_min": 1.5}
    validation = edgekit.validate(exported_embedder)
    files = search_folder(validation, seconds=5.0, thresholds=bounds).files
    assert {f.file for f in files if "worst-case" in {x.rule for x in f.findings}} == {
        "model.w8c_a8.onnx", "model.w8c_a8.tflite",
    }  # fmt: skip


def test_good_classifiers_pass_against_torch(exported_classifier: Path, classifier: Path) -> None:
    for name in ("model.w8c_a8.onnx", "model.fp32.tflite"):
        found = searched(exported_classifier / name, classifier)
        assert found.passed, found.findings
        assert "torch" in found.served


def test_wrong_lengths_are_found(exported_embedder: Path, copy_of: Copy) -> None:
    folder = copy_of(exported_embedder)
    plant.plant(folder, "model.w8c_a8.onnx", plant.at_lengths(33, 40, 0.4))
    found = searched(folder / "model.w8c_a8.onnx")
    [finding] = [f for f in found.findings if f.rule == "lengths"]
    assert finding.lengths == (33, 40)
    # nothing shorter shows it
    assert finding.example is not None
    assert len(finding.example.ids) == 33


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_a_wrong_row_is_found(exported_embedder: Path, copy_of: Copy, target: str) -> None:
    folder = copy_of(exported_embedder)
    tokenizer = _tokenizer(folder)
    token, other = (_token(tokenizer, word) for word in ("pharmacy", "the"))
    plant.plant(folder, f"model.w8c_a8.{target}", plant.at_token(token, other))
    found = searched(folder / f"model.w8c_a8.{target}")
    [finding] = [f for f in found.findings if f.rule == "tokens"]
    assert finding.tokens == (token,)
    assert f"{token} 'pharmacy'" in finding.message
    assert finding.example is not None
    assert (finding.example.text, finding.example.exact) == ("pharmacy", True)


def _tokenizer(folder: Path) -> TextTokenizer:
    from edgekit.manifest import Manifest

    return TextTokenizer.from_folder(folder, Manifest.read(folder).contract)


def _token(tokenizer: TextTokenizer, word: str) -> int:
    [ids] = tokenizer.encode([word], [None])
    return int(ids["input_ids"][1])


def test_the_same_search_finds_the_same(exported_embedder: Path) -> None:
    def told() -> dict[str, object]:
        data = searched(exported_embedder / "model.w8c_a8.onnx").to_json()
        del data["cpu_seconds"]
        return data

    assert told() == told()


def test_little_time_is_told(exported_embedder: Path) -> None:
    found = searched(exported_embedder / "model.w8c_a8.onnx", seconds=0.01)
    assert found.notes
    assert "the time was over" in " ".join(found.notes)


def test_no_stand_in(exported_embedder: Path, copy_of: Copy) -> None:
    folder = copy_of(exported_embedder)
    manifest = json.loads((folder / "edgekit.json").read_text())
    manifest["files"] = [e for e in manifest["files"] if e["path"] == "model.w8c_a8.onnx"]
    (folder / "edgekit.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="the folder has none") as caught:
        searched(folder)
    assert "--reference" in caught.value.hint


def test_a_bad_stand_in_serves_nobody(exported_embedder: Path, copy_of: Copy) -> None:
    folder = copy_of(exported_embedder)
    for target in ("onnx", "tflite"):
        with (folder / f"model.fp32.{target}").open("ab") as file:
            file.write(b"x")
    with pytest.raises(UsageError, match="fails its own gates"):
        searched(folder / "model.w8c_a8.onnx")


def test_a_file_that_kills_the_runtime(exported_embedder: Path, tmp_path: Path) -> None:
    from edgekit.manifest import Manifest

    contract = Manifest.read(exported_embedder).contract
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")
    [row] = _tokenizer(exported_embedder).encode(["a"], [None])
    with FileRunner(path, contract) as runner, pytest.raises(WorkerDied, match="cannot load"):
        runner.run([row])


def test_the_command(
    exported_embedder: Path, copy_of: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy_of(exported_embedder)
    tokenizer = _tokenizer(folder)
    token, other = (_token(tokenizer, word) for word in ("pharmacy", "the"))
    plant.plant(folder, "model.w8c_a8.onnx", plant.at_token(token, other))
    keep, junit = tmp_path / "worst.jsonl", tmp_path / "parity.xml"
    call = ["validate", str(folder / "model.w8c_a8.onnx"), "--search", "--keep", str(keep), "-q"]
    assert run_command([*call, "--junit", str(junit)]) == 1
    shown = capsys.readouterr().out
    assert f"wrong token: {token} 'pharmacy'" in shown
    assert "model.fp32.onnx" in shown
    assert "wrong token" in junit.read_text(encoding="utf-8")
    assert "pharmacy" in [e.text for e in read_cases(keep)]
    assert run_command([*call, "--json"]) == 1
    data = json.loads(capsys.readouterr().out)["result"]
    [file] = data["search"]["files"]
    assert not file["passed"]
    assert not data["passed"]
    assert any("search, tokens" in problem for problem in data["files"][0]["problems"])
    intervals = data["files"][0]["parity"]["intervals"]["alone"]["cosine_mean"]
    assert intervals["n"] > 20
    assert len(intervals["interval"]) == 2


@pytest.mark.parametrize(
    "options",
    [
        ("--keep", "worst.jsonl"),
        ("--search-seconds", "5"),
        ("--search", "--search-seconds", "0"),
        ("--search", "--search-seconds", "nan"),
        ("--search", "--keep", "worst.tsv"),
    ],
)
def test_wrong_use(
    exported_embedder: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["validate", str(exported_embedder), *options]) == 2
    assert "hint: " in capsys.readouterr().err


def test_folders_hold_intervals_of_every_mode(exported_classifier: Path) -> None:
    manifest = json.loads((exported_classifier / "edgekit.json").read_text(encoding="utf-8"))
    for entry in manifest["files"]:
        parity = entry["parity"]
        assert set(parity["intervals"]) == set(parity["metrics"])
        for mode, metrics in parity["metrics"].items():
            found = parity["intervals"][mode]
            assert set(found) == {"cosine_mean", "rms_rel", "top1"}
            for metric, interval in found.items():
                low, high = interval["interval"]
                assert low - 1e-9 <= metrics[metric] <= high + 1e-9, (mode, metric)
    report = (exported_classifier / "report.md").read_text(encoding="utf-8")
    assert "95 % interval" in report


def test_folders_without_intervals_are_still_read(exported_embedder: Path, copy_of: Copy) -> None:
    folder = copy_of(exported_embedder)
    manifest = json.loads((folder / "edgekit.json").read_text(encoding="utf-8"))
    for entry in manifest["files"]:
        del entry["parity"]["intervals"]
    (folder / "edgekit.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert edgekit.validate(folder).passed
