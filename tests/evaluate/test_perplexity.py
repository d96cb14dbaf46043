"""Perplexity: every token is scored once, by windows, as by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgekit.contract import Contract, TensorSpec
from edgekit.evaluate import perplexity as p
from edgekit.evaluate.perplexity import Losses, Windows, losses_of, spans
from edgekit.tasks.next_token import log_probabilities
from tests.evaluate.made import random_answers

VOCABULARY = 11
TABLE = np.random.default_rng(4).normal(0, 2, (VOCABULARY, VOCABULARY)).astype(np.float32)


class Counting:
    """A model of which the logits tell how many tokens stand before a place in its window."""

    buckets: tuple[int, ...] = ()

    def __init__(self) -> None:
        self.longest = 0

    def run(self, inputs, entry="main"):
        ids = inputs["input_ids"]
        self.longest = max(self.longest, ids.shape[1])
        before = np.cumsum(inputs["attention_mask"], axis=1)
        return {"logits": TABLE[ids] * (1 + before[..., None] / 10).astype(np.float32)}


def contract(context: int, side: str = "right") -> Contract:
    return Contract(
        "text-generation", "llama",
        tuple(TensorSpec(n, "int64", ("batch", "length")) for n in ("input_ids", "attention_mask")),
        (TensorSpec("logits", "float32", ("batch", "length", VOCABULARY)),),
        max_length=context, padding_side=side,
    )  # fmt: skip


def encode(text: str) -> list[int]:
    return [1, *(2 + ord(c) % 9 for c in text)]


def decode(ids: list[int]) -> str:
    return ""


def by_hand(ids: list[int], context: int, stride: int) -> float:
    """Token by token: the first window that has it as a target, and what stands before it there."""
    total = 0.0
    for at in range(1, len(ids)):
        begin = 0
        while at >= begin + context:
            begin += stride
        logs = log_probabilities(TABLE[ids[at - 1]] * np.float32(1 + (at - begin) / 10))
        total -= float(logs[ids[at]])
    return total


@pytest.mark.parametrize(("context", "stride"), [(16, 8), (16, 5), (16, 15), (7, 1), (64, 32)])
@pytest.mark.parametrize("side", ["right", "left"])
def test_losses_are_those_by_hand(context: int, stride: int, side: str) -> None:
    texts = ["", "a", "some words", "a text that is longer than any of the windows " * 2]
    session = Counting()
    windows = Windows.of(contract(context), stride)
    found = losses_of(session, contract(context, side), texts, encode, decode, windows)
    assert session.longest <= context
    expected = [by_hand(encode(text), context, stride) for text in texts]
    np.testing.assert_allclose(found.nats, expected, rtol=1e-5)
    assert found.tokens.tolist() == [len(text) for text in texts]
    assert found.bytes.tolist() == [len(text.strip().encode()) for text in texts]


@pytest.mark.parametrize("length", [0, 1, 2, 15, 16, 17, 31, 100])
@pytest.mark.parametrize("stride", [1, 7, 15])
def test_windows_score_each_token_once_and_leave_none_out(length: int, stride: int) -> None:
    scored = [i for _, first, end in spans(length, Windows(16, stride)) for i in range(first, end)]
    assert scored == list(range(1, length))
    assert all(begin < first and end - begin <= 16
               for begin, first, end in spans(length, Windows(16, stride)))  # fmt: skip


def test_a_first_token_that_is_not_scored_takes_its_letters_along() -> None:
    windows = Windows(16, 8)
    found = losses_of(
        Counting(), contract(16), ["über alles"],
        lambda text: [2 + ord(c) % 9 for c in text], lambda ids: "ü", windows,
    )  # fmt: skip
    assert found.tokens.tolist() == [9]
    assert found.bytes.tolist() == [len(b"ber alles")]


def test_units_by_hand() -> None:
    losses = Losses(
        np.array([10.0, 30.0]), np.array([5.0, 15.0]), np.array([2.0, 8.0]),
        np.array([20.0, 60.0]), Windows(8, 4),
    )  # fmt: skip
    assert p.value("perplexity", losses) == pytest.approx(math.exp(2))
    assert p.value("word-perplexity", losses) == pytest.approx(math.exp(4))
    assert p.value("bits-per-byte", losses) == pytest.approx(0.5 / math.log(2))


@pytest.mark.parametrize("name", p.UNITS)
def test_the_weighted_form_is_that_of_repeated_texts(name: str) -> None:
    losses = random_answers("language-model", 3, n=20).predicted
    counts = np.random.default_rng(1).multinomial(20, np.full(20, 0.05), 9).astype(np.float64)
    for row, value in zip(counts, p.weighted(name, losses)(counts), strict=True):
        picks = np.repeat(np.arange(20), row.astype(int))
        again = Losses(
            losses.nats[picks], losses.tokens[picks], losses.words[picks], losses.bytes[picks],
            losses.windows,
        )  # fmt: skip
        assert value == pytest.approx(p.value(name, again))


def test_texts_of_which_nothing_is_scored_have_no_perplexity() -> None:
    nothing = losses_of(Counting(), contract(16), [""], encode, decode, Windows(16, 8))
    assert math.isnan(p.value("perplexity", nothing))
