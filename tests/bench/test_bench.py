"""`edgekit bench` on real small files: every figure is there; none is judged by its time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edgekit.bench import folder as bench_folder
from edgekit.bench import pairs, processes, profiles
from edgekit.bench.folder import read_subject
from edgekit.bench.gauges import bytes_read, evict
from edgekit.bench.memory import find_place, memory_group
from edgekit.bench.pairs import compare_pair
from edgekit.bench.processes import DoesNotFit, Measured, run_job
from edgekit.bench.profiles import Profile
from edgekit.cli.main import run_command
from edgekit.errors import ArtifactError, MachineError, UsageError
from edgekit.runtime.cpu_level import is_available

pytestmark = pytest.mark.heavy


def bench(
    capsys: pytest.CaptureFixture[str], *words: object, code: int = 0
) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run_command(["bench", *map(str, words), "--json", "-q"]) == code
    results: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["result"]
    return results


@pytest.fixture
def limited() -> None:
    try:
        find_place()
    except MachineError as error:
        pytest.skip(f"no control group can be written on this machine: {error.message}")


def test_all_figures_of_a_folder(
    exported_embedder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = bench(capsys, exported_embedder, "--lengths", "8,12", "--processes", 2)
    names = {p.name for p in exported_embedder.iterdir() if p.suffix in (".onnx", ".tflite")}
    assert {r["path"] for r in results} == names
    for r in results:
        assert set(r["lengths"]) == {"8", "12"}
        for times in r["lengths"].values():
            assert times["cpu_min"] <= times["cpu_p50"]
            assert (times["p99"] is None) == (not r["quiet"])
        assert set(r["memory_mb"]) == {"private", "file_backed", "peak_rss"}
        assert r["size_bytes"] == (exported_embedder / r["path"]).stat().st_size
        assert len(r["sha256"]) == 64
        assert r["fits"] is True
        machine = r["machine"]
        assert machine["profile"] == "isa=native,threads=1"
        package = "onnxruntime" if r["path"].endswith(".onnx") else "ai-edge-litert"
        assert machine["runtime"].startswith(package)
        assert machine["kernel"]
        assert len(r["samples"]) == r["processes"] == 2
        assert all(len(sample["loop"]) == 2 for sample in r["samples"])
        assert "not a prediction" in r["caveat"]
        assert "ARM" in r["imitates_not"]


def test_bytes_of_a_cold_start(exported_embedder: Path, tmp_path: Path) -> None:
    """The whole file is read by onnxruntime; where pages cannot be dropped, that is said."""
    subject = read_subject(exported_embedder, [8])
    file = subject.measured("model.fp32.onnx")
    result = bench_folder.bench_file(
        file.path, file.contract, subject.rows, 1, rounds=2, cold_start=True
    )
    assert result.cold is not None
    read, size = result.cold["read_mb"], result.size_bytes / 1e6
    if bytes_read() is None or not evict([file.path]):
        assert read is None
    else:  # None: a file system in memory has nothing to read from
        assert read is None or size * 0.9 < read < size + 2


def test_a_table_for_people(exported_embedder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = exported_embedder / "model.fp32.onnx"
    other = exported_embedder / "model.w8c_a8.onnx"
    words = ["bench", str(file), "--vs", str(other), "--lengths", "8", "--processes", "3"]
    assert run_command(words) == 0
    told = capsys.readouterr()
    assert "cpu ratio" in told.out
    assert "does not imitate" in told.out
    assert "measure model.fp32.onnx" in told.err
    verdicts = ("faster", "slower", "no difference seen", "too noisy to tell")
    assert any(verdict in told.out for verdict in verdicts)


def test_vs_a_copy_without_a_manifest(
    exported_embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.tflite"
    shutil.copyfile(exported_embedder / "model.fp32.tflite", copy)
    (result,) = bench(
        capsys, exported_embedder / "model.fp32.tflite", "--vs", copy, "--lengths", "8",
        "--processes", 3,
    )  # fmt: skip
    ratio = result["ratio"]
    assert ratio["vs"] == "copy.tflite"
    assert ratio["vs_sha256"] == result["sha256"]
    found = ratio["lengths"]["8"]
    assert found["low"] <= found["estimate"] <= found["high"]
    assert found["processes"] == len(ratio["samples"]) == 3


def test_a_file_is_not_compared_with_itself(
    exported_embedder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = exported_embedder / "model.fp32.onnx"
    (result,) = bench(capsys, file, "--vs", file, "--lengths", "8", "--processes", 1)
    assert result["ratio"] is None


def test_both_orders_of_loading_are_used_and_rounds_are_seeded(
    exported_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = read_subject(exported_embedder, [8])
    jobs: list[dict[str, Any]] = []

    def run(files: Sequence[Measured], *_: object, **job: Any) -> dict[str, Any]:
        jobs.append({"files": [f.path.name for f in files], **job})
        return {"lengths": {"8": {"log_ratio": 0.01 * len(jobs)}}}

    monkeypatch.setattr(pairs, "run_job", run)
    files = [subject.measured(f"model.{r}.onnx") for r in ("fp32", "w8c_a8")]
    found = compare_pair(*files, subject.rows, Profile("none"), processes=4)
    assert [job["load_order"] for job in jobs] == [[0, 1], [1, 0]] * 2
    assert [job["seed"] for job in jobs] == [0, 1, 2, 3]
    assert all(job["files"] == ["model.fp32.onnx", "model.w8c_a8.onnx"] for job in jobs)
    assert found.lengths["8"].processes == 4


@pytest.mark.usefixtures("limited")
def test_a_limited_file_fits_or_does_not(
    exported_embedder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = exported_embedder / "model.fp32.onnx"
    (result,) = bench(capsys, file, "--profile", "mem=512M", "--lengths", "8", "--processes", 1)
    assert result["fits"] is True
    assert result["machine"]["memory_mb"] == 512
    assert result["machine"]["cold"] is True
    monkeypatch.setattr(profiles, "LEAST_MB", 1)  # numpy and the runtime need more than 12 MB
    (result,) = bench(
        capsys, file, "--profile", "mem=12M", "--lengths", "8", "--processes", 1, code=1
    )
    assert result["fits"] is False
    assert result["problem"] == "does not fit in 12 MB"
    assert result["lengths"] == {}
    words = ["bench", str(file), "--profile", "mem=12M", "--lengths", "8", "-q"]
    assert run_command(words) == 1
    assert "model.fp32.onnx: does not fit in 12 MB" in capsys.readouterr().out


@pytest.mark.usefixtures("limited")
def test_a_file_that_reads_its_weights_without_end_is_given_up(
    exported_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LIMITED_PATIENCE", 0.01)
    subject = read_subject(exported_embedder, [8])
    with memory_group(256) as group, pytest.raises(DoesNotFit, match="again and again"):
        run_job([subject.measured("model.fp32.onnx")], subject.rows, Profile("x"), group, 1)


def test_no_control_group_no_figures(
    exported_embedder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgekit.bench import memory

    monkeypatch.setattr(memory, "MOUNTS", exported_embedder / "none")
    words = ["bench", str(exported_embedder), "--profile", "mem=256M", "--lengths", "8"]
    assert run_command(words) == 6
    told = capsys.readouterr()
    assert "memory limit not available here" in told.err
    assert told.out == ""


def test_a_level_that_is_not_to_be_had(
    exported_embedder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = exported_embedder / "model.fp32.onnx"
    words = ["bench", str(file), "--profile", "isa=avx2", "--lengths", "8", "--processes", "1"]
    if is_available():
        assert run_command(words) == 0
        assert "isa=avx2" in capsys.readouterr().out
    else:
        assert run_command(words) == 6
        assert "CPU level 'avx2' is not available" in capsys.readouterr().err
    assert run_command([*words, "--cpu", "native"]) == 0
    assert "isa=native" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--lengths", "4000"], 2, "no text of 4000 tokens"),
        (["--lengths", "8,4000"], 2, "no text of 4000 tokens"),
        (["--lengths", "eight"], 2, "--lengths takes numbers"),
        (["--cpu", "mmx"], 2, "unknown CPU level 'mmx'"),
        (["--profile", "phone"], 2, "unknown profile 'phone'"),
        (["--vs", "none.onnx"], 3, "does not exist"),
        (["--vs", __file__], 2, "neither .onnx nor .tflite"),
        (["--vs", "VS", "--processes", "2", "--lengths", "8"], 2, "give no interval"),
    ],
)
def test_errors(
    words: list[str], code: int, told: str, exported_embedder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    other = str(exported_embedder / "model.w8c_a8.onnx")
    file = exported_embedder / "model.fp32.onnx"
    assert run_command(["bench", str(file), *(w.replace("VS", other) for w in words)]) == code
    assert told in capsys.readouterr().err


def test_files_of_other_models(
    exported_embedder: Path, exported_classifier: Path, tmp_path: Path
) -> None:
    subject = read_subject(exported_embedder, [8])
    file = subject.measured("model.fp32.onnx")
    contract = read_subject(exported_classifier, [8]).contract
    if set(contract.input_names) != set(file.contract.input_names):
        with pytest.raises(UsageError, match="different inputs"):
            compare_pair(file, Measured(file.path, contract), subject.rows, Profile("none"))
    with pytest.raises(ArtifactError):
        read_subject(tmp_path, None)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(ArtifactError, match="cannot load"):
        compare_pair(file, Measured(broken, file.contract), subject.rows, Profile("none"))


def test_compare_reads_what_bench_prints(
    exported_embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", str(exported_embedder / "model.fp32.onnx"), "--lengths", "8", "--json", "-q"]
    assert run_command([*words, "--processes", "1"]) == 0
    saved = tmp_path / "bench.json"
    saved.write_text(capsys.readouterr().out, encoding="utf-8")
    assert run_command(["compare", str(saved), str(saved)]) == 0
    assert "cpu ms at 8 tokens" in capsys.readouterr().out
