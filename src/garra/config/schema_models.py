"""The `models` and `auth` sections: providers, their model rows, and which keys are used. No secret is read here."""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, field

from garra.config.secrets import HIDDEN
from garra.config.section import Bag, NotNegative, Positive, PositiveNumber, Secret, Section, names


class TokenPrices(Section, frozen=True):
    """Prices for a million tokens."""

    unused: ClassVar[frozenset[str]] = names("tieredPricing")

    input: float = 0.0
    output: float = 0.0
    cache_read: float = 0.0
    cache_write: float = 0.0


class Compat(Section, frozen=True):
    """What a server can and cannot take. None: not said, so the adapter's own rule holds."""

    unused: ClassVar[frozenset[str]] = names(
        "supportsStore supportsPromptCacheKey supportsResponsesContinuation supportsInstructions codeMode "
        "visibleReasoningDetailTypes toolSchemaProfile toolCallArgumentsEncoding requiresOpenAiAnthropicToolPayload "
        "openRouterRouting vercelGatewayRouting zaiToolStream cacheControlFormat sendSessionAffinityHeaders "
        "sendSessionIdHeader supportsEagerToolInputStreaming supportsLongCacheRetention"
    )

    supports_developer_role: bool | None = None
    supports_reasoning_effort: bool | None = None
    supports_temperature: bool | None = None
    supports_usage_in_streaming: bool | None = None
    supports_tools: bool | None = None
    supports_strict_mode: bool | None = None
    supports_json_schema_response_format: bool | None = None
    requires_string_content: bool | None = None
    strict_message_keys: bool | None = None
    supported_reasoning_efforts: tuple[str, ...] | None = None
    reasoning_effort_map: dict[str, str | None] | None = None
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    thinking_format: (
        Literal["openai", "openrouter", "deepseek", "together", "qwen", "qwen-chat-template", "zai"] | None
    ) = None
    requires_tool_result_name: bool | None = None
    requires_assistant_after_tool_result: bool | None = None
    requires_thinking_as_text: bool | None = None
    requires_reasoning_content_on_assistant_messages: bool | None = None
    unsupported_tool_schema_keywords: tuple[str, ...] = ()


class ModelRow(Section, frozen=True):
    """One model of a provider, as the person describes it. What is None is asked from the server."""

    unused: ClassVar[frozenset[str]] = names("agentRuntime metadataSource mediaInput")

    id: Annotated[str, Meta(min_length=1)]
    name: str = ""
    api: str | None = None
    base_url: str | None = None
    headers: dict[str, Secret] = field(default_factory=dict)
    reasoning: bool | None = None
    input: tuple[Literal["text", "image", "video", "audio"], ...] | None = None
    cost: TokenPrices = TokenPrices()
    context_window: Positive | None = None
    context_tokens: Positive | None = None
    max_tokens: Positive | None = None
    thinking_level_map: dict[str, str | None] = field(default_factory=dict)
    params: Bag = field(default_factory=dict)
    compat: Compat = Compat()


class RequestAuth(Section, frozen=True):
    """How the key is sent."""

    mode: Literal["provider-default", "authorization-bearer", "header"] = "provider-default"
    token: Secret | None = None
    header_name: str | None = None
    value: Secret | None = None
    prefix: str | None = None

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The value of a header that carries the key has no name that tells."""
        return [(name, HIDDEN if name == "value" and value else value) for name, value in super().__rich_repr__()]


class RequestSettings(Section, frozen=True):
    """What is particular about the requests to a provider."""

    unused: ClassVar[frozenset[str]] = names("proxy tls")
    later: ClassVar[frozenset[str]] = names("allowPrivateNetwork")

    headers: dict[str, Secret] = field(default_factory=dict)
    auth: RequestAuth = RequestAuth()
    allow_private_network: bool | None = None


class LocalService(Section, frozen=True):
    """A model server that is started when it is needed."""

    command: str
    args: tuple[str, ...] = ()
    cwd: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    health_url: str | None = None
    ready_timeout_ms: Positive = 120_000
    idle_stop_ms: NotNegative = 0


class Provider(Section, frozen=True):
    """A model server, or several alike. After loading `api` is always `openai-completions`: others are left out, with a
    warning."""

    unused: ClassVar[frozenset[str]] = names("region agentRuntime injectNumCtxForOpenAICompat")
    later: ClassVar[frozenset[str]] = names("auth localService authHeader")

    base_url: str | None = None
    base_urls: tuple[str, ...] = ()
    api_key: Secret | None = None
    auth: Literal["api-key", "token", "oauth", "aws-sdk"] | None = None
    api: str = "openai-completions"
    max_tokens: Positive | None = None
    timeout_seconds: PositiveNumber | None = None
    params: Bag = field(default_factory=dict)
    local_service: LocalService | None = None
    headers: dict[str, Secret] = field(default_factory=dict)
    auth_header: bool | None = None
    request: RequestSettings = RequestSettings()
    models: tuple[ModelRow, ...] = ()


class ModelsSection(Section, frozen=True):
    """The model servers. `replace`: only the listed rows, nothing discovered."""

    unused: ClassVar[frozenset[str]] = names("catalogRefresh pricing bedrockDiscovery")

    mode: Literal["merge", "replace"] = "merge"
    providers: dict[str, Provider] = field(default_factory=dict)


class AuthProfile(Section, frozen=True):
    """A key's name and kind; the key itself is kept in the store."""

    provider: str
    mode: Literal["api_key", "aws-sdk", "oauth", "token"] = "api_key"
    email: str | None = None
    display_name: str | None = None


class AuthSection(Section, frozen=True):
    """Which profile is used for which provider, and in which order. Holds no secrets."""

    unused: ClassVar[frozenset[str]] = names("cooldowns")

    profiles: dict[str, AuthProfile] = field(default_factory=dict)
    order: dict[str, tuple[str, ...]] = field(default_factory=dict)
