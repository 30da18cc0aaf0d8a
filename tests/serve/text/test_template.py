from typing import Any

import pytest

from garra.errors import RequestRefused, ServeError
from garra.serve.text.conversation import conversation_of
from garra.serve.text.template import ChatTemplate, Conversation
from tests.serve.vocabulary import smollm2_template


def render(source: str, **conversation: Any) -> str:
    return ChatTemplate(source).render(Conversation(**{"messages": [], **conversation})).text


def test_the_prompt_is_what_the_models_template_says() -> None:
    rendered = smollm2_template().render(Conversation(messages=[{"role": "user", "content": "Hi"}]))

    assert rendered.text == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert rendered.mark == ""


def test_the_helpers_that_templates_expect_are_there() -> None:
    assert render("{{ {'b': '<é>', 'a': 1} | tojson }}") == '{"b": "<é>", "a": 1}'
    assert render("{% for x in [1,2,3] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}") == "1"
    assert len(render("{{ strftime_now('%Y-%m-%d') }}")) == len("2026-01-01")
    assert render("{% generation %}said{% endgeneration %}") == "said"
    assert render("  {% if true %}\nx\n  {% endif %}\n") == "x\n"


def test_a_template_that_says_no_is_the_clients_error_in_the_templates_words() -> None:
    with pytest.raises(RequestRefused, match="roles must alternate"):
        render("{{ raise_exception('roles must alternate') }}")


def test_a_template_that_cannot_cope_with_a_conversation_is_no_crash() -> None:
    with pytest.raises(RequestRefused, match="cannot render"):
        render("{{ 'a' + messages }}")


def test_a_template_reaches_nothing_of_the_machine() -> None:
    with pytest.raises(RequestRefused):
        render("{{ ''.__class__.__mro__[1].__subclasses__() }}")


def test_a_template_changes_nothing_that_it_is_given() -> None:
    with pytest.raises(RequestRefused):
        render("{{ messages.append(1) }}")


def test_a_template_that_writes_without_end_is_stopped() -> None:
    endless = ChatTemplate("{% for a in range(90000) %}xxxxxxxxxx{% endfor %}", limit_chars=1_000)

    with pytest.raises(RequestRefused, match="too much"):
        endless.render(Conversation(messages=[]))


def test_a_broken_template_is_told_when_the_model_is_loaded() -> None:
    with pytest.raises(ServeError, match="cannot be compiled"):
        ChatTemplate("{% for %}")


def test_the_final_message_is_left_open_to_be_continued() -> None:
    messages = [{"role": "user", "content": "Say hello."}, {"role": "assistant", "content": "Hel"}]

    rendered = smollm2_template().render(
        Conversation(messages=messages, add_generation_prompt=False, continue_final_message=True)
    )

    assert rendered.plain.endswith("<|im_start|>assistant\nHel")


def test_spaces_that_the_template_trims_are_trimmed_from_a_continued_message_too() -> None:
    text = render(
        "{% for m in messages %}[{{ m.content | trim }}]{% endfor %}",
        messages=[{"role": "assistant", "content": "Hel  "}],
        continue_final_message=True,
    )

    assert text == "[Hel"


def test_continuing_what_the_template_does_not_show_is_refused() -> None:
    with pytest.raises(RequestRefused, match="does not show"):
        render("nothing", messages=[{"role": "assistant", "content": "x"}], continue_final_message=True)


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("{% for p in message['content'] %}{{ p.text }}{% endfor %}", True),
        ("{% set content = message.content %}{% for p in content %}{{ p }}{% endfor %}", True),
        ("{{ message['content'] }}", False),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", False),
    ],
)
def test_templates_that_walk_over_parts_are_known(source: str, parts: bool) -> None:
    assert ChatTemplate(source).wants_parts is parts


def test_text_parts_become_one_string_with_line_breaks_as_in_vllm() -> None:
    said = [{"role": "user", "content": [{"type": "text", "text": "Say hello"}, {"type": "text", "text": "twice."}]}]

    assert conversation_of(said, parts=False) == [{"role": "user", "content": "Say hello\ntwice."}]
    assert conversation_of([{"role": "user", "content": "x"}], parts=True) == [
        {"role": "user", "content": [{"type": "text", "text": "x"}]}
    ]


def test_calls_get_their_arguments_as_objects_and_an_empty_content() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}

    (message,) = conversation_of([{"role": "assistant", "content": None, "tool_calls": [call]}], parts=False)

    assert message["content"] == ""
    assert message["tool_calls"][0]["function"]["arguments"] == {"a": 1}


def test_arguments_that_are_no_json_are_kept_so_that_history_can_be_sent_again() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": '}}

    (message,) = conversation_of([{"role": "assistant", "content": None, "tool_calls": [call]}], parts=False)

    assert message["tool_calls"][0]["function"]["arguments"] == '{"a": '


@pytest.mark.parametrize(
    "part", [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": 3}, {"a": 1}]
)
def test_what_is_no_text_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused):
        conversation_of([{"role": "user", "content": [part]}], parts=False)
