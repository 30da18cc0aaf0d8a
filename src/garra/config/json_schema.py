"""The schema of the configuration as JSON Schema, made from the types; for editors and other programs."""

from typing import Any

import msgspec

from garra.config.schema import Config
from garra.config.section import Section


def json_schema() -> dict[str, Any]:
    """One document with a definition for each section."""
    schema = msgspec.json.schema(Config)
    sections = {section.__name__: section for section in _sections(Section)}
    for name, definition in schema["$defs"].items():
        for key in sorted(sections[name].unused):
            definition["properties"][key] = {"description": "Known to OpenClaw; accepted, not used yet."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Garra's configuration", **schema}


def _sections(section: type[Section]) -> list[type[Section]]:
    return [section, *(found for below in section.__subclasses__() for found in _sections(below))]
