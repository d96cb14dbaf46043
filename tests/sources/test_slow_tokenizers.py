"""Folders without a tokenizer.json: converted and proven id by id, or refused with reason."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from edgekit.converters.sources import slow_readings
from edgekit.converters.sources.tokenizer_files import HARD_TEXTS, RARE_TEXTS, prove_conversion

from edgekit.errors import EdgekitError
from edgekit.tasks.builtin_cases import builtin_texts
from tests.sources.helpers import check_refusal, edit_json, load, outputs_of
from tests.tiny import save_classifier

pytestmark = pytest.mark.heavy

TEXTS = [e.text for e in builtin_texts(128, False)]


def make_slow(folder: Path) -> Path:
    """vocab.txt in the place of tokenizer.json."""
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    lines = sorted(vocabulary, key=vocabulary.get)
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    return folder


def converted(folder: Path, kind: str) -> Any:
    from transformers import AutoConfig, AutoTokenizer

    if not (folder / "config.json").exists():
        AutoConfig.for_model(kind).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(str(folder))


def save_sentencepiece(folder: Path, name: str, **settings: Any) -> Path:
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([t.replace("\n", " ") for t in TEXTS if t] * 3),
        model_writer=model,
        vocab_size=600,
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
        **settings,
    )
    folder.mkdir()
    (folder / name).write_bytes(model.getvalue())
    return folder


FAIRSEQ = {"unk_id": 0, "bos_id": 1, "eos_id": 2}
DEBERTA = {
    "pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "pad_piece": "[PAD]",
    "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]",
}  # fmt: skip
ALBERT = {
    "pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1, "pad_piece": "<pad>",
    "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
}  # fmt: skip


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_vocab_txt_gives_the_same_model(kind: str, tmp_path: Path) -> None:
    folder = save_classifier(tmp_path / "model", kind)
    expected = outputs_of(load(folder))
    checkpoint = load(make_slow(folder))
    assert (outputs_of(checkpoint) == expected).all()
    assert "the same ids as an independent reading" in checkpoint.source["notes"][0]


def test_a_real_vocabulary(tmp_path: Path) -> None:
    vocabulary = demo_vocabulary()
    for lower in (True, False):
        folder = tmp_path / str(lower)
        folder.mkdir()
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower}))
        notes = prove_conversion(folder, "bert", converted(folder, "bert"))
        # capital sigma at a word's end: Python lower-cases by context, the fast code does not
        assert any("ΟΔΟΣ" in note for note in notes) == lower


def demo_vocabulary() -> list[str]:
    from edgekit.converters.sources.resolve import resolve

    data = json.loads((resolve("demo") / "tokenizer.json").read_text(encoding="utf-8"))
    return sorted(data["model"]["vocab"], key=data["model"]["vocab"].get)


@pytest.mark.parametrize("lower", [True, False])
def test_our_wordpiece_is_transformers_slow_one(lower: bool, tmp_path: Path) -> None:
    """transformers 5.23 still ships BERT's slow class, though AutoTokenizer never gives it."""
    from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(demo_vocabulary()) + "\n", encoding="utf-8")
    theirs = BertTokenizerLegacy(str(path), do_lower_case=lower)
    settings = {"do_lower_case": lower}
    ours = slow_readings.wordpiece(slow_readings.read_vocabulary(path), "[UNK]", settings)
    for text in (*TEXTS, *HARD_TEXTS, *RARE_TEXTS):
        assert ours(text) == theirs.convert_tokens_to_ids(theirs.tokenize(text)), text


def save_byte_pairs(folder: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    folder.mkdir()
    tokenizer.model.save(str(folder))
    return folder


@pytest.mark.parametrize("prefix", [False, True])
def test_vocab_json_and_merges(prefix: bool, tmp_path: Path) -> None:
    folder = save_byte_pairs(tmp_path / "model")
    (folder / "tokenizer_config.json").write_text(json.dumps({"add_prefix_space": prefix}))
    proof, *rare = prove_conversion(folder, "roberta", converted(folder, "roberta"))
    assert "independent reading" in proof
    # before a leading tab or line feed the fast code puts the space, the slow one did not
    assert len(rare) == prefix


def test_gpt2s_words_are_those_of_its_pattern() -> None:
    import regex

    pattern = regex.compile(
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    )
    rng = random.Random(0)
    for _ in range(3000):
        text = "".join(
            rng.choice("ab1 '  \tslredvm.\u00a0é你½\n") for _ in range(rng.randint(0, 12))
        )
        assert slow_readings._gpt2_words(text) == pattern.findall(text), text


@pytest.mark.parametrize("kind", ["xlm-roberta", "camembert"])
def test_sentencepiece_of_fairseq(kind: str, tmp_path: Path) -> None:
    folder = save_sentencepiece(tmp_path / "model", "sentencepiece.bpe.model", **FAIRSEQ)
    (note,) = prove_conversion(folder, kind, converted(folder, kind))
    assert "independent reading" in note


def test_albert(tmp_path: Path) -> None:
    """Texts of Latin letters only: with Hangul in its vocabulary the conversion differs."""
    folder = save_sentencepiece(tmp_path / "model", "spiece.model", **ALBERT)
    with pytest.raises(EdgekitError) as caught:
        prove_conversion(folder, "albert", converted(folder, "albert"))
    check_refusal(caught, 5, "'오늘은 날씨가 정말 좋네요.'", "tokenizer.json")
    read = slow_readings.sentence_pieces(folder / "spiece.model")
    pieces = slow_readings.albert_pieces(read, "it came to 48213, and 9, no?")
    assert "," in pieces
    assert not any(p.endswith(",") and len(p) > 1 for p in pieces)


def test_deberta_loses_its_normalisation(tmp_path: Path) -> None:
    """transformers 5.23 builds it without the model's own character map: found and refused."""
    folder = save_sentencepiece(tmp_path / "model", "spm.model", **DEBERTA)
    with pytest.raises(EdgekitError) as caught:
        prove_conversion(folder, "deberta-v2", converted(folder, "deberta-v2"))
    check_refusal(caught, 5, "no-break", "tokenizer.json")


def test_deberta_without_a_character_map(tmp_path: Path) -> None:
    folder = save_sentencepiece(
        tmp_path / "model", "spm.model", normalization_rule_name="identity",
        remove_extra_whitespaces=False, **DEBERTA,
    )  # fmt: skip
    with pytest.raises(EdgekitError) as caught:
        prove_conversion(folder, "deberta-v2", converted(folder, "deberta-v2"))
    check_refusal(caught, 5, "fast form gives ids", "tokenizer.json")


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    return make_slow(save_classifier(tmp_path / "model"))


def swap_two_lines(folder: Path) -> None:
    """What the fast form was made of is not what the folder says: seen as different ids."""
    lines = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    i, j = lines.index("the"), lines.index("train")
    lines[i], lines[j] = lines[j], lines[i]
    (folder / "vocab.txt").write_text("\n".join(lines), encoding="utf-8")


def test_one_swapped_piece_is_seen(slow: Path) -> None:
    tokenizer = converted(slow, "bert")
    swap_two_lines(slow)
    with pytest.raises(EdgekitError) as caught:
        prove_conversion(slow, "bert", tokenizer)
    check_refusal(caught, 5, "cannot be converted: for '", "tokenizer.json")
    assert caught.value.message.count("[") == 2


def test_another_case_is_seen(slow: Path) -> None:
    tokenizer = converted(slow, "bert")
    (slow / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    with pytest.raises(EdgekitError) as caught:
        prove_conversion(slow, "bert", tokenizer)
    check_refusal(caught, 5, "'Hello'")


def without_unknown(folder: Path) -> None:
    text = (folder / "vocab.txt").read_text(encoding="utf-8")
    (folder / "vocab.txt").write_text(text.replace("[UNK]", "[unk]"), encoding="utf-8")


def settings(**values: Any) -> Any:
    return lambda folder: (folder / "tokenizer_config.json").write_text(json.dumps(values))


BROKEN = {
    "no files": (lambda f: (f / "vocab.txt").unlink(), 3, "holds no tokenizer"),
    "merges without vocabulary": (
        lambda f: (f / "vocab.txt").rename(f / "merges.txt"), 3, "holds no tokenizer"),
    "added words": (
        lambda f: (f / "added_tokens.json").write_text('{"brandname": 300}'), 5, "brandname"),
    "a class without a fast form": (
        settings(tokenizer_class="BertJapaneseTokenizer"), 3, "tokenizer of"),
    "settings are no JSON": (lambda f: (f / "tokenizer_config.json").write_text("{"), 3, "token"),
    "no unknown token": (without_unknown, 3, "token"),
    "not UTF-8": (lambda f: (f / "vocab.txt").write_bytes(b"[PAD]\n\xff\xfe\n"), 3, "tokenizer"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_tokenizers(name: str, slow: Path) -> None:
    breaking, code, words = BROKEN[name]
    breaking(slow)
    with pytest.raises(EdgekitError) as caught:
        load(slow)
    check_refusal(caught, code, words)


def test_a_class_nobody_can_prove(slow: Path) -> None:
    with pytest.raises(EdgekitError) as caught:
        prove_conversion(slow, "some-model", converted(slow, "bert"))
    check_refusal(caught, 5, "could not be proven", "tokenizer.json")


def test_sentencepiece_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(EdgekitError) as caught:
        slow_readings.sentence_pieces(tmp_path / "spm.model")
    assert caught.value.exit_code == 4
    assert "edgekit[convert]" in caught.value.hint


def test_no_sentencepiece_model(tmp_path: Path) -> None:
    (tmp_path / "spm.model").write_bytes(b"nothing of the kind")
    with pytest.raises(EdgekitError) as caught:
        slow_readings.sentence_pieces(tmp_path / "spm.model")
    check_refusal(caught, 3, "no sentencepiece model")


def test_a_tokenizer_json_that_its_class_overrules(tmp_path: Path) -> None:
    """BertTokenizer lower-cases by tokenizer_config.json, whatever the file says: told."""
    folder = save_classifier(tmp_path / "model")
    assert "notes" not in load(folder).source
    data = json.loads((folder / "tokenizer.json").read_text())
    data["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(data))
    assert "notes" not in load(folder).source
    edit_json(folder / "tokenizer_config.json", tokenizer_class="BertTokenizer")
    (note,) = load(folder).source["notes"]
    assert "'Hello'" in note
    assert "do_lower_case" in note


def test_without_a_pad_token(tmp_path: Path) -> None:
    """Encoders mask what is filled in: said, exported and judged in padded batches all the same."""
    import edgekit

    folder = save_classifier(tmp_path / "model")
    edit_json(folder / "tokenizer_config.json", pad_token=None)
    edit_json(folder / "config.json", pad_token_id=1)
    result = edgekit.export(folder, tmp_path / "out", targets=["onnx"], recipes=["fp32"])
    assert result.passed
    assert result.manifest.contract.pad_id == 1
    (note,) = result.manifest.source["notes"]
    assert note == "its tokenizer has no pad token: id 1 fills masked places"
