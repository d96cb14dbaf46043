"""web_demo's tokenizer gives the ids of the tokenizers library, on every line of the corpus."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import tokenizer_corpus
from tests.conftest import ROOT

NODE = shutil.which("node") or shutil.which("nodejs")
pytestmark = pytest.mark.skipif(NODE is None, reason="no Node on the PATH: install nodejs 20")


def run(folder: Path) -> Any:
    script = ROOT / "web_demo" / "tokenizer.js"
    checker = Path(__file__).with_name("check_ids.mjs")
    done = subprocess.run(
        [str(NODE), "--no-warnings", str(checker), str(script), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", tokenizer_corpus.TOKENIZERS)
def test_ids_are_those_of_the_library(name: str, tmp_path: Path) -> None:
    count = tokenizer_corpus.write(name, tmp_path)
    assert count >= 5000
    assert run(tmp_path) == {"equal": count, "different": []}


def test_a_difference_is_seen(tmp_path: Path) -> None:
    count = tokenizer_corpus.write("gpt2", tmp_path)
    cases = (tmp_path / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    wrong = next(i for i, line in enumerate(cases) if len(json.loads(line)["ids"]) > 3)
    case = json.loads(cases[wrong])
    case["ids"][2] += 1
    cases[wrong] = json.dumps(case)
    (tmp_path / "cases.jsonl").write_text("\n".join(cases) + "\n", encoding="utf-8")
    found = run(tmp_path)
    assert found["equal"] == count - 1
    assert found["different"][0]["text"] == case["text"]


def test_a_step_of_a_later_version_is_refused(tmp_path: Path) -> None:
    tokenizer_corpus.write("llama2", tmp_path)
    contract = json.loads((tmp_path / "contract.json").read_text(encoding="utf-8"))
    contract["tokenizer"]["normalize"].append({"op": "reverse"})
    (tmp_path / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
    with pytest.raises(AssertionError, match="newer than this tokenizer"):
        run(tmp_path)
