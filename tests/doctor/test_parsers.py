"""The `vllm serve` line is the one of vLLM's own pages for the model."""

import shlex

import pytest

from garra.doctor.parsers import reasoning_parser, serve_line, tool_flags, tool_parser


@pytest.mark.parametrize(
    ("model", "parser"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "hermes"),
        ("Qwen/QwQ-32B", "hermes"),
        ("Qwen/Qwen3-8B", "hermes"),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3_xml"),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "hermes"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "hermes"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3_json"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "llama4_pythonic"),
        ("Salesforce/Llama-xLAM-2-8B-fc-r", "xlam"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "mistral"),
        ("deepseek-ai/DeepSeek-V3-0324", "deepseek_v3"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek_v31"),
        ("openai/gpt-oss-20b", "openai"),
        ("zai-org/GLM-4.5-Air", "glm45"),
        ("zai-org/GLM-4.6", "glm45"),
        ("zai-org/GLM-4.7-Flash", "glm47"),
        ("moonshotai/Kimi-K2-Instruct", "kimi_k2"),
        ("ibm-granite/granite-4.0-h-small", "granite4"),
        ("ibm-granite/granite-3.1-8b-instruct", "granite"),
        ("ibm-granite/granite-20b-functioncalling", "granite-20b-fc"),
        ("somebody/unheard-of", "hermes"),
    ],
)
def test_the_tool_parser_is_the_one_of_vllms_page(model: str, parser: str) -> None:
    assert tool_parser(model) == parser


@pytest.mark.parametrize(
    ("model", "parser"),
    [
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "deepseek_r1"),
        ("Qwen/QwQ-32B", "deepseek_r1"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek_v3"),
        ("Qwen/Qwen3-8B", "qwen3"),
        ("zai-org/GLM-4.5", "glm45"),
        ("openai/gpt-oss-120b", "openai_gptoss"),
        ("ibm-granite/granite-3.2-2b-instruct", "granite"),
    ],
)
def test_the_reasoning_parser_is_the_one_of_vllms_page(model: str, parser: str) -> None:
    assert reasoning_parser(model) == parser


def test_the_line_starts_the_same_model_under_the_same_name_on_the_same_port() -> None:
    line = serve_line("mine", "http://127.0.0.1:8010/v1", *tool_flags("mine"), weights="/models/a b")

    assert shlex.split(line) == [
        *("vllm", "serve", "/models/a b", "--served-model-name", "mine", "--port", "8010"),
        *("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
    ]


def test_the_usual_port_is_not_named() -> None:
    assert serve_line("Org/M", "http://10.0.0.7:8000/v1") == "vllm serve Org/M"
