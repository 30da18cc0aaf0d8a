"""The flags of `vllm serve` that a model wants, picked by its name.

The tool parsers are those of vLLM's page "Tool Calling" (https://docs.vllm.ai/en/latest/features/tool_calling/), the
reasoning parsers those of "Reasoning Outputs" (https://docs.vllm.ai/en/latest/features/reasoning_outputs/); every name
is one that vLLM 0.32 knows. A name that fits none of them gets the parser that most models are trained for.
"""

import re
import shlex
from urllib.parse import urlsplit

USUAL_TOOL_PARSER = "hermes"
USUAL_PORT = 8000

# The first that fits counts, so a narrower name stands before a wider one.
_TOOL_PARSERS = (
    (r"functiongemma", "functiongemma"),
    (r"gemma-?4", "gemma4"),
    (r"xlam", "xlam"),
    (r"toolace", "pythonic"),
    (r"hermes", "hermes"),
    (r"qwen-?3[-_.]?coder|qwen-?3\.\d", "qwen3_xml"),
    (r"llama-?4", "llama4_pythonic"),
    (r"deepseek-?v3\.1", "deepseek_v31"),
    (r"deepseek-?v3\.2", "deepseek_v32"),
    (r"deepseek-?v4", "deepseek_v4"),
    (r"deepseek-?(?:v3|r1-0528)", "deepseek_v3"),
    (r"qwen|qwq|smollm", "hermes"),
    (r"llama-?3", "llama3_json"),
    (r"mistral|mixtral|ministral|devstral|magistral|codestral", "mistral"),
    (r"gpt-?oss", "openai"),
    (r"glm-?4\.7|glm-?5", "glm47"),
    (r"glm-?4", "glm45"),
    (r"kimi-?k2", "kimi_k2"),
    (r"granite-?20b-?functioncalling", "granite-20b-fc"),
    (r"granite-?4", "granite4"),
    (r"granite", "granite"),
    (r"internlm", "internlm"),
    (r"jamba", "jamba"),
    (r"hunyuan-?a13b", "hunyuan_a13b"),
    (r"command-?a-?reasoning", "cohere_command3"),
    (r"longcat", "longcat"),
    (r"minimax-?m2", "minimax_m2"),
    (r"olmo-?3", "olmo3"),
    (r"phi-?4-?mini", "phi4_mini_json"),
    (r"gigachat-?3", "gigachat3"),
    (r"apertus", "apertus"),
    (r"seed-?oss", "seed_oss"),
    (r"step-?3", "step3"),
    (r"lfm-?2", "lfm2"),
    (r"ernie-?4\.?5", "ernie45"),
)
_REASONING_PARSERS = (
    (r"gpt-?oss", "openai_gptoss"),
    (r"deepseek-?v3", "deepseek_v3"),
    (r"glm-?4\.7|glm-?5", "glm47"),
    (r"glm-?4", "glm45"),
    (r"kimi-?k2", "kimi_k2"),
    (r"granite", "granite"),
    (r"hunyuan-?a13b", "hunyuan_a13b"),
    (r"minimax-?m2", "minimax_m2"),
    (r"magistral|mistral|ministral", "mistral"),
    (r"nemotron", "nemotron_v3"),
    (r"olmo-?3", "olmo3"),
    (r"ernie-?4\.?5", "ernie45"),
    (r"seed-?oss", "seed_oss"),
    (r"step-?3", "step3"),
    (r"qwen-?3", "qwen3"),
)
USUAL_REASONING_PARSER = "deepseek_r1"


def tool_parser(model_id: str) -> str:
    """The value for --tool-call-parser."""
    return _found(model_id, _TOOL_PARSERS) or USUAL_TOOL_PARSER


def reasoning_parser(model_id: str) -> str:
    """The value for --reasoning-parser: for a model that writes <think> and has no parser of its own, DeepSeek's."""
    return _found(model_id, _REASONING_PARSERS) or USUAL_REASONING_PARSER


def serve_line(model_id: str, base_url: str, *flags: str, weights: str = "", program: str = "vllm") -> str:
    """The whole command that starts the server again with these flags. `weights`: what the model was loaded from."""
    name = ("--served-model-name", model_id) if weights and weights != model_id else ()
    port = urlsplit(base_url).port or USUAL_PORT
    at = ("--port", str(port)) if port != USUAL_PORT else ()
    return shlex.join([program, "serve", weights or model_id, *name, *at, *flags])


def tool_flags(model_id: str) -> tuple[str, ...]:
    """The flags with which vLLM takes `tools`."""
    return ("--enable-auto-tool-choice", "--tool-call-parser", tool_parser(model_id))


def _found(model_id: str, table: tuple[tuple[str, str], ...]) -> str | None:
    name = model_id.lower()
    return next((parser for pattern, parser in table if re.search(pattern, name)), None)
