"""cert: certificates for HTTPS doors that no public authority knows. Needs no node, and no network."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.invocation import Branch, Invocation
from p2pfw.cli.printer import Form

if TYPE_CHECKING:
    from p2pfw.store.certificates import Pair

FOLDER = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("p2pfw-ca"),
    show_default=True,
    metavar="D",
    help="Where the authority's files are; keep it off the servers.",
)


@click.group(cls=Branch)
def cert() -> None:
    """Certificates for HTTPS, from an authority of your own."""


@cert.command("ca")
@FOLDER
@click.pass_obj
def ca(invocation: Invocation, folder: Path) -> None:
    """Make the authority: ca.crt for all clients, ca.key for nobody else."""
    certificates = _certificates()
    made = certificates.make_authority(folder)
    _show(invocation, made)
    invocation.printer.say(
        f"valid for {certificates.CA_DAYS} days; clients trust it by curl --cacert {made.certificate}"
    )


@cert.command("server")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--address", "addresses", multiple=True, metavar="IP", help="An address that clients use; repeatable.")
@FOLDER
@click.pass_obj
def server(invocation: Invocation, names: tuple[str, ...], addresses: tuple[str, ...], folder: Path) -> None:
    """Make a server's certificate and key, for the names and addresses by which clients call it."""
    certificates = _certificates()
    made = certificates.make_server(folder, certificates.Subject.of(names, addresses))
    _show(invocation, made)
    invocation.printer.say(
        f"valid for at most {certificates.SERVER_DAYS} days; copy both to the server: tls_cert, tls_key"
    )


def _certificates() -> ModuleType:
    try:
        return import_module("p2pfw.store.certificates")
    except ImportError:
        raise CommandError(
            "making certificates needs the Python package cryptography",
            code=Exit.USAGE,
            hint="pip install 'p2pfw[cert]', or Debian's python3-cryptography",
        ) from None


def _show(invocation: Invocation, made: "Pair") -> None:
    if invocation.form is Form.JSON:
        files = {"certificate": str(made.certificate), "key": str(made.key)}
        invocation.show_json({"schema": "p2pfw.cert/1", **files})
    elif invocation.form is Form.PLAIN:
        invocation.printer.row(str(made.certificate), str(made.key))
    else:
        invocation.printer.line(str(made.certificate))
        invocation.printer.line(str(made.key))
