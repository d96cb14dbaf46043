"""One contestant of generation_speed.py in a process of its own, spoken to by lines of JSON.

usage: python benchmarks/peers_worker.py      (first line {"runner", "path", "threads"}; then one
line {"prompt", "count"} for each round, each answered by one line)

It runs under the environment of the peers as well as under edgekit's, so it imports neither before
it knows what it is. A round is: an empty cache, the prompt, then ``count`` tokens one by one, each
the best one after the last. Every answer has wall and process CPU seconds.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

#: positions of every cache: room for the longest prompt and what is decoded
CONTEXT = 512

#: tokens behind those fed before -> id of the best next one; None empties the cache
Feed = Callable[["list[int] | None"], int]


def transformers_eager(path: str, threads: int) -> tuple[Feed, str]:
    """transformers in float32 with its DynamicCache and its eager attention."""
    import torch
    import transformers

    torch.set_num_threads(threads)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path, attn_implementation="eager", dtype=torch.float32
    ).eval()
    cache: Any = None

    def feed(ids: list[int] | None) -> int:
        nonlocal cache
        if ids is None:
            cache = transformers.DynamicCache(config=model.config)
            return -1
        with torch.inference_mode():
            out = model(
                input_ids=torch.tensor([ids]), past_key_values=cache, use_cache=True,
                logits_to_keep=1,
            )  # fmt: skip
            return int(out.logits[0, -1].argmax())

    return feed, f"transformers {transformers.__version__}, torch {torch.__version__}"


def genai(path: str, threads: int) -> tuple[Feed, str]:
    """A folder of onnxruntime-genai's builder through its own generator."""
    import onnxruntime_genai as og

    config = og.Config(path)
    settings = {"intra_op_num_threads": threads, "inter_op_num_threads": 1}
    config.overlay(json.dumps({"model": {"decoder": {"session_options": settings}}}))
    model = og.Model(config)
    params = og.GeneratorParams(model)
    params.set_search_options(max_length=CONTEXT, do_sample=False)
    generator: Any = None
    fresh = True

    def feed(ids: list[int] | None) -> int:
        nonlocal generator, fresh
        if ids is None:
            generator, fresh = og.Generator(model, params), True
            return -1
        if fresh:  # later it feeds the token that it chose itself
            generator.append_tokens(np.array([ids], np.int32))
            fresh = False
        generator.generate_next_token()
        return int(generator.get_next_tokens()[0])

    return feed, f"onnxruntime-genai {og.__version__}"


def llama_cpp(path: str, threads: int) -> tuple[Feed, str]:
    """A .gguf file through llama.cpp's C functions."""
    import llama_cpp as llama

    llama.llama_backend_init()
    silent = llama.llama_log_callback(lambda *_: None)
    llama.llama_log_set(silent, ctypes.c_void_p(0))
    model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
    settings = llama.llama_context_default_params()
    settings.n_ctx, settings.n_batch, settings.n_ubatch = CONTEXT, CONTEXT, CONTEXT
    settings.n_threads = settings.n_threads_batch = threads
    context = llama.llama_init_from_model(model, settings)
    width = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))

    def feed(ids: list[int] | None) -> int:
        if ids is None:
            llama.llama_memory_clear(llama.llama_get_memory(context), True)
            return -1
        tokens = (llama.llama_token * len(ids))(*ids)
        if llama.llama_decode(context, llama.llama_batch_get_one(tokens, len(ids))):
            raise RuntimeError("llama_decode failed")
        logits = llama.llama_get_logits_ith(context, -1)
        return int(np.ctypeslib.as_array(logits, (width,)).argmax())

    feed.keep = silent  # type: ignore[attr-defined]
    return feed, f"llama-cpp-python {llama.__version__}"


def edgekit_file(path: str, threads: int) -> tuple[Feed, str]:
    """A file of ours, as an app would open it."""
    from importlib.metadata import version

    from edgekit.runtime.session import open_session, target_of

    # as ``edgekit.load`` opens a file that generates
    session: Any = open_session(Path(path), threads, spin=threads > 1)
    state: Any = None

    def feed(ids: list[int] | None) -> int:
        nonlocal state
        if ids is None:
            state = session.state(1)
            return -1
        return int(state.feed(np.array([ids], np.int64))[0, -1].argmax())

    package = {"onnx": "onnxruntime", "tflite": "ai-edge-litert"}[target_of(Path(path))]
    return feed, f"{package} {version(package)}"


RUNNERS = {
    "transformers": transformers_eager,
    "genai": genai,
    "llama.cpp": llama_cpp,
    "edgekit": edgekit_file,
}


def play(feed: Feed, prompt: list[int], count: int) -> dict[str, Any]:
    """One round.

    Returns:
      ``prefill``: [wall, CPU] seconds to the first token; ``decode``: the same of each further one;
      ``tokens``: the ids chosen.
    """
    feed(None)
    times = []
    tokens: list[int] = []
    for step in range(count + 1):
        ids = tokens[-1:] if step else prompt
        wall, cpu = time.perf_counter(), time.process_time()
        tokens.append(feed(ids))
        times.append([time.perf_counter() - wall, time.process_time() - cpu])
    return {"prefill": times[0], "decode": times[1:], "tokens": tokens}


def main() -> None:
    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints is no answer
    job = json.loads(sys.stdin.readline())
    try:
        start = time.perf_counter()
        feed, runs = RUNNERS[job["runner"]](job["path"], job["threads"])
        ready = {"runs": runs, "load": time.perf_counter() - start}
    except ImportError as error:
        ready = {"missing": str(error)}
    answers.write(json.dumps(ready) + "\n")
    answers.flush()
    for line in sys.stdin:
        order = json.loads(line)
        answers.write(json.dumps(play(feed, order["prompt"], order["count"])) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
