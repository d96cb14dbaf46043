"""What tasks read from outputs that are written down: no model, no runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.contract import Contract, TensorSpec
from edgekit.errors import CasesError, UsageError
from edgekit.parity.golden import make_golden
from edgekit.runtime.model import Model
from edgekit.runtime.tokenizer import Encoded
from edgekit.tasks import Example, get_task

LENGTH = 8


def contract(task: str, *outputs: str) -> Contract:
    ids = (TensorSpec("input_ids", "int64", ("batch", "length")),)
    found = tuple(TensorSpec(name, "float32", ("batch", "length")) for name in outputs)
    return Contract(task, "bert", ids, found, 48, 0, special_ids=(0, 2, 3, 4))


def window() -> Encoded:
    """[CLS] q [SEP] c c c c [SEP]"""
    sequence = np.array([-1, 0, -1, 1, 1, 1, 1, -1])
    starts = np.array([0, 0, 0, 0, 2, 4, 6, 0])
    return Encoded(
        ids={"input_ids": np.array([2, 9, 3, 11, 12, 13, 14, 3])},
        offsets=np.stack([starts, starts + (sequence >= 0)], axis=1),
        special=sequence < 0,
        sequence=sequence,
        words=sequence,
        tokens=tuple(["[CLS]", "q", "[SEP]", "a", "b", "c", "d", "[SEP]"]),
    )


def best_score(first: float, best: float) -> float:
    """Score of a window whose first token and one of whose context's tokens have such logits."""
    logits = np.zeros(LENGTH, np.float32)
    logits[0], logits[4] = first, best
    [found] = get_task("question-answering").read(
        {"start_logits": logits, "end_logits": logits},
        window(),
        contract("question-answering", "start_logits", "end_logits"),
        top_k=1,
        max_answer=15,
    )
    assert (found["start"], found["end"]) == (2, 3)
    return float(found["score"])


def test_a_window_that_points_at_its_first_token_does_not_outdo_the_answer() -> None:
    """The answer's window is a little less sure among its own words than the empty one."""
    assert best_score(first=-2.0, best=5.0) > best_score(first=9.0, best=6.0)
    share = np.exp(6.0) / (np.exp(9.0) + np.exp(6.0) + 3)
    assert np.isclose(best_score(first=9.0, best=6.0), share**2, rtol=1e-5)


def test_cases_without_a_token_to_judge_are_told() -> None:
    rows = [{"input_ids": np.array([2, 3])}]
    with pytest.raises(CasesError, match="none of the 1 cases"):
        make_golden(
            [Example("")],
            rows,
            {"logits": np.zeros((0, 2), np.float32)},
            contract("token-classification", "logits"),
            {},
        )


@pytest.mark.parametrize(
    ("task", "call", "expected"),
    [
        ("question-answering", lambda m: m.answer(("who", "me")), "pairs"),
        ("question-answering", lambda m: m.answer(["ab"]), "pairs"),
        ("token-classification", lambda m: m.word_labels(["two words"]), "lists of words"),
        ("token-classification", lambda m: m.tokens([("a", "b")]), "single texts"),
        ("token-classification", lambda m: m.tokens("a"), "a list of texts"),
        ("fill-mask", lambda m: m.fill([("a [MASK]", "b")]), "single texts"),
    ],
)
def test_something_else_than_is_expected_is_told(task: str, call: Any, expected: str) -> None:
    """Not read letter by letter, nor with offsets of another text."""
    never: Any = None
    model = Model("made", contract(task, "logits"), never, never)
    with pytest.raises(UsageError, match=f"{expected} is expected"):
        call(model)
