"""What every section of the schema is: a frozen value, closed to unknown keys."""

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Meta


class Section(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One object of the configuration.

    `unused` names the keys that OpenClaw knows here and Garra does not use yet: they are accepted whole and listed in
    one warning. `later` names fields that are checked already but that nothing reads yet: they are in the warning too.
    """

    unused: ClassVar[frozenset[str]] = frozenset()
    later: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        """Without secrets, since values end up in logs and test reports."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        from garra.config.secrets import shown

        fields = zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True)
        return [(name, shown(getattr(self, name), (key,))) for name, key in fields]


class SecretRef(Section, frozen=True):
    """A secret that is kept elsewhere. Of the sources, `env` can be used."""

    id: str
    source: Literal["env", "file", "exec", "store"] = "env"
    provider: str = "default"


LARGEST = 2**53  # beyond it, other JSON readers round

Positive: TypeAlias = Annotated[int, Meta(gt=0, le=LARGEST)]
PositiveNumber: TypeAlias = Annotated[float, Meta(gt=0, le=LARGEST)]
NotNegative: TypeAlias = Annotated[int, Meta(ge=0, le=LARGEST)]
Secret: TypeAlias = str | SecretRef
Bag: TypeAlias = dict[str, Any]
Thinking: TypeAlias = Literal["off", "minimal", "low", "medium", "high", "xhigh", "adaptive", "max", "ultra"]

ShowReasoning: TypeAlias = Literal["off", "on", "stream"]


def names(text: str) -> frozenset[str]:
    """The words of a text, as a set of key names."""
    return frozenset(text.split())
