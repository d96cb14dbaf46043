"""The parent's end of the child process: one job at a time, every end an error of ours."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from edgekit.converters.tensorflow.specs import Route, WrongRoute

from edgekit import errors
from edgekit.errors import EdgekitError, InternalError, MachineError

#: seconds after which a job is given up: minutes are the most that was seen
PATIENCE = 3600
#: seconds that a child has to end by itself once nothing more is asked
_FAREWELL = 10
_KILLED = (9, 15)
_NO_MEMORY = 6


class ChildProcess:
    """A process that loads one model on one backend.

    Args:
      route: which backend Keras has in it.
      scratch: where its stderr goes.
      legacy: Keras 2 in place of Keras 3.
    """

    def __init__(self, route: Route, scratch: Path, legacy: bool = False) -> None:
        self.route = route
        self.peak_mb = 0.0
        self.cpu_s: dict[str, float] = {}
        self._errors = scratch / f"{'torch' if route == 'keras on torch' else 'tensorflow'}.stderr"
        environment = {
            **os.environ,
            "KERAS_BACKEND": "torch" if route == "keras on torch" else "tensorflow",
            # the user's own settings of Keras must not change what comes out
            "KERAS_HOME": str(scratch / "keras"),
            "TF_USE_LEGACY_KERAS": "1" if legacy else "0",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            # sums in the same order on every machine of a kind
            "TF_ENABLE_ONEDNN_OPTS": "0",
            "CUDA_VISIBLE_DEVICES": "-1",
            "PYTHONHASHSEED": "0",
        }
        with self._errors.open("w", encoding="utf-8") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edgekit.converters.tensorflow.child"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True,
                env=environment,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ask(self, kind: str, job: dict[str, Any]) -> Any:
        """Do one job.

        Args:
          kind: under which its CPU time is counted.
          job: plain data.
        Raises:
          EdgekitError: what the child raised.
          InternalError: it crashed.
          MachineError: it was killed, or had no memory left.
          WrongRoute: its backend cannot do it.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        late = threading.Timer(PATIENCE, self._process.kill)
        late.start()
        try:
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            late.cancel()
        if not line.endswith("\n"):
            raise self._died()
        reply = json.loads(line)
        self.cpu_s[kind] = self.cpu_s.get(kind, 0.0) + reply["cpu_s"]
        self.peak_mb = max(self.peak_mb, reply["peak_mb"])
        if "wrong_route" in reply:
            raise WrongRoute(reply["wrong_route"])
        if "error" in reply:
            raise _as_error(*reply["error"])
        return reply["ok"]

    def close(self) -> None:
        """End it; nothing is asked any more."""
        if self._process.stdin is not None and self._process.stdout is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.stdout.close()
        try:
            self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _died(self) -> EdgekitError:
        code = self._process.wait()
        if -code in _KILLED:
            return MachineError(
                "the process that reads the model was killed, probably for lack of memory.",
                "free some memory (TensorFlow needs about 1 GB beside the model), then run again.",
            )
        lines = self._errors.read_text("utf-8", "replace").splitlines()
        last = next((line for line in reversed(lines) if line.strip()), "no message")
        if code == _NO_MEMORY:
            return MachineError("the process that reads the model had no memory left.", "")
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        return InternalError(f"the process that reads the model ended with {ended}: {last}")


def _as_error(name: str, message: str, hint: str) -> EdgekitError:
    """An error of ours that crossed the process boundary."""
    kind = getattr(errors, name)
    if issubclass(kind, errors.MissingExtraError):  # its constructor makes the sentence itself
        error: EdgekitError = kind.__new__(kind)
        EdgekitError.__init__(error, message, hint)
        return error
    return kind(message, hint)  # type: ignore[no-any-return]
