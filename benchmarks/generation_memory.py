"""Peak memory of exporting a language model of 114 M parameters, per target and recipe, by stage.

usage: python benchmarks/generation_memory.py [TARGET ...]

Each export is a process of its own. Its resident memory and that of its children are read
every 20 ms: the largest process, as the anonymous part (what it allocated) and the file-backed part
(mapped weights and libraries, which the kernel may drop). The system's own high-water mark stands
beside it. What an export of a tiny model takes, libraries above all, is measured the same way.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from common import ROOT, SHARED, WORK, load, save
from generation_model import float_bytes, make

from edgekit.report.terminal import print_line, print_table

RECIPES = {"onnx": ("fp32", "w8c_a8"), "tflite": ("w8c_a8",)}
LENGTH = 512
#: times the float32 bytes that an export may take
ASKED = 4.0
_STAGE = re.compile(r"\[ *[\d.]+ s\] (.*?) \([\d.]+ s\)")


def tree(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for process in found:
        try:
            for task in Path(f"/proc/{process}/task").iterdir():
                found += map(int, (task / "children").read_text(encoding="ascii").split())
        except OSError:
            continue
    return found


def resident(pid: int) -> tuple[int, int]:
    """Bytes now: anonymous, file-backed; zeros when it has ended."""
    sizes = {"RssAnon": 0, "RssFile": 0}
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(":")
            if key in sizes:
                sizes[key] = int(value.split()[0]) * 1024
    except OSError:
        pass
    return sizes["RssAnon"], sizes["RssFile"]


def watch(command: list[str]) -> dict[str, Any]:
    """Run a command to its end.

    Returns:
      ``code``, ``seconds``; ``peak``: bytes of ``ru_maxrss`` (the largest process); ``stages``: of
      each stage that it told, in order, the moment at which its largest process was largest:
      ``anonymous``, ``mapped``, ``all``: anonymous bytes of all its processes then, ``seconds``.
    """
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
                "PYTHONPATH": str(ROOT)}  # fmt: skip
    start = time.monotonic()
    process = subprocess.Popen(command, text=True, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, env=settings)  # fmt: skip
    assert process.stderr is not None
    told: list[tuple[float, str]] = []
    lines: list[str] = []

    def read(stream: Any) -> None:
        for line in stream:
            lines.append(line.rstrip())
            if found := _STAGE.search(line):
                told.append((time.monotonic(), found[1]))

    reader = threading.Thread(target=read, args=(process.stderr,), daemon=True)
    reader.start()
    seen: list[tuple[float, int, int, int]] = []
    while True:
        sizes = [resident(pid) for pid in tree(process.pid)]
        largest = max(sizes, key=sum)
        seen.append((time.monotonic(), *largest, sum(anonymous for anonymous, _ in sizes)))
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    stages, begin = [], start
    for end, name in told:
        moments = [moment for moment in seen if begin <= moment[0] <= end]
        if moments:
            _, anonymous, mapped, everything = max(moments, key=lambda m: m[1] + m[2])
            stages.append({"stage": name, "anonymous": anonymous, "mapped": mapped,
                           "all": everything, "seconds": end - begin})  # fmt: skip
        begin = end
    return {"code": process.returncode, "seconds": time.monotonic() - start,
            "peak": usage.ru_maxrss * 1024, "stages": stages,
            "last": lines[-1] if lines else ""}  # fmt: skip


def export(source: Path, target: str, recipe: str) -> dict[str, Any]:
    """One export, watched; the folder is removed."""
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WORK) as scratch:
        out = Path(scratch) / "out"
        found = watch([
            sys.executable, "-m", "edgekit", "export", str(source), "-o", str(out),
            "--target", target, "--recipe", recipe, "--max-length", str(LENGTH),
        ])  # fmt: skip
        shutil.rmtree(out, ignore_errors=True)
    return found


def _of_other_targets(targets: tuple[str, ...]) -> dict[str, Any]:
    """What an earlier run measured of the targets that are not asked for."""
    try:
        earlier = load("generation_memory")["result"]
    except OSError:
        return {"exports": []}
    return {
        "exports": [e for e in earlier["exports"] if e["target"] not in targets],
        "tiny": {t: found for t, found in earlier["tiny"].items() if t not in targets},
    }


def main(targets: tuple[str, ...] = tuple(RECIPES)) -> None:
    model = make()
    small = SHARED / "models" / "stories260k"
    result: dict[str, Any] = {"float_bytes": float_bytes(), **_of_other_targets(targets)}
    for target in targets:
        for recipe in RECIPES[target]:
            print_line(f"  export {target} {recipe}, {time.strftime('%X')}")
            found = {"target": target, "recipe": recipe, **export(model, target, recipe)}
            result["exports"].append(found)
        if small.is_dir():
            result.setdefault("tiny", {})[target] = export(small, target, RECIPES[target][-1])
    save("generation_memory", result)
    show()


def show() -> None:
    """The committed result as tables."""
    result = load("generation_memory")["result"]
    whole = result["float_bytes"]
    for found in result["exports"]:
        if found["code"] > 1 or not found["stages"]:
            print_line(f"{found['target']} {found['recipe']}: {found['last']}")
            continue
        tiny = result.get("tiny", {}).get(found["target"], {}).get("peak", 0)
        print_line(
            f"{found['target']} {found['recipe']}: peak {found['peak'] / 1e6:.0f} MB ="
            f" {found['peak'] / whole:.2f} times the float32 bytes (asked: below {ASKED:g});"
            f" {found['seconds']:.0f} s; a tiny model's export peaks at {tiny / 1e6:.0f} MB"
        )
        rows = [
            (s["stage"], f"{s['seconds']:.0f}", f"{s['anonymous'] / 1e6:.0f}",
             f"{s['mapped'] / 1e6:.0f}", f"{(s['anonymous'] + s['mapped']) / whole:.2f}")
            for s in found["stages"]
        ]  # fmt: skip
        print_table(("stage", "s", "allocated MB", "mapped MB", "times float32"), rows)
        print_line("")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or tuple(RECIPES))
