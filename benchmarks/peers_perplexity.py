"""llama.cpp's perplexity of .gguf files on given tokens.

usage: python benchmarks/peers_perplexity.py JOB OUT      (in the environment of the peers)

JOB is JSON: ``files`` (paths), ``texts`` (lists of token ids). OUT gets, per file, the summed
-log probability of each text's tokens behind the first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np


def losses(path: str, texts: list[list[int]]) -> list[float]:
    """Sum of -log probability over each text."""
    from llama_cpp import Llama

    model = Llama(path, n_ctx=512, n_batch=512, n_threads=1, logits_all=True, verbose=False)
    found = []
    for ids in texts:
        model.reset()
        model.eval(ids)
        logits = np.asarray(model.scores[: len(ids)], np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        found.append(float(-logs[np.arange(len(ids) - 1), ids[1:]].sum()))
    return found


if __name__ == "__main__":
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    result = {path: losses(path, job["texts"]) for path in job["files"]}
    Path(sys.argv[2]).write_text(json.dumps(result), encoding="utf-8")
