"""One job: what a process is sent, and what it answers; plain data that every transport carries."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgekit.converters.sweep.source import Setup, Source

from edgekit.errors import EdgekitError, InternalError, MachineError, first_line
from edgekit.sweep.options import Combination


@dataclass(frozen=True)
class Job:
    """Describe a setup (no combination), or measure one file of it.

    Attributes:
      setup: what to open.
      wanted: the file; None to be told the setup's facts.
      facts: what the values must depend on: another process may see another model or version.
    """

    setup: Setup
    wanted: Combination | None = None
    facts: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Answer:
    """What came of a job: a value (facts, or a point's JSON), or an error in plain data.

    Attributes:
      value: the result, or None.
      message, hint, exit_code: of the error.
      seconds: that it took.
    """

    value: dict[str, Any] | None
    message: str = ""
    hint: str = ""
    exit_code: int = 0
    seconds: float = 0.0

    @staticmethod
    def of(error: EdgekitError) -> Answer:
        """An error as an answer: some error classes do not survive a trip to another process."""
        return Answer(None, error.message, error.hint, error.exit_code)

    def raise_error(self) -> None:
        """The error again, of the root class with its own exit code."""
        if self.value is None:
            error = EdgekitError(self.message, self.hint)
            error.exit_code = self.exit_code
            raise error


#: sources that this process has opened: one, as each holds a model in memory
_opened: dict[Setup, tuple[Source, Path]] = {}
#: torch's settings and the libraries' switches are the process's: one job at a time
_turn = threading.Lock()


def run_job(job: Job, place: str | None = None) -> Answer:
    """Do a job in this process, on one thread; never raises but on interrupts.

    Args:
      job: what to do.
      place: folder for float exports and the like; the system's for temporary files when None.
    """
    with _turn:
        start = time.monotonic()
        return replace(_answer(job, place), seconds=time.monotonic() - start)


def _answer(job: Job, place: str | None) -> Answer:
    try:
        return Answer(_run(job, place))
    except EdgekitError as error:
        return Answer.of(error)
    except MemoryError:
        return Answer.of(MachineError("out of memory.", "use fewer jobs or a smaller model."))
    except OSError as error:
        return Answer.of(MachineError(f"measuring failed: {first_line(error)}."))
    except Exception as error:
        name = type(error).__name__
        return Answer.of(InternalError(f"a bug in edgekit: {name}: {first_line(error)}."))


def _run(job: Job, place: str | None) -> dict[str, Any]:
    source, work = _open(job.setup, place)
    if job.wanted is None:
        return source.facts
    differ = [k for k, value in job.facts.items() if source.facts.get(k) != value]
    if differ:
        raise MachineError(
            f"a worker sees other facts than the sweep was started with: {', '.join(differ)}.",
            "give every worker the same model, data and versions of the packages.",
        )
    with tempfile.TemporaryDirectory(prefix="point-", dir=work) as folder:
        return source.measure(job.wanted, Path(folder)).to_json()


def _open(setup: Setup, place: str | None) -> tuple[Source, Path]:
    if setup not in _opened:
        close_sources()
        work = Path(tempfile.mkdtemp(prefix="edgekit-sweep-", dir=place))
        try:
            from importlib.util import find_spec

            if find_spec("torch") is not None:
                import torch

                # values may depend on how sums are split among threads
                torch.set_num_threads(1)
            _opened[setup] = Source(setup, work), work
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return _opened[setup]


@atexit.register
def close_sources() -> None:
    """Forget what this process has opened, and remove its files."""
    while _opened:
        _, (_, work) = _opened.popitem()
        shutil.rmtree(work, ignore_errors=True)
