"""A real trained model: the exported file tells transformers' stories, token by token."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgekit
from edgekit.cli.main import run_command

pytestmark = [pytest.mark.shared, pytest.mark.heavy]

PROMPTS = (
    "Once upon a time",
    "Lily and her dog went to the",
    "The sun was hot. Tom",
    '"Can I play?" asked',
    "One day, a big bird",
)
NEW = 100


@pytest.fixture(scope="module")
def stories(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stories") / "out"
    source = shared / "models" / "stories260k"
    assert edgekit.export(source, folder, targets=("onnx",), recipes=("fp32",)).passed
    return folder


def test_greedy_is_transformers_own(
    stories: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = shared / "models" / "stories260k"
    tokenizer = AutoTokenizer.from_pretrained(source)
    reference = AutoModelForCausalLM.from_pretrained(source)
    model = edgekit.load(stories)
    batch = model.generate_all(PROMPTS, max_new_tokens=NEW)
    for prompt, in_batch in zip(PROMPTS, batch, strict=True):
        ids = tokenizer(prompt, return_tensors="pt")
        whole = reference.generate(**ids, max_new_tokens=NEW, do_sample=False)[0]
        found = model.generate(prompt, max_new_tokens=NEW)
        assert list(found.ids) == whole[ids["input_ids"].shape[1] :].tolist()
        assert prompt + found.text == tokenizer.decode(whole, skip_special_tokens=True)
        assert in_batch.ids == found.ids
        assert run_command(["generate", str(stories), prompt, f"--max-new-tokens={NEW}"]) == 0
        assert capsys.readouterr().out == found.text + "\n"


def test_beams_are_transformers_own(stories: Path, shared: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = shared / "models" / "stories260k"
    ids = AutoTokenizer.from_pretrained(source)(PROMPTS[1], return_tensors="pt")
    reference = AutoModelForCausalLM.from_pretrained(source)
    whole = reference.generate(**ids, max_new_tokens=40, do_sample=False, num_beams=4)[0]
    found = edgekit.load(stories).generate(PROMPTS[1], max_new_tokens=40, beams=4)
    assert list(found.ids) == whole[ids["input_ids"].shape[1] :].tolist()
