import numpy as np
import pytest

from edgekit.contract import Contract, TensorSpec
from edgekit.errors import InternalError, UsageError
from edgekit.parity.metrics import bootstrap, compare
from edgekit.parity.thresholds import thresholds_for
from edgekit.parity.verdict import judge
from edgekit.recipe import Recipe

REFERENCE = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)


def contract(task: str = "sentence-embedding", **more: object) -> Contract:
    output = {"sentence-embedding": "sentence_embedding", "text-classification": "logits"}[task]
    return Contract(
        task=task,
        architecture="bert",
        inputs=(),
        outputs=(TensorSpec(output, "float32", ("batch", 8)),),
        max_length=32,
        pad_id=0,
        **more,  # type: ignore[arg-type]
    )


def test_equal_outputs_are_perfect() -> None:
    found = compare(REFERENCE, REFERENCE)
    assert found["max_abs"] == found["rms_rel"] == 0
    assert found["cosine_min"] == pytest.approx(1)
    assert found["sqnr_db"] == 200


def test_metrics_by_hand() -> None:
    found = compare(np.array([[3, 4]], np.float32), np.array([[4, 3]], np.float32))
    assert found["cosine_mean"] == pytest.approx(24 / 25)
    assert found["max_abs"] == pytest.approx(1)
    assert found["rms_rel"] == pytest.approx(np.sqrt(2) / 5)
    assert found["sqnr_db"] == pytest.approx(-20 * np.log10(np.sqrt(2) / 5))


def rows_of(*lengths: int) -> list[dict[str, np.ndarray]]:
    """Examples of those lengths; n of them, of 4 tokens, when one number stands for n."""
    sizes = lengths if len(lengths) > 1 else [4] * lengths[0]
    return [{"input_ids": np.arange(n)} for n in sizes]


def test_nan_fails_every_gate() -> None:
    broken = REFERENCE.copy()
    broken[3, 3] = np.nan
    result = judge(
        {"alone": {"sentence_embedding": broken}},
        {"sentence_embedding": REFERENCE},
        contract(),
        Recipe.parse("w8c_a8"),
        "onnx",
        rows_of(len(REFERENCE)),
    )
    assert not result.passed
    assert not any(gate.passed for gate in result.gates)


def test_nan_in_a_bucket_that_ran_fails_and_rows_too_long_for_it_do_not() -> None:
    reference = {"sentence_embedding": REFERENCE}
    lengths = [10] * 20 + [60] * 20
    bucket = REFERENCE.copy()
    bucket[20:] = np.nan
    for first, passes in ((REFERENCE[0], True), (np.nan, False)):
        bucket[0] = first
        modes = {"alone": reference, "bucket_32": {"sentence_embedding": bucket}}
        recipe = Recipe.parse("w8c_a8")
        found = judge(modes, reference, contract(), recipe, "tflite", rows_of(*lengths))
        assert found.passed is passes


def test_only_clear_decisions_are_gated_at_int8() -> None:
    logits = np.array([[1.0, 0.0], [0.5, 0.499], [-1, 1], [2, 0]] * 10, np.float32)
    labels = contract("text-classification", labels=("a", "b"), problem_type="single_label")
    recipe = Recipe.parse("w8c_a8")
    for row, passes in ((1, True), (0, False)):
        found = logits.copy()
        found[row] = found[row, ::-1]
        modes = {"alone": {"logits": found}}
        result = judge(
            modes, {"logits": logits}, labels, recipe, "onnx", rows_of(len(logits)),
            overrides={"rms_rel": 1},
        )  # fmt: skip
        assert result.metrics["alone"]["top1"] < 1
        assert result.passed is passes


def test_tokens_of_one_text_are_resampled_together() -> None:
    """Twenty rows of one value each per example tell no more than twenty examples do."""
    values = np.random.default_rng(3).normal(0, 1, 20)
    alone = bootstrap(values)
    repeated = bootstrap(np.repeat(values, 50), np.repeat(np.arange(20), 50))
    assert (repeated.low, repeated.high) == pytest.approx((alone.low, alone.high))
    independent = bootstrap(np.repeat(values, 50))
    assert independent.high - independent.low < (alone.high - alone.low) / 3


def test_shapes_must_agree() -> None:
    with pytest.raises(InternalError):
        compare(REFERENCE, REFERENCE[:, :4])


def test_bootstrap_covers_the_mean() -> None:
    values = np.random.default_rng(2).normal(5, 1, 400)
    found = bootstrap(values)
    assert found.low < values.mean() < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 / 20, rel=0.2)


def test_a_result_that_depends_on_the_batch_fails() -> None:
    modes = {
        "alone": {"sentence_embedding": REFERENCE},
        "padded": {"sentence_embedding": REFERENCE + np.float32(1e-3)},
    }
    reference = {"sentence_embedding": REFERENCE}
    rows = rows_of(len(REFERENCE))
    result = judge(modes, reference, contract(), Recipe.parse("w8c_a8"), "onnx", rows)
    assert [g.metric for g in result.gates if not g.passed] == ["batch_drift"]


def test_swapped_labels_fail_although_the_numbers_agree() -> None:
    logits = REFERENCE[:, :2]
    modes = {"alone": {"logits": logits}, "padded": {"logits": logits}}
    names = ("bad", "good")
    decisions = tuple((names[i],) for i in logits.argmax(axis=1))
    rows = rows_of(len(logits))
    recipe = Recipe.parse("fp32")
    right = contract("text-classification", labels=names, problem_type="single_label")
    wrong = contract("text-classification", labels=names[::-1], problem_type="single_label")
    for given, passes in ((right, True), (wrong, False)):
        found = judge(modes, {"logits": logits}, given, recipe, "onnx", rows, decisions=decisions)
        assert found.passed is passes


def test_a_file_that_moved_away_since_export_fails() -> None:
    noise = np.random.default_rng(1).standard_normal(REFERENCE.shape).astype(np.float32)
    at_export = {"metrics": {"alone": compare(REFERENCE, REFERENCE + 0.01 * noise)}}
    reference = {"sentence_embedding": REFERENCE}
    recipe = Recipe.parse("w8c_a8")
    for scale, passes in ((0.01, True), (0.05, False)):
        modes = {"alone": {"sentence_embedding": REFERENCE + np.float32(scale) * noise}}
        rows = rows_of(len(REFERENCE))
        found = judge(modes, reference, contract(), recipe, "onnx", rows, at_export=at_export)
        assert found.passed is passes


def test_overrides_replace_bounds_and_unknown_ones_are_refused() -> None:
    bounds = thresholds_for("sentence-embedding", "w8", {"cosine_mean": 0.9999})
    assert {t.metric: t.value for t in bounds}["cosine_mean"] == 0.9999
    with pytest.raises(UsageError):
        thresholds_for("sentence-embedding", "w8", {"accuracy": 1})
