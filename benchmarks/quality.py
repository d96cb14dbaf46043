"""Quality on text that nothing was fitted to: our files beside onnxruntime's dynamic int8.

usage: python benchmarks/quality.py      (needs build/demo and ../shared)
"""

from __future__ import annotations

from pathlib import Path

from common import demo_checkpoint, demo_folder, heldout_texts, load, peer_files, save

from edgekit.manifest import Manifest
from edgekit.parity.metrics import compare
from edgekit.parity.worker import run_file
from edgekit.report.terminal import print_table
from edgekit.runtime.cpu_level import is_available
from edgekit.runtime.tokenizer import TextTokenizer

OUTPUT = "sentence_embedding"


def main() -> None:
    folder = demo_folder()
    manifest = Manifest.read(folder)
    contract = manifest.contract
    checkpoint = demo_checkpoint()
    texts = heldout_texts()
    rows = TextTokenizer.from_folder(folder, contract).encode(texts, [None] * len(texts))
    reference = checkpoint.reference(rows)[OUTPUT]
    files: dict[str, Path] = {f.path: folder / f.path for f in manifest.files}
    files["onnxruntime quantize_dynamic, per channel"] = peer_files(checkpoint)["ort dynamic"]
    result = {}
    for name, path in files.items():
        entry = {"size_bytes": path.stat().st_size}
        levels = ("native", "avx2") if "w8" in name or "dynamic" in name else ("native",)
        for level in levels if is_available() else ("native",):
            outputs = run_file(path, rows, contract, level, modes=["alone", "padded"])
            # peers name their output as the exporter did
            alone, padded = (next(iter(outputs[m].values())) for m in ("alone", "padded"))
            entry[level] = compare(reference, alone)
            entry[level]["batch_drift"] = float(abs(alone - padded).max())
        result[name] = entry
    save("quality", {"texts": len(texts), "files": result})
    show()


def show() -> None:
    result = load("quality")["result"]
    rows = []
    for name, entry in result["files"].items():
        m = entry["native"]
        rows.append(
            (
                name, f"{entry['size_bytes'] / 1e6:.2f}", f"{m['cosine_mean']:.5f}",
                f"{m['cosine_low']:.5f}-{m['cosine_high']:.5f}", f"{m['cosine_min']:.4f}",
                f"{m['max_abs']:.1e}", f"{m['batch_drift']:.1e}",
                f"{entry['avx2']['cosine_mean']:.5f}" if "avx2" in entry else "-",
            )
        )  # fmt: skip
    print_table(
        ("file", "MB", "cosine", "95 %", "least", "max abs", "alone-padded", "cosine avx2"), rows
    )


if __name__ == "__main__":
    main()
