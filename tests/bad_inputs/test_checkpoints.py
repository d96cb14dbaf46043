"""Broken sources: one clear sentence, a hint, the right exit code, nothing left behind."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from edgekit.converters.sources.weights_check import check_weights, find_weights, read_header
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import CheckpointError, EdgekitError

pytestmark = pytest.mark.heavy


@pytest.fixture
def broken(classifier: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(classifier, tmp_path / "model"))


def edit_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def edit_weights(folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    from safetensors.numpy import load_file, save_file

    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def put(name: str, value: float) -> Callable[[dict[str, np.ndarray]], None]:
    def change(tensors: dict[str, np.ndarray]) -> None:
        tensors[name][0] = value

    return change


BIAS = "bert.encoder.layer.0.output.dense.bias"


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def shorter_bias(tensors: dict[str, np.ndarray]) -> None:
    tensors[BIAS] = tensors[BIAS][:-1].copy()


CASES: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), 3, "config.json"),
    "config is no JSON": (lambda f: (f / "config.json").write_text("{"), 3, "cannot be read"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), 3, "no JSON object"),
    "unknown architecture": (lambda f: edit_config(f, model_type="mamba"), 5, "mamba"),
    "unknown task": (
        lambda f: edit_config(f, architectures=["BertForMultipleChoice"]), 5, "task"),
    "remote code": (lambda f: edit_config(f, auto_map={"AutoModel": "x.Y"}), 5, "auto_map"),
    "quantized already": (
        lambda f: edit_config(f, quantization_config={"bits": 4}), 5, "quantized"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), 3, "no weights"),
    "pickle only": (
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), 3, "pickle"),
    "truncated weights": (cut, 3, "damaged"),
    "empty weights": (lambda f: (f / "model.safetensors").write_bytes(b""), 3, "too few"),
    "NaN": (lambda f: edit_weights(f, put(BIAS, np.nan)), 3, "NaN"),
    "infinite": (lambda f: edit_weights(f, put(BIAS, np.inf)), 3, "infinite"),
    "missing tensor": (lambda f: edit_weights(f, lambda t: t.pop(BIAS)), 3, BIAS),
    "classifier without its pooler": (
        lambda f: edit_weights(f, lambda t: t.pop("bert.pooler.dense.weight")), 3, "pooler"),
    "shape against config": (lambda f: edit_weights(f, shorter_bias), 3, "config"),
    "config against weights": (lambda f: edit_config(f, intermediate_size=80), 3, "config"),
    "a gap in the labels": (
        lambda f: edit_config(f, id2label={"0": "a", "2": "b", "3": "c"}), 3, "none is number 1"),
    "labels from 1 on": (
        lambda f: edit_config(f, id2label={"1": "a", "2": "b", "3": "c"}), 3, "none is number 0"),
    "two labels of one name": (
        lambda f: edit_config(f, id2label={"0": "a", "1": "b", "2": "a"}), 3, "'a'"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), 3, "tokenizer.json"),
    "tokenizer is no JSON": (lambda f: (f / "tokenizer.json").write_text("x"), 3, "tokenizer"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_broken_checkpoints(name: str, broken: Path, tmp_path: Path) -> None:
    import edgekit

    breaking, code, words = CASES[name]
    breaking(broken)
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(EdgekitError) as caught:
        edgekit.export(broken, tmp_path / "out", targets=["onnx"])
    error = caught.value
    assert error.exit_code == code
    assert words in error.message
    assert error.hint
    assert error.message.endswith(".")
    assert "\n" not in error.message
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_wrong_task_for_the_checkpoint(embedder: Path, tmp_path: Path) -> None:
    import edgekit

    with pytest.raises(CheckpointError, match=r"classifier\.\w+.*missing"):
        edgekit.export(embedder, tmp_path / "out", task="text-classification")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["no-such-folder"], 3, "does not exist"),
        (["{tmp}/a-file"], 3, "is a file"),
        (["{model}", "--recipe", "w4g32"], 5, "w4g32_a8"),
        (["{model}", "--recipe", "w11"], 2, "not a recipe"),
        (["{model}", "--target", "coreml"], 2, "unknown target"),
        (["{model}", "--task", "translation"], 5, "translation"),
        (["{model}", "--max-length", "4000"], 5, "4000"),
        (["{model}", "--buckets", "a,b"], 2, "--buckets"),
        (["{model}", "--buckets", "1,48"], 2, "2 or more"),
        (["{model}", "--cases", "{tmp}/none.tsv"], 3, "does not exist"),
        (["{model}", "--nonsense"], 2, "nonsense"),
        (["{model}", "--max-length", "0"], 2, "max-length"),
        (["{model}", "--recipe", "w8c_a8@gptq"], 5, "gptq"),
    ],
)
def test_wrong_calls(
    arguments: list[str], code: int, words: str, classifier: Path, tmp_path: Path, edgekit_cli
) -> None:
    (tmp_path / "a-file").write_text("x")
    filled = [a.format(tmp=tmp_path, model=classifier) for a in arguments]
    done = edgekit_cli("export", *filled, "-o", tmp_path / "out", "-q")
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert not (tmp_path / "out").exists()


GOOD = json.dumps({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
                   "b": {"dtype": "F16", "shape": [4], "data_offsets": [24, 32]}})  # fmt: skip


def write(path: Path, header: bytes, data: bytes = bytes(32), length: int | None = None) -> Path:
    size = len(header) if length is None else length
    path.write_bytes(struct.pack("<Q", size) + header + data)
    return path


def test_a_good_header_is_read(tmp_path: Path) -> None:
    header, start = read_header(write(tmp_path / "x.safetensors", GOOD.encode()))
    assert set(header) == {"a", "b"}
    assert start == 8 + len(GOOD)


@pytest.mark.parametrize(
    "header",
    [
        GOOD.replace("[0, 24]", "[0, 20]"),  # too small for the shape
        GOOD.replace("[24, 32]", "[20, 28]"),  # overlap
        GOOD.replace("[24, 32]", "[24, 99]"),  # beyond the end
        GOOD.replace("[4]", "[-4]"),
        GOOD.replace("F16", "F17"),
        GOOD.replace('"shape": [4], ', ""),
        GOOD.replace("[0, 24]", '"x"'),
        "[]",
        "{",
        '{"a": 3}',
        '{"a": {"dtype": "F32", "shape": [1e9], "data_offsets": [0, 4]}}',
    ],
)
def test_hostile_headers(tmp_path: Path, header: str) -> None:
    with pytest.raises(CheckpointError):
        read_header(write(tmp_path / "x.safetensors", header.encode()))


def test_a_header_longer_than_the_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="claims"):
        read_header(write(tmp_path / "x.safetensors", GOOD.encode(), length=1 << 60))


@settings(max_examples=400)
@given(st.data())
def test_mutated_headers_give_only_our_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("fuzz") / "x.safetensors"
    try:
        check_weights([write(path, bytes(raw))])
    except EdgekitError as error:
        assert error.hint  # noqa: PT017 - both outcomes are fine, other exceptions are not


def test_missing_shard(broken: Path) -> None:
    (broken / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (broken / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="shard"):
        find_weights(broken)
