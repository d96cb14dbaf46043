"""edgekit.toml: read whole or refused, and who goes before whom."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import edgekit
from edgekit.cli.main import run_command
from edgekit.config import Config, read_config
from edgekit.errors import ConfigError, UsageError
from edgekit.parity.thresholds import bounds_of


def written(folder: Path, text: str) -> str:
    path = folder / "edgekit.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_what_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "[parity]\ncosine_mean = 0.9\nrms_rel = 1\n[parity.w8c_a8]\ncosine_mean = 0.99\n"
        '[parity."w4g32_a8+e4g32@gptq"]\ncosine_min = 0.5\n[compare]\nmax-slowdown = "5%"\n',
    )
    found = read_config(path)
    assert found.parity == {
        "cosine_mean": 0.9,
        "rms_rel": 1.0,
        "w8c_a8.cosine_mean": 0.99,
        "w4g32_a8+e4g32@gptq.cosine_min": 0.5,
    }
    assert found.compare == {"max-slowdown": "5%"}


def test_no_file_is_no_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_config(None) == Config()
    written(tmp_path, "[parity]\ncosine_mean = 0.5\n")
    assert read_config(None).parity == {"cosine_mean": 0.5}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[parity", "is no TOML"),
        ("[parties]\n", "'parties' is no known table"),
        ("[compare]\nmax-size = 3\n", "'max-size' is no known key of"),
        ('[parity]\ncosine_mean = "high"\n', "parity.cosine_mean is 'high', a finite number"),
        ("[parity]\ncosine_mean = nan\n", "parity.cosine_mean is nan"),
        ("[parity]\ncosine_mean = true\n", "parity.cosine_mean is True"),
        ("[parity.w8]\ncosine_mean = [1]\n", "parity.w8.cosine_mean"),
        ("parity = 3\n", "parity is no table"),
        ("[compare]\nmax-slowdown = [1]\n", "compare.max-slowdown"),
    ],
)
def test_bad_files(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(written(tmp_path, text))
    assert told in caught.value.message
    assert caught.value.exit_code == 3


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(str(tmp_path / "none.toml"))


def test_an_option_goes_before_the_file() -> None:
    config = Config(parity={"cosine_mean": 0.1, "w8.cosine_mean": 0.2, "cosine_min": 0.3})
    assert config.thresholds({}) == config.parity
    assert config.thresholds({"cosine_mean": 0.9}) == {"cosine_mean": 0.9, "cosine_min": 0.3}
    assert config.thresholds({"w8.cosine_mean": 0.9}) == {
        "cosine_mean": 0.1, "w8.cosine_mean": 0.9, "cosine_min": 0.3,
    }  # fmt: skip


def test_the_closest_bound_holds() -> None:
    bounds = {"a": 1.0, "w8.a": 2.0, "w8c_a8.a": 3.0, "w8c_a8.b": 4.0, "w4.a": 5.0}
    assert bounds_of(bounds, "w8c_a8", "w8") == {"a": 3.0, "b": 4.0}
    assert bounds_of(bounds, "w8g32_a8", "w8") == {"a": 2.0}
    assert bounds_of(bounds, "fp32", "fp32") == {"a": 1.0}


@pytest.mark.heavy
def test_validate_keeps_the_files_bounds(
    exported_embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "[parity.w8c_a8]\ncosine_mean = 1.5\n")
    folder = str(exported_embedder)
    assert run_command(["validate", folder, "--json"]) == 1
    told = capsys.readouterr()
    assert "bounds of edgekit.toml are in force" in told.err
    files = json.loads(told.out)["result"]["files"]
    assert {f["recipe"] for f in files if not f["passed"]} == {"w8c_a8"}
    # an option for all files takes its place
    assert run_command(["validate", folder, "-q", "--threshold", "cosine_mean=0.5"]) == 0
    other = tmp_path / "other.toml"
    other.write_text("[parity]\ncosine_min = 0.2\n", encoding="utf-8")
    assert run_command(["validate", folder, "-q", "--config", str(other)]) == 0
    capsys.readouterr()
    written(tmp_path, "[parity.w9]\ncosine_mean = 1\n")
    assert run_command(["validate", folder, "-q"]) == 2
    assert "'w9' is no recipe of these files" in capsys.readouterr().err


@pytest.mark.heavy
def test_unknown_metrics_are_told(exported_embedder: Path) -> None:
    for key in ("cosine", "w8c_a8.cosine"):
        with pytest.raises(UsageError, match="'cosine' is no threshold of these files"):
            edgekit.validate(exported_embedder, thresholds={key: 1.0})


@pytest.mark.heavy
def test_compare_takes_its_limits_from_the_file(
    exported_embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    manifest = json.loads((exported_embedder / "edgekit.json").read_text(encoding="utf-8"))
    for entry in manifest["files"]:
        entry["size_bytes"] = int(entry["size_bytes"] * 1.04)
    os.mkdir("new")
    (tmp_path / "new" / "edgekit.json").write_text(json.dumps(manifest), encoding="utf-8")
    arguments = ["compare", str(exported_embedder), "new"]
    assert run_command(arguments) == 1
    written(tmp_path, '[compare]\nmax-size-growth = "5%"\n')
    assert run_command(arguments) == 0
    assert run_command([*arguments, "--max-size-growth", "2%"]) == 1
    written(tmp_path, '[compare]\nmax-size-growth = "much"\n')
    capsys.readouterr()
    assert run_command(arguments) == 2
    assert "'much'" in capsys.readouterr().err
