"""JUnit XML of a validation: one suite per file, one test case per judged metric.

The dialect is what Jenkins' schema (jenkins-junit.xsd) allows and GitHub, GitLab and Azure read:
``testsuites > testsuite > testcase > failure``. Nothing in it depends on time or machine, so equal
results are equal files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from edgekit.parity.validate import FileVerdict, Validation

#: what XML 1.0 cannot hold, not even as a reference (production Char of the specification)
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class _Case:
    suite: str
    name: str
    failures: tuple[str, ...] = ()

    @property
    def xml(self) -> str:
        head = f"    <testcase classname={_quoted(self.suite)} name={_quoted(self.name)}"
        if not self.failures:
            return f"{head}/>"
        text = escape(_legal("\n".join(self.failures)))
        failure = f'<failure message={_quoted(self.failures[0])} type="gate">{text}</failure>'
        return f"{head}>\n      {failure}\n    </testcase>"


def junit_xml(result: Validation) -> str:
    """The whole document.

    Args:
      result: of ``edgekit.validate``; failed checks that belong to no metric are a case of their
        own ("bytes, graph and weights"), and so are those of the folder.
    """
    suites = [[_Case("folder", "golden vectors and tokenizer", result.problems)]]
    suites += [_file_cases(verdict) for verdict in result.files]
    cases = [case for suite in suites for case in suite]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="edgekit validate" {_counts(cases)}>',
    ]
    for suite in suites:
        lines.append(f"  <testsuite name={_quoted(suite[0].suite)} {_counts(suite)}>")
        lines += [case.xml for case in suite]
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>", ""])


def _file_cases(verdict: FileVerdict) -> list[_Case]:
    gates = verdict.parity.gates if verdict.parity else ()
    told = {str(gate) for gate in gates if not gate.passed}
    rest = tuple(problem for problem in verdict.problems if problem not in told)
    name = verdict.entry.path
    cases = [_Case(name, "bytes, graph and weights", rest)]
    for gate in gates:
        failed = () if gate.passed else (str(gate),)
        sign = ">=" if gate.side == "min" else "<="
        # a metric may have two bounds: the threshold, and what it was at export
        said = f"{gate.metric} {sign} {gate.threshold:.6g} ({gate.mode})"
        cases.append(_Case(name, said, failed))
    return cases


def _counts(cases: list[_Case]) -> str:
    failed = sum(bool(case.failures) for case in cases)
    return f'tests="{len(cases)}" failures="{failed}" errors="0"'


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)


def _quoted(text: str) -> str:
    # line breaks in attributes become spaces when they are read: said as such here
    return quoteattr(_legal(" ".join(text.split())))
