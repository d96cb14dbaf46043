"""edgekit inspect"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgekit.cli import options
from edgekit.cli.main import print_json


@click.command("inspect")
@click.argument("target", metavar="FILE_OR_DIR")
@options.json_output
def command(target: str, as_json: bool) -> int:
    """Show what is in an exported file: read from the file itself, not from what it claims.

    \b
    edgekit inspect out
    edgekit inspect out/model.w8c_a8.tflite --json
    """
    reports = describe(Path(target))
    if as_json:
        print_json(reports)
        return 0
    for report in reports:
        _print(report)
    return 0


def describe(target: Path) -> list[dict[str, Any]]:
    """One report per file.

    Raises:
      ArtifactError: nothing to inspect there, or a damaged file.
    """
    from edgekit.audit import StoredTensor, audit_file
    from edgekit.audit.audit import open_file
    from edgekit.errors import ArtifactError
    from edgekit.manifest import MANIFEST_NAME, Manifest

    folder = target if target.is_dir() else target.parent
    if not target.exists():
        raise ArtifactError(f"'{target}' does not exist.", "check the path.")
    manifest = Manifest.read(folder) if (folder / MANIFEST_NAME).is_file() else None
    if target.is_dir() and manifest is None:
        Manifest.read(folder)  # says what is missing
    entries = {e.path: e for e in manifest.files} if manifest else {}
    paths = [folder / name for name in entries] if target.is_dir() else [target]
    reports = []
    for path in paths:
        file = open_file(path)
        report: dict[str, Any] = {
            "file": path.name,
            "size_bytes": path.stat().st_size,
            "metadata": file.metadata,
            "signatures": file.signatures(),
            "operators": file.operators(),
            "runtime": file.runtime(),
        }
        entry = entries.get(path.name)
        if entry is not None and manifest is not None:
            stored = [StoredTensor.from_json(t) for t in entry.tensors]
            derived = entry.audit.get("derived", ())
            audit = audit_file(path, entry.full_recipe(), stored, None, None, False, derived)
            report |= {
                "recipe": entry.recipe,
                "effective_bits": round(audit.effective_bits, 3),
                "tensor_types": audit.to_json()["tensor_types"],
                "partitions": entry.audit.get("partitions", {}),
                "outside": entry.audit.get("outside", {}),
                "structure": entry.structure,
                "problems": list(audit.problems),
                "source": manifest.source,
                "made_by": manifest.made_by,
                "max_length": manifest.contract.max_length,
                "labels": list(manifest.contract.labels),
            }
        reports.append(report)
    return reports


def _print(report: dict[str, Any]) -> None:
    def line(name: str, value: str) -> None:
        click.echo(f"  {name:<12} {value}")

    click.echo(f"{report['file']}  {report['size_bytes']:,} bytes")
    if "recipe" in report:
        line("recipe", f"{report['recipe']}, {report['effective_bits']} bits per weight")
    for name, io in report["signatures"].items():
        line(name, f"{'; '.join(io['inputs'])} -> {'; '.join(io['outputs'])}")
    line("operators", ", ".join(f"{n} {k}" for k, n in report["operators"].items()))
    runtime = report["runtime"]
    line("needs", f"{runtime['name']} {runtime['oldest']} or later")
    if report.get("tensor_types"):
        line("weights", ", ".join(f"{n} {k}" for k, n in report["tensor_types"].items()))
    if report.get("partitions"):
        line("partitions", ", ".join(f"{k}: {n}" for k, n in report["partitions"].items()))
    if structure := report.get("structure"):
        line("structure", structure["summary"])
        line("compressed", f"{structure['compressed_bytes']:,} bytes (zlib 9)")
    if "source" in report:
        source = report["source"]
        digests = ", ".join(f"{n} {d[:16]}" for n, d in source["sha256"].items())
        line("source", f"{source['name']} ({digests})")
        line("made by", ", ".join(f"{k} {v}" for k, v in report["made_by"].items()))
    for problem in report.get("problems", []):
        line("PROBLEM", problem)
