"""What cannot be trimmed is refused with its exit code, and nothing is left behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgekit.cli.main import run_command
from tests.shrink.trim_models import texts, write_texts

pytestmark = pytest.mark.heavy

Refused = Callable[..., str]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "kept.jsonl", texts()[:12])


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    def run(code: int, model: Path, *arguments: object) -> str:
        before = sorted(tmp_path.iterdir())
        found = run_command(
            [str(a) for a in ("trim-vocab", model, "-o", tmp_path / "out", "-q", *arguments)]
        )
        told = capsys.readouterr()
        assert (found, told.out) == (code, ""), told.err
        assert told.err.count("Error: ") == told.err.count("hint: ") == 1
        assert sorted(tmp_path.iterdir()) == before
        return told.err

    return run


@pytest.fixture
def broken(classifier: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(classifier, tmp_path / "model"))


def change(path: Path, **values: object) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**data, **values}), encoding="utf-8")


def test_the_gate(refused: Refused, classifier: Path, kept: Path, tmp_path: Path) -> None:
    other = write_texts(tmp_path / "other.jsonl", texts()[20:40])
    told = refused(1, classifier, "--keep-text", kept, "--held-out", other)
    assert "of 20 held-out rows are read otherwise; 1% may be." in told
    assert "--keep-script" in told


def test_wrong_use(refused: Refused, classifier: Path, kept: Path) -> None:
    assert "nothing says which tokens" in refused(2, classifier)
    assert "no text to judge" in refused(2, classifier, "--keep-script", "latin")
    text = ("--keep-text", kept)
    assert "unknown script 'elvish'" in refused(2, classifier, *text, "--keep-script", "elvish")
    for share in ("1", "101%", "-1%", "nan%", "some%"):
        assert "0% to 100%" in refused(2, classifier, *text, "--max-changed", share)


def test_text_that_is_not_there(
    refused: Refused, classifier: Path, kept: Path, tmp_path: Path
) -> None:
    assert "does not exist" in refused(3, classifier, "--keep-text", tmp_path / "no.TXT")
    empty = tmp_path / "empty.txt"
    empty.write_text(" \n\n", encoding="utf-8")
    assert "is empty" in refused(3, classifier, "--keep-text", empty)
    assert "is empty" in refused(3, classifier, "--keep-text", kept, "--held-out", empty)
    few = write_texts(tmp_path / "few.jsonl", texts()[:9])
    assert "9 rows of text are too few" in refused(3, classifier, "--keep-text", few)


def test_text_without_a_word_of_the_vocabulary(
    refused: Refused, classifier: Path, tmp_path: Path
) -> None:
    foreign = write_texts(tmp_path / "foreign.jsonl", ["ელისე ჭავჭავაძე"] * 10)
    assert "no word of the kept text" in refused(3, classifier, "--keep-text", foreign)


def test_nothing_to_remove(refused: Refused, classifier: Path, tmp_path: Path) -> None:
    data = json.loads((classifier / "tokenizer.json").read_text(encoding="utf-8"))
    words = [word for word in data["model"]["vocab"] if not word.startswith(("##", "["))]
    everything = write_texts(tmp_path / "all.jsonl", words)
    told = refused(3, classifier, "--keep-text", everything, "--held-out", everything)
    assert "nothing can be removed: all" in told


def test_a_tokenizer_that_reads_its_own_kept_text_otherwise(
    refused: Refused, classifier: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.converters.shrink import trim

    everything = trim.kept_ids

    def without_the_last(*arguments: Any) -> set[int]:
        found = everything(*arguments)
        words = [i for i, token in arguments[1].tokens.items() if i in found and len(token) > 3]
        return found - {max(words)}

    monkeypatch.setattr(trim, "kept_ids", without_the_last)
    told = refused(5, classifier, "--keep-text", kept, "--max-changed", "100%")
    assert "rows of the kept text are read otherwise, the first of them" in told


def test_special_tokens_that_would_be_lost(refused: Refused, broken: Path, kept: Path) -> None:
    change(broken / "config.json", sep_token_id=99999)
    told = refused(3, broken, "--keep-text", kept)
    assert "sep_token_id is 99999" in told
    change(broken / "config.json", sep_token_id=3)
    change(broken / "config.json", eos_token_id=[3, 88888])
    assert "eos_token_id is 88888" in refused(3, broken, "--keep-text", kept)


def test_a_token_around_texts_that_is_not_there(refused: Refused, broken: Path, kept: Path) -> None:
    path = broken / "tokenizer.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["post_processor"]["special_tokens"]["[SEP]"]["ids"] = [77777]
    path.write_text(json.dumps(data), encoding="utf-8")
    assert "'[SEP]' (id 77777) around texts" in refused(3, broken, "--keep-text", kept)


def test_tokens_without_a_row(refused: Refused, broken: Path, kept: Path) -> None:
    path = broken / "tokenizer.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = data["model"]["vocab"]
    vocabulary["surplus"] = len(vocabulary)
    path.write_text(json.dumps(data), encoding="utf-8")
    assert "token 'surplus' has id" in refused(3, broken, "--keep-text", kept)


def test_a_tokenizer_that_cannot_be_cut(
    refused: Refused, classifier: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.converters.shrink import vocabularies

    monkeypatch.delitem(vocabularies._KINDS, "WordPiece")
    assert "kind 'WordPiece' cannot be cut" in refused(5, classifier, "--keep-text", kept)


def test_a_folder_that_is_there(classifier: Path, kept: Path, refused: Refused) -> None:
    out = kept.parent / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    text = ("--keep-text", kept)
    assert "exists" in refused(3, classifier, *text)
    assert "--force does not replace it" in refused(3, classifier, *text, "--force")
    assert (out / "mine.txt").read_text() == "mine"


@pytest.mark.shared
def test_the_rows_of_a_task_are_no_vocabulary(refused: Refused, shared: Path) -> None:
    """Two thirds of the held-out reviews hold a word that 2,000 others do not."""
    told = refused(
        1, shared / "models" / "minilm-sst2", "--keep-text",
        shared / "data" / "sst2-train-2000.tsv", "--held-out", shared / "data" / "sst2-dev.tsv",
    )  # fmt: skip
    assert "74.9% (71.9% to 77.7%) of 872 held-out rows" in told
