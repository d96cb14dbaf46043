"""Every architecture in both targets: the README's support table.

Tiny models with random weights (tests/tiny.py), judged like any export: alone, in padded batches,
in every bucket. The same function is what tests/test_architectures.py demands, so the table cannot
say what the tests do not show.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from common import ROOT, load, save

from edgekit.report.terminal import print_table


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from tests.architectures import measure
    from tests.tiny import ARCHITECTURES

    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for kind in ARCHITECTURES:
            for target in ("onnx", "tflite"):
                folder = Path(scratch) / f"{kind}-{target}"
                folder.mkdir()
                rows.setdefault(kind, {})[target] = measure(kind, target, folder)
                print(kind, target, rows[kind][target], flush=True)
    save("architectures", {"rows": rows})
    show()


def show() -> None:
    table = []
    notes = []
    for kind, row in load("architectures")["result"]["rows"].items():
        cells = [kind]
        for target in ("onnx", "tflite"):
            found = row[target]
            if found["verdict"] != "pass":
                cells += [found["verdict"], "-", *(["-"] if target == "tflite" else [])]
            else:
                cells += [f"{found['max_abs']:.0e}", f"{found['rms_rel']:.3f}"]
                cells += [str(found["partitions"])] if target == "tflite" else []
        table.append(cells)
        said = [row[t]["note"] for t in ("onnx", "tflite") if row[t]["note"]]
        if said:
            notes.append(f"  {kind}: {said[0]}")
    header = ("architecture", "onnx fp32", "int8 rms", "tflite fp32", "int8 rms", "partitions")
    print_table(header, table)
    print("\n".join(notes))


if __name__ == "__main__":
    main()
