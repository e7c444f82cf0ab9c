"""The file that `p2pfw init` writes: every key with its default and its meaning, those that were asked for set.

What is commented out is the default, so that a later version's better default takes effect, and the file says what the
operator chose.
"""

from collections.abc import Mapping

from p2pfw.config.keys import Key, Shape, keys_of
from p2pfw.config.model import SECTIONS, Discovery, Feed, Peer
from p2pfw.config.show import toml, toml_key

_HEAD = """\
# p2pfw: what is commented out is the default. To check this file: p2pfw config check.
# What holds and where it comes from: p2pfw config show. Policy, peers and feeds take effect
# by p2pfw config reload, the rest by a restart.
"""
_WIDTH = 96


def render_default(settings: Mapping[str, object]) -> str:
    """The commented TOML text. `settings`: dotted key → raw value as in TOML; what is not in it stays commented out.

    KeyError for a key that does not exist. The text loads as those settings and defaults else.
    """
    unknown = set(settings) - {f"{section}.{name}" for section, model in SECTIONS.items() for name in keys_of(model)}
    if unknown:
        raise KeyError(min(unknown))
    parts = [_HEAD]
    for section, model in SECTIONS.items():
        if model is Discovery:
            parts.append(_example("[[peer]]", Peer, {"id": "p2pfw1...", "name": "berlin", "trust": "pair"}))
        parts.append(_section(section, model, settings))
    parts.append(_example("[feed.drop]", Feed, {"url": "https://lists.example.net/drop.txt"}))
    return "\n".join(parts)


def _section(section: str, model: type, settings: Mapping[str, object]) -> str:
    lines = [f"[{section}]"]
    for name, key in keys_of(model).items():
        full = f"{section}.{name}"
        if full in settings:
            lines += [*_about(key), f"{toml_key(name)} = {toml(settings[full])}"]
        else:
            lines += [*_about(key), f"#{toml_key(name)} = {_shown(key)}"]
    return "\n".join(lines) + "\n"


def _example(title: str, model: type, values: Mapping[str, object]) -> str:
    lines = [f"#{title}"]
    for name, key in keys_of(model).items():
        lines += [*_about(key), f"#{toml_key(name)} = {toml(values[name]) if name in values else _shown(key)}"]
    return "\n".join(lines) + "\n"


def _about(key: Key) -> list[str]:
    text = f"{key.about} Default: {key.derived}." if key.derived else key.about
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + len(word) < _WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(f"# {word}")
    return lines


def _shown(key: Key) -> str:
    empty = {Shape.ONE: "", Shape.MANY: [], Shape.TABLE: {}}[key.shape]
    return toml(empty if key.default is None or (key.derived and key.shape is Shape.ONE) else key.default)
