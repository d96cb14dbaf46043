"""The import rule: nothing outside converters/ imports torch, transformers or tensorflow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {
    "torch", "transformers", "tensorflow", "keras", "tf_keras", "litert_torch", "safetensors",
    "onnxscript", "onnx_ir", "sentence_transformers", "jax",
}  # fmt: skip


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "edgekit").rglob("*.py")), ids=lambda p: p.name)
def test_the_light_half_never_imports_heavy_packages(path: Path) -> None:
    names = imported(path)
    assert not {name.split(".")[0] for name in names} & HEAVY
    doors = {name for name in names if name.startswith("edgekit.converters")}
    assert doors <= {"edgekit.converters.api"}


@pytest.mark.parametrize("path", sorted((ROOT / "converters").rglob("*.py")), ids=lambda p: p.name)
def test_converters_import_each_other_by_their_full_name(path: Path) -> None:
    assert not any(name.split(".")[0] == "converters" for name in imported(path))


def test_methods_know_no_file_format_and_writers_no_method() -> None:
    for path in (ROOT / "converters" / "quantize").rglob("*.py"):
        assert not any(".to_onnx" in n or ".to_tflite" in n for n in imported(path)), path
    for folder in ("to_onnx", "to_tflite"):
        for path in (ROOT / "converters" / folder).rglob("*.py"):
            assert not any(".quantize" in name for name in imported(path)), path


@pytest.mark.parametrize(
    "code",
    [
        "import edgekit",
        "import edgekit; edgekit.load; edgekit.validate",
        "from edgekit.cli import cli; cli.main(['--help'], standalone_mode=False)",
        "from edgekit.cli import cli; cli.main(['recipes'], standalone_mode=False)",
        "from edgekit.cli import cli; cli.main(['doctor'], standalone_mode=False)",
        "from edgekit.cli import cli; cli.main(['validate', '--help'], standalone_mode=False)",
    ],
)
def test_light_commands_load_nothing_heavy(code: str) -> None:
    check = f"{code}\nimport sys; bad = {HEAVY!r} & set(sys.modules); assert not bad, bad"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_bare_package_and_help_do_not_even_load_numpy() -> None:
    check = "import edgekit.cli.main as m, sys; assert 'numpy' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_package_folder_is_shipped() -> None:
    import tomllib

    shipped = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    light = {p.parent for p in (ROOT / "edgekit").rglob("__init__.py")}
    heavy = {p.parent for p in (ROOT / "converters").rglob("__init__.py")}
    found = {".".join(p.relative_to(ROOT).parts) for p in light}
    found |= {"edgekit." + ".".join(p.relative_to(ROOT).parts) for p in heavy}
    assert shipped == found
