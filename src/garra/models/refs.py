"""Model references: `provider/model`, an alias, or the bare id of a model that one provider alone has.

The text is split on its first slash, so that ids may hold slashes; providers are lower-cased, ids keep their case. This
module asks no server and reads no file: it is told which aliases and ids there are. It never picks one of several.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from garra.errors import ConfigError

_PROFILE = re.compile(r"(?P<ref>.+)@(?P<profile>(?P<provider>[^\s/@:]+):[^\s/@:]+)")


class ModelRef(msgspec.Struct, frozen=True, order=True):
    """One model of one provider. `id` is what the server calls it."""

    provider: str
    id: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.id}"


def parse_ref(text: str) -> ModelRef | None:
    """`provider/model` as a value; None when the text names no provider."""
    provider, slash, model = text.strip().partition("/")
    if not slash:
        return None
    if not provider.strip() or not model.strip():
        raise ConfigError(f'"{text}" names no model. Write PROVIDER/MODEL, as in: vllm/your-model-id')
    return ModelRef(provider.strip().lower(), model.strip())


def split_profile(text: str) -> tuple[str, str | None]:
    """`vllm/id@vllm:work` is the ref and the auth profile that it pins; an `@` of the id itself stays in the id."""
    found = _PROFILE.fullmatch(text.strip())
    ref = parse_ref(found["ref"]) if found and "/" in found["ref"] else None
    if found is None or ref is None or ref.provider != found["provider"].lower():
        return text.strip(), None
    return found["ref"], found["profile"]


def match_id(wanted: str, ids: Iterable[str]) -> str | None:
    """The id that is meant: the exact one, else the only one that differs by nothing but case, else none."""
    known = tuple(dict.fromkeys(ids))
    if wanted in known:
        return wanted
    alike = [known_id for known_id in known if known_id.casefold() == wanted.casefold()]
    if len(alike) > 1:
        raise ambiguous(wanted, alike)
    return alike[0] if alike else None


def resolve_ref(
    text: str, *, aliases: Mapping[str, Sequence[str]], known: Mapping[str, Sequence[str]]
) -> ModelRef | None:
    """The model that `text` means: an alias, `provider/model`, or an id that one of the `known` providers alone has.

    `aliases` maps an alias to the refs that bear it, `known` a provider to the ids it is known to have. A ref to an id
    that is not known stays as it is; None means that nothing matches.
    """
    targets = _targets(text.strip(), aliases)
    if len(targets) > 1:
        raise ambiguous(text.strip(), [str(target) for target in targets])
    ref = targets[0] if targets else parse_ref(text)
    if ref is None or ref.provider not in known:
        return ref if targets else _by_id(text.strip(), known)
    matched = match_id(ref.id, known[ref.provider])
    if matched is not None:
        return ModelRef(ref.provider, matched)
    within = [target for target in _targets(ref.id, aliases) if target.provider == ref.provider]
    return within[0] if len(within) == 1 else ref


def _targets(name: str, aliases: Mapping[str, Sequence[str]]) -> list[ModelRef]:
    """The models that an alias stands for, none when it is no alias."""
    alias = match_id(name, aliases)
    refs = [parse_ref(text) for text in aliases[alias]] if alias is not None else []
    return [ref for ref in refs if ref is not None]


def _by_id(wanted: str, known: Mapping[str, Sequence[str]]) -> ModelRef | None:
    """The one model of that id over all providers: an exact one first, then one that differs by case alone."""
    all_refs = [ModelRef(provider, known_id) for provider, ids in known.items() for known_id in dict.fromkeys(ids)]
    for same in (str, str.casefold):
        found = [ref for ref in all_refs if same(ref.id) == same(wanted)]
        if len(found) > 1:
            raise ambiguous(wanted, [str(ref) for ref in found])
        if found:
            return found[0]
    return None


def ambiguous(wanted: str, candidates: Sequence[str]) -> ConfigError:
    """The error for a name that several models answer to."""
    return ConfigError(
        f'"{wanted}" can be any of {", ".join(sorted(candidates))}. Write the one that you mean in full.'
    )
