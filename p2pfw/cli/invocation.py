"""What the global flags said, and what every command needs: the printer, the node, the configuration.

The flags stand before the command (`p2pfw --json status`), and behind it as well, where people type them.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from p2pfw.cli.exits import CommandError, Exit, as_command_error, of_answer
from p2pfw.cli.printer import Form, Printer
from p2pfw.cli.quick import DEFAULT_TIMEOUT
from p2pfw.client.errors import ClientError
from p2pfw.client.exchange import Answer, Exchange
from p2pfw.client.place import Place

if TYPE_CHECKING:
    from p2pfw.config import Config

JSON: Final = "application/json"
SSH_HEADER: Final = "X-P2pfw-Ssh-Client"
"""Tells the node whose SSH session this is, so that it never blocks the operator's own address by his command."""


@dataclass(slots=True, kw_only=True)
class Invocation:
    """One call of `p2pfw`."""

    config: Path | None = None
    socket: Path | None = None
    form: Form = Form.HUMAN
    quiet: bool = False
    verbose: bool = False
    no_colour: bool = False
    timeout: float | None = None

    @property
    def printer(self) -> Printer:
        """Colours on a terminal only, and never with --no-color or NO_COLOR."""
        plain = self.no_colour or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        return Printer(form=self.form, colour=not plain and sys.stdout.isatty(), quiet=self.quiet)

    def load(self) -> "Config":
        """The configuration, whole. ConfigError."""
        from p2pfw.config import load

        return load(self.config)

    def socket_path(self) -> str:
        """Where the node listens; CommandError when -c names a file that is not there."""
        if self.socket is not None:
            return str(self.socket)
        from p2pfw.config import socket_path

        if self.config is not None and not self.config.exists():
            raise CommandError(f"{self.config}: there is no such file", code=Exit.USAGE)
        return str(socket_path(self.config))

    def call(self, method: str, target: str, body: object = None) -> bytes:
        """The body of a successful answer; CommandError for any other."""
        answer = self.try_call(method, target, body)
        if answer.status >= 400:
            raise of_answer(answer.status, answer.body)
        return answer.body

    def try_call(self, method: str, target: str, body: object = None) -> Answer:
        """Any answer. CommandError when there is none."""
        data = b"" if body is None else _encoded(body)
        try:
            with self.exchange() as exchange:
                exchange.send(method, target, {**headers(), "Content-Type": JSON, "Accept": JSON}, data)
                return Answer(exchange.status, exchange.read())
        except ClientError as error:
            raise as_command_error(error) from None

    def exchange(self, *, endless: bool = False) -> Exchange:
        """For streams. `endless`: only an explicit --timeout ends it."""
        return Exchange(Place(path=self.socket_path()), self.timeout if endless or self.timeout else DEFAULT_TIMEOUT)

    def stream(self, method: str, target: str, body: bytes | Iterable[bytes], **more: str) -> Exchange:
        """An exchange that was sent and answered with success; close it."""
        exchange = self.exchange(endless=True)
        try:
            exchange.send(method, target, {**headers(), **{name.replace("_", "-"): more[name] for name in more}}, body)
            if exchange.status >= 400:
                raise of_answer(exchange.status, exchange.read())
        except BaseException:
            exchange.__exit__()
            raise
        return exchange

    def as_json(self, body: bytes, name: str) -> bool:
        """With --json: print the answer, tagged with its schema where the node did not, and say True."""
        if self.form is not Form.JSON:
            return False
        value = json.loads(body) if body.strip() else {}
        self.show_json(value if "schema" in value else {"schema": f"p2pfw.{name}/1", **value})
        return True

    def show_json(self, value: Mapping[str, object]) -> None:
        """One object; on a terminal with line breaks."""
        indent = 2 if sys.stdout.isatty() else None
        self.printer.raw(json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def _encoded(body: object) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except ValueError:
        raise CommandError("nan and infinity are no numbers to work with", code=Exit.USAGE) from None


def headers() -> dict[str, str]:
    """What every request carries."""
    client = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    # The environment is the caller's: only what can be an address may become a header.
    usable = client and len(client) <= 64 and all(c.isalnum() or c in ".:%" for c in client) and client.isascii()
    return {SSH_HEADER: client} if usable else {}


def _set(name: str, convert: Any = None) -> Any:  # noqa: ANN401  (click's callbacks are untyped)
    def callback(context: click.Context, _: click.Parameter, value: object) -> None:
        if value not in (None, False):
            setattr(context.ensure_object(Invocation), name, convert(value) if convert else value)

    return callback


def _form(form: Form) -> Any:  # noqa: ANN401
    def callback(context: click.Context, _: click.Parameter, value: object) -> None:
        if value:
            context.ensure_object(Invocation).form = form

    return callback


def global_options(*, hidden: bool) -> list[click.Parameter]:
    """The flags of every command; listed where they stand first, hidden where they are only tolerated."""

    def option(*names: str, **more: Any) -> click.Option:  # noqa: ANN401
        return click.Option(names, expose_value=False, hidden=hidden, **more)

    path = click.Path(path_type=Path)
    found = [
        option("--json", is_flag=True, callback=_form(Form.JSON), help="One JSON object, with its schema."),
        option("--plain", is_flag=True, callback=_form(Form.PLAIN), help="Tab-separated, times in epoch seconds."),
        option("-q", "--quiet", is_flag=True, callback=_set("quiet"), help="Data and errors only."),
        option("-v", "--verbose", is_flag=True, callback=_set("verbose"), help="More of what happens."),
        option("--no-color", is_flag=True, callback=_set("no_colour"), help="No colours (also: NO_COLOR=1)."),
        option("--socket", type=path, callback=_set("socket"), help="The node's socket, instead of the configured."),
        option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True, max=86_400),
            metavar="SECONDS",
            callback=_set("timeout"),
            help=f"How long the node may take; {DEFAULT_TIMEOUT:g} by default.",
        ),
    ]
    return [
        option("-c", "--config", type=path, metavar="FILE", callback=_set("config"), help="The configuration file."),
        *found,
    ]


class Leaf(click.Command):
    """A command that takes the global flags behind its name too."""

    def __init__(self, *args: Any, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **attributes)
        own = {name for parameter in self.params for name in parameter.opts}
        self.params += [one for one in global_options(hidden=True) if not own & set(one.opts)]


class Branch(click.Group):
    """A group of commands that take the global flags behind their names."""

    command_class = Leaf
