"""The parts of a distillation: order of the texts, schedule, distances, interrupted work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.contract import Contract, TensorSpec
from edgekit.distillation import CurvePoint, Distillation, DistillOptions
from edgekit.errors import CasesError, CheckpointError, FolderExistsError, UsageError
from edgekit.parity.metrics import Interval
from edgekit.report.distilled import csv_text, lines, table_rows

pytest.importorskip("torch", reason="the convert extra is not installed")

import torch
from edgekit.converters.shrink.distill_loss import (
    even_layers,
    hidden_distance,
    measure_of,
    output_distance,
)
from edgekit.converters.shrink.distill_store import Kept, Store
from edgekit.converters.shrink.distill_texts import judged_on, refuse_without_context
from edgekit.converters.shrink.distill_train import batches_of_epoch, learning_rate

from edgekit.tasks import Example
from tests.shrink.distill_models import write_texts

MASK = torch.tensor([[1, 1, 0], [1, 1, 1]])


def contract(task: str, problem_type: str = "") -> Contract:
    ids = TensorSpec("input_ids", "int64", ("batch", "length"))
    out = TensorSpec("logits", "float32", ("batch", 3))
    return Contract(task, "bert", (ids,), (out,), problem_type=problem_type)


def test_a_pass_has_every_text_once_in_an_order_of_seed_and_pass() -> None:
    lengths = np.random.default_rng(1).integers(3, 60, 101).tolist()

    first = batches_of_epoch(lengths, 8, seed=4, epoch=2)

    assert sorted(i for batch in first for i in batch) == list(range(101))
    assert first == batches_of_epoch(lengths, 8, seed=4, epoch=2)
    assert first != batches_of_epoch(lengths, 8, seed=5, epoch=2)
    assert first != batches_of_epoch(lengths, 8, seed=4, epoch=3)
    padded = sum(max(lengths[i] for i in batch) * len(batch) for batch in first)
    assert padded < 1.25 * sum(lengths)  # texts of a batch are about as long


def test_the_rate_rises_and_falls() -> None:
    rates = [learning_rate(step, 100, 1.0) for step in range(100)]

    assert rates.index(max(rates)) in (9, 10)
    assert 0 < rates[-1] < 0.02
    assert 0 < rates[0] < 0.2
    assert [learning_rate(0, 1, 1.0)] == [0.5]


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [
        (3, 7, [(0, 0), (1, 3), (2, 6)]),
        (3, 3, [(0, 0), (1, 1), (2, 2)]),
        (6, 7, [(0, 0), (1, 1), (2, 2), (3, 4), (4, 5), (5, 6)]),
    ],
)
def test_layers_are_matched_evenly(
    student: int, teacher: int, expected: list[tuple[int, int]]
) -> None:
    assert even_layers(student, teacher) == expected


def test_hidden_states_of_padding_and_of_other_widths_do_not_count() -> None:
    teacher = [torch.ones(2, 3, 4)]
    student = [torch.ones(2, 3, 4)]
    student[0][0, 2] = 1e6  # padding

    assert hidden_distance(student, teacher, MASK).tolist() == [0, 0]
    student[0][1, 0] = 0
    np.testing.assert_allclose(hidden_distance(student, teacher, MASK), [0, 1 / 3], rtol=1e-6)
    assert hidden_distance([torch.ones(2, 3, 2)], teacher, MASK).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("task", "problem_type", "measure", "shape"),
    [
        ("sentence-embedding", "", "1 - cosine", (2, 3)),
        ("feature-extraction", "", "1 - cosine", (2, 3, 5)),
        ("text-classification", "single_label", "KL", (2, 3)),
        ("text-classification", "multi_label", "KL", (2, 3)),
        ("text-classification", "regression", "squared error", (2, 1)),
        ("token-classification", "", "KL", (2, 3, 5)),
        ("text-generation", "", "KL", (2, 3, 5)),
        ("question-answering", "", "KL", (2, 3)),
    ],
)
def test_every_task_has_a_distance_that_is_zero_at_the_teacher_alone(
    task: str, problem_type: str, measure: str, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    teacher, other = torch.randn(shape), torch.randn(shape)
    its = contract(task, problem_type)

    assert measure_of(its) == measure
    for temperature in (1.0, 3.0):
        distance = output_distance(its, temperature)
        same = distance((teacher.clone(),), (teacher,), MASK)
        np.testing.assert_allclose(same, [0, 0], atol=1e-6)
        away = distance((other,), (teacher,), MASK)
        assert away.shape == (2,)
        assert (away > 0.01).all()
    if shape[1:2] == (3,) and task not in ("sentence-embedding", "text-classification"):
        other[0, 2] = -50.0  # padding of the first text
        np.testing.assert_allclose(distance((other,), (teacher,), MASK), away, rtol=1e-5)


def test_the_divergence_is_that_of_the_book() -> None:
    """KL(p || q) at a temperature, times its square, against a sum in numpy."""
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.5, 0.3])
    found = output_distance(contract("text-classification", "single_label"), 2.0)(
        (torch.from_numpy(2 * np.log(q))[None],), (torch.from_numpy(2 * np.log(p))[None],), MASK[:1]
    )

    np.testing.assert_allclose(found, [4 * (p * np.log(p / q)).sum()], rtol=1e-6)


def test_interrupted_work_is_read_back_exactly(tmp_path: Path) -> None:
    store = Store(tmp_path / "out", {"seed": 1, "data": "abc"})
    tensors = {"weight.a": torch.randn(3, 2), "exp_avg.a": torch.full((3, 2), 1e-30)}
    kept = Kept(7, (CurvePoint(0, None, 0.1), CurvePoint(7, 0.3, 1 / 3)), 1.5, tensors)

    assert store.read(force=False) is None
    store.write(kept)
    found = store.read(force=False)

    assert found is not None
    assert replace(found, tensors={}) == replace(kept, tensors={})
    assert all(torch.equal(found.tensors[name], value) for name, value in tensors.items())
    assert [p.name for p in store.folder.iterdir()] == ["state.safetensors"]
    store.remove()
    assert list(tmp_path.iterdir()) == []


def test_work_that_was_begun_otherwise_is_refused_and_dropped_by_force(tmp_path: Path) -> None:
    Store(tmp_path / "out", {"learning rate": 0.1}).write(Kept(7, (), 0.0, {}))
    other = Store(tmp_path / "out", {"learning rate": 0.2})

    with pytest.raises(FolderExistsError, match=r"7 steps .* with another learning rate"):
        other.read(force=False)
    assert other.read(force=True) is None
    assert not other.has_work


def test_a_damaged_checkpoint_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "out", {})
    store.write(Kept(7, (), 0.0, {"weight.a": torch.zeros(9)}))
    path = store.folder / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-5])

    with pytest.raises(CheckpointError, match="cannot be read"):
        store.read(force=False)
    assert store.read(force=True) is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"epochs": 0}, "--epochs is 0"),
        ({"steps": -1}, "--steps is -1"),
        ({"epochs": 1, "steps": 1}, "both given"),
        ({"batch_size": 0}, "--batch-size is 0"),
        ({"checkpoint_every": 0}, "--checkpoint-every is 0"),
        ({"learning_rate": 0.0}, "--learning-rate is 0.0"),
        ({"learning_rate": -1e-4}, "--learning-rate is -0.0001"),
        ({"learning_rate": float("nan")}, "--learning-rate is nan"),
        ({"temperature": 0.0}, "--temperature is 0.0"),
        ({"seed": -1}, "--seed is -1"),
        ({"hidden": -1.0}, "--hidden is -1.0"),
    ],
)
def test_wrong_options(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        DistillOptions(**wrong).check()  # type: ignore[arg-type]


def test_steps_come_of_passes() -> None:
    assert DistillOptions(epochs=2, batch_size=8).total(17) == 6
    assert DistillOptions(steps=5).total(17) == 5
    assert DistillOptions(batch_size=17).total(17) == 3


def test_no_text_is_both_trained_and_measured_on(tmp_path: Path) -> None:
    path = write_texts(tmp_path / "held.jsonl", ("one two three", "four five six", "seven a b"))
    held = judged_on([Example("One  two three")], path)

    assert [each.text for each in held.examples] == ["four five six", "seven a b"]
    assert held.left_out == 1
    with pytest.raises(CasesError, match="of 3 held-out texts 1 are not in the data"):
        judged_on([Example("one two three"), Example("four five six")], path)


def test_short_texts_are_not_measured_on_either(tmp_path: Path) -> None:
    path = write_texts(tmp_path / "held.jsonl", ("Ok", "very nice", "one two three", "four", "no"))
    held = judged_on([Example("ok"), Example("Very  nice"), Example("one two three four")], path)

    assert [each.text for each in held.examples] == ["one two three", "four", "no"]
    assert held.left_out == 2
    # a short question is no leak, a context is
    pairs = [Example("who?", "a context of words"), Example("who?", "another one of them")]
    (tmp_path / "pairs.jsonl").write_text(
        "".join(f"{json.dumps({'question': e.text, 'context': e.text_pair})}\n" for e in pairs) * 2,
        encoding="utf-8",
    )
    held = judged_on(pairs[:1], tmp_path / "pairs.jsonl")
    assert [each.text_pair for each in held.examples] == ["another one of them"] * 2


def test_a_question_without_a_context_is_told(tmp_path: Path) -> None:
    rows = [Example("who?", "a context"), Example("when?")]

    refuse_without_context(rows, "sentence-embedding", tmp_path)
    with pytest.raises(CasesError, match=r"row 2 of .* no context"):
        refuse_without_context(rows, "question-answering", tmp_path)


def test_what_is_told_of_a_training() -> None:
    curve = (CurvePoint(0, None, 0.02), CurvePoint(5, 0.1, 0.004), CurvePoint(9, 0.05, 0.008))
    found = Distillation(
        teacher="big", student="small", task="sentence-embedding", measure="1 - cosine",
        options=DistillOptions(), steps=9, rows=40, before=Interval(0.02, 0.01, 0.03, 8),
        after=Interval(0.005, 0.004, 0.006, 8), curve=curve, cpu_s=3.0, left_out=2,
    )  # fmt: skip

    assert table_rows(found)[0][-1] == "75%"
    assert found.to_json()["won_back"] == 0.75
    assert csv_text(found).splitlines()[1:] == ["0,,0.02", "5,0.1,0.004", "9,0.05,0.008"]
    told = "\n".join(lines(found))
    assert "lowest at step 5" in told
    assert "2 held-out texts are in the data" in told
