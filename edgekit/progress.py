"""Progress on stderr: stages with elapsed time, one line each."""

from __future__ import annotations

import sys
import time
from typing import TextIO

#: an interrupt that was raised and may have been swallowed: foreign code has callbacks (garbage
#: collection in jax) in which Python drops every exception. Stages raise it again.
_pending: type[BaseException] | None = None


def note_interrupt(kind: type[BaseException] | None) -> None:
    """Remember an interrupt until the program has come to its end; None forgets it."""
    global _pending
    _pending = kind


class Progress:
    """Tells stages as they end: ``[ 12.3 s] export onnx (8.1 s)``.

    Args:
      stream: where lines go; None for silence.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._start = self._stage_start = time.monotonic()
        self._current: str | None = None

    @staticmethod
    def silent() -> Progress:
        """One that says nothing."""
        return Progress(None)

    @staticmethod
    def to_stderr() -> Progress:
        """One that writes to the process's stderr."""
        return Progress(sys.stderr)

    def stage(self, name: str) -> None:
        """End the stage before and begin one."""
        self.done()
        self._current, self._stage_start = name, time.monotonic()
        if self._stream is not None and self._stream.isatty():
            self._write(f"\r{self._elapsed()} {name} ...")

    def done(self) -> None:
        """End the current stage.

        Raises:
          the interrupt that came meanwhile and was swallowed, if there was one.
        """
        if _pending is not None:
            raise _pending
        if self._current is not None:
            took = time.monotonic() - self._stage_start
            start = "\r\x1b[K" if self._stream is not None and self._stream.isatty() else ""
            self._write(f"{start}{self._elapsed()} {self._current} ({took:.1f} s)\n")
        self._current = None

    def tell(self, text: str) -> None:
        """End the current stage and say something in a line of its own."""
        self.done()
        self._write(f"{self._elapsed()} {text}\n")

    def _elapsed(self) -> str:
        return f"[{time.monotonic() - self._start:6.1f} s]"

    def _write(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write(text)
            self._stream.flush()
