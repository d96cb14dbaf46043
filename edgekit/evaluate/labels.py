"""The labels of a data file: names, or numbers of the contract's labels."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBERED = re.compile(r"(?:LABEL_)?(\d+)")

#: labels that an error names before it says "..."
_SHOWN = 12


class LabelMap:
    """What a data file may call each label of a contract.

    A label's own name comes first; then its index, as a number or as transformers' ``LABEL_1``.
    So with labels named "1" to "5" the text "1" is the first of them and not the second.

    Args:
      labels: names by output index.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = tuple(labels)
        self._by_name = {label: i for i, label in enumerate(self._labels)}

    def index(self, value: object) -> int | None:
        """Index of a label, or None when the contract has no such label.

        Args:
          value: name or number as a JSON or TSV reader gives it.
        """
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool):
            value = int(value)
        if not isinstance(value, int | str):
            return None
        text = str(value).strip()
        if text in self._by_name:
            return self._by_name[text]
        numbered = _NUMBERED.fullmatch(text)
        # more digits than any model has labels: not worth an int of that size
        if numbered is None or len(numbered.group(1)) > 9:
            return None
        number = int(numbered.group(1))
        return number if number < len(self._labels) else None

    def __str__(self) -> str:
        """The known labels, for an error's hint."""
        names = ", ".join(self._labels[:_SHOWN])
        return names + (", ..." if len(self._labels) > _SHOWN else "")

    def __len__(self) -> int:
        return len(self._labels)
