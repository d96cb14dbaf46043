"""What the measurements share: texts, peers, results with the machine's facts."""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.runtime.cpu import cpu_features, cpu_name
from edgekit.tasks.cases import read_cases

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "build" / "demo"
WORK = ROOT / "build" / "bench"
RESULTS = ROOT / "benchmarks" / "results"
SHARED = ROOT.parent / "shared"

#: short phrases in several scripts, none of them in edgekit's built-in cases
PHRASES = (
    "thanks", "see you tomorrow", "what a mess", "two tickets please", "out of stock",
    "how much is it", "happy birthday", "I disagree", "best soup ever", "never again",
    "谢谢你的帮助", "火车几点开", "我不喜欢这个颜色", "天气预报说明天下雨", "再见",
    "ありがとうございます", "この本は面白い", "水をください", "감사합니다", "길을 잃었어요",
    "Спасибо большое", "Мне нужен врач", "До завтра", "Очень вкусно", "Дождь идёт",
    "Muchas gracias", "No entiendo nada", "¿Qué hora es?", "Ich verstehe das nicht",
    "Guten Morgen", "Wo ist der Bahnhof", "Merci beaucoup", "Je ne sais pas", "C'est trop cher",
    "شكرا جزيلا", "أين المحطة", "धन्यवाद", "मुझे भूख लगी है", "Ευχαριστώ πολύ", "תודה רבה",
)  # fmt: skip


def heldout_texts() -> list[str]:
    """260 texts: film reviews, documentation and fiction, phrases in several scripts."""
    if not SHARED.is_dir():
        sys.exit("the held-out text lies in ../shared, which is not there: nothing was measured.")
    reviews = [e.text for e in read_cases(SHARED / "data" / "sst2-dev.tsv")][:160]
    mixed = [e.text for e in read_cases(SHARED / "data" / "calibration-mix.jsonl")][::25][:60]
    return [*reviews, *mixed, *PHRASES]


def demo_folder() -> Path:
    """build/demo, made by ``make demo``."""
    if not (DEMO / "edgekit.json").is_file():
        sys.exit("build/demo is missing: run `make demo` first.")
    return DEMO


def demo_checkpoint() -> Any:
    """all-MiniLM-L6-v2 as edgekit loads it, at 128 tokens."""
    from edgekit.converters.quiet import quiet_libraries

    with quiet_libraries():
        from edgekit.converters.sources.resolve import resolve
        from edgekit.converters.sources.transformers_folder import load_checkpoint

        return load_checkpoint(resolve("demo"), "demo", max_length=128)


def peer_files(checkpoint: Any) -> dict[str, Path]:
    """torch.onnx.export's plain file and onnxruntime's dynamic int8 of it."""
    from edgekit.converters.quiet import quiet_libraries

    WORK.mkdir(parents=True, exist_ok=True)
    plain, dynamic = WORK / "torch-plain.onnx", WORK / "ort-dynamic.onnx"
    if plain.is_file() and dynamic.is_file():
        return {"torch plain": plain, "ort dynamic": dynamic}
    with quiet_libraries():
        import torch
        from onnxruntime.quantization import QuantType, quantize_dynamic

        sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
        names = checkpoint.contract.input_names
        inputs = {n: torch.full((2, 9), i % 2) for i, n in enumerate(names)}
        with checkpoint.using_attention("sdpa"), torch.no_grad():
            program = torch.onnx.export(
                checkpoint.module, (), kwargs=inputs, dynamo=True, opset_version=18,
                dynamic_shapes=dict.fromkeys(names, sizes), input_names=list(names),
                verbose=False, external_data=False,
            )  # fmt: skip
        program.save(str(plain), external_data=False)
        quantize_dynamic(plain, dynamic, per_channel=True, weight_type=QuantType.QInt8)
    return {"torch plain": plain, "ort dynamic": dynamic}


def save(name: str, result: dict[str, Any]) -> None:
    """Write a result with the facts that it depends on."""
    packages = ("torch", "transformers", "onnxruntime", "ai-edge-litert", "litert-torch")
    document = {
        "schema": 1,
        "name": name,
        "machine": {
            "cpu": cpu_name(),
            "features": list(cpu_features()),
            "python": platform.python_version(),
            **{p: version(p) for p in packages},
        },
        "result": result,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def load(name: str) -> dict[str, Any]:
    """A committed result."""
    path = RESULTS / f"{name}.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def ratio_interval(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """How many times faster b is than a, from paired medians of processes.

    Args:
      a, b: float64 [processes], median time of each process.
    Returns:
      median ratio and a 95 % bootstrap interval over processes.
    """
    ratios = np.asarray(a) / np.asarray(b)
    rng = np.random.default_rng(0)
    picks = np.median(ratios[rng.integers(0, len(ratios), (2000, len(ratios)))], axis=1)
    low, high = np.quantile(picks, [0.025, 0.975])
    return {"ratio": float(np.median(ratios)), "low": float(low), "high": float(high)}
