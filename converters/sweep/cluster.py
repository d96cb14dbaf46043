"""Jobs on the workers of a Dask scheduler, on this machine or others."""

from __future__ import annotations

import contextlib
import logging
import queue
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from edgekit.converters.sweep.job import Answer, Job, run_job

from edgekit.errors import InternalError, MachineError, MissingExtraError, first_line

#: seconds to wait for the scheduler, for its first worker, and for a worker after all have gone
PATIENCE = 5.0
#: how often a job is given to another worker when its own fails; deaths count apart, see below
RETRIES = 1
_LOOK_EVERY = 2.0


def run_there(job: Job) -> Answer:
    """Do a job on a worker, in its own folder: Dask clears that of a worker that was killed."""
    import distributed

    worker: Any = distributed.get_worker()
    return run_job(job, worker.local_directory)


class Cluster:
    """A connection to a scheduler.

    Workers must see the model, the data and the same packages: each holds its own facts against
    those that the sweep began with. A worker that dies gives its jobs back; Dask reports a job
    whose workers died four times (its ``allowed-failures``).

    Args:
      address: as Dask writes it: ``tcp://host:8786`` or ``host:8786``.
      patience: seconds to wait for the scheduler and a worker.
    Raises:
      MissingExtraError: dask or distributed is not installed.
      MachineError: the scheduler cannot be reached, or has no worker.
    """

    def __init__(self, address: str, patience: float = PATIENCE) -> None:
        try:
            import distributed
        except ImportError:
            raise MissingExtraError("distributed", "sweep", "--scheduler") from None
        self._address, self._patience = address, patience
        hint = "start one with `dask scheduler`, and workers with `dask worker ADDRESS`."
        client: Any = distributed.Client  # it has no types
        # it logs every attempt to connect; the error is ours to tell
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            if not address:  # Dask would start a cluster of its own
                raise ValueError("the address is empty")
            self._client = client(address, timeout=patience, set_as_default=False)
        # an address without a port: an assertion of its own
        except (OSError, ValueError, TypeError, AssertionError) as error:
            raise MachineError(
                f"the Dask scheduler at '{address}' cannot be reached: {first_line(error)}.", hint
            ) from None
        try:
            self._client.wait_for_workers(1, timeout=patience)
        except TimeoutError:
            self.close()
            raise MachineError(f"the Dask scheduler at '{address}' has no worker.", hint) from None
        self.count = max(1, len(self._client.ncores()))

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
        """Answers in the order in which they come, each with its job's index."""
        done: queue.SimpleQueue[int] = queue.SimpleQueue()
        run = uuid.uuid4().hex  # a name of its own: the scheduler must not remember an older one
        futures = [
            self._client.submit(run_there, job, key=f"edgekit-sweep-{run}-{i}", pure=False,
                                retries=RETRIES)
            for i, job in enumerate(jobs)
        ]  # fmt: skip
        for i, future in enumerate(futures):
            future.add_done_callback(lambda _, i=i: done.put(i))
        try:
            for _ in range(len(futures)):
                index = self._next(done)
                yield index, self._answer(futures[index])
        finally:
            with contextlib.suppress(Exception):  # the scheduler may be gone
                self._client.cancel(futures, force=True)

    def _next(self, done: queue.SimpleQueue[int]) -> int:
        """The next job that ended; an error when nobody is left who could end one."""
        alone = 0.0
        while True:
            try:
                return done.get(timeout=_LOOK_EVERY)
            except queue.Empty:
                alone = 0.0 if self._has_workers() else alone + _LOOK_EVERY
            if alone > self._patience:
                raise self._gone()

    def _has_workers(self) -> bool:
        if self._client.status != "running":
            return False
        try:
            return bool(self._client.ncores())
        except Exception:  # many classes: all mean that it did not answer
            return False

    def _answer(self, future: Any) -> Answer:
        """What a future that ended holds: an answer, or the story of its workers' deaths."""
        if future.status == "finished":
            answer = future.result()
            if isinstance(answer, Answer):
                return answer
            return Answer.of(InternalError(f"a worker answered with {type(answer).__name__}"))
        if future.status != "error":  # cancelled, lost
            raise self._gone()
        error = future.exception()
        name = type(error).__name__
        if name == "KilledWorker":
            return Answer.of(
                MachineError("all workers that it was given to died.", "see the workers' logs.")
            )
        return Answer.of(MachineError(f"its worker failed: {name}: {first_line(error)}."))

    def _gone(self) -> MachineError:
        return MachineError(
            f"the Dask scheduler at '{self._address}' is gone, or all of its workers are.",
            "start them again and run the same command to go on.",
        )

    def close(self) -> None:
        """Leave the scheduler; jobs that are running there are given up."""
        with contextlib.suppress(Exception):
            self._client.close(timeout=2)
