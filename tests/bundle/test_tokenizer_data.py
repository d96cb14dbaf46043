"""tokenizer.json as a flat description: exact where it can be said, refused where it cannot."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from edgekit.bundle.tokenizer import read_tokenizer
from edgekit.errors import ArtifactError, UnsupportedError


def saved(tokenizer: Tokenizer, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    tokenizer.save(str(folder / "tokenizer.json"))
    return read_tokenizer(folder)


def word_piece() -> Tokenizer:
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "##b": 5, "b": 6}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def byte_pairs(**options: Any) -> Tokenizer:
    vocabulary = {"a": 0, "b": 1, "ab": 2, "Ġ": 3, "<unk>": 4, "\n": 5}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("a", "b")], **options))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def test_word_piece(tmp_path: Path) -> None:
    tokenizer = word_piece()
    tokenizer.add_special_tokens(["[CLS]", AddedToken("[new]", lstrip=True)])
    description, vocabulary = saved(tokenizer, tmp_path)
    assert description["kind"] == "wordpiece"
    assert description["normalize"] == [
        {"op": "bert", "clean": True, "cjk": True, "strip_accents": True, "lower": True}
    ]
    assert description["split"] == [{"op": "bert"}]
    assert (description["unk_id"], description["continuing"]) == (1, "##")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##b", "b", "[new]"]
    assert vocabulary["tokens"] == tokens
    assert set(vocabulary) == {"tokens", "classes"}
    added = {token["text"]: token for token in description["added"]}
    assert added["[new]"]["id"] == 7
    assert added["[new]"]["lstrip"]
    assert not added["[new]"]["rstrip"]


def test_classes_are_those_of_the_library(tmp_path: Path) -> None:
    tokenizer = word_piece()
    classes = saved(tokenizer, tmp_path)[1]["classes"]

    def inside(name: str, character: str) -> bool:
        flat, point = classes[name], ord(character)
        return any(a <= point <= b for a, b in zip(flat[::2], flat[1::2], strict=True))

    for character in "\x00\x1c\x85\u200b\ue000\t a\u0301é\u1e94.,、«\u0b55\U00011660":
        clean = normalizers.BertNormalizer(True, False, False, False).normalize_str(character)
        assert inside("control", character) == (clean == ""), ascii(character)
        plain = normalizers.BertNormalizer(False, False, True, False).normalize_str(character)
        assert inside("mark", character) == (plain == ""), ascii(character)
        pieces = pre_tokenizers.Punctuation().pre_tokenize_str(f"x{character}y")
        assert inside("punctuation", character) == (len(pieces) == 3), ascii(character)
    classes = saved(byte_pairs(), tmp_path)[1]["classes"]
    assert set(classes) == {"letter", "number"}
    for character in "aλ文1²½ .\U00016ac7\u0301":
        category = unicodedata.category(character)[0]
        assert inside("letter", character) == (category == "L"), ascii(character)
        assert inside("number", character) == (category == "N"), ascii(character)
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    assert set(saved(tokenizer, tmp_path)[1]["classes"]) == {"combining"}


def test_templates_are_what_the_tokenizer_does(tmp_path: Path) -> None:
    description, _ = saved(word_piece(), tmp_path)
    cls, sep = {"id": 2, "type": 0}, {"id": 3, "type": 0}
    assert description["single"] == [cls, {"text": "a", "type": 0}, sep]
    assert description["pair"][2:] == [sep, {"text": "b", "type": 1}, {"id": 3, "type": 1}]
    roberta = word_piece()
    roberta.post_processor = processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2))
    description, _ = saved(roberta, tmp_path)
    assert description["pair"][2:5] == [sep, sep, {"text": "b", "type": 0}]
    bare = word_piece()
    bare.post_processor = None  # type: ignore[assignment]
    description, _ = saved(bare, tmp_path)
    assert description["single"] == [{"text": "a", "type": 0}]


def test_byte_pairs_with_merges_by_id_and_holes(tmp_path: Path) -> None:
    tokenizer = byte_pairs(unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁"), normalizers.NFC()]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    data = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    data["model"]["vocab"]["far"] = 8
    (tmp_path / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
    description, vocabulary = read_tokenizer(tmp_path)
    assert vocabulary["merges"] == [0, 1, 2]
    assert vocabulary["tokens"][5:] == ["\n", None, None, "far"]
    assert [step["op"] for step in description["normalize"]] == ["prepend", "replace", "nfc"]
    assert description["split"] == [{"op": "bytes", "prefix_space": False, "regex": True}]
    assert description["byte_fallback"]
    assert description["fuse_unk"]
    assert description["unk_id"] == 4


def test_old_merges_are_lines(tmp_path: Path) -> None:
    byte_pairs().save(str(tmp_path / "tokenizer.json"))
    data = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    data["model"]["merges"] = ["a b"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
    assert read_tokenizer(tmp_path)[1]["merges"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("splitter", "step"),
    [
        (pre_tokenizers.Split("x.", "removed"),
         {"op": "regex", "pattern": r"x\.", "behavior": "removed", "invert": False}),
        (pre_tokenizers.Metaspace("▁", "first", False),
         {"op": "metaspace", "text": "▁", "prefix": "first", "split": False}),
        (pre_tokenizers.Digits(True), {"op": "digits", "individual": True}),
        (pre_tokenizers.Whitespace(), {"op": "whitespace"}),
        (pre_tokenizers.Punctuation("merged_with_next"),
         {"op": "punctuation", "behavior": "merged_with_next"}),
    ],
)  # fmt: skip
def test_splitters(splitter: Any, step: dict[str, Any], tmp_path: Path) -> None:
    tokenizer = byte_pairs()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([splitter])
    assert saved(tokenizer, tmp_path)[0]["split"] == [step]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: setattr(t, "normalizer", normalizers.Nmt()), "the normalizer Nmt"),
        (lambda t: setattr(t, "pre_tokenizer", pre_tokenizers.UnicodeScripts()),
         "the pre-tokenizer UnicodeScripts"),
        (lambda t: setattr(t, "model", models.Unigram([("a", 0.0)], 0)), "a Unigram model"),
        (lambda t: setattr(t, "model", models.BPE({"a": 0}, [], dropout=0.5)), "random merges"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_exactly_is_refused(change: Any, told: str, tmp_path: Path) -> None:
    tokenizer = byte_pairs()
    change(tokenizer)
    with pytest.raises(UnsupportedError, match=told) as caught:
        saved(tokenizer, tmp_path)
    assert caught.value.exit_code == 5


def test_damage_is_told(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"model": []}', encoding="utf-8")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_tokenizer(tmp_path)
