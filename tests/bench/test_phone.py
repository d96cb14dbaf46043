"""`edgekit bench --adb` against a fake adb on the PATH: no phone was ever near these tests."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.bench.phone_tools import parse, target_of_tool, tensor_proto
from edgekit.cli.main import run_command
from edgekit.errors import MachineError, UsageError
from tests.bench import fake_adb as fake

TFLITE_TOOL = "/data/local/tmp/benchmark_model"
ONNX_TOOL = "/data/local/tmp/onnxruntime_perf_test"

Phone = Callable[..., Path]


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Phone:
    """Installs the fake; what goes wrong by keyword. Returns its folder."""

    def install(**behaviour: Any) -> Path:
        home, bin_folder = tmp_path / "phone", tmp_path / "bin"
        home.mkdir()
        bin_folder.mkdir()
        (home / "behaviour.json").write_text(json.dumps(behaviour), encoding="utf-8")
        program = bin_folder / "adb"
        script = Path(fake.__file__).resolve()
        program.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(script))} "$@"\n',
            encoding="utf-8",
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("FAKE_ADB_HOME", str(home))
        return home

    return install


def calls(home: Path) -> list[list[str]]:
    return [json.loads(line) for line in (home / "log.jsonl").read_text("utf-8").splitlines()]


def test_programs_and_what_they_print() -> None:
    assert target_of_tool(TFLITE_TOOL) == "tflite"
    assert target_of_tool(ONNX_TOOL) == "onnx"
    with pytest.raises(UsageError, match="no benchmark program"):
        target_of_tool("/system/bin/top")
    found = parse("tflite", fake.TFLITE)
    assert found.load_ms == pytest.approx(3.501)
    assert found.times == pytest.approx(
        {"first": 156.677, "avg": 33.0718, "min": 32.687, "p50": 33.07, "p95": 34.1, "max": 36.239}
    )
    assert found.memory_mb == {"grown": 7.25}
    found = parse("onnx", fake.ONNX)
    assert found.load_ms == pytest.approx(10.2016)
    assert found.times == pytest.approx(
        {"first": 2, "avg": 1.85739, "min": 1.83404, "p50": 1.85674, "p90": 1.87215,
         "p95": 1.87393, "p99": 1.90312}
    )  # fmt: skip
    assert found.memory_mb["peak_rss"] == pytest.approx(34.996, abs=1e-3)


def test_older_programs_say_less() -> None:
    old = "\n".join(line.replace(" p5=32700", "") for line in fake.TFLITE.splitlines())
    old = old.replace(" median=33070 p95=34100", "")
    assert set(parse("tflite", old).times) == {"first", "avg", "min", "max"}
    old = "Session creation time cost: 0.5 s\nAverage inference time cost: 9.5 ms\n"
    old += "P50 Latency is 0.0587108sec\n"
    assert parse("onnx", old).times == pytest.approx({"avg": 9.5, "p50": 58.7108})
    for target in ("onnx", "tflite"):
        with pytest.raises(MachineError, match="gave no timing; it ended with: killed"):
            parse(target, "starting\nkilled\n")


def test_inputs_are_tensors_that_onnx_reads() -> None:
    onnx = pytest.importorskip("onnx")
    values = np.array([[101, 2**40, 0, 300]])
    tensor = onnx.TensorProto.FromString(tensor_proto("input_ids", values))
    assert tensor.name == "input_ids"
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), values)


@pytest.mark.heavy
@pytest.mark.parametrize("tool", [TFLITE_TOOL, ONNX_TOOL])
def test_a_folder_on_a_phone(
    tool: str, exported_embedder: Path, phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    home = phone(tool=tool)
    words = ["bench", str(exported_embedder), "--lengths", "8", "--adb", "--adb-tool", tool]
    assert run_command([*words, "--json", "-q"]) == 0
    results = json.loads(capsys.readouterr().out)["result"]
    suffix = ".tflite" if tool == TFLITE_TOOL else ".onnx"
    assert {Path(r["path"]).suffix for r in results} == {suffix}
    assert len(results) == 3
    for result in results:
        assert result["machine"]["cpu"] == "Acme Slab 4 (Chip 9)"
        assert result["machine"]["runtime"] == tool.rpartition("/")[2]
        assert result["lengths"]["8"]["p50"] > 0
        assert "cpu_p50" not in result["lengths"]["8"]
        assert "phone" in result["caveat"]
    assert all(c[:2] == ["-s", "A1"] for c in calls(home) if c != ["devices"])
    assert fake_files(home) == {}, "what was pushed is removed"
    run = next(shlex.split(c[3]) for c in calls(home) if c[2:3] == ["shell"] and tool in c[3]
               and "test -x" not in c[3])  # fmt: skip
    if tool == TFLITE_TOOL:  # the smallest bucket that holds 8 tokens
        assert "--signature_to_run_for=main_16" in run
        ids = np.frombuffer((home / "pushed" / "input_ids.bin").read_bytes(), "<i4")
        assert ids.shape == (16,)
        assert "--input_layer_shape=1,16:1,16" in ",".join(run)
    else:
        assert (home / "pushed" / "input_0.pb").is_file()
    assert run_command(words) == 0
    assert "Acme Slab 4" in capsys.readouterr().out


def fake_files(home: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((home / "files.json").read_text("utf-8"))
    return found


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("behaviour", "options", "code", "told"),
    [
        ({"devices": {}}, [], 6, "no phone is connected"),
        ({"devices": {"A1": "device", "B2": "device"}}, [], 2, "2 phones are connected"),
        ({"devices": {"A1": "device", "B2": "device"}}, ["C3"], 2, "no phone 'C3'"),
        ({"devices": {"A1": "unauthorized"}}, [], 6, "'A1' is not ready: unauthorized"),
        ({"devices": {"A1": "offline"}}, ["A1"], 6, "'A1' is not ready: offline"),
        ({"devices_fail": True}, [], 6, "cannot connect to daemon"),
        ({"push_fails": True}, [], 6, "No space left on device"),
        ({"push_loses": True}, [], 6, "bytes here and"),
        ({"tool": "/data/local/tmp/other"}, [], 6, "has no program"),
        ({"crash": True}, [], 6, "Segmentation fault"),
        ({"mute": True}, [], 6, "gave no timing"),
    ],
)
def test_what_can_go_wrong(
    behaviour: dict[str, Any], options: list[str], code: int, told: str,
    exported_embedder: Path, phone: Phone, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    phone(**behaviour)
    words = ["bench", str(exported_embedder), "--lengths", "8", "--adb", *options]
    assert run_command([*words, "--adb-tool", TFLITE_TOOL, "-q"]) == code
    error = capsys.readouterr().err
    assert told in error
    assert "hint:" in error


@pytest.mark.heavy
def test_several_phones_and_one_is_named(
    exported_embedder: Path, phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    home = phone(devices={"A1": "device", "B2": "device"})
    file = exported_embedder / "model.fp32.tflite"
    words = ["bench", str(file), "--lengths", "8", "--adb", "B2", "--adb-tool", TFLITE_TOOL, "-q"]
    assert run_command(words) == 0
    assert all(c[1] == "B2" for c in calls(home) if c[0] == "-s")
    capsys.readouterr()


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--adb"], "--adb needs --adb-tool"),
        (["--adb", "--adb-tool", "/system/bin/top"], "no benchmark program"),
        (["--adb-tool", TFLITE_TOOL], "add --adb"),
        (["--adb", "--adb-tool", TFLITE_TOOL, "--profile", "low"], "not for a phone"),
        (["--adb", "--adb-tool", ONNX_TOOL], "there is none"),
    ],
)
def test_options_that_do_not_go_together(
    words: list[str], told: str, exported_embedder: Path, phone: Phone,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    phone()
    file = exported_embedder / "model.fp32.tflite"
    assert run_command(["bench", str(file), "--lengths", "8", *words]) == 2
    told_there = capsys.readouterr().err
    assert told in told_there


@pytest.mark.heavy
def test_no_adb(
    exported_embedder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    words = ["bench", str(exported_embedder), "--lengths", "8", "--adb", "--adb-tool", TFLITE_TOOL]
    assert run_command(words) == 6
    assert "adb is not on the PATH" in capsys.readouterr().err
