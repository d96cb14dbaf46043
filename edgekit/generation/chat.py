"""Chat templates: a conversation as the text that its model was trained on.

Templates come with checkpoints: they are rendered in jinja2's sandbox, on plain data alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from edgekit.errors import MissingExtraError, PromptError, first_line

Message = Mapping[str, Any]


def render_chat(template: str, messages: Sequence[Message], special: Mapping[str, str]) -> str:
    """The prompt for the assistant's next answer, by transformers' rules for templates.

    Args:
      template: content of ``chat_template.jinja``.
      messages: ``{"role": ..., "content": ...}`` each, oldest first.
      special: ``bos_token``, ``eos_token`` and the like, as the template calls them.
    Raises:
      MissingExtraError: jinja2 is not installed.
      PromptError: the template refuses the messages, or is broken.
    """
    try:
        import jinja2
        import jinja2.ext
        import jinja2.sandbox
    except ImportError:
        raise MissingExtraError("jinja2", "chat", "a chat template") from None

    def refuse(message: str) -> NoReturn:
        raise jinja2.TemplateError(message)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_generation_block(), jinja2.ext.loopcontrols],
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = _now
    try:
        found = environment.from_string(template).render(
            messages=_plain(messages),
            tools=None,
            documents=None,
            add_generation_prompt=True,
            **special,
        )
    except (jinja2.TemplateError, TypeError, ValueError, KeyError, RecursionError) as error:
        raise PromptError(
            f"the model's chat template does not take these messages: {first_line(error)}.",
            "see chat_template.jinja in the folder for the roles that it knows.",
        ) from error
    return str(found)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """jinja2's own filter escapes letters of HTML, which no model has seen."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def _plain(value: Any) -> Any:
    """Lists, dicts, texts and numbers: a template can do no harm with them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


def _generation_block() -> Any:
    """``{% generation %}``, by which templates mark an assistant's text for training: no effect."""
    import jinja2.ext
    import jinja2.nodes
    import jinja2.parser

    class Generation(jinja2.ext.Extension):
        tags = {"generation"}  # noqa: RUF012 - jinja2 wants it so

        def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return jinja2.nodes.Scope(body).set_lineno(line)

    return Generation
