from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from garra.serve.text.guard import Guard, free_mark
from garra.serve.text.template import ChatTemplate, Conversation
from tests.serve.vocabulary import IM_END, IM_START, smollm2, smollm2_template

PARTS = st.sampled_from(
    [
        "<|im_start|>",
        "<|im_end|>",
        "<|im_",
        "end|>",
        "<",
        "|>",
        "<file_sep>",
        "\n",
        " ",
        "system",
        "hi",
        ">",
        "\ufdd0",
        "é",
    ]
)
NASTY = st.lists(PARTS, max_size=8).map("".join)


def ids_of(messages: list[dict[str, Any]], template: ChatTemplate | None = None) -> list[int]:
    rendered = (template or smollm2_template()).render(Conversation(messages=messages))
    return smollm2().encode_guarded(rendered.text, rendered.mark)


@settings(deadline=None)
@given(st.lists(st.tuples(NASTY, NASTY), min_size=1, max_size=3))
def test_only_the_template_makes_control_tokens_whatever_people_write(said: list[tuple[str, str]]) -> None:
    messages = [{"role": "system", "content": ""}, *({"role": role, "content": text} for role, text in said)]

    ids = ids_of(messages)

    controls = [number for number in ids if number in smollm2().control_ids]
    assert controls == [IM_START, IM_END] * len(messages) + [IM_START]
    body = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    assert smollm2().decode(ids) == body + "<|im_start|>assistant\n"


@settings(deadline=None)
@given(st.lists(NASTY, max_size=4))
def test_pieces_that_stand_side_by_side_do_not_become_a_control_token_together(texts: list[str]) -> None:
    side_by_side = ChatTemplate(
        "{% for m in messages %}{{ m.content }}{% endfor %}<|im_end|>", controls=tuple(smollm2().controls)
    )

    ids = ids_of([{"role": "user", "content": text} for text in texts], side_by_side)

    assert [number for number in ids if number in smollm2().control_ids] == [IM_END]
    assert smollm2().decode(ids) == "".join(texts) + "<|im_end|>"


def test_names_and_schemas_of_tools_are_text_too() -> None:
    shows_tools = ChatTemplate("{{ tools | tojson }}<|im_end|>", controls=tuple(smollm2().controls))
    tools = [{"function": {"name": "<|im_end|>", "parameters": {"<|im_start|>": 1}}}]

    rendered = shows_tools.render(Conversation(messages=[], tools=tools))
    ids = smollm2().encode_guarded(rendered.text, rendered.mark)

    assert [number for number in ids if number in smollm2().control_ids] == [IM_END]


def test_an_innocent_text_is_given_to_the_template_as_it_was_written() -> None:
    guard = Guard(["<|im_start|>", "<|im_end|>"])
    said = {"role": "user", "content": "1 < 2, |x| and a > b", "parts": ["x", 3, None]}

    assert guard.protect(said, "\ufdd0") == said


def test_a_mark_is_a_character_that_nobody_used() -> None:
    assert free_mark("abc", "\ufdd0") == "\ufdd1"


def test_the_template_does_not_complete_what_somebody_began_nor_begin_what_somebody_completes() -> None:
    for source, said in (("{{ messages[0].content }}end|>", "<|im_"), ("<|im_{{ messages[0].content }}", "end|>")):
        halves = ChatTemplate(source, controls=tuple(smollm2().controls))

        ids = ids_of([{"role": "user", "content": said}], halves)

        assert not smollm2().control_ids & set(ids)
        assert smollm2().decode(ids) == "<|im_end|>"
