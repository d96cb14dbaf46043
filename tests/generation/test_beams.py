"""Beam search finds transformers' hypotheses, with their scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from edgekit.generation.beams import beam_search
from edgekit.generation.rules import Rules
from edgekit.generation.settings import Sampling
from tests.generation.lms import Torch, bart, llama

PROMPT = [5, 9, 11, 6, 23]
NEW = 10


def theirs(model: Any, settings: Sampling, eos: list[int]) -> tuple[list[list[int]], list[float]]:
    found = model.generate(
        torch.tensor([PROMPT]),
        num_beams=settings.beams,
        num_return_sequences=settings.beams,
        max_new_tokens=NEW,
        do_sample=False,
        length_penalty=settings.length_penalty,
        early_stopping=settings.early_stopping,
        no_repeat_ngram_size=settings.no_repeat_ngram,
        repetition_penalty=settings.repetition_penalty,
        min_new_tokens=settings.min_new_tokens or None,
        forced_eos_token_id=settings.forced_last,
        eos_token_id=eos,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_scores=True,
    )
    rows = []
    for row in found.sequences.tolist():
        begun = len(PROMPT) if row[: len(PROMPT)] == PROMPT else 1
        ends = [i for i in range(begun, len(row)) if row[i] in eos]
        rows.append(row[: ends[0] + 1] if ends else row)
    return rows, found.sequences_scores.tolist()


def ours(model: Any, settings: Sampling, eos: list[int], start: int | None) -> Any:
    session = Torch(model, 64)
    ids = np.array([PROMPT])
    if start is None:
        state, prompt = session.state(1), PROMPT
        logits = state.feed(ids)[0, -1]
    else:
        state, prompt = session.state(1, session.encode(ids, np.ones_like(ids))), [start]
        logits = state.feed(np.array([[start]]))[0, -1]
    rules = Rules(settings, tuple(eos), len(prompt), NEW)
    return beam_search(state, logits, prompt, rules, lambda ids: False)


CASES = {
    "two": Sampling(beams=2),
    "four": Sampling(beams=4),
    "long": Sampling(beams=3, length_penalty=2.0),
    "short": Sampling(beams=3, length_penalty=-1.0),
    "no-penalty": Sampling(beams=3, length_penalty=0.0),
    "early": Sampling(beams=4, early_stopping=True),
    "early-short": Sampling(beams=2, early_stopping=True, length_penalty=0.2),
    "ngrams": Sampling(beams=3, no_repeat_ngram=2),
    "repetition": Sampling(beams=3, repetition_penalty=1.5),
    "least": Sampling(beams=3, min_new_tokens=5),
    "last": Sampling(beams=3, forced_last=2),
}


@pytest.mark.parametrize("kind", ["encoder-decoder", "causal"])
@pytest.mark.parametrize("name", CASES)
def test_same_hypotheses_and_scores(name: str, kind: str) -> None:
    settings = CASES[name]
    ended_early = 0
    for seed in range(4):
        model, start = (
            (bart(seed=seed), 2) if kind == "encoder-decoder" else (llama(seed=seed), None)
        )
        eos = list(range(2, 40, 3)) if seed % 2 else [2]  # many: most hypotheses end
        rows, scores = theirs(model, settings, eos)
        found = ours(model, settings, eos, start)
        assert found.ids == rows, seed
        np.testing.assert_allclose(found.scores, scores, rtol=1e-4, atol=1e-5)
        ended_early += any(len(row) < len(rows[0]) or row[-1] in eos for row in rows)
    assert ended_early, "no hypothesis ended by itself: the case shows too little"
