"""Chat templates give what transformers' apply_chat_template gives, inside a sandbox."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from edgekit.errors import MissingExtraError, PromptError
from edgekit.generation.chat import render_chat

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
MESSAGES = [
    {"role": "system", "content": "Be <short> & kind."},
    {"role": "user", "content": "Grüße, 你好?\n"},
    {"role": "assistant", "content": " Yes. "},
    {"role": "user", "content": "More"},
]

TEMPLATES = {
    "marks": """\
{% for m in messages %}
    {% if m.role == 'system' and not loop.first %}{% continue %}{% endif %}
<|{{ m['role'] }}|>
{{ m['content'] | trim }}{{ eos_token }}
{% endfor %}
{% if add_generation_prompt %}
<|assistant|>
{%- endif %}
""",
    "first": """\
{{- bos_token }}
{%- set ns = namespace(last='') %}
{%- for m in messages %}
  {%- if loop.index > 3 %}{% break %}{% endif %}
  {%- set ns.last = m.role %}
  {{- '[' + m.role | upper + '] ' + m.content }}
{%- endfor %}
{{ ns.last }} {{ tools is none }} {{ documents is defined }} {{ nothing is defined }}
""",
    "json": "{{ messages | tojson }}{{ messages[0] | tojson(indent=2) }}{{ dict(a=1) | tojson }}",
    "training": """\
{% for m in messages %}
{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}
{% else %}{{ m.content }}{% endif %}
{% endfor %}""",
    "year": "{{ strftime_now('%Y') | length }}{{ messages | length }}",
}


def expected(template: str, messages: list[dict[str, str]]) -> str:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>")), **SPECIAL
    )
    return str(
        tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=True
        )
    )


@pytest.mark.parametrize("name", TEMPLATES)
def test_like_transformers(name: str) -> None:
    for messages in (MESSAGES, MESSAGES[1:2]):
        found = render_chat(TEMPLATES[name], messages, SPECIAL)
        assert found == expected(TEMPLATES[name], messages)
        assert found


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{% if %}", "does not take these messages"),
        ("{{ messages[0].content.nothing.more }}", "no attribute"),
        ("{{ messages.append(1) }}", "not safely callable|unsafe"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ raise_exception.__globals__['json'] }}", "unsafe"),
        ("{% include 'x' %}", "no loader"),
        ("{{ 1 + 'a' }}", "unsupported operand"),
    ],
)
def test_refused(template: str, words: str) -> None:
    with pytest.raises(PromptError, match=words):
        render_chat(template, MESSAGES, SPECIAL)


def test_only_plain_data_gets_in() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    messages: list[dict[str, Any]] = [{"role": "user", "content": Odd()}]
    assert render_chat("{{ messages[0].content }}", messages, {}) == "odd"


def test_without_jinja2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match="chat") as caught:
        render_chat("x", MESSAGES, SPECIAL)
    assert caught.value.hint == "pip install 'edgekit[chat]'"
