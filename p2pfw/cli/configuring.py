"""config: what holds, whether it is right, and telling the running node to read it again."""

import click

from p2pfw.cli.invocation import Branch, Invocation
from p2pfw.cli.printer import Form


@click.group(cls=Branch)
def config() -> None:
    """The configuration."""


@config.command("show")
@click.pass_obj
def show(invocation: Invocation) -> None:
    """Every key, its value, and where that comes from."""
    from p2pfw.config import effective

    rows = effective(invocation.load())
    if invocation.form is Form.JSON:
        settings = [{"key": key, "value": value, "origin": origin} for key, value, origin in rows]
        invocation.show_json({"schema": "p2pfw.config/1", "settings": settings})
    elif invocation.form is Form.PLAIN:
        for row in rows:
            invocation.printer.row(*row)
    else:
        invocation.printer.table(["key", "value", "from"], rows)


@config.command("check")
@click.pass_obj
def check(invocation: Invocation) -> None:
    """Exit 0 when it can be used; else all that is wrong with it, with file and line."""
    from p2pfw.config import read_allow

    found = invocation.load()
    read_allow(found)
    for warning in found.warnings:
        invocation.printer.warn(f"warning: {warning}")
    files = ", ".join(str(path) for path in found.files) or "no file; defaults"
    if invocation.form is Form.JSON:
        report = {"files": [str(path) for path in found.files], "warnings": list(found.warnings)}
        invocation.show_json({"schema": "p2pfw.config-check/1", **report})
        return
    invocation.printer.say(f"the configuration is right ({files})")


@config.command("schema")
@click.pass_obj
def schema(invocation: Invocation) -> None:
    """JSON Schema of the file, for editors."""
    from p2pfw.config import json_schema

    invocation.show_json(json_schema())


@config.command("reload")
@click.pass_obj
def reload(invocation: Invocation) -> None:
    """Have the node read whitelist, peers, trust, policy and feeds again. A bad file changes nothing."""
    body = invocation.call("POST", "/v1/reload")
    if invocation.as_json(body, "reload"):
        return
    import json

    found = json.loads(body)
    changed = ", ".join(found.get("changed") or []) or "nothing"
    invocation.printer.line(f"changed: {changed}")
    if waiting := ", ".join(found.get("needs_restart") or []):
        invocation.printer.line(f"after a restart: {waiting}")
