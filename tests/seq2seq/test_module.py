"""The entries of an encoder-decoder against transformers' own, in torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from edgekit.converters.generation.encoder_decoder_module import (
    DecodeModule,
    EncodeModule,
    TeacherForced,
)
from tests.seq2seq.made import ARCHITECTURES, HEADS, LAYERS, SIZE, tiny_model, vocabulary


def batch(lengths: tuple[int, ...], seed: int = 1) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, len(vocabulary()), (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]).long()
    return ids * mask, mask


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_cached_steps_give_the_logits_of_the_whole(kind: str) -> None:
    model = tiny_model(kind)
    ids, mask = batch((7, 4, 1))
    target, _ = batch((25, 25, 25), seed=2)
    target[:, 0] = model.config.decoder_start_token_id
    with torch.inference_mode():
        wanted = TeacherForced(model)(ids, mask, target)
        cross = list(EncodeModule(model, [(HEADS, SIZE)] * LAYERS)(ids, mask))
        past = [torch.zeros(3, HEADS, 0, SIZE)] * (2 * LAYERS)
        decode = DecodeModule(model)
        # a prompt, single tokens, and several at once: T5's buckets change in all of them
        found, at = [], 0
        for step in (3, *[1] * 9, 5, *[1] * 8):
            seen = torch.ones(3, at + step, dtype=torch.long)
            logits, *past = decode(target[:, at : at + step], seen, mask, past, cross)
            found.append(logits)
            at += step
    assert at == 25
    assert past[0].shape == (3, HEADS, 25, SIZE)
    torch.testing.assert_close(torch.cat(found, 1), wanted, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_source_and_its_padding_are_read_right(kind: str) -> None:
    model = tiny_model(kind)
    ids, mask = batch((7, 4))
    target, _ = batch((6, 6), seed=2)
    with torch.inference_mode():
        padded = TeacherForced(model)(ids, mask, target)
        alone = TeacherForced(model)(ids[1:, :4], mask[1:, :4], target[1:])
        other = TeacherForced(model)(ids.flip(0), mask.flip(0), target)
    torch.testing.assert_close(padded[1:], alone, atol=2e-5, rtol=1e-5)
    assert (padded - other).abs().max() > 0.05  # else nothing is proved by these weights


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_greedy_steps_are_those_of_generate(kind: str) -> None:
    model = tiny_model(kind, seed=3)
    ids, mask = batch((9, 5, 3))
    with torch.inference_mode():
        wanted = model.generate(
            input_ids=ids, attention_mask=mask, do_sample=False, num_beams=1,
            min_new_tokens=20, max_new_tokens=20, forced_bos_token_id=None,
            suppress_tokens=None, bad_words_ids=None,
        )  # fmt: skip
        cross = list(EncodeModule(model, [(HEADS, SIZE)] * LAYERS)(ids, mask))
        past = [torch.zeros(3, HEADS, 0, SIZE)] * (2 * LAYERS)
        decode, told = DecodeModule(model), wanted[:, :1]
        for _ in range(20):
            seen = torch.ones(3, past[0].shape[2] + 1, dtype=torch.long)
            logits, *past = decode(told[:, -1:], seen, mask, past, cross)
            logits[:, :, model.config.eos_token_id] = -torch.inf
            told = torch.cat([told, logits[:, -1].argmax(-1, keepdim=True)], 1)
    assert told.tolist() == wanted.tolist()
