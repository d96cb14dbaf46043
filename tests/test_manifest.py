import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.contract import Contract, TensorSpec
from edgekit.errors import ArtifactError, EdgekitError
from edgekit.manifest import FileEntry, Manifest, check_integrity, sha256_file

CONTRACT = Contract(
    task="text-classification",
    architecture="bert",
    inputs=(TensorSpec("input_ids", "int64", ("batch", "length")),),
    outputs=(TensorSpec("logits", "float32", ("batch", 2)),),
    max_length=128,
    pad_id=0,
    labels=("a", "b"),
    buckets=(32, 128),
)


def manifest(folder: Path) -> Manifest:
    (folder / "m.onnx").write_bytes(b"model")
    entry = FileEntry("m.onnx", "onnx", "fp32", 5, sha256_file(folder / "m.onnx"), 32.0, {}, [], {})
    return Manifest(CONTRACT, {"name": "x"}, {"edgekit": "0"}, {}, (entry,), ("pooler",))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    original = manifest(tmp_path)
    original.write(tmp_path)
    assert Manifest.read(tmp_path) == original
    assert not list(tmp_path.glob("*.part"))


def test_newer_schemas_are_refused(tmp_path: Path) -> None:
    data = manifest(tmp_path).to_json() | {"schema": 99}
    with pytest.raises(ArtifactError, match="upgrade") as caught:
        Manifest.from_json(data)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("path", ["../m.onnx", "/etc/passwd", "a/../../b"])
def test_paths_out_of_the_folder_are_refused(tmp_path: Path, path: str) -> None:
    data = manifest(tmp_path).to_json()
    data["files"][0]["path"] = path
    with pytest.raises(ArtifactError, match="out of the folder"):
        Manifest.from_json(data)


def test_integrity_names_what_is_wrong(tmp_path: Path) -> None:
    entry = manifest(tmp_path).files[0]
    assert check_integrity(tmp_path, entry) is None
    (tmp_path / "m.onnx").write_bytes(b"other")
    assert "sha256" in str(check_integrity(tmp_path, entry))
    (tmp_path / "m.onnx").write_bytes(b"longer one")
    assert "10 bytes, 5 expected" in str(check_integrity(tmp_path, entry))
    (tmp_path / "m.onnx").unlink()
    assert "missing" in str(check_integrity(tmp_path, entry))


@settings(max_examples=300)
@given(st.data())
def test_mutated_manifests_give_only_our_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    raw = bytearray(json.dumps(manifest(folder).to_json()).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(32, 126))
    (folder / "edgekit.json").write_bytes(bytes(raw))
    try:
        Manifest.read(folder)
    except EdgekitError as error:
        assert error.exit_code == 3  # noqa: PT017 - both outcomes are fine
