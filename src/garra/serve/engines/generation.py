"""Our sampling parameters as the engine's configuration. Fields are set one by one: it ignores unknown arguments."""

from collections.abc import Sequence

from garra.serve.engines.base import Sampling, Structure
from garra.serve.engines.silent_openvino import openvino_genai

GREEDY_BELOW = 1e-5


def generation_config(
    sampling: Sampling, eos_token_ids: Sequence[int], *, already: int = 0
) -> openvino_genai.GenerationConfig:
    """The configuration of one request, of which `already` tokens have been generated."""
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = sampling.max_tokens - already
    config.min_new_tokens = max(0, sampling.min_tokens - already)
    config.ignore_eos = sampling.ignore_eos
    config.logprobs = 1 if sampling.logprobs else 0
    config.repetition_penalty = sampling.repetition_penalty
    config.presence_penalty = sampling.presence_penalty
    config.frequency_penalty = sampling.frequency_penalty
    _set_stops(config, sampling, eos_token_ids)
    _set_randomness(config, sampling)
    if sampling.structure is not None:
        config.structured_output_config = structured_output(sampling.structure)
    return config


def _set_stops(config: openvino_genai.GenerationConfig, sampling: Sampling, eos_token_ids: Sequence[int]) -> None:
    eos = () if sampling.ignore_eos else tuple(eos_token_ids)
    if eos:
        config.eos_token_id = eos[0]
    config.stop_token_ids = {*sampling.stop_token_ids, *eos}


def _set_randomness(config: openvino_genai.GenerationConfig, sampling: Sampling) -> None:
    config.do_sample = sampling.temperature >= GREEDY_BELOW
    if not config.do_sample:
        return
    config.temperature = sampling.temperature
    config.top_p = sampling.top_p
    config.min_p = sampling.min_p
    if sampling.top_k > 0:
        config.top_k = sampling.top_k
    config.rng_seed = sampling.seed or 0


def structured_output(structure: Structure) -> openvino_genai.StructuredOutputConfig:
    """The engine's form of a structure. Compiled, and judged, only in a step."""
    config = openvino_genai.StructuredOutputConfig()
    if structure.kind == "json":
        config.json_schema = structure.value
    elif structure.kind == "regex":
        config.regex = structure.value
    elif structure.kind == "grammar":
        config.grammar = structure.value
    else:
        config.structural_tags_config = structure.value
    return config
