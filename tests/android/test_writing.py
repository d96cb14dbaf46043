"""android_demo/core writes: greedy texts of exported language models are Python's own."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import edgekit
from edgekit.bundle import bundle
from edgekit.errors import UnsupportedError
from tests.conftest import ROOT
from tests.tokenizer_corpus import lines

RUNNER = ROOT / "android_demo" / "run_core_tests.py"
needs_java = pytest.mark.skipif(
    shutil.which("javac") is None, reason="no JDK on the PATH: install openjdk-17-jdk-headless"
)
FINISHED = {"eos": "END", "length": "LENGTH", "cache": "CACHE"}


def make(export: Path, out: Path, prompts: tuple[str, ...], most: tuple[int, ...]) -> Path:
    """A bundle, and beside it what Python writes behind some prompts, encodes and decodes."""
    bundle(export, out, "onnx", "fp32")
    model, rng = edgekit.load(export, recipe="fp32"), random.Random(1)
    tokenizer = model._tokenizer
    written: list[dict[str, Any]] = []
    for prompt, count in zip(prompts, most, strict=True):
        found = model.generate(prompt, max_new_tokens=count, temperature=0)
        assert found.finished != "stop"
        written.append(
            {"prompt": prompt, "most": count, "ids": found.ids, "text": found.text,
             "finished": FINISHED[found.finished]}
        )  # fmt: skip
    texts = [line for line in lines()[:400] if tokenizer.prompt_ids(line)]
    encoded = [{"text": text, "ids": tokenizer.prompt_ids(text)} for text in texts]
    runs = [[rng.randrange(tokenizer.vocabulary_size) for _ in range(12)] for _ in range(400)]
    runs += [tokenizer.prompt_ids(text) for text in texts]
    decoded = [{"ids": ids, "text": tokenizer.decode(ids, skip_special=True)} for ids in runs]
    document = json.dumps({"written": written, "encoded": encoded, "decoded": decoded})
    out.with_name(out.name + ".json").write_text(document, encoding="utf-8")
    return out


def run(stories: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUNNER), "-", "-", str(stories)],
        capture_output=True,
        text=True,
        check=False,
    )


def save_tiny(folder: Path) -> Path:
    """A random language model of byte-level tokens, with a small cache."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from tests.generation.lms import llama

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<pad>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, special_tokens=special)
    tokenizer.train_from_iterator(
        ["the cat and the dog went to the park, 猫 и собака"] * 4, trainer
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=48, pad_token="<pad>", eos_token="</s>"
    ).save_pretrained(folder)
    llama(320, tie_word_embeddings=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    source = save_tiny(folder / "model")
    out = folder / "out"
    assert edgekit.export(source, out, targets=("onnx",), recipes=("fp32",)).passed
    return out


@needs_java
@pytest.mark.heavy
def test_a_small_model(tiny: Path, tmp_path: Path) -> None:
    prompts = ("the cat", "the dog went to", "猫 и")
    make(tiny, tmp_path / "tiny", prompts, (8, 100, 1))
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    [(name, texts, tokens)] = re.findall(r"written (\S+) (\d+) (\d+)", done.stdout)
    assert (name, texts) == ("tiny", "3")
    assert int(tokens) > 20
    [(_, count)] = re.findall(r"tokenized (\S+) (\d+)", done.stdout)
    assert int(count) > 1000


@needs_java
@pytest.mark.heavy
def test_another_token_is_seen(tiny: Path, tmp_path: Path) -> None:
    made = make(tiny, tmp_path / "tiny", ("the cat",), (8,))
    beside = made.with_name("tiny.json")
    expected = json.loads(beside.read_text(encoding="utf-8"))
    expected["written"][0]["ids"][5] += 1
    beside.write_text(json.dumps(expected), encoding="utf-8")
    done = run(tmp_path)
    assert done.returncode == 1
    assert "greedyTextsArePythons" in done.stdout


@needs_java
@pytest.mark.heavy
@pytest.mark.shared
def test_stories(shared: Path, tmp_path: Path) -> None:
    export = tmp_path / "out"
    source = shared / "models" / "stories260k"
    assert edgekit.export(source, export, targets=("onnx",), recipes=("fp32",)).passed
    prompts = ("Once upon a time", "Lily and her dog", "The sun", "Tom said", "One day, a bird")
    stories = tmp_path / "stories"
    make(export, stories / "stories260k", prompts, (100, 100, 100, 100, 600))
    done = run(stories)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    [(_, texts, tokens)] = re.findall(r"written (\S+) (\d+) (\d+)", done.stdout)
    assert texts == "5"
    assert int(tokens) > 400


def test_the_contract_says_how_to_write(tiny: Path, tmp_path: Path) -> None:
    made = bundle(tiny, tmp_path / "b", "onnx", "fp32").contract
    about = made["generation"]
    assert (about["context"], about["vocabulary"], about["eos_ids"]) == (48, 320, [2])
    assert about["cache"][0] == {
        "past": "past.0.key", "present": "present.0.key", "shape": [1, 8],
    }  # fmt: skip
    assert len(about["cache"]) == 4
    assert made["tokenizer"]["decode"] == [{"op": "bytes"}]


def test_what_no_core_runs_is_refused(tiny: Path) -> None:
    from dataclasses import replace

    from edgekit.bundle.generation import generation_json
    from edgekit.manifest import Manifest

    generation = Manifest.read(tiny).contract.generation
    assert generation is not None
    with pytest.raises(UnsupportedError, match="an encoder-decoder cannot be bundled"):
        generation_json(replace(generation, start_id=2), "onnx")
    with pytest.raises(UnsupportedError, match="tflite file cannot be bundled"):
        generation_json(generation, "tflite")
