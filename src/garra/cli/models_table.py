"""How `garra models list` looks: a table on standard output; what could not be asked, on standard error beside it."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from garra.models.catalogue import Capabilities, ModelEntry, ProviderView
from garra.models.explain import age
from garra.models.refs import ModelRef

_HEAD = ("MODEL", "WINDOW", "MAX TOKENS", "INPUT", "TOOLS", "STRUCTURED", "SOURCE", "")
_FOUND_OUT = (4, 5)


def print_table(views: Sequence[ProviderView], default: ModelRef | None) -> None:
    """The models of all providers, and what there is to say about each provider."""
    entries = [entry for view in views for entry in view.entries]
    rows = [_HEAD, *(_row(entry, default) for entry in entries)]
    known = any(entry.able for entry in entries)
    shown = [column for column in range(len(_HEAD)) if known or column not in _FOUND_OUT]
    for row in rows if entries else ():
        cells = (row[column].ljust(max(len(each[column]) for each in rows)) for column in shown)
        click.echo("  ".join(cells).rstrip())
    for view in views:
        for note in _notes(view):
            click.echo(note, err=True)
    mine = [view for view in views if default is not None and view.id == default.provider]
    asked = [view for view in mine if view.error is None or view.entries]
    if asked and all(entry.ref != default for view in asked for entry in view.entries):
        click.echo(f"The default model {default} is not among them.", err=True)


def _row(entry: ModelEntry, default: ModelRef | None) -> tuple[str, ...]:
    mark = "default" if entry.ref == default else ""
    limits = _window(entry), tokens(entry.max_tokens), "+".join(entry.input)
    return str(entry.ref), *limits, *_found_out(entry.able), entry.source, mark


def _found_out(able: Capabilities | None) -> tuple[str, str]:
    """How tools are called and what holds a reply to a schema, as it was found out before."""
    if able is None:
        return "not tried", "not tried"
    tools = {"native": "native", "refused": "described", "unknown": "not known"}[able.tools]
    return tools, able.structured_form or "no"


def _window(entry: ModelEntry) -> str:
    pinned = entry.served_window is not None and entry.served_window != entry.window
    return tokens(entry.window) + (f" (server: {tokens(entry.served_window)})" if pinned else "")


def tokens(number: int | None) -> str:
    """A number of tokens, or that nobody said."""
    return "not told" if number is None else f"{number:,}"


def _notes(view: ProviderView) -> list[str]:
    """What is to be known about one provider beside its models."""
    notes = []
    if view.error is not None:
        shown = f" Shown is what it served {_age(view)} ago." if view.stale else ""
        notes.append(f"{view.id} could not be asked.{shown}\n{_indented(str(view.error))}")
    elif not view.entries:
        notes.append(f"{view.id} at {view.base_url} serves no model.")
    listed = {entry.ref.id for entry in view.entries}
    more = [model_id for model_id in view.served or () if model_id not in listed]
    if more and view.error is None:
        wildcard = f"""garra config set 'agents.defaults.models["{view.id}/*"]' '{{}}'"""
        notes.append(
            f"{view.id} serves more than models.providers lists: {', '.join(more)}. To have them too: {wildcard}"
        )
    gone = [entry.ref.id for entry in view.entries if entry.source == "config" and view.served is not None]
    if gone and view.error is None:
        notes.append(f"{view.id} at {view.base_url} does not list: {', '.join(gone)}")
    return notes


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _age(view: ProviderView) -> str:
    return age(time.time() - view.asked_at) if view.asked_at is not None else ""


def views_as_json(views: Sequence[ProviderView], default: ModelRef | None) -> dict[str, Any]:
    """The same as data."""
    return {
        "models": [_entry_as_json(entry, default) for view in views for entry in view.entries],
        "providers": [_view_as_json(view) for view in views],
        "default": str(default) if default else None,
    }


def _entry_as_json(entry: ModelEntry, default: ModelRef | None) -> dict[str, Any]:
    return {
        "key": str(entry.ref),
        "name": entry.name,
        "contextWindow": entry.window,
        "servedWindow": entry.served_window,
        "maxTokens": entry.max_tokens,
        "reasoning": entry.reasoning,
        "input": list(entry.input),
        "source": entry.source,
        "tools": entry.able.tools if entry.able else None,
        "rung": entry.able.rung if entry.able else None,
        "structuredForm": (entry.able.structured_form or None) if entry.able else None,
        "default": entry.ref == default,
    }


def _view_as_json(view: ProviderView) -> dict[str, Any]:
    return {
        "id": view.id,
        "baseUrl": view.base_url,
        "keySource": view.key_source,
        "serverVersion": view.server_version,
        "askedAt": datetime.fromtimestamp(view.asked_at, UTC).isoformat(timespec="seconds") if view.asked_at else None,
        "stale": view.stale,
        "served": list(view.served) if view.served is not None else None,
        "error": str(view.error) if view.error else None,
    }
