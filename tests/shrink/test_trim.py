"""Models with a part of their vocabulary are the same models for text of that part."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgekit.converters.api import open_source, trim_vocab
from edgekit.converters.opening import load_source
from edgekit.converters.shrink.folder import read_steps

import edgekit
from edgekit.cli.main import run_command
from edgekit.errors import CasesError
from tests.causal import models as causal
from tests.seq2seq import made as seq2seq
from tests.shrink.trim_models import (
    save_byte_fallback_model,
    save_unigram_model,
    texts,
    write_texts,
)

pytestmark = pytest.mark.heavy

#: rows whose tokens are kept; some of the others hold more
KEPT = 4


@pytest.fixture(scope="session")
def kept_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("kept") / "kept.jsonl", texts()[:KEPT])


def make(kind: str, folder: Path) -> Path:
    if kind == "unigram":
        return save_unigram_model(folder)
    if kind == "byte-fallback":
        return save_byte_fallback_model(folder)
    if kind in seq2seq.ARCHITECTURES:
        return seq2seq.save_model(folder, kind)
    return causal.save_model(folder, kind)


def trimmed(model: Path, out: Path, kept_text: Path, **more: Any) -> Any:
    return trim_vocab(model, out, [kept_text], **{"held_out": kept_text, **more})


@pytest.mark.parametrize(
    "kind", ["unigram", "byte-fallback", "llama", "gpt2", "opt", "t5", "bart", "m2m_100", "marian"]
)
def test_outputs_are_the_same_and_the_step_says_so(
    kind: str, tmp_path: Path, kept_text: Path
) -> None:
    model, out = make(kind, tmp_path / "model"), tmp_path / "out"
    result = trimmed(model, out, kept_text)

    assert result.rows[1] < result.rows[0]
    assert result.parameters[1] < result.parameters[0]
    assert result.weights_bytes[1] < result.weights_bytes[0]
    assert result.changed.mean == 0 < result.changed.high
    assert result.proven_rows == KEPT
    assert result.largest_difference <= 1e-6
    [step] = read_steps(out)
    assert (step["step"], step["proven_rows"]) == ("trim-vocab", KEPT)
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert config["vocab_size"] == config.get("decoder_vocab_size", result.rows[1])
    assert config["vocab_size"] == result.rows[1]


def test_a_classifier_through_the_command(
    classifier: Path, tmp_path: Path, kept_text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "klein 小"
    arguments = ["trim-vocab", classifier, "-o", out, "--keep-text", kept_text, "--held-out",
                 kept_text, "-q"]  # fmt: skip
    assert run_command([*map(str, arguments)]) == 0
    told = capsys.readouterr().out
    assert "0.0% (0.0% to " in told
    assert "the same outputs on 4 rows of kept tokens" in told
    assert run_command([*map(str, arguments), "--force", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["result"]
    assert found["tokens"][1] < found["tokens"][0]
    one, other = (open_source(p).classify(texts()[:KEPT]) for p in (classifier, out))
    assert one == other
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("kind", ["classifier", "llama", "unigram"])
@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_both_targets_give_the_same(
    kind: str, target: str, classifier: Path, tmp_path: Path, kept_text: Path
) -> None:
    model = classifier if kind == "classifier" else make(kind, tmp_path / "model")
    trimmed(model, tmp_path / "small", kept_text)
    options = {"targets": [target], "recipes": ["fp32"], "buckets": (48,)}
    folders = tmp_path / "whole", tmp_path / "cut"
    for source, folder in zip((model, tmp_path / "small"), folders, strict=True):
        assert edgekit.export(source, folder, **options).passed
    whole, cut = (edgekit.load(folder, target=target) for folder in folders)
    if kind == "classifier":
        same_probabilities(whole, cut)
    else:
        same_logits(whole, cut)


def same_probabilities(whole: Any, cut: Any) -> None:
    for one, other in zip(
        whole.classify(texts()[:KEPT]), cut.classify(texts()[:KEPT]), strict=True
    ):
        assert one["label"] == other["label"]
        np.testing.assert_allclose(one["score"], other["score"], rtol=0, atol=1e-6)


def same_logits(whole: Any, cut: Any) -> None:
    ids = numbers(whole.tokenizer, cut.tokenizer)
    old, new = (np.array(n) for n in zip(*sorted(ids.items()), strict=True))
    for text in texts()[:KEPT]:
        rows = [m.tokenizer.encode([text], [None])[0] for m in (whole, cut)]
        assert [ids[int(i)] for i in rows[0]["input_ids"]] == rows[1]["input_ids"].tolist()
        one, other = (
            m.outputs([row])[0]["logits"] for m, row in zip((whole, cut), rows, strict=True)
        )
        scale = max(1.0, float(np.abs(one).max()))
        np.testing.assert_allclose(one[..., old], other[..., new], rtol=0, atol=1e-6 * scale)


def numbers(whole: Any, cut: Any) -> dict[int, int]:
    """New id by old one, by the names of the tokens."""
    new = {cut.token(i): i for i in range(cut.vocabulary_size)}
    names = {i: whole.token(i) for i in range(whole.vocabulary_size)}
    return {i: new[name] for i, name in names.items() if name in new}


def test_a_generating_model_writes_the_same_where_it_says_kept_tokens(tmp_path: Path) -> None:
    model, out = make("llama", tmp_path / "model"), tmp_path / "out"
    whole = open_source(model)
    prompts = texts()[:3]
    written = [whole.generate(p, max_new_tokens=8, temperature=0.0).text for p in prompts]
    # its own words are among what is kept
    said = write_texts(tmp_path / "said.jsonl", [*prompts, *filter(str.strip, written)])
    trim_vocab(model, out, [said], held_out=said)
    cut = open_source(out)
    assert [cut.generate(p, max_new_tokens=8, temperature=0.0).text for p in prompts] == written


def test_ids_that_settings_name_are_kept_and_renumbered(tmp_path: Path, kept_text: Path) -> None:
    model, out = make("gpt2", tmp_path / "model"), tmp_path / "out"
    path = model / "generation_config.json"
    given = json.loads(path.read_text(encoding="utf-8"))
    named = {"eos_token_id": [2, 317], "suppress_tokens": [318], "bad_words_ids": [[319, 1]]}
    path.write_text(json.dumps({**given, **named}), encoding="utf-8")
    whole = load_source(str(model), None, None, None)
    trimmed(model, out, kept_text)
    cut = load_source(str(out), None, None, None)
    ids = numbers(*(open_source(folder).tokenizer for folder in (model, out)))
    found = json.loads((out / "generation_config.json").read_text(encoding="utf-8"))
    assert found["eos_token_id"] == [ids[2], ids[317]]
    assert found["suppress_tokens"] == [ids[318]]
    assert found["bad_words_ids"] == [[ids[319], ids[1]]]
    assert cut.contract.generation is not None
    assert whole.contract.generation is not None
    assert cut.contract.generation.eos_ids == (ids[2], ids[317])


def test_a_tied_model_in_half_floats_is_stored_once(tmp_path: Path, kept_text: Path) -> None:
    from safetensors.numpy import load_file
    from transformers import AutoModelForCausalLM

    model, out = make("llama", tmp_path / "model"), tmp_path / "out"
    AutoModelForCausalLM.from_pretrained(model).half().save_pretrained(model)
    trimmed(model, out, kept_text)
    before, after = (load_file(folder / "model.safetensors") for folder in (model, out))
    assert set(before) == set(after)
    assert {value.dtype.name for value in after.values()} == {"float16"}


def test_scripts_are_kept_beside_text(classifier: Path, tmp_path: Path, kept_text: Path) -> None:
    plain = trimmed(classifier, tmp_path / "plain", kept_text)
    signs = trim_vocab(
        classifier, tmp_path / "signs", keep_scripts=["greek"], held_out=kept_text, max_changed=1
    )
    assert signs.rows[1] < plain.rows[1]  # characters, and no word
    with pytest.raises(CasesError, match="nothing can be removed"):
        trimmed(classifier, tmp_path / "latin", kept_text, keep_scripts=["latin"])


@pytest.mark.parametrize("killed", [False, True])
def test_stopped_it_leaves_nothing_that_looks_finished(
    classifier: Path, tmp_path: Path, kept_text: Path, killed: bool
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "edgekit", "trim-vocab", classifier, "-o", out,
               "--keep-text", kept_text, "--held-out", kept_text, "-q"]  # fmt: skip
    running = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    written_in(tmp_path, running)
    os.killpg(running.pid, signal.SIGKILL if killed else signal.SIGINT)
    told = running.communicate(timeout=120)[1]
    assert running.returncode == (-signal.SIGKILL if killed else 130), told
    assert not out.exists()
    if not killed:
        assert list(tmp_path.iterdir()) == []

    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert [p.name for p in tmp_path.iterdir()] == [out.name]
    assert (out / "edgekit-steps.json").is_file()


def written_in(folder: Path, running: subprocess.Popen[str]) -> None:
    """Wait until weights lie in the work folder beside the output."""
    until = time.monotonic() + 120
    while running.poll() is None and time.monotonic() < until:
        if any(folder.glob("**/*.safetensors")):
            return
        time.sleep(0.002)
    pytest.fail(f"no weights were seen: exit code {running.poll()}")


def test_every_tenth_row_is_withheld(classifier: Path, tmp_path: Path) -> None:
    kept = write_texts(tmp_path / "kept.jsonl", [*["the film"] * 9, "the film of today"])
    result = trim_vocab(classifier, tmp_path / "out", [kept], max_changed=1)
    assert (result.changed.n, result.changed.mean, result.proven_rows) == (1, 1.0, 0)
    assert "every tenth row of the kept text (1)" in result.notes[0]
    assert result.largest_difference is None  # nothing was left to run


def test_files_with_old_ids_and_weights_of_other_kinds_are_not_copied(
    classifier: Path, tmp_path: Path, kept_text: Path
) -> None:
    model = Path(shutil.copytree(classifier, tmp_path / "model"))
    old = ("model.gguf", "model.onnx.data", "coreml/weights.mlmodel", "original/tokenizer.model",
           "tekken.json", "vocab-src.json", "bpe.codes", "dict.txt")  # fmt: skip
    for name in (*old, "notes.txt", "1_Pooling/config.json"):
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_text("{}", encoding="utf-8")
    result = trimmed(model, tmp_path / "out", kept_text)
    found = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")}
    assert not found.intersection(old)
    assert {"notes.txt", "1_Pooling/config.json"} <= found
    assert any("held-out rows are rows of the kept text" in note for note in result.notes)
