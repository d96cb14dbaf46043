"""Options, cases and commands that a TensorFlow or Keras source does not take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.contract import Contract, TensorSpec
from edgekit.errors import CasesError, EdgekitError, UnsupportedError, UsageError
from edgekit.tasks.array_cases import generated_cases, read_array_cases

CONTRACT = Contract(
    task="array-outputs",
    architecture="keras",
    inputs=(
        TensorSpec("ids", "int32", ("batch", 6)),
        TensorSpec("weights", "float32", ("batch", 6, 2)),
    ),
    outputs=(TensorSpec("out", "float32", ("batch", 3)),),
    input_kind="arrays",
)
IDS, WEIGHTS = np.zeros((4, 6), np.int32), np.zeros((4, 6, 2), np.float32)


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    """What looks like one: options are refused before it is opened."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"nothing")
    return folder


@pytest.mark.parametrize(
    "options",
    [
        {"max_length": 64},
        {"buckets": (16, 32)},
        {"base": "x"},
        {"calibration": "x.tsv"},
        {"max_drop": "cosine=0.01"},
    ],
)
def test_options_of_text_models_are_refused(
    saved_model: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    name = "--" + next(iter(options)).replace("_", "-")
    with pytest.raises(UsageError, match=f"^{name} is for models that read text"):
        edgekit.export(saved_model, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_calibrated_methods_are_refused_with_the_way_out(saved_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"gptq.*calibrates a torch module") as caught:
        edgekit.export(saved_model, tmp_path / "out", recipes=("w4g32@gptq",), targets=("onnx",))
    assert "leave the method out" in caught.value.hint


@pytest.mark.parametrize("option", ["signature", "custom_objects", "labels", "preprocessing"])
def test_options_of_such_sources_are_refused_elsewhere(
    classifier: Path, tmp_path: Path, option: str
) -> None:
    with pytest.raises(UsageError, match="is for a SavedModel or a Keras file"):
        edgekit.export(classifier, tmp_path / "out", **{option: "x"})


def test_labels_files_are_read_line_by_line(saved_model: Path, tmp_path: Path) -> None:
    for text, expected in (("a\nb\na\n", "names 'a' twice"), ("\n\n", "is empty")):
        (tmp_path / "labels.txt").write_text(text)
        with pytest.raises(UsageError, match=expected):
            edgekit.export(saved_model, tmp_path / "out", labels=tmp_path / "labels.txt")
    with pytest.raises(UsageError, match="cannot be read"):
        edgekit.export(saved_model, tmp_path / "out", labels=tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"ids": IDS}, "has no array 'weights'"),
        ({"ids": IDS, "weights": WEIGHTS[:, :5]}, r"is float32 \[4, 5, 2\]"),
        ({"ids": IDS.astype(np.float32), "weights": WEIGHTS}, "'ids' .* is float32"),
        ({"ids": IDS[:3], "weights": WEIGHTS}, "holds 3 of ids and 4 of weights"),
        ({"ids": IDS[:0], "weights": WEIGHTS[:0]}, "holds 0 of ids"),
        ({"ids": IDS[0, 0], "weights": WEIGHTS}, "'ids' .* is int32"),
    ],
)
def test_cases_that_do_not_fit(tmp_path: Path, arrays: dict[str, Any], expected: str) -> None:
    np.savez(tmp_path / "cases.npz", **arrays)
    with pytest.raises(CasesError, match=expected):
        read_array_cases(tmp_path / "cases.npz", CONTRACT)


def test_cases_that_are_no_arrays(tmp_path: Path) -> None:
    path = tmp_path / "cases.npz"
    with pytest.raises(CasesError, match="does not exist"):
        read_array_cases(path, CONTRACT)
    path.write_text("text\thello")
    with pytest.raises(CasesError, match=r"is no \.npz file"):
        read_array_cases(path, CONTRACT)
    np.savez(path, ids=np.array([{}], object), allow_pickle=True)
    with pytest.raises(CasesError, match=r"is no \.npz file of plain arrays"):
        read_array_cases(path, CONTRACT)


def test_cases_may_be_of_a_wider_integer_type(tmp_path: Path) -> None:
    np.savez(tmp_path / "cases.npz", ids=IDS.astype(np.int64), weights=WEIGHTS, more=IDS)
    assert len(read_array_cases(tmp_path / "cases.npz", CONTRACT)) == 4


def test_generated_cases_fit_the_signature_and_are_always_the_same() -> None:
    first, again = (generated_cases(CONTRACT, top=50) for _ in range(2))
    assert len(first) == 64
    for a, b in zip(first, again, strict=True):
        assert a.arrays is not None
        assert b.arrays is not None
        for spec in CONTRACT.inputs:
            value = a.arrays[spec.name]
            assert value.dtype == spec.dtype
            assert value.shape == spec.shape[1:]
            assert np.array_equal(value, b.arrays[spec.name])
    ids = np.stack([e.arrays["ids"] for e in first if e.arrays])
    assert ids.min() == 0
    assert 40 < ids.max() < 50
    assert (ids[:, -1] == 0).any()
    assert (ids[:, -1] > 0).any()


@pytest.mark.heavy
def test_commands_for_text_say_so(
    exported_keras: Callable[[str], Path], keras_models: Path, tmp_path: Path
) -> None:
    from edgekit.converters.api import explain, open_source, sweep

    from edgekit.bundle.build import bundle
    from edgekit.parity.search.run import search_folder

    folder = exported_keras("cnn-export")
    source = str(keras_models / "cnn-export")
    calls: list[Callable[[], object]] = [
        lambda: bundle(folder, tmp_path / "app", "onnx", "fp32"),
        lambda: search_folder(edgekit.validate(folder / "model.fp32.onnx")),
        lambda: explain(folder, "w8c_a8", source),
        lambda: sweep(source, tmp_path / "sweep"),
        lambda: open_source(source),
    ]
    for call in calls:
        with pytest.raises(EdgekitError) as caught:
            call()
        assert caught.value.exit_code == 5, caught.value
    model = edgekit.load(folder)
    for wrong in (lambda: model.classify(["a"]), lambda: model.is_cut(["a"])):
        with pytest.raises(UsageError):
            wrong()
    with pytest.raises(CasesError, match="takes float32"):
        model.predict({"picture": np.zeros((1, 8, 8, 3), np.float32)})


@pytest.mark.heavy
def test_labels_and_tasks_that_do_not_fit_the_signature(keras_models: Path, tmp_path: Path) -> None:
    source = keras_models / "cnn-export"
    (tmp_path / "two.txt").write_text("a\nb\n")
    with pytest.raises(UsageError, match="2 labels do not fit an output of 4"):
        edgekit.export(source, tmp_path / "out", labels=tmp_path / "two.txt")
    with pytest.raises(UnsupportedError, match="'text-classification' is not supported"):
        edgekit.export(source, tmp_path / "out", task="text-classification")
    with pytest.raises(UsageError, match="needs one float32 input"):
        edgekit.export(
            keras_models / "text-two", tmp_path / "out", signature="classify",
            task="image-classification",
        )  # fmt: skip
    assert not (tmp_path / "out").exists()
