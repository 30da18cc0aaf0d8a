"""One reply in each form that a model writes calls in, with the calls that it means, and where the form is from."""

from typing import Any

PARIS: list[tuple[str, Any]] = [("get_weather", {"city": "Paris"})]
TWO: list[tuple[str, Any]] = [*PARIS, ("get_weather", {"city": "Rome", "unit": "c"})]

MARKED: dict[str, tuple[str, list[tuple[str, Any]]]] = {
    # Hermes function calling, and Qwen2.5 and Qwen3 (their chat templates; vLLM's parser `hermes`).
    "hermes": ('<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>', PARIS),
    "hermes, two": (
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome", "unit": "c"}}\n</tool_call>',
        TWO,
    ),
    # Qwen3-Coder (its chat template; vLLM's parser `qwen3_coder`).
    "qwen3-coder": (
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>",
        PARIS,
    ),
    "qwen3-coder, two": (
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>\n"
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n<parameter=unit>\nc\n</parameter>\n"
        "</function>\n</tool_call>",
        TWO,
    ),
    # The same model without the outer tags: it leaves them out at times, and OpenClaw reads it so (openclaw.md 3.9).
    "qwen3-coder, bare": ("<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>", PARIS),
    "qwen3-coder, one line": ("<function=get_weather><parameter=city>Paris</parameter></function>", PARIS),
    # Llama 3.1's model card, "User-defined custom tool calling".
    "llama 3.1, function tag": ('<function=get_weather>{"city": "Paris"}</function>', PARIS),
    # GLM-4.5 (its chat template; vLLM's parser `glm45`).
    "glm": ("<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n</tool_call>", PARIS),
    # Llama 3.1 and 3.2 (Meta's prompt format; vLLM's parser `llama3_json`, which splits several at ";").
    "llama 3, python tag": ('<|python_tag|>{"name": "get_weather", "parameters": {"city": "Paris"}}', PARIS),
    "llama 3, python tag, two": (
        '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Paris"}}; '
        '{"name": "get_weather", "parameters": {"city": "Rome", "unit": "c"}}',
        TWO,
    ),
    # Llama 4 (vLLM's parser `llama4_pythonic`).
    "llama 4": ('<|python_start|>[get_weather(city="Paris")]<|python_end|>', PARIS),
    # Mistral 7B v0.3 up to Small 3 (mistral-common v3 and v7; vLLM's parser `mistral`).
    "mistral": ('[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Paris"}}]', PARIS),
    "mistral, two": (
        '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Paris"}}, '
        '{"name": "get_weather", "arguments": {"city": "Rome", "unit": "c"}}]',
        TWO,
    ),
    # mistral-common v11 and v13: Mistral Small 3.2, Magistral, Devstral.
    "mistral v11": ('[TOOL_CALLS]get_weather{"city": "Paris"}', PARIS),
    "mistral v11, call id": ('[TOOL_CALLS]get_weather[CALL_ID]a1b2c3d4e[ARGS]{"city": "Paris"}', PARIS),
    "mistral v13, two": (
        '[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}[TOOL_CALLS]get_weather[ARGS]{"city": "Rome", "unit": "c"}',
        TWO,
    ),
    # gpt-oss (OpenAI's harmony guide).
    "harmony": (
        '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Paris"}<|call|>',
        PARIS,
    ),
    "harmony, recipient first": (
        "<|start|>assistant to=functions.get_weather<|channel|>commentary <|constrain|>json<|message|>"
        '{"city": "Paris"}<|call|>',
        PARIS,
    ),
    "harmony, two": (
        '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Paris"}<|call|>'
        "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
        '{"city": "Rome", "unit": "c"}<|call|>',
        TWO,
    ),
    # The same where the server left the special tokens out (openclaw.md 3.9).
    "harmony, detokenised": ('commentary to=get_weather code {"city": "Paris"}', PARIS),
    "harmony, detokenised, functions": ('commentary to=functions.get_weather json{"city": "Paris"}', PARIS),
    "harmony, detokenised, role": ('assistantcommentary to=functions.get_weather json{"city": "Paris"}', PARIS),
    # DeepSeek V3 and R1 (their chat template; vLLM's parser `deepseek_v3`).
    "deepseek v3": (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n"
        '```json\n{"city": "Paris"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        PARIS,
    ),
    # DeepSeek V3.1 (its model card; vLLM's parser `deepseek_v31`).
    "deepseek v3.1, two": (
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Paris"}<｜tool▁call▁end｜>'
        '<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Rome", "unit": "c"}<｜tool▁call▁end｜>'
        "<｜tool▁calls▁end｜>",
        TWO,
    ),
    # Kimi K2 (its tool call guide; vLLM's parser `kimi_k2`).
    "kimi": (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>"
        '{"city": "Paris"}<|tool_call_end|><|tool_calls_section_end|>',
        PARIS,
    ),
}
"""Forms that a mark announces: they may stand behind other text."""

WHOLE: dict[str, tuple[str, list[tuple[str, Any]]]] = {
    # Llama 3.1 and 3.2 without the tag, as most servers give it.
    "llama 3": ('{"name": "get_weather", "parameters": {"city": "Paris"}}', PARIS),
    "llama 3, type": ('{"type": "function", "name": "get_weather", "parameters": {"city": "Paris"}}', PARIS),
    "llama 3, two": (
        '{"name": "get_weather", "parameters": {"city": "Paris"}}; '
        '{"name": "get_weather", "parameters": {"city": "Rome", "unit": "c"}}',
        TWO,
    ),
    # Many a model asked for a call without a format of its own; the second is OpenAI's object itself.
    "json": ('{"name": "get_weather", "arguments": {"city": "Paris"}}', PARIS),
    "json, arguments first": ('{"arguments": {"city": "Paris"}, "name": "get_weather"}', PARIS),
    "json, encoded": ('{"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}', PARIS),
    "json, openai": (
        '{"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris"}}}',
        PARIS,
    ),
    "json, list": (
        '[\n  {"name": "get_weather", "arguments": {"city": "Paris"}},\n'
        '  {"name": "get_weather", "arguments": {"city": "Rome", "unit": "c"}}\n]',
        TWO,
    ),
    # Llama 3.2's lightweight models and ToolACE (vLLM's parser `pythonic`).
    "pythonic": ("[get_weather(city='Paris')]", PARIS),
    "pythonic, two": ("[get_weather(city='Paris'), get_weather(city=\"Rome\", unit='c')]", TWO),
    "pythonic, brackets in a string": ("[get_weather(city='Paris] \\' )')]", [("get_weather", {"city": "Paris] ' )"})]),
    # OpenClaw's list (openclaw.md 3.9).
    "named": ('[get_weather]\n{"city": "Paris"}\n[/get_weather]', PARIS),
    "named, end of request": ('[get_weather]\n{"city": "Paris"}\n[END_TOOL_REQUEST]', PARIS),
    "named, tool": ('[tool:get_weather]{"city": "Paris"}', PARIS),
}
"""Forms that count only when they are the whole message."""

ALL = MARKED | WHOLE
