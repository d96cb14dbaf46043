"""Streamed pieces are the text of all tokens, whatever the tokenizer does at its borders."""

from __future__ import annotations

import random

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from edgekit.generation.pieces import StopTexts, TextPieces
from edgekit.runtime.tokenizer import TextTokenizer
from tests.generation.lms import contract

LINES = [
    "Once upon a time, there was a little girl named Lily.",
    "naïve café — 日本語テキスト 👩‍👩‍👧 done",
    "  two  spaces, and\ttabs\n\nlines ",
    "привет мир! 한국어 don't I'll we've",
]


def train(model: object, trainer: object, **parts: object) -> Tokenizer:
    tokenizer = Tokenizer(model)
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    tokenizer.train_from_iterator(LINES * 3, trainer)
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return tokenizer


def byte_level() -> Tokenizer:
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return train(
        models.BPE(), trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet),
        pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoder=decoders.ByteLevel(),
    )  # fmt: skip


def byte_fallback() -> Tokenizer:
    """Llama's way: letters that are not in the vocabulary are bytes, the first space is dropped."""
    from tokenizers import normalizers

    names = [*(f"<0x{i:02X}>" for i in range(256)), "▁", *"abcdefghijklmnopqrstuvwxyzOLI,.é"]
    names += ["▁a", "▁t", "he", "▁the"]
    merges = [("▁", "a"), ("▁", "t"), ("h", "e"), ("▁t", "he")]
    tokenizer = Tokenizer(
        models.BPE({n: i for i, n in enumerate(names)}, merges, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
         decoders.Strip(" ", 1, 0)]
    )  # fmt: skip
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return tokenizer


def unigram() -> Tokenizer:
    return train(
        models.Unigram(), trainers.UnigramTrainer(vocab_size=120, unk_token="<unk>"),
        pre_tokenizer=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace(),
    )  # fmt: skip


def wordpiece() -> Tokenizer:
    return train(
        models.WordPiece(unk_token="[UNK]"),
        trainers.WordPieceTrainer(vocab_size=150, special_tokens=["[UNK]"]),
        pre_tokenizer=pre_tokenizers.BertPreTokenizer(), decoder=decoders.WordPiece(),
    )  # fmt: skip


TOKENIZERS = {f.__name__: f for f in (byte_level, byte_fallback, unigram, wordpiece)}


def streamed(tokenizer: TextTokenizer, context: list[int], ids: list[int]) -> list[str]:
    pieces = TextPieces(tokenizer, context)
    return [*(pieces.push(token) for token in ids), pieces.finish()]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_pieces_make_the_text(kind: str) -> None:
    raw = TOKENIZERS[kind]()
    tokenizer = TextTokenizer(raw, contract(512))
    several = 0
    for line in LINES:
        ids = raw.encode(line).ids
        found = streamed(tokenizer, [], ids)
        assert "".join(found) == tokenizer.decode(ids, skip_special=True)
        several += sum(map(bool, found)) > len(ids) // 3
        for cut in (1, len(ids) // 2):
            at_border = [tokenizer.token(n).startswith("<0x") for n in ids[cut - 1 : cut + 1]]
            prompt = tokenizer.decode(ids[:cut], skip_special=True)
            if all(at_border) or prompt.endswith("\ufffd"):
                continue  # a prompt does not end inside of a letter
            # behind a prompt: the two together are the whole
            continued = "".join(streamed(tokenizer, ids[:cut], ids[cut:]))
            assert prompt + continued == tokenizer.decode(ids, skip_special=True)
    assert several >= 2, "nothing was streamed"


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_pieces_of_any_tokens(kind: str) -> None:
    """What a model writes need not be well formed: half letters, special tokens, odd spaces."""
    raw = TOKENIZERS[kind]()
    tokenizer, rng = TextTokenizer(raw, contract(512)), random.Random(4)
    for _ in range(300):
        ids = [rng.randrange(raw.get_vocab_size()) for _ in range(rng.randint(1, 12))]
        found = streamed(tokenizer, [], ids)
        assert "".join(found) == tokenizer.decode(ids, skip_special=True), ids


def test_a_special_token_between_bytes() -> None:
    """It has no text, and the bytes around it are decoded as neighbours."""
    raw = byte_fallback()
    tokenizer = TextTokenizer(raw, contract(512))
    ids = [raw.token_to_id(name) for name in ("<0x23>", "</s>", "<0xE4>", "he")]
    assert tokenizer.decode(ids, skip_special=True) == "\ufffd\ufffdhe"
    assert streamed(tokenizer, [], ids) == ["", "", "", "\ufffd\ufffdhe", ""]


def test_a_space_behind_the_prompt_is_kept() -> None:
    raw = byte_fallback()
    tokenizer = TextTokenizer(raw, contract(512))
    prompt, whole = raw.encode("once a").ids, raw.encode("once a the a").ids
    assert whole[: len(prompt)] == prompt
    assert "".join(streamed(tokenizer, prompt, whole[len(prompt) :])) == " the a"
    assert "".join(streamed(tokenizer, [], whole[len(prompt) :])) == "the a"


def test_no_half_letters() -> None:
    raw = byte_level()
    tokenizer = TextTokenizer(raw, contract(512))
    ids = [raw.token_to_id(pre) for pre in ("ð", "Ł", "ĺ", "Ģ")]  # the four bytes of one emoji
    assert None not in ids
    pieces = TextPieces(tokenizer, ())
    assert [pieces.push(token) for token in ids] == ["", "", "", "😀"]
    pieces = TextPieces(tokenizer, ())
    assert pieces.push(ids[0]) == ""
    assert pieces.finish() == "\ufffd"


@pytest.mark.parametrize(
    ("pieces", "told", "stopped"),
    [
        (["one ", "two. ", "three"], "one two", True),
        (["a", ".", " b"], "a", True),  # across pieces
        (["a", ".", "b"], "a.b", False),  # a beginning that no end follows
        (["end", "."], "end.", False),
        (["x##y. z"], "x", True),  # the first of several
        (["#", "#"], "", True),
    ],
)
def test_stop_texts(pieces: list[str], told: str, stopped: bool) -> None:
    stops = StopTexts([". ", "##"])
    found = ""
    for piece in pieces:
        found += stops.push(piece)
        if stops.stopped:
            break
    else:
        found += stops.finish()
    assert (found, stops.stopped) == (told, stopped)


def test_a_beginning_of_a_stop_text_is_held_back() -> None:
    stops = StopTexts(["\n\nQ:"])
    assert [stops.push(p) for p in ("a", "\n", "\nb", "\n")] == ["a", "", "\n\nb", ""]
    assert stops.finish() == "\n"
