"""Text from tokens that come one after another: no half letters, no lost spaces, no stop texts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgekit.runtime.tokenizer import TextTokenizer

#: stands where bytes are no letter (yet)
_REPLACEMENT = "\ufffd"
#: a byte as a token of its own, in tokenizers with byte fallback
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


class TextPieces:
    """What each new token adds to the text.

    All pieces together are the text of all tokens behind that of the context: a first token that
    begins with a space keeps it, though tokenizers drop it at the beginning of a text.

    Args:
      tokenizer: decodes; special tokens have no text.
      context: tokens before the first, the prompt's; empty where the text begins anew.
    """

    def __init__(self, tokenizer: TextTokenizer, context: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._ids = list(context)
        # ids[begin:read] is told already, and decoded again as what comes before
        self._begin, self._read = 0, len(self._ids)

    def push(self, token: int) -> str:
        """The text that is settled now; "" while a letter is half done."""
        self._ids.append(token)
        # bytes in a row are decoded together, special tokens between them or not, and all of them
        # are lost if the last letter is
        if _BYTE.fullmatch(self._tokenizer.token(token)) or not self._text([token]):
            return ""
        return self._take(final=False)

    def finish(self) -> str:
        """What was held back."""
        return self._take(final=True)

    def _take(self, final: bool) -> str:
        before = self._text(self._ids[self._begin : self._read])
        whole = self._text(self._ids[self._begin :])
        alone = self._text(self._ids[self._read :])
        if whole.endswith(_REPLACEMENT) and not final:
            return ""
        piece = whole[len(before) :] if whole.startswith(before) else alone
        if alone.strip():
            # a window of spaces and special tokens alone would not keep the next token's space
            self._begin, self._read = self._read, len(self._ids)
        elif piece:
            self._read = len(self._ids)
        return piece

    def _text(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids, skip_special=True)


class StopTexts:
    """Lets text through up to the first of the texts that end it.

    Args:
      stops: not empty texts.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        #: one of the texts came
        self.stopped = False

    def push(self, piece: str) -> str:
        """What can be told: no text to stop at, and no beginning of one at its end."""
        text, self._held = self._held + piece, ""
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        """What was held back: a beginning that no end followed."""
        text, self._held = self._held, ""
        return text


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of a text that begin the other one."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
