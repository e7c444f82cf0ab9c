"""The configuration for people and editors: what holds and where it comes from, the schema, the list of all keys."""

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Final

from p2pfw.config.keys import Key, Shape, keys_of
from p2pfw.config.model import SECTIONS, Config, Feed, Peer
from p2pfw.config.readers import Endpoint, Kind
from p2pfw.core.records import Category

ALL_SECTIONS: Final[Mapping[str, type]] = {
    **{name: model for name, model in SECTIONS.items() if name != "discovery"},
    "[peer]": Peer,
    "discovery": SECTIONS["discovery"],
    "feed.NAME": Feed,
}
"""In the order of documents; the names as they stand in brackets."""

_TYPES: Final[Mapping[Kind, list[str]]] = {
    Kind.TEXT: ["string"],
    Kind.FLAG: ["boolean"],
    Kind.WHOLE: ["integer"],
    Kind.NUMBER: ["number"],
    Kind.TEXT_OR_NUMBER: ["string", "number"],
}


def effective(config: Config) -> list[tuple[str, str, str]]:
    """(key, value, origin) of everything, sections together; the value as it would be written in TOML.

    Origin: "file:line", "environment P2PFW_...", "flag ..." or "default".
    """
    return [(setting.key, toml(setting.value), setting.origin) for setting in config.settings]


def toml(value: object) -> str:
    """A value as TOML writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case Enum():
            return toml(value.name.lower() if isinstance(value, Category) else value.value)
        case Endpoint() | PurePath():
            return toml(str(value))
        case int() | float():
            return str(value)
        case list() | tuple():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dict():
            pairs = ", ".join(f"{toml_key(name)} = {toml(inner)}" for name, inner in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case _:
            return _quoted(str(value))


def toml_key(name: object) -> str:
    """Bare where TOML allows it, quoted elsewhere."""
    text = str(name)
    return text if text.isascii() and text.replace("-", "_").isidentifier() else _quoted(text)


def reference() -> Iterator[tuple[str, Key]]:
    """(section, key) of every key there is."""
    for section, model in ALL_SECTIONS.items():
        for key in keys_of(model).values():
            yield section, key


def default_text(key: Key) -> str:
    """What a key is when nobody says: TOML, or words where it depends on the machine."""
    if key.required:
        return "required"
    return key.derived or toml(key.default)


def json_schema() -> dict[str, object]:
    """JSON Schema (2020-12) of a configuration file, for editors."""
    properties: dict[str, object] = {name: _section(model) for name, model in SECTIONS.items() if "." not in name}
    api = properties["api"]
    assert isinstance(api, dict)  # noqa: S101
    api["properties"]["rfw"] = _section(SECTIONS["api.rfw"])
    properties["peer"] = {"type": "array", "items": _section(Peer)}
    properties["feed"] = {"type": "object", "additionalProperties": _section(Feed)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "p2pfw configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _section(model: type) -> dict[str, object]:
    keys = keys_of(model)
    found: dict[str, object] = {
        "type": "object",
        "description": (model.__doc__ or "").strip(),
        "additionalProperties": False,
        "properties": {name: _key(key) for name, key in keys.items()},
    }
    required = [name for name, key in keys.items() if key.required]
    return {**found, "required": required} if required else found


def _key(key: Key) -> dict[str, object]:
    one = _one(key)
    about: dict[str, object] = {"description": f"{key.about} ({key.reader.form})"}
    if not key.required and not key.derived:
        about["default"] = key.default
    match key.shape:
        case Shape.ONE:
            return {**one, **about}
        case Shape.MANY:
            return {"anyOf": [{"type": "array", "items": one}, one], **about}
        case Shape.TABLE:
            return {"type": "object", "additionalProperties": one, **about}


def _one(key: Key) -> dict[str, object]:
    types = _TYPES[key.reader.kind]
    found: dict[str, object] = {"type": types[0] if len(types) == 1 else types}
    if key.reader.choices and len(types) == 1:
        found["enum"] = list(key.reader.choices)
    return found


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'
