"""Cached decoding: what is fed, which logits it gives, and that a wrong cache is caught."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.contract import Contract, TensorSpec
from edgekit.generation.settings import Generation
from edgekit.parity import cached
from edgekit.parity.cached import CACHED, CACHED_PADDED, blocks_of, judged_places, run_cached
from edgekit.parity.verdict import FileParity, judge
from edgekit.recipe import Recipe
from edgekit.runtime.rows import batch_rows
from edgekit.tasks import get_task
from edgekit.tasks.base import judged_rows

VOCABULARY = 24
TABLE = np.random.default_rng(8).normal(0, 1, (VOCABULARY, VOCABULARY))
TASK = get_task("text-generation")
CONTRACT = Contract(
    "text-generation", "llama",
    tuple(TensorSpec(n, "int64", ("batch", "length")) for n in ("input_ids", "attention_mask")),
    (TensorSpec("logits", "float32", ("batch", "length", VOCABULARY)),),
    max_length=128, generation=Generation(((1, 4),), VOCABULARY, 128),
)  # fmt: skip
LENGTHS = (1, 2, 40, 7, 90, 3, 5, 33, 64)
ROWS = [
    {"input_ids": np.random.default_rng(n).integers(1, VOCABULARY, n),
     "attention_mask": np.ones(n, np.int64)}
    for n in LENGTHS
]  # fmt: skip


def logits_of(ids: np.ndarray, mask: np.ndarray, places: bool = True) -> np.ndarray:
    """Each token adds a row of the table, weighted by its place among the real ones."""
    at = (
        np.cumsum(mask, axis=1)
        if places
        else np.broadcast_to(1 + np.arange(ids.shape[1]), ids.shape)
    )
    weights = mask / np.sqrt(np.maximum(at, 1))
    return np.cumsum(TABLE[ids] * weights[..., None], axis=1).astype(np.float32)


class Session:
    """Generates by adding up; ``fault`` breaks its cache, not its whole texts."""

    buckets: tuple[int, ...] = ()

    def __init__(self, target: str = "onnx", fault: str = "") -> None:
        self.target, self.fault = target, fault

    def run(self, inputs: Any, entry: str = "main") -> dict[str, np.ndarray]:
        return {"logits": logits_of(inputs["input_ids"], inputs["attention_mask"])}

    def encode(self, ids: Any, mask: Any) -> Any:
        raise AssertionError

    def state(self, rows: int = 1, encoded: Any = None) -> State:
        assert encoded is None
        return State(self, rows)


class State:
    def __init__(self, session: Session, rows: int) -> None:
        self.session, self.rows, self.length = session, rows, 0
        self.ids = np.zeros((rows, 0), np.int64)
        self.mask = np.zeros((rows, 0), np.int64)
        self.room = 128

    def reorder(self, rows: Any) -> None:
        raise AssertionError

    def feed(self, ids: Any, mask: Any = None, every: bool = False) -> np.ndarray:
        fault, n = self.session.fault, ids.shape[1]
        new = np.ones_like(ids) if mask is None or fault == "mask" else mask
        if fault == "forgets" and n == 1 and self.length > 1:
            self.mask[:, 0] = 0
        self.ids = np.concatenate([self.ids, ids], axis=1)
        self.mask = np.concatenate([self.mask, new], axis=1)
        self.length += n
        assert self.session.target == "onnx" or not every
        logits = logits_of(self.ids, self.mask, places=fault != "places")[:, -n:]
        if fault == "nan" and self.length > 50:
            logits[:] = np.nan
        return logits if every else logits[:, -1:]


def reference() -> dict[str, np.ndarray]:
    parts = [
        judged_rows(TASK, Session().run(batch_rows([row], CONTRACT)), [row], CONTRACT)
        for row in ROWS
    ]
    return {"logits": np.concatenate([p["logits"] for p in parts])}


def parity_of(session: Session, modes: tuple[str, ...] = (CACHED, CACHED_PADDED)) -> FileParity:
    places = cached.positions_of(TASK, ROWS, CONTRACT)
    found = {"alone": reference()}
    for mode in modes:
        parts = run_cached(mode, session, ROWS, places, CONTRACT, session.target)
        found[mode] = {"logits": np.concatenate([p["logits"] for p in parts])}
    return judge(found, reference(), CONTRACT, Recipe.parse("fp32"), session.target, ROWS)


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_a_right_cache_passes_and_every_logit_that_is_given_is_judged(target: str) -> None:
    result = parity_of(Session(target))
    assert result.passed, result.failures
    counts = {mode: found["n"] for mode, found in result.metrics.items()}
    whole = sum(n - 1 for n in LENGTHS)
    assert counts["alone"] == whole
    if target == "onnx":
        assert counts[CACHED] == counts[CACHED_PADDED] == whole
    else:
        assert 60 < counts[CACHED] < whole
        assert 20 < counts[CACHED_PADDED] < whole
    assert result.metrics[CACHED]["cache_drift"] < 1e-6
    assert {"kl_mean", "nll_rise", "ppl_ratio", "top1"} <= set(result.intervals[CACHED])


@pytest.mark.parametrize("target", ["onnx", "tflite"])
@pytest.mark.parametrize(
    ("fault", "modes"),
    [
        ("forgets", {CACHED, CACHED_PADDED}),
        # only padding shows these
        ("mask", {CACHED_PADDED}),
        ("places", {CACHED_PADDED}),
    ],
)
def test_a_wrong_cache_fails_where_it_shows(target: str, fault: str, modes: set[str]) -> None:
    result = parity_of(Session(target, fault))
    assert not result.passed
    failed = {(g.mode, g.metric) for g in result.gates if not g.passed}
    assert {mode for mode, _ in failed} == modes
    assert all((mode, "cache_drift") in failed for mode in modes)


def test_nan_is_told_once_a_mode_with_the_case() -> None:
    result = parity_of(Session("onnx", "nan"))
    assert not result.passed
    assert len(result.broken) == 2
    assert result.failures[:2] == list(result.broken)
    assert not any("nan" in failure.lower().split() for failure in result.failures[2:])
    assert "NaN or infinity on" in result.broken[0]
    assert "(cached), first on case 4" in result.broken[0]
    assert "broken" in result.to_json()


def test_logits_that_a_prefill_does_not_give_are_no_nan_of_the_file() -> None:
    places = cached.positions_of(TASK, ROWS, CONTRACT)
    judged = judged_places(CACHED, ROWS, places, CONTRACT, "tflite")
    parts = run_cached(CACHED, Session("tflite"), ROWS, places, CONTRACT, "tflite")
    found = np.concatenate([p["logits"] for p in parts])
    assert np.array_equal(np.isfinite(found).all(axis=1), judged)
    assert not parity_of(Session("tflite")).broken


@pytest.mark.parametrize("mode", [CACHED, CACHED_PADDED])
def test_every_token_is_fed_once_and_every_row_has_one_in_the_first_piece(mode: str) -> None:
    seen: list[int] = []
    for block in blocks_of(mode, ROWS, CONTRACT):
        seen += block.members
        for i, start in zip(block.members, block.starts, strict=True):
            assert start + LENGTHS[i] == block.width
            assert start < block.pieces[0]
        assert min(block.pieces) >= 1
        assert block.pieces[-1] == 1 or len(block.pieces) == 1
    assert seen == list(range(len(LENGTHS)))
    wide = blocks_of(CACHED, ROWS, CONTRACT)[4]
    assert wide.pieces == (30, *[1] * 16, 43, 1)


def test_an_answer_is_fed_behind_its_own_source() -> None:
    """An encoder-decoder: no padding in front of answers, sources padded together."""
    about = Contract(
        "text2text-generation", "t5", CONTRACT.inputs, CONTRACT.outputs, max_length=128,
        generation=Generation(((1, 4),), VOCABULARY, 128, start_id=0),
    )  # fmt: skip
    rows = [{**row, "decoder_input_ids": row["input_ids"][: 1 + i]} for i, row in enumerate(ROWS)]
    given = []

    class Encoding(Session):
        def encode(self, ids: Any, mask: Any) -> Any:
            given.append((ids, mask))
            return {"source": ids}

        def state(self, rows: int = 1, encoded: Any = None) -> State:
            assert len(encoded["source"]) == rows
            return State(self, rows)

    places = [np.arange(len(row["decoder_input_ids"])) for row in rows]
    for mode in (CACHED, CACHED_PADDED):
        parts = run_cached(mode, Encoding(), rows, places, about, "onnx")
        for row, part in zip(rows, parts, strict=True):
            ids = row["decoder_input_ids"][None]
            np.testing.assert_allclose(part["logits"], logits_of(ids, np.ones_like(ids))[0],
                                       rtol=1e-5, atol=1e-5)  # fmt: skip
    assert given[-1][0].shape == (1, LENGTHS[-1])
    assert given[len(rows)][0].shape == (4, max(LENGTHS[:4]))
