"""Trying out servers as they are met: what is found is what was seen, and what was not told is not known."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from garra.config.load import Configuration
from garra.models.catalogue import Capabilities
from garra.testing.protocol import Received
from tests.models.servers import Answers, Make, no_tools, serving, tokenizing

pytestmark = pytest.mark.anyio
Configure = Callable[..., Configuration]


def vllm(base_url: str) -> dict[str, Any]:
    return {"models": {"providers": {"vllm": {"baseUrl": base_url}}}}


@pytest.fixture
def found_on(configure: Configure, open_models: Any, serve: Any) -> Callable[..., Any]:
    """What is found on a server with these answers."""

    async def find(answers: Answers, *, whole: bool = False) -> Capabilities:
        async with serve(answers) as server:
            models = await open_models(configure(vllm(server.base_url)))
            found: Capabilities = await models.probe(await models.choose("vllm/m"), whole=whole)
            return found

    return find


async def test_a_template_without_a_place_for_tools_is_seen_though_the_parser_accepts_them(found_on: Any) -> None:
    make = Make(shows=False, binds=("structured_outputs",))

    found = await found_on(serving(make) | {"POST /tokenize": tokenizing(make)})

    assert (found.tools, found.parser, found.template_has_tools) == ("refused", True, False)
    assert found.reason.startswith("the model's chat template has no place for tools")
    assert found.rung == "described, held to schemas"


async def test_a_template_that_shows_tools_beside_a_system_message_only_is_native(found_on: Any) -> None:
    make = Make(needs_system=True)

    by_asking = await found_on(serving(make))
    by_counting = await found_on(serving(make) | {"POST /tokenize": tokenizing(make)})

    assert [found.tools for found in (by_asking, by_counting)] == ["native", "native"]


async def test_a_server_that_does_not_tell_how_long_a_prompt_is_is_not_called_native(found_on: Any) -> None:
    found = await found_on(serving(Make(told=False)))

    assert (found.tools, found.parser, found.template_has_tools) == ("unknown", True, None)
    assert "does not tell" in found.reason


async def test_what_the_replies_do_not_tell_the_tokenizer_may(found_on: Any) -> None:
    make = Make(told=False)

    found = await found_on(serving(make) | {"POST /tokenize": tokenizing(make)})

    assert (found.tools, found.template_has_tools) == ("native", True)


async def test_a_tokenizer_that_passes_over_tools_proves_nothing(found_on: Any) -> None:
    make = Make(told=False)

    found = await found_on(serving(make) | {"POST /tokenize": tokenizing(make, with_tools=False)})

    assert (found.tools, found.template_has_tools) == ("unknown", None)


async def test_counts_of_the_uncached_part_alone_prove_nothing(found_on: Any) -> None:
    def chat(request: Received) -> tuple[int, Any]:
        told = 3 if request.body.get("tools") else 12
        return 200, {"choices": [{"message": {"content": "Hi"}}], "usage": {"prompt_tokens": told}}

    found = await found_on({**serving(Make()), "POST /v1/chat/completions": (200, chat)})

    assert (found.tools, found.template_has_tools) == ("unknown", None)


@pytest.mark.parametrize(
    ("shows", "version", "expected"),
    [
        (True, "0.32.0", True),
        (False, "0.32.0", False),
        (True, "0.6.3", True),
        (False, "0.6.3", None),
        (False, "dev", None),
    ],
)
async def test_where_tools_are_refused_the_tokenizer_tells_whether_a_parser_would_help(
    found_on: Any, shows: bool, version: str, expected: bool | None
) -> None:
    make = Make(shows=shows, refuses=no_tools)
    answers = serving(make, version={"version": version}) | {"POST /tokenize": tokenizing(make)}

    found = await found_on(answers)

    assert (found.tools, found.parser, found.template_has_tools) == ("refused", False, expected)


async def test_an_old_vllm_is_held_with_the_field_that_it_knows(found_on: Any) -> None:
    """0.6: guided_json alone, no structured_outputs; tools need the flags."""
    found = await found_on(serving(Make(refuses=no_tools, binds=("guided_json",))))

    assert (found.tools, found.parser, found.structured, found.structured_form) == (
        "refused",
        False,
        False,
        "guided_json",
    )
    assert found.rung == "described, read from the text"
    assert "--enable-auto-tool-choice" in found.reason


async def test_llama_cpp_without_jinja_fails_at_tools_alone_and_tells_its_slots(found_on: Any) -> None:
    def refuse(body: dict[str, Any]) -> tuple[int, Any] | None:
        text = "tools param requires --jinja flag"
        return (500, {"error": {"code": 500, "message": text, "type": "server_error"}}) if body.get("tools") else None

    found = await found_on(serving(Make(refuses=refuse, binds=("response_format",)), props={"total_slots": 4}))

    assert (found.tools, found.structured, found.structured_form) == ("refused", False, "response_format")
    assert (found.tokenize, found.version, found.max_num_seqs) == (False, "", 4)
    assert "--jinja" in found.reason


async def test_ollama_refuses_tools_of_a_model_that_has_none(found_on: Any) -> None:
    def refuse(body: dict[str, Any]) -> tuple[int, Any] | None:
        text = "registry.ollama.ai/library/m:latest does not support tools"
        return (400, {"error": {"message": text, "type": "api_error"}}) if body.get("tools") else None

    found = await found_on(serving(Make(refuses=refuse, binds=("response_format",))))

    assert (found.tools, found.parser) == ("refused", False)
    assert "does not support tools" in found.reason


async def test_a_server_that_refuses_fields_it_does_not_know_is_asked_without_them(found_on: Any) -> None:
    def strict(body: dict[str, Any]) -> tuple[int, Any] | None:
        unknown = {"structured_outputs", "guided_json"} & set(body)
        return (422, {"detail": f"extra fields: {unknown}"}) if unknown else None

    found = await found_on(serving(Make(refuses=strict)))

    assert (found.tools, found.structured_form) == ("native", "")


async def test_sglang_tells_how_many_requests_it_runs(found_on: Any) -> None:
    answers = serving(Make(binds=("response_format",)))
    answers["GET /server_info?config_format=json"] = (200, {"max_running_requests": 48, "version": "0.5"})

    assert (await found_on(answers)).max_num_seqs == 48


async def test_vllm_in_its_development_mode_tells_how_many_sequences_it_runs(found_on: Any) -> None:
    told = {"vllm_config": {"scheduler_config": {"max_num_seqs": 128}}}
    answers = serving(Make()) | {"GET /server_info?config_format=json": (200, told)}

    assert (await found_on(answers)).max_num_seqs == 128


@pytest.mark.parametrize(("sees", "told", "images"), [(True, True, True), (False, True, False), (True, False, None)])
async def test_images_are_seen_where_the_prompt_grows_by_them(
    found_on: Any, sees: bool, told: bool, images: bool | None
) -> None:
    """LM Studio and others take images for a text model, and leave them out."""
    found = await found_on(serving(Make(sees_images=sees, told=told)), whole=True)

    assert found.images is images


async def test_an_image_that_is_refused_is_not_seen(found_on: Any) -> None:
    def refuse(body: dict[str, Any]) -> tuple[int, Any] | None:
        text = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
        return (500, {"error": {"code": 500, "message": text}}) if "image_url" in json.dumps(body) else None

    assert (await found_on(serving(Make(refuses=refuse)), whole=True)).images is False


async def test_a_server_that_takes_anything_for_a_structural_tag_is_not_said_to_know_them(found_on: Any) -> None:
    found = await found_on(serving(Make(binds=("structured_outputs",))), whole=True)

    assert found.structural_tag is None


async def test_without_structural_tags_a_described_call_is_read_from_the_text(found_on: Any) -> None:
    def refuse(body: dict[str, Any]) -> tuple[int, Any] | None:
        tagged = "structural_tag" in body.get("structured_outputs", {})
        return no_tools(body) or ((400, {"error": {"message": "no such backend", "code": 400}}) if tagged else None)

    found = await found_on(serving(Make(refuses=refuse, binds=("structured_outputs",))))

    assert (found.structured, found.structural_tag, found.holds_calls) == (True, False, False)
    assert found.rung == "described, read from the text"


async def test_what_only_a_person_asks_for_is_not_tried_before_a_turn(found_on: Any) -> None:
    found = await found_on(serving(Make()))

    assert (found.images, found.stream_usage, found.cached_tokens, found.structural_tag) == (None, None, None, None)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{",
        [],
        {"choices": 3},
        {"choices": [None]},
        {"choices": [{"message": []}], "usage": 7},
        {"choices": [{"message": {"content": ["yes"]}}], "usage": {"prompt_tokens": "9"}},
        {"choices": [{"message": {"content": "[" * 50_000}}], "usage": {"prompt_tokens": True}},
        {"choices": [{"message": {}}], "usage": {"prompt_tokens": -4}},
        {"error": {"message": "in a 200"}},
    ],
)
async def test_an_answer_that_tells_nothing_is_nothing_known(found_on: Any, answer: Any) -> None:
    odd = {"POST /tokenize": (200, answer), "GET /metrics": (200, answer), "GET /props": (200, answer)}

    found = await found_on({**serving(Make()), "POST /v1/chat/completions": (200, answer), **odd}, whole=True)

    assert (found.tools, found.structured_form, found.tokenize, found.images) == ("unknown", "", False, None)
    assert (found.reasoning_field, found.max_num_seqs, found.prefix_caching) == ("", None, None)
