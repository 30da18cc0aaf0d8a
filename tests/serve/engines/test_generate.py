"""The real engine: what it generates, and what it refuses."""

import asyncio

import pytest

from garra.errors import ContextOverflow, RequestRefused
from garra.serve.engines import Sampling, Structure, TokenRequest
from garra.serve.engines.openvino import OpenVinoEngine
from garra.serve.weights import Weights

from .drive import greedy, whole

pytestmark = [pytest.mark.anyio, pytest.mark.live]

# Recorded from vLLM 0.32 with the original weights, temperature 0: "Say hello in one word." in the chat template.
# fmt: off
SAY_HELLO = [
    1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411, 407, 19712, 8182, 2, 198,
    1, 4093, 198, 36218, 33662, 281, 582, 2229, 30, 2, 198, 1, 520, 9531, 198,
]
# fmt: on
VLLM_SAID = "I'm glad you're enjoying the service. I'm here to help with any language-related tasks. What can I"
CAPITAL_OF_FRANCE = [504, 3575, 282, 4649, 314]
VLLM_LOGPROBS = [-0.26282957196235657, -0.3889368772506714, -0.993255078792572]


def text(weights: Weights, ids: list[int]) -> str:
    """Plain English only: every other byte has a letter of its own in this alphabet."""
    assert weights.vocab is not None
    return "".join(weights.vocab.tokens[id_] for id_ in ids).replace("Ġ", " ").replace("Ċ", "\n")


async def test_greedy_text_is_what_vllm_said_with_the_original_weights(
    engine: OpenVinoEngine, weights: Weights
) -> None:
    reply = await whole(engine, SAY_HELLO, greedy(24))

    assert text(weights, reply.ids) == VLLM_SAID
    assert reply.finish == "length"


async def test_log_probabilities_are_close_to_vllms(engine: OpenVinoEngine, weights: Weights) -> None:
    reply = await whole(engine, CAPITAL_OF_FRANCE, greedy(3, logprobs=True))

    assert text(weights, reply.ids) == " Paris.\n"
    assert reply.logprobs == pytest.approx(VLLM_LOGPROBS, abs=0.05)


async def test_eight_at_once_get_what_each_gets_alone(engine: OpenVinoEngine) -> None:
    prompts = [[1000 + i, 1010, 1020, 1030] for i in range(8)]
    alone = [await whole(engine, prompt, greedy(20)) for prompt in prompts]

    together = await asyncio.gather(*(whole(engine, prompt, greedy(20)) for prompt in prompts))

    assert [reply.ids for reply in together] == [reply.ids for reply in alone]
    assert {len(reply.ids) for reply in together} == {20}
    assert engine.running == 0


async def test_more_than_there_are_places_for_wait_and_are_all_answered(engine: OpenVinoEngine) -> None:
    replies = asyncio.gather(*(whole(engine, [500 + i], greedy(10)) for i in range(20)))
    await asyncio.sleep(0)

    assert engine.running == engine.info.max_num_seqs
    assert engine.waiting == 20 - engine.info.max_num_seqs
    assert [len(reply.ids) for reply in await replies] == [10] * 20


async def test_a_reader_that_goes_away_frees_its_place(engine: OpenVinoEngine) -> None:
    gone = engine.generate(TokenRequest([700, 701, 702], greedy(1500)))
    await anext(gone)
    assert engine.running == 1
    assert engine.kv_used > 0

    await gone.aclose()

    assert engine.running == 0
    assert engine.kv_used == 0
    assert len((await whole(engine, [703], greedy(3))).ids) == 3


async def test_a_prompt_seen_before_is_taken_from_the_cache(engine: OpenVinoEngine) -> None:
    prompt = [3000 + i for i in range(200)]
    first = await whole(engine, prompt, greedy(2))

    again = await whole(engine, [*prompt, 9, 10, 11], greedy(2))

    assert first.cached_tokens == 0
    assert again.cached_tokens == 192  # six blocks of 32


async def test_equal_prompts_that_arrive_together_are_computed_once(engine: OpenVinoEngine) -> None:
    prompt = [4000 + i for i in range(320)]

    replies = await asyncio.gather(*(whole(engine, prompt, greedy(2)) for _ in range(3)))

    assert sorted(reply.cached_tokens or 0 for reply in replies) == [0, 288, 288]
    assert replies[0].ids == replies[1].ids == replies[2].ids


async def test_a_seed_repeats_and_no_seed_does_not(engine: OpenVinoEngine) -> None:
    seeded = Sampling(max_tokens=16, temperature=1.5, seed=7, ignore_eos=True)
    free = Sampling(max_tokens=16, temperature=1.5, ignore_eos=True)

    first, second = await whole(engine, [800], seeded), await whole(engine, [800], seeded)
    third, fourth = await whole(engine, [800], free), await whole(engine, [800], free)

    assert first.ids == second.ids
    assert third.ids != fourth.ids


async def test_a_stop_token_ends_the_reply_and_is_its_last_token(engine: OpenVinoEngine) -> None:
    free = await whole(engine, SAY_HELLO, greedy(6))

    stopped = await whole(engine, SAY_HELLO, Sampling(max_tokens=6, temperature=0.0, stop_token_ids=(free.ids[3],)))

    assert stopped.ids == free.ids[:4]
    assert stopped.finish == "stop"


@pytest.mark.parametrize(
    ("structure", "allowed"),
    [
        (Structure("choice", '["yes", "no"]'), {"yes", "no"}),
        (Structure("grammar", 'root ::= "left" | "right"'), {"left", "right"}),
        (Structure("regex", "(red|green)!"), {"red!", "green!"}),
        (Structure("json", '{"enum": ["one", "two"]}'), {'"one"', '"two"'}),
    ],
    ids=lambda value: value.kind if isinstance(value, Structure) else "",
)
async def test_a_structure_is_kept_to(
    engine: OpenVinoEngine, weights: Weights, structure: Structure, allowed: set[str]
) -> None:
    reply = await whole(engine, SAY_HELLO, Sampling(max_tokens=20, temperature=1.0, structure=structure))

    ends = set(engine.info.eos_token_ids)
    assert text(weights, [id_ for id_ in reply.ids if id_ not in ends]) in allowed
    assert reply.finish == "stop"


@pytest.mark.parametrize(
    "structure",
    [
        Structure("json", '{"type": "nonsense"}'),
        Structure("json", '{"type":'),
        Structure("regex", "(open"),
        Structure("grammar", "root ::= nowhere"),
        Structure("grammar", "start: 'lark'"),
        Structure("structural_tag", '{"type": "unheard-of"}'),
        Structure("choice", "[]"),
    ],
    ids=lambda structure: f"{structure.kind} {structure.value}",
)
async def test_a_bad_structure_hurts_only_its_own_request(engine: OpenVinoEngine, structure: Structure) -> None:
    expected = await whole(engine, [900, 901], greedy(30))
    neighbour = asyncio.ensure_future(whole(engine, [900, 901], greedy(30)))
    await asyncio.sleep(0)

    with pytest.raises(RequestRefused) as refused:
        await whole(engine, SAY_HELLO, Sampling(max_tokens=20, structure=structure))

    assert refused.value.param == "structured_outputs"
    assert (await neighbour).ids == expected.ids


@pytest.mark.parametrize(
    ("prompt", "sampling", "param"),
    [
        ([], greedy(1), "prompt"),
        ([49152], greedy(1), "prompt"),
        ([-1], greedy(1), "prompt"),
        ([1], greedy(0), "max_tokens"),
        ([1], Sampling(max_tokens=1, temperature=-1.0), "temperature"),
        ([1], Sampling(max_tokens=1, temperature=float("nan")), "temperature"),
        ([1], Sampling(max_tokens=1, top_p=0.0), "top_p"),
        ([1], Sampling(max_tokens=1, top_k=-2), "top_k"),
        ([1], Sampling(max_tokens=1, presence_penalty=3.0), "presence_penalty"),
        ([1], Sampling(max_tokens=1, repetition_penalty=0.0), "repetition_penalty"),
        ([1], Sampling(max_tokens=1, min_tokens=2), "min_tokens"),
        ([1], Sampling(max_tokens=1, stop_token_ids=(60000,)), "stop_token_ids"),
    ],
)
async def test_what_the_engine_cannot_do_is_refused_by_name(
    engine: OpenVinoEngine, prompt: list[int], sampling: Sampling, param: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        await whole(engine, prompt, sampling)

    assert refused.value.param == param
    assert engine.running == 0


async def test_what_does_not_fit_the_window_is_refused_with_the_numbers(engine: OpenVinoEngine) -> None:
    with pytest.raises(ContextOverflow) as overflow:
        await whole(engine, [1] * 2000, greedy(100))

    assert (overflow.value.limit, overflow.value.asked) == (2048, 2100)


async def test_a_reply_may_fill_the_window_to_its_last_token(engine: OpenVinoEngine) -> None:
    reply = await whole(engine, [1] * 2000, greedy(48))

    assert len(reply.ids) == 48
