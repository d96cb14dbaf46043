"""`edgekit generate` on an exported folder, in the process and out of it."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.cli.main import run_command
from edgekit.errors import ArtifactError, UsageError
from tests.generation.lms import LETTERS, letters, llama

pytestmark = pytest.mark.heavy

CHAT = "{% for m in messages %}{{ m.role }} {{ m.content }}{% endfor %}"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny language model with a chat template."""
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("lm") / "tiny lm"
    model = llama(LETTERS, tie_word_embeddings=True)
    model.generation_config.max_new_tokens = 8
    model.save_pretrained(folder)
    names = dict(bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=letters()._tokenizer, model_max_length=48, **names
    )
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def out(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "输出 out"
    assert edgekit.export(source, folder, targets=("onnx",), recipes=("fp32",)).passed
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run_command(["generate", *map(str, arguments)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_stdout_is_the_text_alone(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = edgekit.load(out).generate("hello")
    assert run(capsys, out, "hello") == (0, expected.text + "\n", "")
    assert len(expected.ids) == 8  # the checkpoint's own word
    code, told, _ = run(capsys, out, "hello", "--json")
    result = json.loads(told)["result"]
    assert result["text"] == expected.text
    assert result["ids"] == list(expected.ids)
    assert result["file"] == f"{out.name}/model.fp32.onnx"
    assert code == 0


def test_options_reach_the_model(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = edgekit.load(out)
    for options in (
        {"max_new_tokens": 3},
        {"temperature": 1.5, "top_k": 9, "top_p": 0.95, "seed": 4},
        {"beams": 3},
        {"stop": "e"},
    ):
        given = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
        told = run(capsys, out, "hello", *given)
        assert told[1] == model.generate("hello", **options).text + "\n"  # type: ignore[arg-type]


def test_chat(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = edgekit.load(out)
    expected = model.generate([{"role": "user", "content": "hi"}])
    code, told, _ = run(capsys, out, "hi", "--chat", "--json")
    result = json.loads(told)["result"]
    assert (code, result["text"], result["prompt_tokens"]) == (0, expected.text, len("user hi"))


def test_stdin(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for data, same in ((b"hello\n", "hello"), (b"hello\r\n", "hello"), (b"a b", "a b")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert run(capsys, out, "-")[1] == edgekit.load(out).generate(same).text + "\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe")))
    code, told, error = run(capsys, out, "-")
    assert (code, told) == (3, "")
    assert "stdin is no text in UTF-8" in error


def test_a_full_cache(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """48 places hold 40 letters, the begin token and 7 more; the last token needs no place."""
    prompt = "ab" * 20
    code, told, error = run(capsys, out, prompt, "--max-new-tokens", 8)
    assert (code, error) == (0, "")
    code, more, error = run(capsys, out, prompt, "--max-new-tokens", 9)
    assert (code, more) == (3, told)
    assert "the cache is full after 8 new tokens, --max-new-tokens asked for 9" in error
    assert "hint: " in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["a" * 60], 3, "the prompt has 61 tokens, 48 fit"),
        (["a\udcffb"], 3, "no text in UTF-8"),
        (["a", "--temperature", "-1"], 2, "temperature is -1.0"),
        (["a", "--top-p", "2"], 2, "top_p is 2.0"),
        (["a", "--temperature", "0", "--top-k", "5"], 2, "takes the best token alone"),
        (["a", "--stop", ""], 2, "empty text to stop"),
        (["a", "--recipe", "w4g32"], 5, "no file for target any, recipe w4g32"),
        (["a", "--target", "tflite"], 5, "no file for target tflite"),
        (["a", "--max-new-tokens", "0"], 2, "0 is not in the range"),
        ([], 2, "Missing argument"),
    ],
)
def test_bad_input(
    arguments: list[str], code: int, words: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, told, error = run(capsys, out, *arguments)
    assert (found, told) == (code, "")
    assert words in error
    assert "Traceback" not in error


def test_unknown_letters_are_told(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told, error = run(capsys, out, "aßb")
    assert (code, told) == (0, edgekit.load(out).generate("aßb").text + "\n")
    assert "note: 1 of the prompt's 4 tokens stand for letters" in error


def test_no_folder_and_no_language_model(
    exported_classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told, error = run(capsys, tmp_path / "none", "a")
    assert (code, told) == (3, "")
    code, told, error = run(capsys, exported_classifier, "a")
    assert (code, told) == (2, "")
    assert ".classify()" in error


def test_another_models_tokenizer(out: Path, tmp_path: Path, source: Path) -> None:
    broken = Path(shutil.copytree(out, tmp_path / "broken"))
    other = (broken / "tokenizer.json").read_text(encoding="utf-8").replace('"z"', '"Z"')
    (broken / "tokenizer.json").write_text(other, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"tokenizer.json is missing or was changed"):
        edgekit.load(broken)


def test_another_chat_template(out: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(out, tmp_path / "broken"))
    (broken / "chat_template.jinja").write_text("{{ messages[0].content }}", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"chat_template.jinja is missing or was changed"):
        edgekit.load(broken)
    (broken / "chat_template.jinja").unlink()
    with pytest.raises(ArtifactError, match=r"chat_template.jinja is missing"):
        edgekit.load(broken, check=False)


def test_weights_that_are_no_numbers(out: Path, tmp_path: Path) -> None:
    """A file that gives NaN ends with exit code 1, and nothing but a sentence."""
    import onnx
    from onnx import numpy_helper

    broken = Path(shutil.copytree(out, tmp_path / "broken"))
    proto = onnx.load(broken / "model.fp32.onnx")
    [norm, *_] = [t for t in proto.graph.initializer if list(t.dims) == [16]]
    norm.CopyFrom(numpy_helper.from_array(np.full(16, np.nan, np.float32), norm.name))
    onnx.save(proto, broken / "model.fp32.onnx")
    model = edgekit.load(broken, check=False)
    from edgekit.errors import NotFiniteError

    with pytest.raises(NotFiniteError, match="are NaN or infinite"):
        model.generate("hello")


def test_pieces_are_flushed_as_they_come(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece leaves the process before the next token is made."""
    from edgekit.runtime.onnx_generation import OnnxState

    events: list[str] = []
    feed = OnnxState.feed

    class Out(io.StringIO):
        def flush(self) -> None:
            if self.getvalue():
                events.append("flush")

    def watched(self: OnnxState, *rest: object, **more: object) -> object:
        events.append("feed")
        return feed(self, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(OnnxState, "feed", watched)
    monkeypatch.setattr(sys, "stdout", Out())
    assert run_command(["generate", str(out), "hello", "--max-new-tokens", "4"]) == 0
    between = [events[i + 1] for i, event in enumerate(events[:-1]) if event == "feed"]
    assert between == ["flush"] * 4


def test_an_option_of_another_name(out: Path) -> None:
    with pytest.raises(UsageError, match="no option 'max_tokens'"):
        edgekit.load(out).generate("a", max_tokens=3)  # type: ignore[call-arg]
