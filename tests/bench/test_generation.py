"""`edgekit bench` of files that generate: phases on a session made here, rates of made-up times."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.bench import bandwidth, folder, tables
from edgekit.bench.folder import read_subject
from edgekit.bench.phases import generation_rows, phase_call, split_key, told
from edgekit.bench.profiles import Profile
from edgekit.bench.rates import cache_bytes, token_rates, weight_bytes
from edgekit.bench.run import WALL_RATES, BenchResult, real_rows
from edgekit.cli.main import run_command
from edgekit.contract import Contract, TensorSpec
from edgekit.generation.settings import Generation
from edgekit.manifest import Manifest
from tests.causal.models import save_model
from tests.seq2seq.made import save_model as save_seq2seq

SETTINGS = Generation(cache=((2, 8), (1, 8)), vocabulary=50, context=40)
TEXT = TensorSpec("input_ids", "int64", ("batch", "length"))
LOGITS = TensorSpec("logits", "float32", ("batch", "length", 50))
CAUSAL = Contract("text-generation", "llama", (TEXT,), (LOGITS,), 40, generation=SETTINGS)
SEQ2SEQ = replace(CAUSAL, generation=replace(SETTINGS, start_id=7, context=12))
ROWS = [{"input_ids": np.arange(n) % 50} for n in (5, 36)]


class Counting:
    """A session whose best token is always the last one plus one; it notes what it is asked."""

    buckets: tuple[int, ...] = ()

    def __init__(self, context: int = 40) -> None:
        self.context = context
        self.fed: list[list[list[int]]] = []
        self.encoded: list[list[int]] = []

    def run(self, inputs: Any, entry: str = "main") -> Any:
        raise AssertionError("a bench of phases runs no whole texts")

    def encode(self, ids: Any, mask: Any) -> dict[str, Any]:
        assert mask.all()
        self.encoded.append(ids[0].tolist())
        return {"source": ids}

    def state(self, rows: int = 1, encoded: Any = None) -> Any:
        assert rows == 1
        self.fed.append([])
        return _Cache(self, encoded)


class _Cache:
    rows = 1

    def __init__(self, session: Counting, encoded: Any) -> None:
        self.session, self.length, self.encoded = session, 0, encoded

    @property
    def room(self) -> int:
        return self.session.context - self.length

    def feed(self, ids: Any, mask: Any = None, every: bool = False) -> Any:
        assert ids.shape[1] <= self.room
        self.length += ids.shape[1]
        self.session.fed[-1].append(ids[0].tolist())
        return np.eye(50, dtype=np.float32)[(ids[:, -1:] + 1) % 50]

    def reorder(self, rows: Any) -> None:
        raise AssertionError("one text")


def test_a_causal_model_is_measured_by_prompt_length() -> None:
    rows = real_rows(ROWS, (36, 8, 100), CAUSAL)
    # 36 tokens leave no room to decode in, 100 are not to be had
    assert list(rows) == ["prefill 8", "decode 8", "prefill 36"]
    assert rows["decode 8"]["input_ids"].tolist() == list(range(8))
    assert split_key("decode 8") == ("decode", 8)
    assert split_key("128") == ("", 128)
    assert [told(k) for k in ("8", "prefill 8", "decode 8")] == [
        "8 tokens", "prefill of 8 tokens", "decode behind 8 tokens"
    ]  # fmt: skip


def test_prefill_starts_from_an_empty_cache_each_time() -> None:
    session = Counting()
    call = phase_call(session, CAUSAL, "prefill 3", {"input_ids": [4, 5, 6]})
    call()
    call()
    assert session.fed == [[[4, 5, 6]], [[4, 5, 6]]]


def test_decoding_takes_one_step_a_call_and_begins_anew_when_full() -> None:
    session = Counting(context=5)
    call = phase_call(session, CAUSAL, "decode 3", {"input_ids": [4, 5, 6]})
    assert session.fed == [[[4, 5, 6]]]  # before anything is timed
    for _ in range(3):
        call()
    assert session.fed == [[[4, 5, 6], [7], [8]], [[4, 5, 6], [7]]]


def test_an_encoder_decoder_encodes_once_and_decodes() -> None:
    rows = generation_rows(ROWS, (20,), SEQ2SEQ)
    assert list(rows) == ["encode 20", "decode 20"]  # its decoder's cache is no limit of the source
    session = Counting()
    phase_call(session, SEQ2SEQ, "encode 20", rows["encode 20"])()
    assert (session.encoded, session.fed) == ([list(range(20))], [])
    decode = phase_call(session, SEQ2SEQ, "decode 20", rows["decode 20"])
    decode()
    decode()
    assert len(session.encoded) == 2
    assert session.fed == [[[7], [8]]]


def test_bytes_of_a_token() -> None:
    tensors = [
        {"parameter": "embed", "shape": [50, 16], "role": "table", "dtype": "int8", "bits": 8},
        {"parameter": "tied", "shape": [50, 16], "role": "tied", "dtype": "int8", "bits": 8},
        {"parameter": "tied", "shape": [50, 16], "role": "tied", "dtype": "int8", "bits": 8},
        {"parameter": "four", "shape": [8, 64], "role": "matrix", "dtype": "int4", "bits": 4,
         "group": 32},
        {"parameter": "norm", "shape": [16], "role": "vector", "dtype": "float32", "bits": 32},
    ]  # fmt: skip
    assert weight_bytes(tensors) == (50 * 16 + 50 * 4) + (8 * 32 + 8 * 2 * 2) + 64
    assert cache_bytes(SETTINGS, 10) == 10 * (2 * 16 + 2 * 8) * 4


def test_rates_beside_the_bound() -> None:
    lengths = {
        "prefill 32": {"p50": 64.0, "cpu_p50": 60.0, "peak_mb": 90.0},
        "decode 32": {"p50": 5.0, "cpu_p50": 4.0, "peak_mb": 91.0},
    }
    per_token = 1000 + cache_bytes(SETTINGS, 32)
    found = token_rates(lengths, 1, 1000, SETTINGS, bandwidth=500.0 * per_token)
    assert found == {"32": {
        "peak_mb": 91.0, "prefill_per_s": 500.0, "first_token_ms": 64.0, "decode_per_s": 200.0,
        "decode_cpu_per_s": 250.0, "bound_per_s": 500.0, "of_bound": 0.5,
    }}  # fmt: skip
    two = token_rates(lengths, 2, 1000, SETTINGS, bandwidth=500.0 * per_token)
    assert two["32"]["of_bound"] == 0.4  # CPU time of two threads is no time that passes


def test_the_first_token_of_an_encoder_decoder_needs_a_step_too() -> None:
    times = {"encode 8": {"p50": 10.0}, "decode 8": {"p50": 2.0, "cpu_p50": 2.0}}
    settings = replace(SETTINGS, start_id=7)
    assert token_rates(times, 1, 9, settings, 1e9)["8"]["first_token_ms"] == 12.0


@pytest.mark.parametrize("threads", [1, 2])
def test_a_busy_machine_takes_the_rates_of_wall_time(threads: int) -> None:
    rates = {
        "prefill_per_s": 1.0, "first_token_ms": 2.0, "decode_per_s": 3.0,
        "decode_cpu_per_s": 4.0, "bound_per_s": 8.0, "of_bound": 0.5, "peak_mb": 9.0,
    }  # fmt: skip
    made = {"bandwidth": 2e10, "weight_bytes": 10, "rates": {"32": rates}}
    machine = {"threads": threads, "level": "native", "cpu": "one"}
    result = BenchResult("a.onnx", 9, "0", machine, 3, quiet=False, generation=made)
    shown = result.to_json()["generation"]["rates"]["32"]
    assert [shown[name] for name in WALL_RATES] == [None] * 3
    assert shown["of_bound"] == (0.5 if threads == 1 else None)
    assert (shown["decode_cpu_per_s"], shown["peak_mb"]) == (4.0, 9.0)
    [row] = tables.generation_rows([result])
    cells = dict(zip(tables.GENERATION, row, strict=True))
    assert (cells["decode/s"], cells["cpu decode/s"], cells["prompt"]) == ("-", "4.0", "32")
    assert any("20.0 GB/s" in line for line in tables.footnotes([result], Profile("none")))


def test_bandwidth_is_bytes_over_the_best_time() -> None:
    ticks = iter([0.0, 4.0, 10.0, 11.0, 20.0, 22.0])
    assert bandwidth.read_bandwidth(1, 1 << 20, 3, lambda: next(ticks)) == 1 << 20
    assert bandwidth.read_bandwidth(2, 1 << 20, 1) > 0


def test_the_array_is_larger_than_the_last_cache(tmp_path: Path) -> None:
    for number, size in enumerate(("32K", "512K", "16M")):
        (tmp_path / f"index{number}").mkdir()
        (tmp_path / f"index{number}" / "size").write_text(size + "\n", encoding="ascii")
    assert bandwidth.last_level_cache(tmp_path) == 16 << 20
    assert bandwidth.array_bytes(16 << 20) == 128 << 20
    assert bandwidth.last_level_cache(tmp_path / "none") == bandwidth.USUAL_CACHE


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bench-generation")
    model = save_model(place / "model", "llama")
    edgekit.export(model, place / "out", targets=["onnx"], recipes=["fp32"])
    return place / "out"


@pytest.mark.heavy
def test_a_folder_that_generates(
    exported: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "read_bandwidth", lambda threads: 1e10)
    words = ["bench", str(exported), "--lengths", "8", "--processes", "1", "-q"]
    assert run_command([*words, "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)["result"]
    assert list(found["lengths"]) == ["prefill 8", "decode 8"]
    rates = found["generation"]["rates"]["8"]
    assert rates["peak_mb"] > 10
    assert rates["decode_cpu_per_s"] > 0
    [entry] = Manifest.read(exported).files
    # all is read for a token: the one table is tied to the output, all are float32
    whole = {t["parameter"]: int(np.prod(t["shape"])) for t in entry.tensors}
    assert {t["role"] for t in entry.tensors} == {"tied", "matrix", "vector"}
    assert found["generation"]["weight_bytes"] == 4 * sum(whole.values())
    assert rates["bound_per_s"] == pytest.approx(
        1e10 / (found["generation"]["weight_bytes"] + _cache(exported, 8)), rel=1e-3
    )
    assert set(entry.latency) == {"prefill 32", "decode 32"}


def _cache(exported: Path, length: int) -> int:
    settings = read_subject(exported, [8]).contract.generation
    assert settings is not None
    return cache_bytes(settings, length)


@pytest.mark.heavy
def test_an_encoder_decoder_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "read_bandwidth", lambda threads: 1e10)
    model = save_seq2seq(tmp_path / "model", "t5")
    edgekit.export(model, tmp_path / "out", targets=["onnx"], recipes=["fp32"])
    capsys.readouterr()
    words = ["bench", str(tmp_path / "out"), "--lengths", "8", "--processes", "1", "--threads", "2"]
    assert run_command([*words, "-q", "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)["result"]
    assert list(found["lengths"]) == ["encode 8", "decode 8"]
    [entry] = Manifest.read(tmp_path / "out").files
    assert found["size_bytes"] == entry.size_bytes
    assert found["generation"]["rates"]["8"]["decode_cpu_per_s"] > 0


@pytest.mark.heavy
def test_what_cannot_be_measured_is_refused(
    exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["bench", str(exported), "--lengths", "4000", "-q"]) == 2
    assert "no text of 4000 tokens" in capsys.readouterr().err
    assert run_command(["bench", str(exported), "-q", "--adb", "x", "--adb-tool", "/y"]) == 5
    assert "decodes over a cache" in capsys.readouterr().err
