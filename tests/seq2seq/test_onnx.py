"""Exported encoder-decoders in ONNX: two files, tables stored once, a cache that is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import edgekit
from edgekit.audit.audit import open_file
from edgekit.errors import ArtifactError, CacheFullError, UsageError
from edgekit.generation.state import GeneratingSession
from edgekit.manifest import Manifest, check_integrity
from edgekit.parity.golden import read_golden
from edgekit.runtime.session import open_session
from tests.seq2seq.made import ARCHITECTURES, save_model
from tests.tiny import words


def write_cases(path: Path) -> Path:
    """Short, long and empty sources, each with a target: what random weights say is too short."""
    rng = np.random.default_rng(3)
    rows = [
        {"text": " ".join(rng.choice(words(), n)), "label": " ".join(rng.choice(words(), m))}
        for n, m in ((1, 30), (5, 12), (40, 46), (70, 3), (12, 60), (3, 1))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: Any) -> Any:
    """Architecture -> its export's result, made when it is first asked for."""
    made: dict[str, Any] = {}
    folder = tmp_path_factory.mktemp("seq2seq")

    def export(kind: str) -> Any:
        if kind not in made:
            made[kind] = edgekit.export(
                save_model(folder / kind, kind),
                folder / f"{kind}-onnx",
                targets=["onnx"],
                recipes=["fp32", "w8c_a8"],
                cases=write_cases(folder / f"{kind}.jsonl"),
            )
        return made[kind]

    return export


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_mode_is_the_source(kind: str, exported: Any) -> None:
    result = exported(kind)
    floats, ints = result.verdicts
    assert result.passed, [v.problems for v in result.verdicts]
    assert set(floats.parity.metrics) == {"alone", "padded", "cached", "cached_padded"}
    for metrics in floats.parity.metrics.values():
        assert metrics["max_abs"] < 1e-4
        assert metrics["n"] >= 100
    for metrics in ints.parity.metrics.values():
        assert 1e-4 < metrics["rms_rel"] < 0.12
    # every parameter is in one of the two files
    assert result.manifest.dropped == ()


def test_what_both_files_hold_is_stored_once(exported: Any) -> None:
    result = exported("t5")
    # the vocabulary's table is what both read: a byte for each weight at least
    tables = {t.parameter: t for t in result.verdicts[0].audit.tensors}
    least = int(np.prod(tables["shared.weight"].shape))
    for verdict in result.verdicts:
        entry = verdict.entry
        [(name, part)] = entry.parts.items()
        first, second = result.folder / entry.path, result.folder / name
        assert entry.size_bytes == first.stat().st_size + second.stat().st_size
        assert part["size_bytes"] == second.stat().st_size
        alone = onnx.load(str(second), load_external_data=False)
        outside = [t for t in alone.graph.initializer if t.external_data]
        assert outside, "no table is shared"
        for tensor in outside:
            said = {e.key: e.value for e in tensor.external_data}
            assert said["location"] == entry.path
            assert int(said["offset"]) % 64 == 0
        lengths = [int(e.value) for t in outside for e in t.external_data if e.key == "length"]
        assert sum(lengths) >= least
        whole = {t.name: t for t in onnx.load(str(second)).graph.initializer}
        held = {t.raw_data for t in onnx.load(str(first)).graph.initializer}
        assert all(whole[t.name].raw_data in held for t in outside)


def test_a_changed_or_missing_part_is_found(exported: Any, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(exported("t5").folder, folder)
    entry = Manifest.read(folder).files[0]
    assert check_integrity(folder, entry) is None
    [part] = entry.parts
    content = bytearray((folder / part).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / part).write_bytes(content)
    assert "sha256 differs" in str(check_integrity(folder, entry))
    assert not edgekit.validate(folder / entry.path).passed
    (folder / part).unlink()
    assert str(check_integrity(folder, entry)) == f"{part} is missing"
    with pytest.raises(ArtifactError, match="two files"):
        open_session(folder / entry.path)


def test_weights_of_the_decoder_are_audited(exported: Any) -> None:
    result = exported("t5")
    entry = result.manifest.files[0]
    file = open_file(result.folder / entry.path)
    fingerprint = file.fingerprint(list(result.verdicts[0].audit.tensors and _stored(entry)))
    assert fingerprint == entry.audit["fingerprint"]
    names = {str(n) for t in _stored(entry) for n in t.where.values()}
    assert any(n.startswith("decode/") for n in names)
    assert any(not n.startswith("decode/") for n in names)


def _stored(entry: Any) -> list[Any]:
    from edgekit.audit.records import StoredTensor

    return [StoredTensor.from_json(t) for t in entry.tensors]


def test_beams_and_the_end_of_the_cache(exported: Any) -> None:
    result = exported("bart")
    folder, manifest = result.folder, result.manifest
    session = open_session(folder / manifest.files[0].path)
    assert isinstance(session, GeneratingSession)
    rows = read_golden(folder).rows[:2]
    ids = [row["input_ids"] for row in rows]
    encoded = [session.encode(i[None], np.ones_like(i)[None]) for i in ids]
    state = session.state(1, encoded[0])
    state.feed(np.array([[2, 5, 6]]))
    other = session.state(1, encoded[0])
    other.feed(np.array([[2, 5, 6]]))
    state.reorder(np.array([0, 0, 0]))
    told = state.feed(np.array([[7], [8], [7]]))
    assert told.shape[0] == 3
    np.testing.assert_allclose(told[0], told[2])
    np.testing.assert_allclose(told[:1], other.feed(np.array([[7]])), atol=1e-5)
    assert np.abs(told[0] - told[1]).max() > 1e-3
    full = session.state(1, encoded[1])
    full.feed(np.full((1, full.room), 5))
    with pytest.raises(CacheFullError):
        full.feed(np.array([[5]]))
    with pytest.raises(UsageError, match="source"):
        session.state(1)
