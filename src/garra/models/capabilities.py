"""What a model can do on its server, found out by trying once, with requests of a few tokens.

What a turn needs is tried before the first one: whether the server counts tokens, whether it takes `tools` and shows
them to the model, whether replies can be bound to a schema. What only a person wants to know is tried when it is asked
for (`try_rest`). A server that cannot be asked at all is an error, not an answer. Nothing is kept.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from garra.errors import RequestRefused, ServerBusy, ServerFailed, ServerSilent, StreamBroken
from garra.models.catalogue import Capabilities, Chosen, StructuredForm
from garra.models.counting import count
from garra.models.facts import max_num_seqs
from garra.models.trying import (
    QUESTION,
    SYSTEM,
    TOOL,
    Seen,
    ask,
    one_token,
    try_form,
    try_structured,
    try_tag,
    try_tools,
)
from garra.wire.http import Http
from garra.wire.messages import Message, ToolSpec

ToolsWord: TypeAlias = Literal["native", "refused", "unknown"]

NO_PLACE = "the model's chat template has no place for tools"
NOT_TOLD = "the server takes `tools`, but does not tell how long a prompt is, and so not whether the model sees them"


async def try_out(http: Http, chosen: Chosen, version: str, prefix_caching: bool | None = None) -> Capabilities:
    """Find out what a turn needs. Raises what keeps the server from being asked: no connection, key or model."""
    counts, tools, (form, plain), slots = await _together(
        _try_tokenize(http, chosen),
        try_tools(http, chosen),
        _find_form(http, chosen),
        max_num_seqs(http, chosen.endpoint),
    )
    if plain.error is not None and not isinstance(plain.error, ServerSilent):
        plain = await ask(http, chosen, one_token(chosen))  # it may be the binding that was refused
    word, reason, shown = await _judge(http, chosen, tools, plain, counts)
    if word == "refused" and tools.error is not None and counts:
        shown = await _would_be_shown(http, chosen, version)
    structured = form == "structured_outputs"
    return Capabilities(
        tools=word,
        structured=structured,
        tokenize=counts,
        reason=reason,
        version=version,
        parser=True if tools.error is None else False if word == "refused" else None,
        template_has_tools=shown,
        structured_form=form,
        structural_tag=await try_structural_tag(http, chosen) if structured and word == "refused" else None,
        reasoning_field=tools.reasoning_field or plain.reasoning_field,
        prefix_caching=prefix_caching,
        max_num_seqs=slots,
    )


async def _together(*tries: Coroutine[Any, Any, Any]) -> list[Any]:
    """All at once; where one raises, the others are given up."""
    tasks = [asyncio.create_task(each) for each in tries]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _try_tokenize(http: Http, chosen: Chosen) -> bool:
    return await _count(http, chosen, (QUESTION,), ()) is not None


async def _count(http: Http, chosen: Chosen, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> int | None:
    try:
        return await count(http, chosen, messages, tools)
    except (ServerSilent, StreamBroken):
        return None


async def _find_form(http: Http, chosen: Chosen) -> tuple[StructuredForm, Seen]:
    """The field that binds an answer, vLLM's own first; and what was seen of the request with that."""
    try:
        bound, seen = await try_structured(http, chosen)
    except ServerSilent:
        return "", Seen(error=ServerSilent("The server was silent."))
    if bound:
        return "structured_outputs", seen
    forms: tuple[StructuredForm, ...] = ("response_format", "guided_json")
    if isinstance(seen.error, ServerBusy):
        return "", seen
    try:
        fits = await _together(*(try_form(http, chosen, form) for form in forms))
    except ServerSilent:
        return "", seen
    return next((form for form, fit in zip(forms, fits, strict=True) if fit), ""), seen


async def _judge(
    http: Http, chosen: Chosen, tools: Seen, plain: Seen, counts: bool
) -> tuple[ToolsWord, str, bool | None]:
    """What a request with tools comes to, why, and whether the model sees them. `plain` is the one without."""
    if isinstance(tools.error, RequestRefused | ServerFailed) and plain.error is None:
        return "refused", str(tools.error), None
    if tools.error is not None:
        return "unknown", str(tools.error), None
    shown = await _are_shown(http, chosen, tools, plain, counts)
    if shown is None:
        return "unknown", NOT_TOLD, None
    if shown:
        return "native", "", True
    return "refused", f"{NO_PLACE}: it makes {tools.prompt_tokens} tokens with and without them", False


async def _are_shown(http: Http, chosen: Chosen, tools: Seen, plain: Seen, counts: bool) -> bool | None:
    """Whether the prompt grows by the tools. Some templates put them beside a system message only, as turns have."""
    grows = _grows(tools.prompt_tokens, plain.prompt_tokens)
    if grows is None and counts:  # counted alike says nothing here: an older route passes over the tools
        return _grows(*await _counted(http, chosen, QUESTION)) or None
    if grows is False and counts:
        return bool(_grows(*await _counted(http, chosen, SYSTEM, QUESTION)))
    if grows is False:
        again, without = await _together(
            try_tools(http, chosen, SYSTEM, QUESTION), ask(http, chosen, one_token(chosen), SYSTEM, QUESTION)
        )
        return bool(_grows(again.prompt_tokens, without.prompt_tokens))
    return grows


async def _would_be_shown(http: Http, chosen: Chosen, version: str) -> bool | None:
    """Whether the template has a place for tools that the server refuses: where it has none, a parser is no help."""
    grows = _grows(*await _counted(http, chosen, SYSTEM, QUESTION))
    return grows if grows or _counts_tools(version) else None


def _counts_tools(version: str) -> bool:
    """Whether this is a vLLM whose /tokenize takes tools. The route of older ones passes over them."""
    numbers = version.split(".")[:2]
    return all(number.isdecimal() for number in numbers) and tuple(map(int, numbers)) >= (0, 10)


async def _counted(http: Http, chosen: Chosen, *messages: Message) -> tuple[int | None, int | None]:
    """The tokens of a prompt as the server counts them, with a tool and without."""
    longer, shorter = await _together(_count(http, chosen, messages, [TOOL]), _count(http, chosen, messages, ()))
    return longer, shorter


def _grows(longer: int | None, shorter: int | None) -> bool | None:
    """None where it is not told, or where the counts make no sense, as those of the uncached part alone."""
    return None if not longer or not shorter or longer < shorter else longer > shorter


async def try_structural_tag(http: Http, chosen: Chosen) -> bool | None:
    """Whether text can be held to a schema between tags. A server that takes nonsense for one does not look at it."""
    taken, nonsense = await _together(try_tag(http, chosen), try_tag(http, chosen, nonsense=True))
    if isinstance(taken.error, RequestRefused):
        return False
    return True if taken.error is None and isinstance(nonsense.error, RequestRefused) else None


async def try_rest(http: Http, chosen: Chosen, found: Capabilities) -> Capabilities:
    """Find out what no turn needs: images, structural tags, and what the usage of a streamed reply says."""
    from garra.models.trying_more import try_images, try_stream

    images, stream, tag = await _together(
        try_images(http, chosen), try_stream(http, chosen), try_structural_tag(http, chosen)
    )
    return msgspec.structs.replace(
        found,
        images=images,
        stream_usage=stream.usage_told,
        cached_tokens=stream.cached_told,
        reasoning_field=stream.reasoning_field or found.reasoning_field,
        structural_tag=tag,
    )
