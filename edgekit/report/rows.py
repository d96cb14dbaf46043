"""The rows of the result table, the same for terminal and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.contract import Contract
from edgekit.parity.intervals import interval_text
from edgekit.parity.validate import FileVerdict
from edgekit.parity.verdict import FileParity

_HEADER = ("file", "size", "bits", "parity", "worst")
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def megabytes(size_bytes: int) -> str:
    """Decimal megabytes, as stores count them."""
    return f"{size_bytes / 1e6:.2f} MB" if size_bytes >= 1e5 else f"{size_bytes / 1e3:.1f} kB"


def source_name(source: Mapping[str, Any]) -> str:
    """The source's name, and the checkpoint that was taken out of its folder where one was."""
    taken = source.get("taken_from")
    return f"{source['name']} ({taken})" if taken else str(source["name"])


def source_notes(source: Mapping[str, Any]) -> list[str]:
    """What is to be said about the source: which checkpoint, which base, a converted tokenizer."""
    return [f"{source['name']}: {note}" for note in source.get("notes", ())]


def result_table(verdicts: Sequence[FileVerdict], contract: Contract) -> Table:
    """Header, and a row per file: name, size, effective bits, parity, worst case, latency, verdict.

    Args:
      verdicts: of each file.
      contract: latency is told by tokens, where the input is text.
    """
    text = contract.input_kind == "text"
    lengths = {"32": "ms 32", "128": "ms 128"} if text else {"1": "ms"}
    if contract.generation is not None:
        lengths = {"prefill 32": "ms prefill 32", "decode 32": "ms a token"}
        if contract.generation.start_id is not None:
            lengths = {"encode 32": "ms encode 32", "decode 32": "ms a token"}
    rows = []
    for verdict in verdicts:
        entry = verdict.entry
        parity, worst = parity_text(verdict.parity)
        times = [entry.latency.get(n, {}).get("cpu_ms") for n in lengths]
        rows.append(
            (
                entry.path,
                megabytes(entry.size_bytes),
                f"{entry.effective_bits:.2f}",
                parity,
                worst,
                *("-" if t is None else f"{t:.1f}" for t in times),
                "pass" if verdict.passed else "FAIL",
            )
        )
    return (*_HEADER, *lengths.values(), "verdict"), rows


def contract_facts(contract: Contract) -> str:
    """What goes in, in words: "at most 128 tokens", "ids int32 [48]"."""
    if contract.input_kind == "text":
        return f"at most {contract.max_length} tokens"
    return ", ".join(f"{s.name} {s.dtype} {list(s.shape[1:])}" for s in contract.inputs)


def parity_text(parity: FileParity | None) -> tuple[str, str]:
    """The metric that matters and its worst value, over all modes."""
    if parity is None or not parity.metrics:
        return "-", "-"
    modes = parity.metrics.values()
    if all("kl_mean" in m for m in modes):
        ratio = max(m["ppl_ratio"] for m in modes)
        return f"KL {max(m['kl_mean'] for m in modes):.1e}", f"ppl x{ratio:.4f}"
    if all("top1" in m for m in modes):
        agree = min(m["top1"] for m in modes)
        return f"top-1 {agree:.2%}", f"rms {max(m['rms_rel'] for m in modes):.1e}"
    mean = min(m["cosine_mean"] for m in modes)
    if mean > 0.999995:
        return f"max abs {max(m['max_abs'] for m in modes):.1e}", "cos 1.0000"
    return f"cos {mean:.5f}", f"cos {min(m['cosine_min'] for m in modes):.4f}"


def mean_interval(parity: FileParity | None) -> str:
    """The 95 % interval of the mean that matters (KL, top-1 or cosine), run alone."""
    if parity is None:
        return "-"
    for metric in ("kl_mean", "top1", "cosine_mean"):
        if text := interval_text(parity.intervals, "alone", metric):
            return text
    return "-"


def notes(verdicts: Sequence[FileVerdict]) -> list[str]:
    """What is said below the table: problems, notes, and what weaker CPUs do."""
    lines = []
    for verdict in verdicts:
        entry = verdict.entry
        lines += [f"{entry.path}: {text}" for text in verdict.problems]
        lines += [f"{entry.path}: {text}" for text in entry.notes]
        for level, found in entry.cpu_levels.items():
            if not found.get("available"):
                lines.append(
                    f"{entry.path}: not checked on {level} (CPUID cannot fault here; "
                    "`edgekit validate --cpu` emulates it)"
                )
            elif "top1" in found:
                lines.append(
                    f"{entry.path}: on {level} kernels top-1 {found['top1']:.2%}, "
                    f"rms {found['rms_rel']:.1e}"
                )
            elif "cosine_loss" in found:
                lines.append(
                    f"{entry.path}: on {level} kernels cosine {found['cosine_mean']:.5f} "
                    f"(loss {max(0.0, found['cosine_loss']):.5f})"
                )
    return lines
