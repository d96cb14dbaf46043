"""The process behind ``FileRunner``: ``python -m edgekit.parity.search.server``.

One JSON job per line on stdin; "done CPU_SECONDS" per line on stdout; ends with its stdin.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.contract import Contract
from edgekit.errors import EdgekitError


def _serve() -> None:
    # what a runtime prints must not be taken for an answer
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    session: Any = None
    for line in sys.stdin:
        job = json.loads(line)
        contract = Contract.from_json(job["contract"])
        if session is None:
            from edgekit.runtime.cpu_level import limit

            limit(job["level"])  # before any runtime is imported
            from edgekit.runtime.session import open_session

            session = open_session(Path(job["path"]), weight_cache=False)
        _answer(session, contract, job)
        replies.write(f"done {time.process_time():.6f}\n")
        replies.flush()


def _answer(session: Any, contract: Contract, job: dict[str, Any]) -> None:
    from edgekit.parity.search.runner import run_rows

    with np.load(job["inputs"], allow_pickle=False) as data:
        ends = np.cumsum(data["lengths"])[:-1]
        parts = {n: np.split(data[n], ends) for n in data.files if n != "lengths"}
        rows = [{n: part[i] for n, part in parts.items()} for i in range(len(data["lengths"]))]
    answers = run_rows(session, contract, rows, job["width"])
    names = list(answers[0])
    joined = {name: np.concatenate([a[name] for a in answers]) for name in names}
    counts = np.array([len(a[names[0]]) for a in answers], np.int64)
    np.savez(job["out"], **{"counts": counts, **joined})  # type: ignore[arg-type]


if __name__ == "__main__":
    try:
        _serve()
    except EdgekitError as error:
        sys.stderr.write(f"{error.message}\nhint: {error.hint}\n")
        sys.exit(error.exit_code)
