"""Whether a command printed what its page shows, numbers aside: those are another model's."""

from __future__ import annotations

import itertools
import re

_NUMBER = re.compile(r"(?<![\w.])[-+]?[\d,]*\.?\d+(?:e[-+]?\d+)?%?|(?<=layer\.)\d+|\b(?:MB|kB)\b")
_RULE = re.compile(r"-{2,}(?:  +-{2,})*")
_FILE = re.compile(r"model\.\S+\.(?:onnx|tflite)")


def _words(line: str) -> list[str]:
    return _NUMBER.sub("#", line).split()


def differences(shown: list[str], printed: list[str]) -> list[str]:
    """What of a page's output the command did not print.

    A table must have its header, and a row for each file that is shown; any other line that is
    not indented must begin with the same four words.
    """
    missing = []
    headers = [_words(a) for a, b in itertools.pairwise(printed) if _RULE.fullmatch(b)]
    beginnings = [_words(line)[:4] for line in printed]
    files = {name for line in printed for name in _FILE.findall(line)}
    in_table = False
    for number, line in enumerate(shown):
        below = shown[number + 1] if number + 1 < len(shown) else ""
        if not line:
            in_table = False
        elif _RULE.fullmatch(below):
            in_table = True
            if _words(line) not in headers:
                missing.append(f"no table with the header: {line}")
        elif line.startswith(" ") or _RULE.fullmatch(line):
            in_table = in_table and not line.startswith(" ")
        elif in_table:
            missing += [f"no row for {name}" for name in _FILE.findall(line) if name not in files]
        elif _words(line)[:4] not in beginnings:
            missing.append(f"no line that begins like: {line}")
    return missing
