"""What `make demo`'s export costs: CPU time and peak memory, both targets, three recipes.

usage: python benchmarks/conversion.py
"""

from __future__ import annotations

import resource
import subprocess
import sys

from common import WORK, load, save

from edgekit.report.terminal import print_table


def main() -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "edgekit", "export", "demo", "-o", str(WORK / "conversion"),
               "--recipe", "fp32", "--recipe", "fp16", "--recipe", "w8c_a8", "--force"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    stages = [line.split("] ", 1)[1] for line in done.stderr.splitlines() if line.startswith("[")]
    save(
        "conversion",
        {
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "peak_mb": used.ru_maxrss / 1024,
            "stages": stages,
            "stdout": done.stdout.replace(str(WORK / "conversion"), "out"),
        },
    )
    show()


def show_demo() -> None:
    """The command and what it printed, for the README's first screen."""
    recipes = " ".join(f"--recipe {name}" for name in ("fp32", "fp16", "w8c_a8"))
    print(f"$ edgekit export demo -o out {recipes}")
    print(load("conversion")["result"]["stdout"].rstrip())


def show() -> None:
    result = load("conversion")["result"]
    print_table(
        ("both targets, three recipes", "measured", "limit"),
        [("CPU seconds, verification included", f"{result['cpu_seconds']:.0f}", "180"),
         ("peak memory, MB", f"{result['peak_mb']:.0f}", "3000")],
    )  # fmt: skip


if __name__ == "__main__":
    main()
