"""Judged places, likelihoods and divergence of language models, against torch and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgekit.contract import Contract, TensorSpec
from edgekit.tasks import get_task
from edgekit.tasks.base import judged_rows
from edgekit.tasks.builtin_cases import builtin_cases
from edgekit.tasks.next_token import (
    VALUES_PER_EXAMPLE,
    divergences,
    next_token_metrics,
    spread,
    token_losses,
)

RNG = np.random.default_rng(2)
LOGITS = RNG.normal(0, 3, (50, 40)).astype(np.float32)
OTHER = LOGITS + RNG.normal(0, 0.3, LOGITS.shape).astype(np.float32)
TARGETS = RNG.integers(0, 40, 50)


def contract(vocabulary: int = 40, length: int = 64, side: str = "right") -> Contract:
    return Contract(
        "text-generation", "llama",
        tuple(TensorSpec(n, "int64", ("batch", "length")) for n in ("input_ids", "attention_mask")),
        (TensorSpec("logits", "float32", ("batch", "length", vocabulary)),),
        max_length=length, padding_side=side,
    )  # fmt: skip


def test_losses_and_divergences_are_torchs() -> None:
    a, b = (torch.tensor(x, dtype=torch.float64) for x in (LOGITS, OTHER))
    losses = torch.nn.functional.cross_entropy(a, torch.tensor(TARGETS), reduction="none")
    np.testing.assert_allclose(token_losses(LOGITS, TARGETS), losses.numpy(), rtol=1e-6)
    apart = torch.nn.functional.kl_div(b.log_softmax(1), a.log_softmax(1), log_target=True,
                                       reduction="none").sum(1)  # fmt: skip
    np.testing.assert_allclose(divergences(LOGITS, OTHER), apart.numpy(), rtol=1e-6)


def test_a_common_shift_of_the_logits_is_no_difference() -> None:
    shift = RNG.normal(0, 50, (50, 1)).astype(np.float32)
    assert divergences(LOGITS, LOGITS + shift).max() < 1e-9
    np.testing.assert_allclose(token_losses(LOGITS + shift, TARGETS),
                               token_losses(LOGITS, TARGETS), atol=1e-4)  # fmt: skip


def test_a_token_that_the_source_rules_out_adds_nothing() -> None:
    masked, file = LOGITS.copy(), OTHER.copy()
    masked[:, 3], file[:, 3] = -np.inf, -np.inf
    assert np.isfinite(divergences(masked, file)).all()
    assert np.isinf(divergences(LOGITS, file)).all()


@pytest.mark.parametrize("vocabulary", [40, 512, 32_000, 256_000])
@pytest.mark.parametrize("count", [-1, 0, 1, 2, 3, 116, 117, 118, 5000])
def test_places_are_few_spread_and_end_with_the_last(count: int, vocabulary: int) -> None:
    places = spread(count, vocabulary)
    assert len(places) == max(0, min(count, max(2, VALUES_PER_EXAMPLE // vocabulary)))
    assert (np.diff(places) > 0).all()
    if count > 0:
        assert places[-1] == count - 1
        assert places[0] >= 0
        assert np.diff(places, prepend=-1).max() <= 2 * count / len(places) + 1


def test_targets_are_the_tokens_behind_the_judged_ones() -> None:
    task = get_task("text-generation")
    rows = [{"input_ids": np.arange(n) * 3} for n in (1, 2, 700)]
    wide = contract(512, 1024)
    expected = [row["input_ids"][at + 1] for row in rows for at in task.positions(row, wide)]
    assert task.targets(rows, wide).tolist() == expected
    assert len(expected) == 0 + 1 + 117


@pytest.mark.parametrize("side", ["right", "left"])
def test_judged_rows_are_found_behind_padding_too(side: str) -> None:
    task, about = get_task("text-generation"), contract(side=side)
    rows = [{"input_ids": np.arange(n)} for n in (3, 6, 1)]
    logits = np.zeros((3, 6, 40), np.float32)
    for i, row in enumerate(rows):
        n = len(row["input_ids"])
        start = 6 - n if side == "left" else 0
        logits[i, start : start + n] = (100 * i + np.arange(n))[:, None]
    found = judged_rows(task, {"logits": logits}, rows, about)["logits"][:, 0]
    assert found.tolist() == [0, 1, 100, 101, 102, 103, 104]


def test_metrics_by_hand() -> None:
    best = [tuple(str(i) for i in LOGITS.argmax(1))]
    found = next_token_metrics(LOGITS, LOGITS, TARGETS, best, best)
    assert found["kl_mean"] == found["nll_rise"] == 0
    assert found["ppl_ratio"] == found["top1"] == found["top1_clear"] == 1
    assert found["ppl_file"] == pytest.approx(np.exp(token_losses(LOGITS, TARGETS).mean()))
    moved = next_token_metrics(LOGITS, OTHER, TARGETS, best, best)
    assert moved["kl_p99"] > moved["kl_mean"] > 0
    assert moved["ppl_ratio"] == pytest.approx(moved["ppl_file"] / moved["ppl_source"])
    assert np.isnan(next_token_metrics(LOGITS, OTHER * np.nan, TARGETS, best, best)["kl_mean"])


@pytest.mark.parametrize(("vocabulary", "least"), [(320, 60), (32_000, 16), (250_000, 16)])
def test_built_in_cases_stay_within_what_golden_may_hold(vocabulary: int, least: int) -> None:
    about = contract(vocabulary, 2048)
    examples = builtin_cases(about)
    assert len(examples) >= least
    assert len(examples) * max(VALUES_PER_EXAMPLE, 2 * vocabulary) < 9_000_000
    assert max(len(e.text.split()) for e in examples) >= min(2048, (1 << 26) // vocabulary)
    assert any("井" in e.text for e in builtin_cases(contract(320, 2048)))
