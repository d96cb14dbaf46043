"""The parts of a search: yardstick, outlier rule, frames, shrinking, texts. No runtime needed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgekit.contract import Contract, TensorSpec
from edgekit.errors import UsageError
from edgekit.parity.intervals import intervals_of
from edgekit.parity.search.frame import Frame, frame_of
from edgekit.parity.search.keep import check_keep_path, kept_cases, write_cases
from edgekit.parity.search.measure import yardstick_of
from edgekit.parity.search.outliers import outliers, ranges
from edgekit.parity.search.result import Finding, Found, Search, Worst
from edgekit.parity.search.shrink import shrink
from edgekit.parity.thresholds import thresholds_for
from edgekit.runtime.tokenizer import Ids
from edgekit.tasks.cases import read_cases

SHAPE = ("batch", "length")
CONTRACT = Contract(
    task="sentence-embedding", architecture="bert",
    inputs=tuple(
        TensorSpec(n, "int64", SHAPE) for n in ("input_ids", "attention_mask", "token_type_ids")
    ),
    outputs=(TensorSpec("sentence_embedding", "float32", ("batch", 4)),),
    max_length=32, pad_id=0, special_ids=(0, 2, 3),
)  # fmt: skip


def row(*ids: int, types: Sequence[int] | None = None) -> Ids:
    return {
        "input_ids": np.array(ids, np.int64),
        "attention_mask": np.ones(len(ids), np.int64),
        "token_type_ids": np.array(types or [0] * len(ids), np.int64),
    }


def noise(n: int, spread: float, seed: int = 0) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(np.log(1e-3), spread, n))


def test_noise_is_no_outlier_and_a_defect_is() -> None:
    for seed in range(20):
        errors = noise(30_000, 0.35, seed)
        assert not outliers(errors, 1e-7).any()
        errors[77] *= 60
        assert np.flatnonzero(outliers(errors, 1e-7)).tolist() == [77]


def test_a_floor_amid_the_errors_makes_no_outliers() -> None:
    # half of a float16 file's errors lie below what float32 can tell apart
    errors = noise(30_000, 0.4) * 1e-4
    assert not outliers(errors, 1e-7).any()


def test_infinite_errors_are_outliers_and_exact_files_have_none() -> None:
    errors = noise(50, 0.2)
    errors[3] = np.inf
    assert np.flatnonzero(outliers(errors, 1e-7)).tolist() == [3]
    assert not outliers(np.zeros(50), 1e-7).any()


def test_ranges() -> None:
    assert ranges([40, 33, 34, 35, 50]) == [(33, 35), (40, 40), (50, 50)]
    assert ranges([33, 35, 37], gap=2) == [(33, 37)]
    assert ranges([]) == []


def test_yardsticks_of_vectors_and_logits() -> None:
    golden = {"logits": np.array([[3.0, -4.0]], np.float32)}
    vectors = yardstick_of(thresholds_for("sentence-embedding", "w8"), golden)
    assert vectors.metric == "cosine"
    assert vectors.bound == pytest.approx(0.03)
    turned = {"v": np.array([[1.0, 0.0]], np.float32)}, {"v": np.array([[1.0, 1.0]], np.float32)}
    assert vectors.error(*turned) == pytest.approx(1 - 0.5**0.5)
    logits = yardstick_of(thresholds_for("text-classification", "w8"), golden)
    assert logits.metric == "rms_rel"
    assert logits.scale == pytest.approx(12.5**0.5)
    assert logits.error(golden, {"logits": np.array([[4.0, -4.0]], np.float32)}) == (
        pytest.approx(0.5**0.5 / 12.5**0.5)
    )
    exact = yardstick_of(thresholds_for("text-classification", "fp32"), golden)
    assert exact.metric == "max_abs_rel"
    assert exact.scale == 4.0
    # no usable output is infinitely far; nothing judged is no error
    assert exact.error(golden, {"logits": np.array([[np.nan, 0.0]], np.float32)}) == np.inf
    assert exact.error(golden, {"logits": np.zeros((2, 2), np.float32)}) == np.inf
    assert exact.error({"a": np.zeros((0, 2))}, {"a": np.zeros((0, 2))}) == 0.0


def test_a_frame_makes_what_the_tokenizer_would() -> None:
    frame = frame_of([row(2, 9, 8, 3)], CONTRACT)
    made = frame.row([5, 6, 7])
    assert made["input_ids"].tolist() == [2, 5, 6, 7, 3]
    assert made["attention_mask"].tolist() == [1] * 5
    assert frame.tokens(made).tolist() == [5, 6, 7]
    assert frame.holds(made)
    assert frame.room == 30
    assert len(frame.row(range(4, 99))["input_ids"]) == 32
    assert not frame.holds(row(9, 9))


def test_a_frame_of_pairs_keeps_the_shortest_question() -> None:
    long = row(2, 9, 9, 9, 3, 8, 3, types=[0, 0, 0, 0, 0, 1, 1])
    short = row(2, 9, 3, 8, 8, 3, types=[0, 0, 0, 1, 1, 1])
    made = frame_of([long, short], CONTRACT).row([5, 6])
    assert made["input_ids"].tolist() == [2, 9, 3, 5, 6, 3]
    assert made["token_type_ids"].tolist() == [0, 0, 0, 1, 1, 1]


def test_a_masked_model_gets_its_mask() -> None:
    frame = Frame(row(2), row(3), {"input_ids": 0, "attention_mask": 1, "token_type_ids": 0}, 4, 6)
    assert frame.row([5])["input_ids"].tolist() == [2, 5, 4, 3]
    assert frame.row([5, 6, 7, 8])["input_ids"].tolist().count(4) == 1
    assert len(frame.row([5, 6, 7, 8])["input_ids"]) == 6


class _Trial:
    """Bad wherever two tokens stand together in an input."""

    class clock:
        @staticmethod
        def over() -> bool:
            return False

    runs = 0

    def errors(self, rows: Sequence[Ids], width: int = 0) -> np.ndarray:
        self.runs += len(rows)
        return np.array([float({7, 21} <= set(r["input_ids"].tolist())) for r in rows])


def test_shrinking_finds_the_two_tokens() -> None:
    frame = frame_of([row(2, 9, 3)], CONTRACT)
    trial = _Trial()
    found, error = shrink(trial, frame, frame.row(range(5, 33)), 1.0, 0.5)  # type: ignore[arg-type]
    assert found["input_ids"].tolist() == [2, 7, 21, 3]
    assert error == 1.0
    assert trial.runs < 400


def worst(text: str, error: float = 0.5) -> Worst:
    return Worst("token", "token 5", error, "cosine 0.5", (2, 5, 3), text, True)


def found(*examples: Worst, findings: tuple[Finding, ...] = ()) -> Found:
    return Found("model.onnx", "fp32", "cosine", 0.03, "cosine_min 0.97", {}, {}, {},
                 examples, findings, 1.0)  # fmt: skip


def test_kept_cases_are_read_as_cases(tmp_path: Path) -> None:
    bad = Finding("tokens", "wrong token", worst("z \U0001f600"), None, (5,))
    search = Search((found(worst("a"), worst("b"), findings=(bad,)), found(worst("a"))), 100.0)
    path = tmp_path / "worst.jsonl"
    assert write_cases(str(path), search) == 3 == len(kept_cases(search))
    assert [e.text for e in read_cases(path)] == ["z \U0001f600", "a", "b"]
    before = path.read_bytes()
    write_cases(str(path), search)
    assert path.read_bytes() == before


def test_results_are_valid_json_even_where_errors_are_infinite() -> None:
    search = Search((found(worst("a", float("inf"))),), 100.0)
    told = json.loads(json.dumps(search.to_json(), allow_nan=False))
    assert told["files"][0]["worst"][0]["error"] is None
    assert told["passed"]
    assert told["files"][0]["passed"]


@pytest.mark.parametrize("name", ["cases.tsv", "missing/cases.jsonl", "."])
def test_a_place_that_cannot_be_kept_in_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        check_keep_path(str(tmp_path / name))


def test_intervals_hold_the_mean_and_count_examples() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(60, 8)).astype(np.float32)
    candidate = (reference + 0.1 * rng.normal(size=reference.shape)).astype(np.float32)
    owner = np.repeat(np.arange(20), 3)
    expected = [("a",)] * 20
    got = [("a",)] * 15 + [("b",)] * 5
    values = intervals_of(reference, candidate, owner, expected, got)
    assert set(values) == {"cosine_mean", "rms_rel", "top1"}
    assert all(v["n"] == 20 for v in values.values())
    low, high = values["rms_rel"]["interval"]
    apart = float(np.sqrt(np.square(candidate - reference).sum() / np.square(reference).sum()))
    assert low < apart < high < 1.3 * apart
    low, high = values["top1"]["interval"]
    assert low < 0.75 < high
    # the same every time, and fewer examples are less sure
    assert values == intervals_of(reference, candidate, owner, expected, got)
    few = intervals_of(reference[:15], candidate[:15], owner[:15])
    assert np.ptp(few["cosine_mean"]["interval"]) > np.ptp(values["cosine_mean"]["interval"])


def test_no_interval_without_numbers() -> None:
    reference = np.ones((2, 2), np.float32)
    assert intervals_of(reference, np.full_like(reference, np.nan), np.arange(2)) == {}


def test_a_bound_makes_a_floor() -> None:
    # what stands out of a float16 file's errors and is a hundredth of its bound does not matter
    golden = {"v": np.ones((1, 2), np.float32)}
    half = yardstick_of(thresholds_for("sentence-embedding", "fp16"), golden)
    assert half.floor == pytest.approx(2e-6)
    errors = noise(500, 0.2) * 1e-4
    errors[3] = 1.5e-6
    assert not outliers(errors, half.floor).any()
    errors[3] = 2e-5
    assert outliers(errors, half.floor).any()
