"""report.md: the result of an export for people."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.contract import Contract
from edgekit.manifest import Manifest
from edgekit.parity.intervals import interval_text
from edgekit.parity.validate import FileVerdict
from edgekit.parity.verdict import FileParity
from edgekit.report.rows import (
    contract_facts,
    notes,
    result_table,
    source_name,
    source_notes,
)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A GitHub table."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def folder_report(manifest: Manifest, verdicts: Sequence[FileVerdict]) -> str:
    """The whole page."""
    contract = manifest.contract
    example = {"text": "text", "image": "picture"}.get(contract.input_kind, "example")
    lines = [
        f"# {source_name(manifest.source)}: {contract.task}",
        "",
        f"Source: {manifest.source['kind']} checkpoint, reference {manifest.source['reference']}. "
        + _input_line(contract),
        "",
        markdown_table(*result_table(verdicts, contract)),
        "",
        f"Latency is thread CPU time in ms for one {example}, one thread, on the exporting "
        "machine: x86, not a prediction of milliseconds on a phone.",
        "",
        *(f"- {line}" for line in source_notes(manifest.source)),
        *(f"- {line}" for line in notes(verdicts)),
        "",
        "## What was judged",
        "",
    ]
    for verdict in verdicts:
        if verdict.parity is None:
            continue
        rows: list[tuple[str, ...]] = [
            (g.mode, g.metric, f"{g.value:.6g}", f"{'>=' if g.side == 'min' else '<='} "
             f"{g.threshold:.6g}", interval_text(verdict.parity.intervals, g.mode, g.metric),
             "pass" if g.passed else "FAIL")
            for g in verdict.parity.gates
        ]  # fmt: skip
        rows += _agreement(verdict.parity)
        lines += [f"### {verdict.entry.path}", ""]
        lines += [
            markdown_table(("mode", "metric", "value", "bound", "95 % interval", ""), rows),
            "",
        ]
    made = ", ".join(f"{name} {number}" for name, number in manifest.made_by.items())
    return "\n".join([*lines, f"Made by {made}.", ""])


def _agreement(parity: FileParity) -> list[tuple[str, ...]]:
    """How often the label is the source's, near ties included, where only clear ones are judged.

    Of a language model its perplexity too, over the source's.
    """
    judged = {(g.mode, g.metric) for g in parity.gates}
    return [
        (mode, metric, f"{values[metric]:.6g}", "-",
         interval_text(parity.intervals, mode, metric), "not judged")
        for mode, values in parity.metrics.items()
        for metric in ("top1", "ppl_ratio")
        if metric in values and (mode, metric) not in judged
    ]  # fmt: skip


def _input_line(contract: Contract) -> str:
    if contract.input_kind == "text":
        return f"Text is cut at {contract.max_length} tokens, in the reference too."
    return f"Inputs: {contract_facts(contract)}."
