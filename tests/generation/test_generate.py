"""``Model.generate``: how texts begin, grow and end, on models small enough to follow."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from edgekit.errors import NotFiniteError, PromptError, UsageError
from edgekit.generation.settings import Sampling
from edgekit.runtime.model import Model
from tests.generation.lms import LETTERS, HandMade, Torch, bart, contract, letters, llama

A = 4  # id of the letter a


def spelling(word: str) -> np.ndarray[Any, Any]:
    """A table by which each letter of a word is followed by the next, and the last by the end."""
    table = np.zeros((LETTERS, LETTERS), np.float32)
    ids = [1, *(A + ord(c) - ord("a") for c in word), 2]
    for before, after in pairwise(ids):
        table[before, after] = 50
    return table


def model(session: Any, **more: Any) -> Model:
    made = contract(LETTERS, context=session.context, **more)
    return Model("out/model.onnx", made, letters(contract_=made), session)


def test_it_spells() -> None:
    session = HandMade(spelling("quick"))
    found = model(session).generate("q")
    assert (found.text, found.finished, found.prompt_tokens) == ("uick", "eos", 2)
    assert found.ids[-1] == 2
    # the prompt in one call, then one token a time
    assert [ids.shape[1] for ids, _ in session.fed] == [2, 3, 4, 5, 6]


def test_stream_and_generate_are_one() -> None:
    made = model(HandMade(spelling("quick")))
    stream = made.stream("q", stop="c")
    with pytest.raises(UsageError, match="not at its end"):
        _ = stream.result
    assert list(stream) == ["u", "i"]
    assert stream.result == made.generate("q", stop=["c"])
    assert stream.result.finished == "stop"
    assert stream.result.text == "ui"


@pytest.mark.parametrize(
    ("asked", "tokens", "finished"), [(1, 1, "length"), (3, 3, "length"), (None, 5, "cache"),
                                      (5, 5, "length"), (6, 5, "cache")]
)  # fmt: skip
def test_limits(asked: int | None, tokens: int, finished: str) -> None:
    # "ab" and its begin token take 3 of 7 places; the last token needs none
    session = HandMade(spelling("abcdefghijklmn"), context=7)
    found = model(session).generate("ab", max_new_tokens=asked)
    assert (len(found.ids), found.finished) == (tokens, finished)
    assert found.text == "cdefg"[:tokens]


def test_the_checkpoints_own_defaults() -> None:
    session = HandMade(spelling("abcdef"))
    own = Sampling(max_new_tokens=2)
    assert model(session, sampling=own).generate("a").text == "bc"
    assert model(session, sampling=own).generate("a", max_new_tokens=3).text == "bcd"
    never_c = Sampling(suppressed=(A + 2,), max_new_tokens=2)
    assert "c" not in model(session, sampling=never_c).generate("a").text


def test_chance_is_seeded() -> None:
    session = HandMade(np.zeros((LETTERS, LETTERS), np.float32), context=40)
    made = model(session)
    texts = [made.generate("a", temperature=2.0, seed=s, max_new_tokens=12).ids for s in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    greedy = made.generate("a", temperature=0, max_new_tokens=12)
    assert greedy == made.generate("a", temperature=0, seed=9, max_new_tokens=12)
    # top-k alone means that chance is wanted
    assert made.generate("a", top_k=1, max_new_tokens=12).ids == greedy.ids
    drawn = {made.generate("a", top_k=3, seed=s, max_new_tokens=3).ids for s in range(20)}
    assert len(drawn) > 3


def test_a_batch_is_as_each_alone() -> None:
    """Left padding, texts that end at different steps, and a batch that shrinks."""
    made = model(Torch(llama(LETTERS), 48), eos_ids=(2, 9, 17, 25))
    prompts = ["a", "some words here", "xyz", "q"]
    for options in ({}, {"temperature": 1.0, "seed": 3}):
        together = made.generate_all(prompts, max_new_tokens=20, **options)
        assert len({len(t.ids) for t in together}) > 1
        if not options:
            assert together == [made.generate(p, max_new_tokens=20) for p in prompts]
            assert together == made.generate_all(prompts, batch_size=3, max_new_tokens=20)
        else:
            assert together[0] == made.generate(prompts[0], max_new_tokens=20, **options)
    assert made.generate_all([]) == []


def test_like_transformers() -> None:
    """Greedy, with all rules, on a causal model and an encoder-decoder."""
    import torch

    rules = {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "min_new_tokens": 3}
    own = Sampling(repetition_penalty=1.2, no_repeat_ngram=3, min_new_tokens=3)
    for seed in range(3):
        for base, start in ((llama(LETTERS, seed), None), (bart(LETTERS, seed), 2)):
            made = model(Torch(base, 48), sampling=own, start_id=start)
            ids = torch.tensor([made._tokenizer.prompt_ids("hello")])
            whole = base.generate(ids, max_new_tokens=15, do_sample=False, num_beams=1, **rules)
            begun = 1 if start else ids.shape[1]
            found = made.generate("hello", max_new_tokens=15)
            assert list(found.ids) == whole[0, begun:].tolist()


def test_beams_through_the_door() -> None:
    import torch

    base = bart(LETTERS)
    made = model(Torch(base, 48), start_id=2, eos_ids=(2, 9, 17))
    for text in ("hello", "a"):
        found = made.generate(text, beams=3, max_new_tokens=9)
        expected = base.generate(
            torch.tensor([made._tokenizer.prompt_ids(text)]), num_beams=3, max_new_tokens=9,
            do_sample=False, eos_token_id=[2, 9, 17], return_dict_in_generate=True,
            output_scores=True,
        )  # fmt: skip
        row = expected.sequences[0, 1:].tolist()
        assert list(found.ids) == row[: len(found.ids)]
        assert found.score == pytest.approx(float(expected.sequences_scores[0]), rel=1e-4)
        assert found.finished == ("eos" if found.ids[-1] in (2, 9, 17) else "length")
        assert list(made.stream(text, beams=3, max_new_tokens=9)) == [found.text]
    stopped = made.generate("hello", beams=2, max_new_tokens=9, stop=found.text[2])
    assert found.text[2] not in stopped.text


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers(bad: float) -> None:
    table = spelling("abcd")
    table[A + 2, 7] = bad
    for beams in (1, 2):
        with pytest.raises(NotFiniteError, match=r"logits of new token \d are NaN or infinite"):
            model(HandMade(table)).generate("a", beams=beams)


def test_prompts_that_cannot_be_used() -> None:
    made = model(HandMade(spelling("ab"), context=6))
    with pytest.raises(PromptError, match="has 7 tokens, 6 fit"):
        made.generate("abcdef")
    assert made.generate("abcde").prompt_tokens == 6
    with pytest.raises(PromptError, match="no text in UTF-8"):
        made.generate("a\ud800b")
    small = contract(20)
    with pytest.raises(PromptError, match=r"token id 29.* knows 20 ids"):
        Model("m", small, letters(contract_=small), HandMade(spelling("a"))).generate("z")
    bare = letters()
    bare._tokenizer.post_processor = None
    with pytest.raises(PromptError, match="prompt is empty"):
        Model("m", contract(LETTERS), bare, HandMade(spelling("a"))).generate("")
    assert made.generate("aß").unknown_tokens == 1


def test_an_encoder_has_its_own_limit() -> None:
    made = contract(LETTERS, context=8, start_id=2)
    longer = replace(made, max_length=20)
    found = Model("m", longer, letters(contract_=longer), Torch(bart(LETTERS), 8)).generate(
        "abcdefghijkl"
    )
    assert found.prompt_tokens == 13
    assert found.finished in ("cache", "eos")


def test_a_folder_that_does_not_generate() -> None:
    from tests.test_manifest import CONTRACT

    made = Model("out/m.onnx", CONTRACT, letters(), HandMade(spelling("a")))
    for call in (made.generate, made.stream, made.generate_all):
        with pytest.raises(UsageError) as caught:
            call(["a"] if call == made.generate_all else "a")  # type: ignore[operator]
        assert made.own_method in caught.value.hint


def test_chat() -> None:
    template = "{% for m in messages %}{{ m.content }}.{% endfor %}{{ eos_token }}q"
    made = contract(LETTERS, chat=True)
    chatty = Model("m", made, letters(template, made), HandMade(spelling("quick")))
    found = chatty.generate([{"role": "user", "content": "hi"}])
    assert found.text == "uick"
    # "hi.", the end token as one token, "q"; nothing is put around a rendered template
    assert found.prompt_tokens == 5
    with pytest.raises(UsageError, match="no chat template"):
        model(HandMade(spelling("a"))).generate([{"role": "user", "content": "hi"}])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"top_k": -1}, "top_k is -1"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"beams": 0}, "beams is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"stop": ["x", ""]}, "empty text to stop"),
        ({"temperature": 0, "top_k": 3}, "takes the best token alone"),
        ({"temperature": 1.0, "beams": 2}, "beam search takes no temperature"),
        ({"top_q": 1}, "no option 'top_q'"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        model(HandMade(spelling("ab"))).generate("a", **options)


def test_one_prompt_where_a_list_is_wanted() -> None:
    with pytest.raises(UsageError, match="list of prompts"):
        model(HandMade(spelling("ab"))).generate_all("ab")
