"""Results that are made by hand: noise, misfits, warnings, tables and `edgekit compare`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.bench import tables
from edgekit.bench.folder import add_warnings
from edgekit.bench.profiles import Profile
from edgekit.bench.run import WALL, BenchResult, reread_warning
from edgekit.compare import compare
from edgekit.errors import ArtifactError, UsageError

MACHINE = {
    "cpu": "one", "features": ["avx2"], "system": "Linux", "kernel": "6", "threads": 1,
    "runtime": "onnxruntime 1.32.0", "profile": "isa=native,threads=1", "level": "native",
    "memory_mb": None, "cold": False,
}  # fmt: skip


def result(path: str, megabytes: float, cpu: float, **changes: Any) -> BenchResult:
    times = {"first": 9.0, "first_cpu": 8.0, "p50": 2 * cpu, "p90": 3 * cpu, "p99": 4 * cpu,
             "cpu_p50": cpu, "cpu_min": cpu / 2}  # fmt: skip
    made = BenchResult(
        path, int(megabytes * 1e6), "0" * 64, MACHINE, 3, load_ms=5.0, load_cpu_ms=4.0,
        lengths={"32": times}, memory_mb={"private": 1.0, "file_backed": 2.0, "peak_rss": 50.0},
        cold={"load_ms": 7.0, "load_cpu_ms": 4.0, "first": 10.0, "first_cpu": 8.0, "read_mb": 1.5},
    )  # fmt: skip
    return replace(made, **changes)


def test_noise_takes_the_wall_times_and_leaves_the_rest() -> None:
    noisy = result("a.onnx", 1, 2.0, quiet=False)
    shown = noisy.to_json()
    assert all(shown["lengths"]["32"][key] is None for key in WALL)
    assert shown["load_ms"] is shown["cold"]["load_ms"] is shown["cold"]["first"] is None
    assert shown["lengths"]["32"]["cpu_p50"] == 2.0
    assert shown["cold"]["read_mb"] == 1.5
    row = dict(zip(tables.TIMES, tables.time_rows([noisy])[0], strict=True))
    assert (row["p50"], row["first ms"], row["cpu p50"]) == ("-", "-", "2.00")
    assert tables.NOISY in tables.footnotes([noisy], Profile("none"))
    quiet = result("a.onnx", 1, 2.0)
    assert quiet.to_json()["lengths"]["32"]["p99"] == 8.0
    assert tables.NOISY not in tables.footnotes([quiet], Profile("none"))


def test_a_file_that_does_not_fit_has_no_figures() -> None:
    failed = BenchResult("a.onnx", 9, "0", MACHINE, 1, fits=False, problem="does not fit in 80 MB")
    shown = failed.to_json()
    assert shown["fits"] is False
    assert shown["load_ms"] is None
    assert tables.cost_rows([failed]) == tables.time_rows([failed]) == []
    assert "a.onnx: does not fit in 80 MB" in tables.footnotes([failed], Profile("none"))


def test_a_file_that_reads_its_weights_at_every_run_is_told() -> None:
    (text,) = reread_warning("a.tflite", 90_000_000, [0.0, 30e6, 31e6])
    assert "reads 30.0 MB from the disk at every run" in text
    assert reread_warning("a.tflite", 90_000_000, [0.0, 0.0, 31e6]) == ()
    assert reread_warning("a.tflite", 90_000_000, [4096.0]) == ()


def test_every_result_says_what_it_is_not() -> None:
    lines = tables.footnotes([result("a.onnx", 1, 2)], Profile("none"))
    assert any("not a prediction" in line for line in lines)
    assert any(line.startswith("does not imitate: ") for line in lines)
    unknown = result("a.onnx", 1, 2)
    unknown = replace(unknown, cold={**unknown.cold, "read_mb": None})  # type: ignore[dict-item]
    assert any("read MB is not known" in t for t in tables.footnotes([unknown], Profile("none")))


def test_a_smaller_file_that_is_slower_is_told() -> None:
    files = [
        result("big.onnx", 90, 10.0),
        result("middle.onnx", 45, 10.2),  # within what medians of two runs differ by
        result("small.onnx", 20, 12.0),
        result("small.tflite", 19, 99.0),  # another runtime: no alternative
        result("tiny.onnx", 10, 11.0),
    ]
    asked = []

    def confirm(small: str, large: str, length: str) -> tuple[str, float]:
        asked.append((small, large, length))
        return ("slower", 1.19) if small == "small.onnx" else ("no difference seen", 1.0)

    warned = add_warnings(files, confirm)
    assert asked == [("small.onnx", "big.onnx", "32"), ("tiny.onnx", "big.onnx", "32")]
    assert [len(r.warnings) for r in warned] == [0, 0, 1, 0, 0]
    text = warned[2].warnings[0]
    assert "small.onnx is smaller than big.onnx" in text
    assert "1.19 times" in text
    assert "level native" in text
    assert f"warning: {text}" in tables.footnotes(warned, Profile("none"))
    assert warned[2].to_json()["warnings"] == (text,)


def test_ratios_are_shown() -> None:
    found = {"estimate": 1.234, "low": 1.2, "high": 1.27, "verdict": "slower", "processes": 8}
    ratio = {"vs": "b.onnx", "vs_sha256": "b", "lengths": {"32": found}, "samples": []}
    row = tables.ratio_rows([result("a.onnx", 1, 2, ratio=ratio), result("c.onnx", 1, 2)])
    assert row == [("a.onnx", "b.onnx", "32", "1.234", "1.200 .. 1.270", "slower")]


def write(path: Path, *results: BenchResult) -> Path:
    document = {"schema": 1, "edgekit": "0", "result": [r.to_json() for r in results]}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def worse(old: Path, new: Path) -> list[str]:
    return [d.what for d in compare(old, new).differences if d.regressed]


def ratio(estimate: float, vs: str = "b") -> dict[str, Any]:
    found = {"estimate": estimate, "low": estimate * 0.98, "high": estimate * 1.02}
    return {"vs": "b.onnx", "vs_sha256": vs, "lengths": {"32": found}}


def test_compare_refuses_other_machines_and_settings(tmp_path: Path) -> None:
    old = write(tmp_path / "old.json", result("a.onnx", 1, 2.0))
    assert worse(old, old) == []
    for key, value in (
        ("cpu", "two"), ("kernel", "7"), ("profile", "isa=avx2,threads=1"), ("level", "avx2"),
        ("threads", 4), ("memory_mb", 256), ("cold", True), ("runtime", "onnxruntime 1.33.0"),
        ("features", ["avx512f"]),
    ):  # fmt: skip
        machine = {**MACHINE, key: value}
        new = write(tmp_path / "new.json", result("a.onnx", 1, 2.0, machine=machine))
        with pytest.raises(UsageError, match=f"different machines or settings .{key} differ"):
            compare(old, new)


def test_two_runtimes_in_one_folder_are_one_machine(tmp_path: Path) -> None:
    other = {**MACHINE, "runtime": "ai-edge-litert 2.3.0"}
    both = result("a.onnx", 1, 2.0), result("a.tflite", 1, 2.0, machine=other)
    assert worse(*[write(tmp_path / "both.json", *both)] * 2) == []


def test_compare_takes_the_ratio_where_both_have_one(tmp_path: Path) -> None:
    old = write(tmp_path / "old.json", result("a.onnx", 1, 2.0, ratio=ratio(1.0)))
    # the clock was slower, the ratio is the same: nothing happened
    new = write(tmp_path / "new.json", result("a.onnx", 1, 2.6, ratio=ratio(1.01)))
    assert worse(old, new) == []
    # the clock was faster, the file is not
    new = write(tmp_path / "new.json", result("a.onnx", 1, 1.9, ratio=ratio(1.2)))
    assert worse(old, new) == ["cpu ratio to b.onnx at 32 tokens"]
    # against another file a ratio means something else: back to milliseconds
    new = write(tmp_path / "new.json", result("a.onnx", 1, 2.6, ratio=ratio(1.0, vs="c")))
    assert worse(old, new) == ["cpu ms at 32 tokens"]


def test_compare_sees_a_file_that_fits_no_more(tmp_path: Path) -> None:
    limited = {**MACHINE, "memory_mb": 80, "cold": True}
    fits = write(tmp_path / "fits.json", result("a.onnx", 1, 2.0, machine=limited))
    lost = BenchResult("a.onnx", 9, "0", {**limited, "runtime": ""}, 1, fits=False, problem="no")
    killed = write(tmp_path / "killed.json", lost)
    assert worse(fits, killed) == ["fits in memory"]
    assert worse(killed, fits) == []
    assert worse(killed, killed) == []


def test_compare_reads_what_a_phone_gives(tmp_path: Path) -> None:
    def phone(p50: float) -> BenchResult:
        return result("a.onnx", 1, 2.0, lengths={"32": {"avg": p50, "p50": p50}})

    old = write(tmp_path / "old.json", phone(10))
    assert worse(old, write(tmp_path / "new.json", phone(12))) == ["wall ms at 32 tokens"]
    assert worse(old, write(tmp_path / "new.json", phone(10.5))) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"lengths": {"32": {}}},
        {"lengths": {"32": {"cpu_p50": "fast"}}},
        {"fits": "yes"},
        {"ratio": 1},
        {"ratio": {"vs": "b", "vs_sha256": "b", "lengths": {"32": {"estimate": 1.0}}}},
        {"ratio": {"vs": 3, "vs_sha256": "b", "lengths": {}}},
    ],
)
def test_damaged_results(broken: dict[str, Any], tmp_path: Path) -> None:
    good = write(tmp_path / "good.json", result("a.onnx", 1, 2.0))
    document = json.loads(good.read_text(encoding="utf-8"))
    document["result"][0].update(broken)
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ArtifactError):
        compare(good, bad)
