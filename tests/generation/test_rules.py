"""Rules and choices are transformers' own, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import LogitsProcessorList
from transformers.generation import logits_process as theirs

from edgekit.errors import UsageError
from edgekit.generation.choosing import choose, narrow, probabilities, source_of_chance
from edgekit.generation.rules import Rules
from edgekit.generation.settings import Sampling

VOCABULARY = 50
EOS = (2, 7)


def processors(settings: Sampling, begun: int, limit: int) -> LogitsProcessorList:
    """As transformers' generate puts them together (checked against its own list below)."""
    found: list[Any] = []
    if settings.repetition_penalty != 1:
        found.append(theirs.RepetitionPenaltyLogitsProcessor(settings.repetition_penalty))
    if settings.no_repeat_ngram:
        found.append(theirs.NoRepeatNGramLogitsProcessor(settings.no_repeat_ngram))
    if settings.min_new_tokens:
        found.append(
            theirs.MinNewTokensLengthLogitsProcessor(begun, settings.min_new_tokens, list(EOS))
        )
    if settings.forced_first is not None:
        found.append(theirs.ForcedBOSTokenLogitsProcessor(settings.forced_first))
    if settings.forced_last is not None:
        found.append(theirs.ForcedEOSTokenLogitsProcessor(begun + limit, settings.forced_last))
    if settings.suppressed:
        found.append(theirs.SuppressTokensLogitsProcessor(list(settings.suppressed)))
    return LogitsProcessorList(found)


SETTINGS = {
    "none": Sampling(),
    "repetition": Sampling(repetition_penalty=1.3),
    "reward": Sampling(repetition_penalty=0.8),
    "unigrams": Sampling(no_repeat_ngram=1),
    "bigrams": Sampling(no_repeat_ngram=2),
    "trigrams": Sampling(no_repeat_ngram=3),
    "least": Sampling(min_new_tokens=4),
    "first": Sampling(forced_first=9),
    "last": Sampling(forced_last=2),
    "suppressed": Sampling(suppressed=(3, 4, 5)),
    "all": Sampling(repetition_penalty=1.2, no_repeat_ngram=2, min_new_tokens=3, forced_first=9,
                    forced_last=2, suppressed=(3, 44)),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_rules(name: str) -> None:
    settings, rng = SETTINGS[name], np.random.default_rng(3)
    changed = 0
    for begun in (1, 5):
        rules = Rules(settings, EOS, begun, limit=8)
        for new in range(8):
            # few different tokens: n-grams do come back
            seen = rng.integers(10, 16, begun + new)
            scores = rng.normal(0, 3, VOCABULARY).astype(np.float32)
            before = scores.copy()
            ours = rules.apply(scores, seen.tolist())
            assert np.array_equal(scores, before)
            theirs_ = processors(settings, begun, 8)(
                torch.from_numpy(seen[None]), torch.from_numpy(scores[None].copy())
            )
            np.testing.assert_allclose(ours, theirs_[0].numpy(), rtol=1e-6)
            changed += not np.array_equal(ours, before)
    assert (changed == 0) == (name == "none")


@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7])
@pytest.mark.parametrize("top_k", [0, 1, 5, 500])
@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 1.0])
def test_narrowing(temperature: float, top_k: int, top_p: float) -> None:
    settings = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    found = [theirs.TemperatureLogitsWarper(temperature)]
    if top_k:
        found.append(theirs.TopKLogitsWarper(top_k))
    if top_p < 1:
        found.append(theirs.TopPLogitsWarper(top_p))
    for seed in range(20):
        scores = np.random.default_rng(seed).normal(0, 2, VOCABULARY).astype(np.float32)
        scores[seed] = -np.inf  # as the rules leave it
        expected = LogitsProcessorList(found)(torch.zeros(1, 1).long(), torch.tensor(scores[None]))
        np.testing.assert_allclose(narrow(scores, settings), expected[0].numpy(), rtol=1e-6)


def test_equals_of_the_kth_stay() -> None:
    scores = np.array([1, 3, 2, 2, 0], np.float32)
    kept = np.isfinite(narrow(scores, Sampling(temperature=1.0, top_k=2)))
    assert kept.tolist() == [False, True, True, True, False]


def test_draws_follow_the_probabilities() -> None:
    scores = np.array([0.0, 1.0, -np.inf, 2.0, 0.5], np.float32)
    settings, chance = Sampling(temperature=0.7), source_of_chance(11)
    counts = np.bincount([choose(scores, settings, chance) for _ in range(20_000)], minlength=5)
    expected = 20_000 * probabilities(scores / np.float32(0.7))
    assert counts[2] == 0
    # chi-square with 3 degrees of freedom: 16.3 is passed by one seed in a thousand
    live = expected > 0
    assert ((counts - expected)[live] ** 2 / expected[live]).sum() < 16.3


def test_greedy_takes_the_best_and_needs_no_chance() -> None:
    chance = source_of_chance(0)
    before = chance.bit_generator.state
    assert choose(np.array([0, 5, 5, 1], np.float32), Sampling(), chance) == 1
    assert chance.bit_generator.state == before


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_no_token_left(temperature: float) -> None:
    nothing = np.full(4, -np.inf, np.float32)
    with pytest.raises(UsageError, match="leave no token"):
        choose(nothing, Sampling(temperature=temperature), source_of_chance(0))


def test_rows_draw_apart_and_the_first_as_if_alone() -> None:
    draws = [source_of_chance(5, row).random(4).tolist() for row in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert source_of_chance(5).random(4).tolist() == draws[0]
    assert source_of_chance(6).random(4).tolist() != draws[0]
