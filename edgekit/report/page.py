"""HTML of a validation: one page that needs nothing else and no one to explain it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from edgekit.manifest import Manifest
from edgekit.parity.case_results import CaseResult, worst
from edgekit.parity.validate import FileVerdict, Validation
from edgekit.report.error_plot import error_plot
from edgekit.report.page_words import metric_words, verdict_sentence
from edgekit.report.rows import contract_facts, megabytes, parity_text, source_name

#: cases that are listed per file
WORST = 10
#: letters of a text that the list shows
_SHOWN = 160

_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d8d8d8, #444); --soft: light-dark(#666, #aaa);
  --good: light-dark(#176b3a, #6fd79a); --bad: light-dark(#b3261e, #ff8a80);
  --point: light-dark(#2166ac, #92c5de); --shade: light-dark(#f5f6f7, #222) }
body { font: 16px/1.55 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
h1 { font-size: 1.6rem; margin: 0 0 .3rem } h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem }
.verdict { border-left: .4rem solid var(--good); padding: .6rem 1rem; background: var(--shade) }
.verdict.failed { border-color: var(--bad) }
.pass { color: var(--good) } .fail { color: var(--bad); font-weight: 700 }
.soft { color: var(--soft); font-size: .9rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem }
th, td { padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top }
td.text { overflow-wrap: anywhere; min-width: 14rem }
td.number { text-align: right; white-space: nowrap }
svg { width: 100%; max-width: 44rem; height: auto; font-size: 12px }
svg text { fill: var(--soft) } svg line { stroke: var(--line) }
svg circle { fill: var(--point); fill-opacity: .65 }
svg .changed { stroke: var(--bad); stroke-width: 2.5; fill: none }
summary { cursor: pointer }
"""


def validation_page(result: Validation) -> str:
    """The whole page: the verdict, what failed, every file with its worst cases, where it is from.

    Args:
      result: of ``edgekit.validate``.
    """
    manifest = Manifest.read(result.folder)
    name = escape(source_name(manifest.source))
    state = "verdict" if result.passed else "verdict failed"
    body = [
        f"<h1>{name}: parity of the exported files</h1>",
        f'<p class="{state}">{escape(verdict_sentence(result))}</p>',
        *_problems(result),
        "<h2>Files</h2>",
        _files(result),
        *(section for verdict in result.files for section in _file(verdict)),
        *_provenance(manifest),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>edgekit validate: {name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML already."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "\n".join("<tr>" + "".join(row) + "</tr>" for row in rows)
    return f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'


def _cell(text: str, kind: str = "") -> str:
    mark = f' class="{kind}"' if kind else ""
    return f"<td{mark}>{escape(text)}</td>"


def _state(passed: bool) -> str:
    return _cell("pass", "pass") if passed else _cell("FAIL", "fail")


def _problems(result: Validation) -> list[str]:
    told = [escape(problem) for problem in result.problems]
    for verdict in result.files:
        path = escape(verdict.entry.path)
        told += [f"<strong>{path}</strong>: {escape(problem)}" for problem in verdict.problems]
    if not told:
        return []
    return ["<h2>What failed</h2>", "<ul>", *(f"<li>{line}</li>" for line in told), "</ul>"]


def _files(result: Validation) -> str:
    rows = []
    for verdict in result.files:
        entry, gates = verdict.entry, verdict.parity.gates if verdict.parity else ()
        parity, least = parity_text(verdict.parity)
        kept = f"{sum(g.passed for g in gates)} of {len(gates)}"
        rows.append([
            _cell(entry.path), _cell(megabytes(entry.size_bytes), "number"),
            _cell(f"{entry.effective_bits:.2f}", "number"), _cell(parity), _cell(least),
            _cell(kept, "number"), _state(verdict.passed),
        ])  # fmt: skip
    header = ("file", "size", "bits per weight", "parity", "worst", "bounds kept", "verdict")
    return _table(header, rows)


def _file(verdict: FileVerdict) -> list[str]:
    path = verdict.entry.path
    lines = [f"<h2>{escape(path)}</h2>"]
    if not verdict.cases:
        return [*lines, "<p>It could not be run, so there is nothing to show of its outputs.</p>"]
    broken = sum(not math.isfinite(case.error) for case in verdict.cases)
    changed = sum(bool(case.decided) for case in verdict.cases)
    lines.append(
        f'<p class="soft">{len(verdict.cases)} cases, each run alone. A point is a case: its '
        "length, and the error of its outputs, as a share of the size of the source's outputs."
        + (f" Crosses: {changed} with another decision." if changed else "")
        + (f" {broken} gave no numbers at all." if broken else "")
        + "</p>"
    )
    lines.append(error_plot(verdict.cases, f"Error by length of {path}"))
    lines += ["<h3>Worst cases</h3>", _worst(verdict.cases)]
    if verdict.parity is not None:
        judged = [
            [
                _cell(g.mode), _cell(g.metric), _cell(metric_words(g.metric)),
                _cell(f"{g.value:.6g}", "number"),
                _cell(f"{'≥' if g.side == 'min' else '≤'} {g.threshold:.6g}", "number"),
                _state(g.passed),
            ]
            for g in verdict.parity.gates
        ]  # fmt: skip
        header = ("run", "metric", "what it is", "measured", "allowed", "")
        lines += [
            f"<details><summary>All {len(judged)} bounds</summary>",
            _table(header, judged),
            "</details>",
        ]
    return lines


def _worst(cases: Sequence[CaseResult]) -> str:
    decisions = any(case.decided for case in cases)
    rows = []
    for case in worst(cases, WORST):
        row = [
            _cell(_text(case), "text"), _cell(str(case.tokens), "number"),
            _cell(f"{case.error:.3g}", "number"), _cell(f"{case.cosine:.6f}", "number"),
        ]  # fmt: skip
        if decisions:
            said = f"{case.decided[0]} → {case.decided[1]}" if case.decided else "the same"
            row.append(_cell(said))
        rows.append(row)
    header = ["text", "tokens", "error", "cosine", *(["source → file"] if decisions else [])]
    return _table(header, rows)


def _text(case: CaseResult) -> str:
    both = case.text if case.text_pair is None else f"{case.text} ‖ {case.text_pair}"
    text = "".join(c if c.isprintable() else "·" for c in both)
    return (text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…") or "(empty)"


def _provenance(manifest: Manifest) -> list[str]:
    contract = manifest.contract
    rows = [
        [_cell("task"), _cell(f"{contract.task}, {contract.architecture}")],
        [_cell("input"), _cell(contract_facts(contract))],
        [_cell("made by"), _cell(", ".join(f"{k} {v}" for k, v in manifest.made_by.items()))],
    ]
    for name, digest in manifest.source.get("sha256", {}).items():
        rows.append([_cell(f"sha256 of {name}"), _cell(digest, "text")])
    return ["<h2>Where the files are from</h2>", _table(("", ""), rows)]
