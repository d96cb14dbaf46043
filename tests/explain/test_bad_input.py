"""What cannot be explained is refused with the right exit code, before anything is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from edgekit.converters.api import explain

from edgekit.cli.main import run_command
from edgekit.errors import ArtifactError, CheckpointError, MissingExtraError, UsageError
from tests.test_mutants import rehash
from tests.tiny import save_embedder

pytestmark = pytest.mark.heavy


@pytest.fixture
def broken(folders: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(folders["onnx"], tmp_path / "copy"))


def test_what_is_there_is_listed(folders: dict[str, Path], embedder: Path) -> None:
    with pytest.raises(ArtifactError, match="no file of recipe w5c") as caught:
        explain(folders["onnx"], "w5c", embedder)
    assert "w4g16 (onnx)" in caught.value.hint
    with pytest.raises(ArtifactError, match="for tflite") as caught:
        explain(folders["onnx"], "w4g16", embedder, target="tflite")
    assert caught.value.exit_code == 3


def test_usage(folders: dict[str, Path], embedder: Path) -> None:
    with pytest.raises(UsageError, match="unknown target"):
        explain(folders["onnx"], "w4g16", embedder, target="coreml")
    with pytest.raises(UsageError, match="not a recipe"):
        explain(folders["onnx"], "four-bits", embedder)
    with pytest.raises(UsageError, match="0 texts"):
        explain(folders["onnx"], "w4g16", embedder, texts=0)
    assert run_command(["explain", str(folders["onnx"]), "w4g16"]) == 2


def test_files_without_codes_lost_nothing(
    folders: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No source is needed to say so, nor torch."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    arguments = ["explain", str(folders["onnx"]), "fp16", "--reference", "nowhere"]
    assert run_command(arguments) == 0
    assert "lost nothing" in capsys.readouterr().out
    assert run_command([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["shares"] is None


def test_missing_torch(
    folders: dict[str, Path], embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="explaining a file needs") as caught:
        explain(folders["onnx"], "w4g16", embedder)
    assert caught.value.exit_code == 4


def test_another_model_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    from tests.tiny import save_model

    other = save_model(tmp_path / "other", "bert", "sentence-embedding", seed=1)
    with pytest.raises(CheckpointError, match="not the model") as caught:
        explain(folders["onnx"], "w4g16", other)
    assert caught.value.exit_code == 3
    small = save_model(tmp_path / "small", "bert", "sentence-embedding", num_hidden_layers=1)
    with pytest.raises(CheckpointError, match="not the model"):
        explain(folders["onnx"], "w4g16", small)


def test_the_same_weights_saved_again_will_do(
    folders: dict[str, Path], embedder: Path, tmp_path: Path
) -> None:
    """Other bytes in model.safetensors, the same parameters."""
    from safetensors.torch import load_file, save_file

    again = Path(shutil.copytree(embedder, tmp_path / "again"))
    weights = load_file(again / "model.safetensors")
    save_file(weights, again / "model.safetensors", {"format": "pt", "saved": "again"})
    found = explain(folders["onnx"], "w8c_a8", again, texts=5)
    assert any("the same weights" in note for note in found.notes)


def test_one_changed_matrix_of_the_source_is_found(
    folders: dict[str, Path], embedder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    again = Path(shutil.copytree(embedder, tmp_path / "again"))
    weights = load_file(again / "model.safetensors")
    name = "encoder.layer.0.attention.self.key.weight"
    weights[name] = weights[name] * 1.01
    save_file(weights, again / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=name):
        explain(folders["onnx"], "w4g16", again)


def test_changed_and_damaged_files(broken: Path, embedder: Path) -> None:
    path = broken / "model.w4g16.onnx"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="bytes"):
        explain(broken, "w4g16", embedder)
    rehash(broken)
    with pytest.raises(ArtifactError):
        explain(broken, "w4g16", embedder)
    path.unlink()
    with pytest.raises(ArtifactError, match="missing"):
        explain(broken, "w4g16", embedder)


def test_no_folder(tmp_path: Path, embedder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"edgekit\.json"):
        explain(tmp_path, "w4g16", embedder)


def test_both_targets_are_told(folders: dict[str, Path], embedder: Path, tmp_path: Path) -> None:
    """One folder with both: onnx is taken, and said."""
    both = Path(shutil.copytree(folders["onnx"], tmp_path / "both"))
    name = "model.w8c_a8.tflite"
    shutil.copy(folders["tflite"] / name, both / name)
    manifest = json.loads((both / "edgekit.json").read_text())
    more = json.loads((folders["tflite"] / "edgekit.json").read_text())
    manifest["files"] = [e for e in more["files"] if e["path"] == name] + manifest["files"]
    (both / "edgekit.json").write_text(json.dumps(manifest))
    found = explain(both, "w8c_a8", embedder, texts=5)
    assert found.target == "onnx"
    assert any("--target tflite" in note for note in found.notes)
    assert explain(both, "w8c_a8", embedder, target="tflite", texts=5).target == "tflite"


def test_the_command_prints_tables_and_a_sentence(
    folders: dict[str, Path], embedder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["explain", str(folders["onnx"]), "w4g16", "--reference", str(embedder)]
    assert run_command([*arguments, "--texts", "8"]) == 0
    told = capsys.readouterr()
    for words in ("the file itself", "encoder.layer.0", "float wins", "4 to 5", "of the loss"):
        assert words in told.out
    assert "matrices" in told.err


def test_save_embedder_is_what_the_folder_was_made_from(embedder: Path, tmp_path: Path) -> None:
    """The fixture is deterministic: its bytes prove the source without sketches."""
    again = save_embedder(tmp_path / "again")
    assert (again / "model.safetensors").read_bytes() == (
        embedder / "model.safetensors"
    ).read_bytes()
