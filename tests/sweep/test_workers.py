"""Processes that do the jobs: a dead one costs its job a second try, not the sweep."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from edgekit.converters.sweep.job import Answer, Job
from edgekit.converters.sweep.source import Setup
from edgekit.converters.sweep.workers import Workers

from edgekit.sweep.options import Combination

pytestmark = pytest.mark.heavy


def kill_busy(workers: Workers, seen: set[int], times: int) -> Callable[[], None]:
    """Kill so many different processes as soon as they have a job."""

    def watch() -> None:
        end = time.monotonic() + 120
        while len(seen) < times and time.monotonic() < end:
            for worker, *_ in list(workers._busy.values()):
                number = worker._process.pid
                if number is not None and number not in seen:
                    seen.add(number)
                    os.kill(number, signal.SIGKILL)
            time.sleep(0.01)

    return watch


@pytest.mark.parametrize("deaths", [1, 2])
def test_a_dead_process_is_replaced_once(deaths: int, embedder: Path, tmp_path: Path) -> None:
    workers = Workers(1, tmp_path)
    killed: set[int] = set()
    watcher = threading.Thread(target=kill_busy(workers, killed, deaths))
    watcher.start()
    try:
        [(index, answer)] = workers.run([Job(Setup(str(embedder), ("onnx",)))])
    finally:
        workers.close()
        watcher.join()
    assert index == 0
    assert len(killed) == deaths
    if deaths == 1:
        assert answer.value is not None
        assert answer.value["source"]["name"] == "tiny-embedder"
    else:
        assert answer.value is None
        assert answer.message == "its process died on signal 9, 2 times."
        assert answer.exit_code == 6
    for number in killed:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


def test_errors_come_back_as_answers_and_the_process_lives_on(
    embedder: Path, tmp_path: Path
) -> None:
    """A missing model; a combination whose facts are not those of the start; a recipe's typo."""
    setup = Setup(str(embedder), ("onnx",))
    jobs = [
        Job(Setup(str(tmp_path / "none"), ("onnx",))),
        Job(setup, Combination("onnx", "w4c"), {"max_length": 7}),
        Job(setup, Combination("onnx", "w4q")),
        Job(setup),
    ]
    workers = Workers(1, tmp_path)
    try:
        answers: dict[int, Answer] = dict(workers.run(jobs))
        assert len(workers._idle) == 1
    finally:
        workers.close()
    assert [answers[i].exit_code for i in range(4)] == [3, 6, 2, 0]
    assert "does not exist" in answers[0].message
    assert "other facts than the sweep was started with: max_length" in answers[1].message
    assert answers[3].value is not None
    assert list(tmp_path.iterdir()) == []
