"""Markdown of a validation, for the summary of a pull request: failures first, details folded."""

from __future__ import annotations

from edgekit.parity.validate import Validation
from edgekit.report.markdown import markdown_table
from edgekit.report.rows import megabytes, parity_text


def validation_summary(result: Validation) -> str:
    """The whole text.

    Args:
      result: of ``edgekit.validate``.
    """
    failed = sum(not verdict.passed for verdict in result.files)
    files = f"{len(result.files)} file{'s' if len(result.files) != 1 else ''}"
    state = "pass" if result.passed else f"FAIL: {failed} of them" if failed else "FAIL"
    lines = [f"### edgekit validate: {files}, {state}", ""]
    problems = [*result.problems]
    for verdict in result.files:
        problems += [f"`{verdict.entry.path}`: {problem}" for problem in verdict.problems]
    lines += [*(f"- {_inline(problem)}" for problem in problems), *([""] if problems else [])]
    rows = []
    for verdict in result.files:
        gates = verdict.parity.gates if verdict.parity else ()
        rows.append((
            verdict.entry.path, megabytes(verdict.entry.size_bytes),
            *parity_text(verdict.parity), f"{sum(g.passed for g in gates)}/{len(gates)}",
            "pass" if verdict.passed else "**FAIL**",
        ))  # fmt: skip
    lines += [markdown_table(("file", "size", "parity", "worst", "gates", "verdict"), rows), ""]
    for verdict in result.files:
        if verdict.parity is None:
            continue
        judged = [
            (g.mode, g.metric, f"{g.value:.6g}",
             f"{'>=' if g.side == 'min' else '<='} {g.threshold:.6g}",
             "pass" if g.passed else "**FAIL**")
            for g in verdict.parity.gates
        ]  # fmt: skip
        lines += [f"<details><summary>{verdict.entry.path}</summary>", ""]
        lines += [markdown_table(("mode", "metric", "value", "bound", ""), judged), ""]
        lines += ["</details>", ""]
    return "\n".join(lines)


def _inline(text: str) -> str:
    """On one line, and no HTML."""
    return " ".join(text.split()).replace("<", "&lt;")
