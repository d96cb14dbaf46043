"""Worker processes on this machine: one job at a time in each, a dead one is replaced."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from edgekit.converters.sweep.job import Answer, Job

from edgekit.errors import MachineError

#: what workers are started with: one thread, whatever library starts them, and no words of
#: Python's resource tracker about the semaphores (tqdm's) of workers that were killed
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker",
}
#: a job whose process died is given to this many processes in all
ATTEMPTS = 2


class Workers:
    """Processes that answer jobs; started when needed, killed at the end.

    Each is the head of a process group of its own: Ctrl-C reaches the parent alone, and killing a
    worker takes the runtime's process that it started along.

    Args:
      count: how many work at once.
      work: folder for their temporary files.
    """

    def __init__(self, count: int, work: Path) -> None:
        self.count = count
        self._work = work
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, tuple[_Worker, int, int]] = {}

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
        """Answers in the order in which they come, each with its job's index."""
        waiting = [(i, 1) for i in range(len(jobs))]
        while waiting or self._busy:
            while waiting and len(self._busy) < self.count:
                index, attempt = waiting.pop(0)
                worker = self._idle.pop() if self._idle else _Worker(self._work)
                if worker.send(jobs[index]):
                    self._busy[worker.pipe] = worker, index, attempt
                else:  # it died idle: not this job's fault
                    worker.kill()
                    waiting.insert(0, (index, attempt))
            for pipe in wait(list(self._busy)):
                assert isinstance(pipe, Connection)
                worker, index, attempt = self._busy.pop(pipe)
                answer = worker.receive()
                if answer is not None:
                    self._idle.append(worker)
                    yield index, answer
                    continue
                code = worker.kill()
                if attempt < ATTEMPTS:
                    waiting.insert(0, (index, attempt + 1))
                else:
                    yield index, Answer.of(_died(code, attempt))

    def close(self) -> None:
        """End all: idle ones in peace, busy ones at once."""
        for worker in self._idle:
            worker.pipe.close()
        for worker, *_ in self._busy.values():
            worker.kill()
        for worker in self._idle:
            worker.kill(patience=5)
        self._idle, self._busy = [], {}


def _died(code: int | None, attempts: int) -> MachineError:
    how = f"on signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
    return MachineError(
        f"its process died {how}, {attempts} times.",
        "probably for lack of memory: use fewer --jobs, or close other programs.",
    )


class _Worker:
    def __init__(self, work: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(
            target=_serve, args=(theirs, str(work)), daemon=True
        )
        with _environment():
            self._process.start()
        theirs.close()  # so that its death closes the pipe

    def send(self, job: Job) -> bool:
        """Give it a job; False when it is dead."""
        try:
            self.pipe.send(job)
        except OSError:
            return False
        return True

    def receive(self) -> Answer | None:
        """Its answer; None when it died instead."""
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):
            return None
        assert isinstance(answer, Answer)
        return answer

    def kill(self, patience: float = 0.2) -> int | None:
        """End it and what it started; its exit code.

        One that ends by itself within ``patience`` seconds has a code of its own.
        """
        self._process.join(patience)
        number = self._process.pid
        if number is not None and self._process.is_alive() and hasattr(os, "killpg"):
            with contextlib.suppress(OSError):  # not yet the head of its group
                os.killpg(number, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self.pipe.close()
        return self._process.exitcode


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """The environment that a worker is started in."""
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(pipe: Connection, work: str) -> None:
    """A worker's life: answer jobs until the parent is gone."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    # what a killed worker leaves lies where the next run clears it
    tempfile.tempdir = work
    from edgekit.converters.sweep.job import close_sources, run_job

    while True:
        try:
            job = pipe.recv()
        except (EOFError, OSError):
            break
        pipe.send(run_job(job))
    close_sources()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
