"""TensorFlow and Keras sources to raw float32 files: CPU seconds and peak memory of each job.

usage: python benchmarks/tensorflow_path.py   (builds its models first)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]  # the models are the tests' own

from common import WORK, load, save  # noqa: E402

from edgekit.report.terminal import print_table  # noqa: E402

JOBS = ("load", "reference", "onnx", "tflite")


def main() -> None:
    from tests.tensorflow.converted import FORMS, convert

    models = WORK / "keras"
    shutil.rmtree(models, ignore_errors=True)
    models.mkdir(parents=True)
    build = [sys.executable, "-m", "tests.tensorflow.models", str(models)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    layers = ROOT / "tests" / "tensorflow" / "layers.py"
    rows = []
    for form in FORMS:
        with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
            made = convert(form, models, layers, Path(scratch) / "raw")
            rows.append(
                {
                    "form": form,
                    "route": made.route,
                    "parameters": sum(v.size for v in made.variables.values()),
                    "rows": len(next(iter(made.rows.values()))),
                    "cpu_s": {job: round(made.usage["cpu_s"][job], 2) for job in JOBS},
                    "peak_mb": round(made.usage["peak_mb"]),
                    "bytes": {t: made.file(t).stat().st_size for t in ("onnx", "tflite")},
                    "max_abs": {
                        target: max(
                            float(np.abs(made.answers(target)[name] - value).max())
                            for name, value in made.reference.items()
                        )
                        for target in ("onnx", "tflite")
                    },
                }
            )
    packages = ("tensorflow", "keras", "tf2onnx")
    save("tensorflow_path", {"packages": {p: version(p) for p in packages}, "forms": rows})
    show()


def show() -> None:
    """The table of the documents."""
    print_table(
        ("source", "route", "load s", "200 rows s", "ONNX s", "TFLite s", "peak MB",
         "ONNX max abs", "TFLite max abs"),
        [
            (row["form"], row["route"], *(f"{row['cpu_s'][job]:.1f}" for job in JOBS),
             f"{row['peak_mb']}", *(f"{row['max_abs'][t]:.1e}" for t in ("onnx", "tflite")))
            for row in load("tensorflow_path")["result"]["forms"]
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
