"""What clients may send, checked field by field. Unknown fields are accepted, as vLLM accepts them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from garra.serve.api.errors import invalid

INT64_MAX = 2**63 - 1


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow", protected_namespaces=())

    model: str | None = None


class StreamOptions(BaseModel):
    """What a stream tells beside the text."""

    model_config = ConfigDict(extra="allow")

    include_usage: bool | None = False
    continuous_usage_stats: bool | None = False


class JsonSchemaFormat(BaseModel):
    """The schema inside a `response_format`."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    name: str = ""
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")


class ResponseFormat(BaseModel):
    """`response_format`, in all the forms that vLLM knows."""

    model_config = ConfigDict(extra="allow")

    type: Literal["text", "json_object", "json_schema", "structural_tag"]
    json_schema: JsonSchemaFormat | None = None


class StructuredOutputs(BaseModel):
    """`structured_outputs`: one of these."""

    model_config = ConfigDict(extra="allow")

    json_: str | dict[str, Any] | None = Field(default=None, alias="json")
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    json_object: bool | None = None
    structural_tag: str | None = None


class Generation(_Body):
    """The fields that chat completions and completions share."""

    max_tokens: int | None = None
    n: int | None = 1
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    include_stop_str_in_output: bool = False
    seed: int | None = Field(default=None, ge=-INT64_MAX - 1, le=INT64_MAX)
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    min_tokens: int = 0
    ignore_eos: bool = False
    skip_special_tokens: bool = True
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    return_token_ids: bool | None = None
    return_tokens_as_token_ids: bool | None = None
    request_id: str | None = Field(default=None, max_length=256)
    priority: int = 0

    @model_validator(mode="before")
    @classmethod
    def _check(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if data.get("stream_options") and not data.get("stream"):
            raise invalid("Stream options can only be defined when `stream=True`.", "stream_options")
        structured = data.get("structured_outputs")
        if isinstance(structured, dict):
            named = [key for key in ("json", "regex", "choice") if structured.get(key) is not None]
            if len(named) > 1:
                raise invalid(
                    "You can only use one kind of constraints for structured outputs ('json', 'regex' or 'choice')."
                )
        return data

    @property
    def stops(self) -> list[str]:
        """The stop strings, as a list."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []


class Message(BaseModel):
    """One message. Roles are free; what else it holds is the template's business."""

    model_config = ConfigDict(extra="allow")

    role: str
    content: str | list[str | dict[str, Any]] | None = None


class Chat(_Body):
    """The fields that chat completions share with `/tokenize` of messages."""

    messages: list[Message]
    tools: list[dict[str, Any]] | None = None
    documents: list[dict[str, Any]] | None = None
    chat_template: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    add_special_tokens: bool = False
    reasoning_effort: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _check_prompt(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("continue_final_message") and data.get("add_generation_prompt"):
            raise invalid("Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
        return data


class ChatCompletion(Chat, Generation):
    """`POST /v1/chat/completions`."""

    max_completion_tokens: int | None = None
    logprobs: bool | None = False
    top_logprobs: int | None = 0
    tool_choice: Any = None
    return_prompt_text: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _check_chat(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        top = data.get("top_logprobs")
        if isinstance(top, int) and top < -1:
            raise invalid("`top_logprobs` must be a positive value or -1.", "top_logprobs", top)
        if isinstance(top, int) and top != 0 and not data.get("logprobs"):
            raise invalid("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs")
        if data.get("tools") == []:
            raise invalid(
                "`tools` must not be an empty array. Either provide at least one tool or omit the field entirely.",
                "tools",
            )
        choice = data.get("tool_choice", "auto" if data.get("tools") else "none")
        if choice not in (None, "none") and data.get("tools") is None:
            raise invalid("When using `tool_choice`, `tools` must be set.", "tool_choice")
        return {**data, "tool_choice": choice} if choice == "auto" else data


class Completion(Generation):
    """`POST /v1/completions`."""

    prompt: str | list[str] | list[int] | list[list[int]] | None = None
    echo: bool | None = False
    logprobs: int | None = None
    suffix: str | None = None
    best_of: int | None = None
    add_special_tokens: bool = True


class TokenizeText(_Body):
    """`POST /tokenize` of a text."""

    prompt: str
    add_special_tokens: bool = True
    return_token_strs: bool | None = False


class TokenizeChat(Chat):
    """`POST /tokenize` of messages."""

    return_token_strs: bool | None = False


class Detokenize(_Body):
    """`POST /detokenize`."""

    tokens: list[int]
