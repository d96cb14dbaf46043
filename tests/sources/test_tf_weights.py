"""Folders with only tf_model.h5: the same model as in safetensors, and every broken one refused."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import EdgekitError, MissingExtraError, UnsupportedError
from edgekit.manifest import sha256_file
from tests.sources.helpers import check_refusal, edit_json, load, logits_of, outputs_of, rows_of
from tests.sources.tf_files import layers_of, to_tensorflow, write_h5, write_shards
from tests.tiny import save_classifier, save_embedder, save_model

pytestmark = pytest.mark.heavy

CLASSIFIER = "AutoModelForSequenceClassification"
DENSE = "tf_bert_for_sequence_classification/bert/encoder/layer_._0/output/dense/"
AUTO = {
    "text-classification": CLASSIFIER,
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "fill-mask": "AutoModelForMaskedLM",
    "feature-extraction": "AutoModel",
}


def torch_model(folder: Path, auto_class: str = CLASSIFIER) -> Any:
    import transformers

    return getattr(transformers, auto_class).from_pretrained(
        str(folder), attn_implementation="eager"
    )


@pytest.fixture(scope="module")
def only_h5(classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classifier of the other tests; not to be changed."""
    folder = tmp_path_factory.mktemp("tf") / "old folder 旧"
    return to_tensorflow(Path(shutil.copytree(classifier, folder)), CLASSIFIER)


@pytest.fixture
def broken(only_h5: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(only_h5, tmp_path / "model"))


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_logits_are_those_of_the_same_weights_in_torch(kind: str, tmp_path: Path) -> None:
    folder = save_classifier(tmp_path / kind, kind)
    model = torch_model(folder)
    checkpoint = load(to_tensorflow(folder, CLASSIFIER))
    expected = logits_of(model, rows_of(checkpoint))
    assert np.abs(outputs_of(checkpoint) - expected).max() <= 1e-6
    assert np.ptp(expected, axis=0).min() > 0.1  # the texts differ, so a wrong matrix would show


def test_roberta_gives_the_logits_of_the_same_weights_in_torch(tmp_path: Path) -> None:
    import torch
    from edgekit.converters.sources.tf_module import load_tf_model
    from transformers import AutoModelForSequenceClassification

    folder = save_classifier(tmp_path / "roberta", "roberta", pad_token_id=1)
    expected = torch_model(folder).eval()
    to_tensorflow(folder, CLASSIFIER)
    found, info = load_tf_model(
        AutoModelForSequenceClassification, folder, [folder / "tf_model.h5"], {}
    )
    ids = torch.arange(5, 37).reshape(2, 16)
    with torch.inference_mode():
        difference = found.eval()(ids).logits - expected(ids).logits
    assert difference.abs().max() <= 1e-6
    assert not any(info.values())


def test_roberta_with_another_padding_id_is_refused(tmp_path: Path) -> None:
    folder = to_tensorflow(save_classifier(tmp_path / "roberta", "roberta"), CLASSIFIER)
    with pytest.raises(EdgekitError) as caught:
        load(folder)
    check_refusal(caught, 5, "pad_token_id 0", "safetensors")


@pytest.mark.parametrize("task", AUTO)
def test_every_task_reads_every_parameter(task: str, tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", "bert", task)
    expected = load(folder, task=task)
    found = load(to_tensorflow(folder, AUTO[task]), task=task)
    assert found.parameters.keys() == expected.parameters.keys()
    for name, value in expected.parameters.items():
        np.testing.assert_array_equal(found.parameters[name], value, name)
    assert found.contract == expected.contract


def test_the_output_matrix_of_distilbert_is_tied(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", "distilbert", "fill-mask")
    model = load(to_tensorflow(folder, "AutoModelForMaskedLM")).model
    words = model.get_input_embeddings().weight
    assert model.get_output_embeddings().weight.data_ptr() == words.data_ptr()


def test_an_encoder_is_taken_out_of_a_classifier(only_h5: Path, classifier: Path) -> None:
    found = load(only_h5, task="feature-extraction")
    for name, value in load(classifier, task="feature-extraction").parameters.items():
        np.testing.assert_array_equal(found.parameters[name], value)
    assert any("does not use the tensor classifier/" in n for n in found.source["notes"])


def test_an_encoder_needs_no_pooler(tmp_path: Path) -> None:
    folder = save_embedder(tmp_path / "model")
    expected = outputs_of(load(folder))

    def without_pooler(layers: dict[str, dict[str, np.ndarray]]) -> None:
        for variables in layers.values():
            for name in [n for n in variables if "/pooler/" in n]:
                del variables[name]

    to_tensorflow(folder, "AutoModel", without_pooler)
    np.testing.assert_allclose(outputs_of(load(folder)), expected, rtol=0, atol=1e-6)


def test_both_targets_are_exported_and_the_manifest_names_the_file(
    only_h5: Path, tmp_path: Path
) -> None:
    import edgekit

    result = edgekit.export(only_h5, tmp_path / "out", recipes=["fp32", "w8c_a8"], buckets=(48,))
    assert result.passed, [v.problems for v in result.verdicts]
    assert {v.entry.target for v in result.verdicts} == {"onnx", "tflite"}
    source = json.loads((tmp_path / "out" / "edgekit.json").read_text())["source"]
    assert source["sha256"] == {"tf_model.h5": sha256_file(only_h5 / "tf_model.h5")}
    assert source["stored_as"] == ["F32"]
    assert "the weights were read from tf_model.h5" in source["notes"]


def test_shards_are_one_model(classifier: Path, broken: Path) -> None:
    (broken / "tf_model.h5").unlink()
    files = write_shards(broken, layers_of(torch_model(classifier)))
    checkpoint = load(broken)
    for name, value in load(classifier).parameters.items():
        np.testing.assert_array_equal(checkpoint.parameters[name], value)
    assert checkpoint.source["sha256"] == {p.name: sha256_file(p) for p in files}
    assert "the weights were read from 3 tf_model shards" in checkpoint.source["notes"]


def test_safetensors_win(classifier: Path, broken: Path) -> None:
    shutil.copy(classifier / "model.safetensors", broken)
    (broken / "tf_model.h5").write_bytes(b"not looked at")
    assert list(load(broken).source["sha256"]) == ["model.safetensors"]


def test_pickle_weights_are_passed_over_and_this_is_said(broken: Path) -> None:
    (broken / "pytorch_model.bin").write_bytes(b"never opened")
    checkpoint = load(broken)
    assert list(checkpoint.source["sha256"]) == ["tf_model.h5"]
    assert any("not from its pickle weights" in note for note in checkpoint.source["notes"])


def test_half_precision_is_read(classifier: Path, broken: Path) -> None:
    write_h5(broken / "tf_model.h5", layers_of(torch_model(classifier)), "<f2")
    checkpoint = load(broken)
    assert checkpoint.source["stored_as"] == ["F16"]
    for name, value in load(classifier).parameters.items():
        rounded = value.astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(checkpoint.parameters[name], rounded)


def test_without_h5py_the_extra_is_named(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError) as caught:
        load(broken)
    check_refusal(caught, 4, "h5py", "edgekit[tf]")


def edited(change: Callable[[Any], object]) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        import h5py

        with h5py.File(folder / "tf_model.h5", "r+") as file:
            change(file)

    return run


def cut_to(share: float) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        path = folder / "tf_model.h5"
        raw = path.read_bytes()
        path.write_bytes(raw[: int(len(raw) * share)])

    return run


def poke(value: float) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file[f"bert/{DENSE}bias:0"][3] = value

    return change


def replaced(name: str, **settings: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]
        file.create_dataset(name, **settings)

    return change


def removed(name: str) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]

    return change


def twice(file: Any) -> None:
    file.create_dataset(f"classifier/{DENSE}bias:0", data=np.ones(32, np.float32))


def external(file: Any) -> None:
    name = f"bert/{DENSE}bias:0"
    del file[name]
    file.create_dataset(name, (32,), "<f4", external=[("config.json", 0, 128)])


def no_tensor(file: Any) -> None:
    for name in list(file):
        del file[name]


BIAS, KERNEL = f"bert/{DENSE}bias:0", f"bert/{DENSE}kernel:0"
CASES: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "no HDF5": (lambda f: (f / "tf_model.h5").write_bytes(b"PK\3\4 zip"), 3, "no whole HDF5 file"),
    "empty": (lambda f: (f / "tf_model.h5").write_bytes(b""), 3, "no whole HDF5 file"),
    "cut at the end": (cut_to(0.99), 3, "no whole HDF5 file"),
    "cut early": (cut_to(0.05), 3, "no whole HDF5 file"),
    "NaN": (edited(poke(np.nan)), 3, "NaN"),
    "infinite": (edited(poke(-np.inf)), 3, "infinite"),
    "no tensor": (edited(no_tensor), 3, "holds no tensor"),
    "missing tensor": (edited(removed(BIAS)), 3, "bert.encoder.layer.0.output.dense.bias"),
    "missing pooler": (
        edited(removed("bert/tf_bert_for_sequence_classification/bert/pooler")), 3, "pooler"),
    "wrong shape": (
        edited(replaced(KERNEL, data=np.ones((64, 31), np.float32))), 3, "has shape (31, 64)"),
    "axes of torch": (
        edited(replaced(KERNEL, data=np.ones((32, 64), np.float32))), 3, "has shape (64, 32)"),
    "config against weights": (
        lambda f: edit_json(f / "config.json", intermediate_size=80), 3, "the config says (80,)"),
    "integers": (edited(replaced(BIAS, data=np.ones(32, np.int8))), 5, "stored in int8"),
    "no numbers": (edited(replaced(BIAS, data="text")), 5, "stored in object"),
    "never written": (edited(replaced(BIAS, shape=(32,), dtype="<f4")), 3, "no plain data"),
    "far too large": (edited(replaced(BIAS, shape=(1 << 40,), dtype="<f4")), 3, "no plain data"),
    "compressed": (
        edited(replaced(BIAS, data=np.ones(32, np.float32), compression="gzip")), 3,
        "no plain data"),
    "data in another file": (edited(external), 3, "no plain data"),
    "two that differ": (edited(twice), 3, "two different tensors"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_broken_files_are_refused_in_one_sentence(name: str, broken: Path, tmp_path: Path) -> None:
    import edgekit

    breaking, code, words = CASES[name]
    breaking(broken)
    with pytest.raises(EdgekitError) as caught:
        edgekit.export(broken, tmp_path / "out", targets=["onnx"])
    check_refusal(caught, code, words)
    assert not (tmp_path / "out").exists()


def test_a_matrix_that_tensorflow_did_not_tie_is_refused(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", "mobilebert", "fill-mask")
    import transformers
    from edgekit.converters.sources.tf_module import load_tf_model

    own = {
        "mobilebert": {"a/mobilebert/embeddings/word_embeddings/weight:0": "words"},
        "cls": {"a/cls/predictions/decoder/weight:0": "words"},
    }
    model = torch_model(folder, "AutoModelForMaskedLM")
    words = model.get_input_embeddings().weight.detach().numpy()
    layers = {
        layer: {name: words + (layer == "cls") for name in variables}
        for layer, variables in own.items()
    }
    write_h5(folder / "tf_model.h5", layers)
    with pytest.raises(UnsupportedError, match=r"decoder\.weight.*one and the same"):
        load_tf_model(transformers.AutoModelForMaskedLM, folder, [folder / "tf_model.h5"], {})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(dict.fromkeys(m, "../x.h5")), "outside its folder"),
        (lambda m: m.update({next(iter(m)): "tf_model-00009-of-00003.h5"}), "missing"),
        (lambda m: m.update({"tf/bert/none:0": next(iter(m.values()))}), "lacks tensor"),
        (lambda m: m.clear(), "damaged"),
    ],
)
def test_a_wrong_index_is_refused(
    change: Callable[[dict[str, str]], object], words: str, classifier: Path, broken: Path
) -> None:
    (broken / "tf_model.h5").unlink()
    write_shards(broken, layers_of(torch_model(classifier)))
    path = broken / "tf_model.h5.index.json"
    index = json.loads(path.read_text())
    change(index["weight_map"])
    path.write_text(json.dumps(index))
    with pytest.raises(EdgekitError) as caught:
        load(broken)
    check_refusal(caught, 3, words)
