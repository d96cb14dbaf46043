"""A stand-in for `adb` and a phone behind it: put on the PATH as an executable named adb.

FAKE_ADB_HOME holds what the phone stores (``files.json``: path -> size) and ``log.jsonl``, one line
per call. ``behaviour.json`` there says what goes wrong.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

HOME = Path(os.environ.get("FAKE_ADB_HOME", "."))
_SAYS = HOME / "behaviour.json"
BEHAVIOUR = json.loads(_SAYS.read_text(encoding="utf-8")) if _SAYS.is_file() else {}

TFLITE = """\
INFO: STARTING!
INFO: Using signature: main_16
INFO: count=12 first=156677 curr=33205 min=32578 max=156677 avg=43268.1 std=34197
INFO: count=50 first=33228 curr=33130 min=32687 max=36239 avg=33071.8 std=129 p5=32700 \
median=33070 p95=34100
INFO: Inference timings in us: Init: 3501, First inference: 156677, Warmup (avg): 43268.1, \
Inference (avg): 33071.8
INFO: Memory footprint delta from the start of the tool (MB): init=4.5 overall=7.25
"""
ONNX = """\
Setting intra_op_num_threads to 1
Session creation time cost: 0.0102016 s
First inference time cost: 2 ms
Total inference time cost: 0.185739 s
Total inference requests: 50
Average inference time cost total: 1.85739 ms
Peak working set size: 36696064 bytes
Min Latency: 0.00183404 s
P50 Latency: 0.00185674 s
P90 Latency: 0.00187215 s
P95 Latency: 0.00187393 s
P99 Latency: 0.00190312 s
"""
PROPERTIES = {
    "ro.product.manufacturer": "Acme", "ro.product.model": "Slab 4", "ro.soc.model": "Chip 9",
    "ro.product.cpu.abi": "arm64-v8a", "ro.build.version.release": "16",
}  # fmt: skip


def files(update: dict[str, int] | None = None) -> dict[str, int]:
    store = HOME / "files.json"
    found: dict[str, int] = json.loads(store.read_text("utf-8")) if store.is_file() else {}
    if update is not None:
        found = update
        store.write_text(json.dumps(found), encoding="utf-8")
    return found


def shell(words: list[str]) -> int:
    tool = BEHAVIOUR.get("tool", "/data/local/tmp/benchmark_model")
    if words[0] == "getprop":
        print(PROPERTIES.get(words[1], ""))
    elif words[0] == "uname":
        print("6.6.1-android15")
    elif words[0] == "test":
        return 0 if words[2] == tool else 1
    elif words[0] == "stat":
        print(files().get(words[3], ""))
    elif words[0] == "rm":
        files({k: v for k, v in files().items() if not k.startswith(words[2])})
    elif words[0] == tool:
        if BEHAVIOUR.get("crash"):
            print("Segmentation fault")
            return 139
        text = ONNX if "perf_test" in tool else TFLITE
        print("no such luck" if BEHAVIOUR.get("mute") else text)
    return 0


def main(arguments: list[str]) -> int:
    with (HOME / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(arguments) + "\n")
    if arguments == ["devices"]:
        if BEHAVIOUR.get("devices_fail"):
            sys.stderr.write("error: cannot connect to daemon\n")
            return 1
        print("List of devices attached")
        for serial, state in BEHAVIOUR.get("devices", {"A1": "device"}).items():
            print(f"{serial}\t{state}")
        print()
        return 0
    assert arguments[0] == "-s", arguments
    serial, verb, rest = arguments[1], arguments[2], arguments[3:]
    assert serial in BEHAVIOUR.get("devices", {"A1": "device"})
    if verb == "push":
        if BEHAVIOUR.get("push_fails"):
            sys.stderr.write("adb: error: failed to copy: No space left on device\n")
            return 1
        lost = 1 if BEHAVIOUR.get("push_loses") else 0
        files({**files(), rest[1]: Path(rest[0]).stat().st_size - lost})
        keep = HOME / "pushed" / Path(rest[1]).name
        keep.parent.mkdir(exist_ok=True)
        keep.write_bytes(Path(rest[0]).read_bytes())
        return 0
    return shell(shlex.split(rest[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
