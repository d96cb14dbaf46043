"""android_demo/core on a JVM: the corpus, and real files through onnxruntime's C library."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import app_bundles, tokenizer_corpus
from tests.conftest import ROOT

RUNNER = ROOT / "android_demo" / "run_core_tests.py"
pytestmark = pytest.mark.skipif(
    shutil.which("javac") is None, reason="no JDK on the PATH: install openjdk-17-jdk-headless"
)


def run(corpus: Path, bundles: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUNNER), str(corpus), str(bundles)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for name in tokenizer_corpus.TOKENIZERS:
        tokenizer_corpus.write(name, folder / name)
    return folder


@pytest.mark.heavy
@pytest.mark.demo
def test_core(
    corpus: Path, exported_demo: Path, exported_embedder: Path, exported_classifier: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    for recipe in ("fp32", "w8c_a8"):
        app_bundles.make(exported_demo, tmp_path / f"minilm-{recipe}", "onnx", recipe)
    app_bundles.make(exported_embedder, tmp_path / "tiny-embedder", "onnx", "w8c_a8")
    app_bundles.make(exported_classifier, tmp_path / "tiny-classifier", "onnx", "fp32")
    done = run(corpus, tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = dict(re.findall(r"corpus (\w+) (\d+)", done.stdout))
    assert lines == dict.fromkeys(tokenizer_corpus.TOKENIZERS, str(tokenizer_corpus.LINES))
    found = re.findall(r"embeddings (\S+) (\d+) (\S+)", done.stdout)
    assert len(found) == 4
    assert all(int(texts) >= 20 and float(worst) <= 1e-5 for _, texts, worst in found)


@pytest.mark.heavy
def test_a_wrong_id_and_a_wrong_file_are_seen(
    corpus: Path, exported_embedder: Path, tmp_path: Path
) -> None:
    one = tmp_path / "corpus"
    shutil.copytree(corpus / "gpt2", one / "gpt2")
    cases = one / "gpt2" / "cases.jsonl"
    text = cases.read_text(encoding="utf-8")
    cases.write_text(re.sub(r'"ids": \[\d+', '"ids": [7', text, count=1), encoding="utf-8")
    bundles = tmp_path / "bundles"
    made = app_bundles.make(exported_embedder, bundles / "tiny", "onnx", "fp32")
    with (made / "vocab.json").open("a") as out:
        out.write(" ")
    done = run(one, bundles)
    assert done.returncode == 1
    assert "gpt2: " in done.stdout
    assert "'vocab.json' is not the file that was bundled" in done.stdout


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("PATH", "/none", "no javac on the PATH: install openjdk-17-jdk-headless."),
        ("EDGEKIT_JARS", "/none", "no /none/junit4.jar: install junit4."),
    ],
)
def test_what_is_missing_is_told(
    variable: str, value: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    done = run(tmp_path, tmp_path)
    assert done.returncode == 6
    assert done.stderr == told + "\n"
