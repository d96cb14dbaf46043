"""Bundles with what Python makes of them, for tests of android_demo and web_demo."""

from __future__ import annotations

import json
from pathlib import Path

from edgekit.bundle import bundle
from edgekit.manifest import Manifest
from edgekit.parity.golden import Golden
from edgekit.parity.worker import run_file


def make(export: Path, out: Path, target: str, recipe: str) -> Path:
    """Bundle one file of an export into ``out``, and write ``out``.json beside it.

    That one holds ``cases``: ``text`` and ``output``, what a fresh Python process gives for every
    golden text, run alone.

    Returns:
      ``out``.
    """
    made = bundle(export, out, target, recipe)
    manifest = Manifest.read(export)
    golden = Golden.load(export / "golden.npz", manifest.contract)
    path = export / made.contract["model"]["path"]
    outputs = run_file(path, golden.rows, manifest.contract, modes=["alone"])["alone"]
    values = outputs[made.contract["outputs"][0]["name"]]
    cases = [
        {"text": example.text, "output": [float(str(v)) for v in row]}
        for example, row in zip(golden.examples, values, strict=True)
        if example.text_pair is None
    ]
    document = json.dumps({"cases": cases})
    out.with_name(out.name + ".json").write_text(document, encoding="utf-8")
    return out
