"""A cut tokenizer reads every text whose tokens it has as the whole one did."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from edgekit.converters.held_out import evaluation_texts
from edgekit.converters.shrink.trim_ids import named_ids, renumbered
from edgekit.converters.shrink.trim_texts import used_ids
from edgekit.converters.shrink.trim_tokenizer import TokenizerFile, dropped_files, numbered
from edgekit.converters.shrink.vocabularies import Bpe, vocabulary_of
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from edgekit.errors import CheckpointError, UnsupportedError
from edgekit.tasks import Example
from tests.tokenizer_corpus import _WORDS, TOKENIZERS, lines


def unigram() -> Tokenizer:
    """Unigram pieces as SentencePiece makes them, with special tokens around a text."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=900, unk_token="<unk>", special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator([*evaluation_texts(), *_WORDS], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


MADE: dict[str, Callable[[], Tokenizer]] = {
    **{name: make for name, (make, _) in TOKENIZERS.items()}, "unigram": unigram
}  # fmt: skip


@cache
def content(name: str) -> str:
    tokenizer = MADE[name]()
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return str(tokenizer.to_str())


@cache
def texts() -> tuple[str, ...]:
    """Whole lines, and their words one by one."""
    return (*lines(), *dict.fromkeys(word for line in lines()[:1500] for word in line.split()))


def kept_of(file: TokenizerFile, text: str, rows: int = 400) -> set[int]:
    used = used_ids(text, [Example(line) for line in lines()[:rows]])
    return file.vocabulary.with_ways(used) | file.always()


@pytest.mark.parametrize("name", MADE)
def test_text_of_kept_tokens_is_read_as_before(name: str) -> None:
    text = content(name)
    file = TokenizerFile.read(text)
    numbers = numbered(kept_of(file, text))
    assert len(numbers) < len(file.tokens)

    whole, cut = Tokenizer.from_str(text), Tokenizer.from_str(file.cut(numbers))

    same = other = 0
    for before, after in zip(
        whole.encode_batch(list(texts())), cut.encode_batch(list(texts())), strict=True
    ):
        if all(number in numbers for number in before.ids):
            same += 1
            assert [numbers[number] for number in before.ids] == after.ids
            assert before.type_ids == after.type_ids
        else:
            other += 1
    assert same > 500  # words that no kept line has among them
    assert other > 20


@pytest.mark.parametrize("name", ["gpt2", "llama2"])
def test_without_the_tokens_on_its_way_a_bpe_token_is_out_of_reach(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = content(name)
    file = TokenizerFile.read(text)
    monkeypatch.setattr(Bpe, "with_ways", lambda self, ids: set(ids))
    numbers = numbered(kept_of(file, text))
    kept = list(lines()[:400])
    before, after = (Tokenizer.from_str(t).encode_batch(kept) for t in (text, file.cut(numbers)))
    assert any([numbers[n] for n in b.ids] != a.ids for b, a in zip(before, after, strict=True))


def test_merges_stay_in_their_order_and_both_ways_of_writing_them_are_read() -> None:
    data = json.loads(content("gpt2"))
    file = TokenizerFile.read(json.dumps(data))
    numbers = numbered(kept_of(file, content("gpt2"), 50))
    kept = json.loads(file.cut(numbers))["model"]["merges"]
    places = [data["model"]["merges"].index(merge) for merge in kept]
    assert places == sorted(places)
    data["model"]["merges"] = [" ".join(merge) for merge in data["model"]["merges"]]
    older = TokenizerFile.read(json.dumps(data))
    assert json.loads(older.cut(numbers))["model"]["merges"] == [" ".join(merge) for merge in kept]


def test_bpe_with_marks_at_the_ends_of_words() -> None:
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False
    )
    words = "lower lowest newer newest wider widest low new wide slow slower slowest"
    tokenizer.train_from_iterator([words], trainer)
    file = TokenizerFile.read(tokenizer.to_str())
    numbers = numbered(kept_of_text(file, tokenizer, "slower"))
    assert len(numbers) < len(file.tokens)
    cut = Tokenizer.from_str(file.cut(numbers))
    assert cut.encode("slower").tokens == tokenizer.encode("slower").tokens


def kept_of_text(file: TokenizerFile, tokenizer: Tokenizer, text: str) -> set[int]:
    return file.vocabulary.with_ways(tokenizer.encode(text).ids) | file.always()


def test_unknown_characters_score_as_before() -> None:
    """An unknown character's score is counted from the lowest of all pieces."""
    model = {
        "type": "Unigram", "unk_id": 0, "byte_fallback": False,
        "vocab": [["<unk>", 0.0], ["a", -9.0], ["ab", -3.0], ["zz", -40.0], ["yy", -12.0]],
    }  # fmt: skip
    file = TokenizerFile.read(json.dumps({"added_tokens": [], "model": model}))
    assert file.always() == {0, 1, 3}


def test_nothing_turns_unknown_that_was_spelled_out_before() -> None:
    text = content("minilm")
    file = TokenizerFile.read(text)
    cut = Tokenizer.from_str(file.cut(numbered(kept_of(file, text, 5))))
    words = "quantization of unforgettable zebras, Ёлка, naïve €5"
    whole = Tokenizer.from_str(text).encode(words).tokens
    assert "[UNK]" not in whole
    found = cut.encode(words).tokens
    assert len(found) > len(whole)
    assert "[UNK]" not in found


def test_ids_in_every_place_are_renumbered() -> None:
    text = content("roberta")
    file = TokenizerFile.read(text)
    data = {**file.data, "padding": {"pad_id": 2, "pad_token": "<mask>"}}
    data["post_processor"] = {"type": "Sequence", "processors": [data["post_processor"]]}
    swapped = TokenizerFile(data, file.vocabulary, file.tokens)
    shifted = {old: new + 7 for old, new in numbered({0, 1, 2, *file.always()}).items()}
    # the library counts from 0: here only what is written is looked at
    found = json.loads(unchecked(swapped, shifted))
    [processor] = found["post_processor"]["processors"]
    assert (processor["sep"], processor["cls"]) == (["</s>", 8], ["<s>", 7])
    assert [token["id"] for token in found["added_tokens"]] == [7, 8, 9]
    assert found["padding"]["pad_id"] == 9


def unchecked(file: TokenizerFile, numbers: dict[int, int]) -> str:
    class Unchecked(TokenizerFile):
        def check(self, text: str, numbers: Any) -> None:
            pass

    return Unchecked(file.data, file.vocabulary, file.tokens).cut(numbers)


def test_files_beside_it_are_cut_too(tmp_path: Path) -> None:
    text = content("gpt2")
    file = TokenizerFile.read(text)
    model = json.loads(text)["model"]
    numbers = numbered(kept_of(file, text, 50))
    names = ["tokenizer_config", "special_tokens_map", "added_tokens", "vocab"]
    given = (
        {"added_tokens_decoder": {"0": {"content": "<|endoftext|>"}}},
        {"eos_token": "<|endoftext|>"},
        {"<|endoftext|>": 0},
        model["vocab"],
    )
    for name, values in zip(names, given, strict=True):
        (tmp_path / f"{name}.json").write_text(json.dumps(values), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("", encoding="utf-8")
    (tmp_path / "spiece.model").write_bytes(b"")

    files = file.files(tmp_path, numbers)

    assert set(files) == {*(f"{n}.json" for n in names), "tokenizer.json", "merges.txt",
                          "vocab.txt"}  # fmt: skip
    vocabulary = json.loads(files["vocab.json"])
    assert vocabulary == {t: numbers[i] for t, i in model["vocab"].items() if i in numbers}
    assert files["vocab.txt"].split("\n")[:-1] == sorted(vocabulary, key=lambda t: vocabulary[t])
    merges = json.loads(files["tokenizer.json"])["model"]["merges"]
    assert files["merges.txt"].split("\n")[1:-1] == [" ".join(merge) for merge in merges]
    assert dropped_files(tmp_path) == ["spiece.model"]


def test_a_token_around_texts_that_does_not_exist() -> None:
    data = json.loads(content("unigram"))
    data["post_processor"]["special_tokens"]["</s>"]["ids"] = [99999]
    with pytest.raises(CheckpointError, match=r"puts '</s>' \(id 99999\) around texts"):
        TokenizerFile.read(json.dumps(data)).always()


def test_vocabularies_that_cannot_be_cut() -> None:
    with pytest.raises(UnsupportedError, match="kind 'Lattice'") as caught:
        TokenizerFile.read('{"added_tokens": [], "model": {"type": "Lattice", "vocab": {}}}')
    assert "WordPiece" in caught.value.hint
    data = json.loads(content("gpt2"))
    data["model"]["dropout"] = 0.1
    with pytest.raises(UnsupportedError, match="at random"):
        TokenizerFile.read(json.dumps(data))


def test_ids_that_the_library_would_give_otherwise() -> None:
    text = content("metaspace")
    file = TokenizerFile.read(text)
    numbers = {old: new + 1 for old, new in numbered(file.always()).items()}
    with pytest.raises(UnsupportedError, match="numbers tokens in a way of its own"):
        file.check(text, numbers)


def test_ids_in_settings_are_found_and_renumbered_however_deep() -> None:
    settings = {
        "eos_token_id": [7, 8], "pad_token_id": None, "bos_token_id": -1, "vocab_size": 7,
        "bad_words_ids": [[7], [9, 8]], "hidden_size": 8, "use_token_ids": True,
        "forced_decoder_ids": [[1, 9]], "sequence_bias": [[[8, 9], 7]], "image_token_index": 8,
        "task_specific_params": {"short": {"eos_token_id": 9, "max_length": 7}},
    }  # fmt: skip
    found = [number for _, number in named_ids(settings)]
    assert found == [7, 8, 7, 9, 8, 9, 8, 9, 8, 9]
    assert renumbered(settings, {7: 0, 8: 1, 9: 2}) == {
        "eos_token_id": [0, 1], "pad_token_id": None, "bos_token_id": -1,
        "bad_words_ids": [[0], [2, 1]], "use_token_ids": True,
        "forced_decoder_ids": [[1, 2]], "sequence_bias": [[[1, 2], 7]], "image_token_index": 1,
        "task_specific_params": {"short": {"eos_token_id": 2, "max_length": 7}},
    }  # fmt: skip


def test_an_unknown_word_of_kept_text_stays_unknown() -> None:
    """Without the longest piece that it got stuck behind, a shorter one would lead on."""
    vocabulary = {"[UNK]": 0, "a": 1, "c": 2, "ab": 3, "##bx": 4, "##b": 5, "gone": 6}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    text = tokenizer.to_str()
    file = TokenizerFile.read(text)
    rows = [Example("cbx"), Example("c", "ABX cb")]
    kept = used_ids(text, rows) | file.always()
    assert kept == {0, 1, 2, 3, 4, 5}
    cut = Tokenizer.from_str(file.cut(numbered(kept)))
    assert cut.encode("abx cbx").tokens == ["[UNK]", "c", "##bx"]
    without = Tokenizer.from_str(file.cut(numbered(kept - {3})))
    assert without.encode("abx").tokens == ["a", "##bx"]


def test_what_a_word_gets_stuck_behind() -> None:
    model = {"type": "WordPiece", "vocab": {"a": 0, "ab": 1, "##c": 2, "##cd": 3, "[UNK]": 4},
             "unk_token": "[UNK]", "continuing_subword_prefix": "##",
             "max_input_chars_per_word": 6}  # fmt: skip
    vocabulary = vocabulary_of(model)
    assert vocabulary.tried("abcdx") == {1, 3}
    assert vocabulary.tried("x") == set()
    assert vocabulary.tried("abcdxyz") == set()  # too long: it was never looked at
