"""Text to ids without a model."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from edgekit.contract import Contract, TensorSpec
from edgekit.runtime.tokenizer import TextTokenizer, pad_batch

PAD = 1


@pytest.fixture
def bare() -> TextTokenizer:
    """Words alone: no special tokens around a text."""
    tokenizer = Tokenizer(models.WordLevel({"?": 0, "[PAD]": PAD, "good": 2}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = tuple(TensorSpec(name, "int64", ("batch", "length")) for name in names)
    outputs = (TensorSpec("logits", "float32", ("batch", 2)),)
    return TextTokenizer(
        tokenizer, Contract("text-classification", "bert", inputs, outputs, 8, PAD)
    )


def test_a_text_without_tokens_is_one_pad_token(bare: TextTokenizer) -> None:
    rows = bare.encode(["", " ", "good"], [None, "", None])
    assert [row["input_ids"].tolist() for row in rows] == [[PAD], [PAD], [2]]
    assert [row["attention_mask"].tolist() for row in rows] == [[1], [1], [1]]
    assert [row["token_type_ids"].tolist() for row in rows] == [[0], [0], [0]]


def test_a_text_without_tokens_has_no_places(bare: TextTokenizer) -> None:
    [empty] = bare.encode_places([""], [None])
    assert empty.ids["input_ids"].tolist() == [PAD]
    assert empty.offsets.tolist() == [[0, 0]]
    assert empty.special.tolist() == [True]
    assert empty.words.tolist() == empty.sequence.tolist() == [-1]
    assert empty.tokens == ("[PAD]",)
    assert [e.ids["input_ids"].tolist() for e in bare.encode_words([[], ["good"]])] == [[PAD], [2]]


def test_a_batch_is_padded_at_its_right_with_the_mask_off(bare: TextTokenizer) -> None:
    rows = bare.encode(["good good good", ""], [None, None])
    batch = pad_batch(rows, bare._contract, 4)
    assert batch["input_ids"].tolist() == [[2, 2, 2, PAD], [PAD] * 4]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]
