"""The peers of generation_speed.py: their environment and their files of one checkpoint.

usage: python benchmarks/peers_files.py        (makes build/peers-venv; llama.cpp is compiled)

They need packages that edgekit does not, so they live in an environment of their own:
build/peers-venv, or the one whose python ``EDGEKIT_PEERS`` names. What is not there is reported
as a row that says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from common import ROOT, WORK

#: torch first and alone: another package's range would fetch builds for GPUs
PACKAGES = (
    ("torch==2.13.0",),
    ("transformers==5.23.0", "onnxruntime==1.32.0", "onnx", "onnx-ir"),
    ("onnxruntime-genai==0.18.0", "gguf==0.19.0"),
    ("llama-cpp-python==0.3.36",),
)
FILES = WORK / "peers"
GENAI_PRECISIONS = ("fp32", "int8")


def peers_python() -> Path | None:
    """The python of the peers' environment, or None."""
    named = os.environ.get("EDGEKIT_PEERS")
    path = Path(named) if named else ROOT / "build" / "peers-venv" / "bin" / "python"
    return path if path.exists() else None


def set_up() -> None:
    """Make build/peers-venv; llama.cpp is built for this CPU (cmake and a C++ compiler)."""
    venv = ROOT / "build" / "peers-venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    settings = {**os.environ, "CMAKE_ARGS": "-DGGML_NATIVE=ON", "CMAKE_BUILD_PARALLEL_LEVEL": "2"}
    for packages in PACKAGES:
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *packages], check=True, env=settings)


def genai_folder(checkpoint: Path, precision: str) -> Path | None:
    """What onnxruntime-genai's builder makes of a checkpoint; None when it cannot."""
    out = FILES / f"genai-{precision}"
    words = ["-m", "onnxruntime_genai.models.builder", "-m", checkpoint.name, "-i", str(checkpoint),
             "-o", str(out), "-p", precision, "-e", "cpu", "-c", str(FILES / "cache")]  # fmt: skip
    return out if (out / "model.onnx").is_file() or _run(words) else None


def gguf_file(checkpoint: Path, kind: str) -> Path | None:
    """The checkpoint as .gguf, "F32" or "Q8_0"; None when it cannot be written."""
    path = FILES / "gguf" / f"{kind}.gguf"
    script = str(Path(__file__).with_name("peers_gguf.py"))
    words = [script, str(checkpoint), str(path.parent)]
    return path if path.is_file() or _run(words) else None


def _run(words: list[str]) -> bool:
    python = peers_python()
    if python is None:
        return False
    FILES.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([str(python), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{words[:3]}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    set_up()
