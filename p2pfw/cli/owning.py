"""owner: the key that says which nodes are mine. show and certify work without a node."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.invocation import Branch, Invocation
from p2pfw.cli.printer import Form

if TYPE_CHECKING:
    from p2pfw.core.identity import Certificate


@click.group(cls=Branch)
def owner() -> None:
    """The owner's key and the nodes that it certified: the fleet."""


@owner.command("show")
@click.pass_obj
def show(invocation: Invocation) -> None:
    """The fleet as the node knows it; without a node, what is on this disk."""
    try:
        body = invocation.call("GET", "/v1/owner")
    except CommandError as error:
        if error.code is not Exit.UNREACHABLE:
            raise
        _show_disk(invocation)
        return
    if not invocation.as_json(body, "owner"):
        from p2pfw.cli.show import people

        people.owner(invocation.printer, body)


def _show_disk(invocation: Invocation) -> None:
    from p2pfw.cli.making import kept_certificate
    from p2pfw.core.idtext import encode_id
    from p2pfw.core.times import rfc3339
    from p2pfw.store.keyfile import Purpose, read_public

    config = invocation.load()
    path = config.node.owner_key_file
    here = read_public(path, Purpose.OWNER) if path is not None and path.exists() else None
    certificate = kept_certificate(config)
    owner_id = certificate.owner if certificate is not None else here
    if owner_id is None:
        raise CommandError("this node has no owner but itself", code=Exit.NO, hint="p2pfw init, or p2pfw join TOKEN")
    end = rfc3339(certificate.not_after) if certificate is not None else None
    found = {"owner_id": encode_id(owner_id), "holds_key": here == owner_id, "certificate_expires": end}
    if invocation.form is Form.JSON:
        invocation.show_json({"schema": "p2pfw.owner-key/1", **found})
    elif invocation.form is Form.PLAIN:
        invocation.printer.row(found["owner_id"], int(here == owner_id), certificate.not_after if certificate else None)
    else:
        invocation.printer.line(f"owner        {found['owner_id']}")
        invocation.printer.line(f"its key      {path if here == owner_id else 'elsewhere'}")
        invocation.printer.line(f"certificate  {f'of this node, until {end}' if end else 'none'}")


@owner.command("certify")
@click.argument("node_id", metavar="[NODE]", default="")
@click.option("--use", "given", metavar="CERTIFICATE", help="Keep a certificate that was made elsewhere for this node.")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="The owner's key, on an offline machine.")
@click.pass_obj
def certify(invocation: Invocation, node_id: str, given: str | None, key: Path | None) -> None:
    """Certify this node, while it does not run; or print a certificate for NODE, to be carried there."""
    from p2pfw.cli.making import kept_certificate

    if key is not None:
        _certify_elsewhere(invocation, node_id, key)
        return
    config = invocation.load()
    if given is not None:
        _use(invocation, given)
        return
    from p2pfw.core.identity import NodeId
    from p2pfw.core.idtext import decode_id
    from p2pfw.store.keyfile import Purpose, read_public

    own = NodeId(read_public(config.node.key_file, Purpose.NODE)) if config.node.key_file.exists() else None
    node = NodeId(decode_id(node_id)) if node_id else own
    if node is None:
        raise CommandError("there is no node here to certify", code=Exit.USAGE, hint="name one, or run p2pfw init")
    text = _fresh(invocation, node, kept_certificate(config) if node == own else None)
    if node == own:
        _use(invocation, text)
        return
    invocation.printer.line(text)
    invocation.printer.say("On that node, while it does not run: p2pfw owner certify --use CERTIFICATE")


def _certify_elsewhere(invocation: Invocation, node_id: str, key: Path) -> None:
    """With a key file alone: no configuration, no node."""
    import time

    from p2pfw.app.joining import fresh_certificate
    from p2pfw.cli.keys import open_key
    from p2pfw.core.identity import NodeId
    from p2pfw.core.idtext import decode_id
    from p2pfw.store.keyfile import Purpose

    if not node_id:
        raise CommandError("which node?", code=Exit.USAGE, hint="p2pfw id, on the node, prints its id")
    now = time.time()
    made = fresh_certificate(open_key(key, Purpose.OWNER), NodeId(decode_id(node_id)), int(now), now)
    invocation.printer.line(made.encode().hex())
    invocation.printer.say("On that node, while it does not run: p2pfw owner certify --use CERTIFICATE")


@owner.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--passphrase", is_flag=True, help="Encrypt the copy: asked for, or from P2PFW_PASSPHRASE.")
@click.option("--remove", is_flag=True, help="Take the key off this node: it is then kept offline.")
@click.pass_obj
def export(invocation: Invocation, file: Path, passphrase: bool, remove: bool) -> None:  # noqa: FBT001
    """Copy the owner's key into a file, to be kept offline: `owner certify NODE --key FILE`, `charter sign --key FILE`.

    A key that is not on the node can invite and renew nobody: certificates end after 90 days, and health warns from 14
    days before.
    """
    from p2pfw.cli.keys import open_key, passphrase_for
    from p2pfw.store.keyfile import Purpose, read_public, write_key

    source = invocation.load().node.owner_key_file
    if source is None or not source.exists():
        raise CommandError("the owner's key is not on this node", code=Exit.NO)
    seed = open_key(source, Purpose.OWNER).seed()
    write_key(file, seed, Purpose.OWNER, passphrase=passphrase_for(file, new=True) if passphrase else None)
    if read_public(file, Purpose.OWNER) != read_public(source, Purpose.OWNER):
        raise CommandError(f"{file}: the copy is not readable", code=Exit.NO)
    invocation.printer.line(f"the owner's key is in {file}; whoever has it is the owner")
    if remove:
        source.unlink()
        invocation.printer.say(f'{source} is removed; set node.owner_key_file = "" and restart the node')


@owner.command("rotate")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--key", type=click.Path(path_type=Path), metavar="OLD", help="The old key; the configured one by default."
)
@click.option("--passphrase", is_flag=True, help="Encrypt the new key: asked for, or from P2PFW_PASSPHRASE.")
@click.pass_obj
def rotate(invocation: Invocation, file: Path, key: Path | None, passphrase: bool) -> None:  # noqa: FBT001
    """Take another owner's key, made in FILE where there is none: signed by the old one and the new one, and gossiped.

    Who trusted the old key trusts the new one; both are one voice. Then certify each node anew:
    `owner certify NODE --key FILE` here, `owner certify --use CERTIFICATE` there.
    """
    import time

    from p2pfw.cli.keys import open_key, passphrase_for
    from p2pfw.core.succession import succeed
    from p2pfw.store.keyfile import Purpose, new_seed, write_key

    configured = key if key is not None else invocation.load().node.owner_key_file
    if configured is None:
        raise CommandError("the owner's key is not on this node", code=Exit.NO, hint="--key FILE")
    old = open_key(configured, Purpose.OWNER)
    if not file.exists():
        write_key(file, new_seed(), Purpose.OWNER, passphrase=passphrase_for(file, new=True) if passphrase else None)
    signed = succeed(old, open_key(file, Purpose.OWNER), created=int(time.time()))
    _said(invocation, invocation.call("POST", "/v1/owner/succeed", {"succession": signed.encode().hex()}))


def _fresh(invocation: Invocation, node: bytes, kept: "Certificate | None") -> str:
    import time

    from p2pfw.app.joining import fresh_certificate
    from p2pfw.cli.making import owner_key
    from p2pfw.core.identity import NodeId

    now = time.time()
    # Of two certificates the newer holds, and serials only grow.
    after, serial = (min(kept.not_before, int(now)), kept.serial) if kept is not None else (0, 0)
    key = owner_key(invocation.load())
    made = fresh_certificate(key, NodeId(node), max(int(now), serial + 1), now, after=after)
    return made.encode().hex()


def _use(invocation: Invocation, text: str) -> None:
    import time

    from p2pfw.cli.making import keep_certificate
    from p2pfw.core.identity import Certificate
    from p2pfw.core.times import rfc3339
    from p2pfw.errors import PeerError
    from p2pfw.store.keyfile import Purpose, read_public
    from p2pfw.store.lock import StateLock

    config = invocation.load()
    try:
        certificate = Certificate.decode(bytes.fromhex(text))
        certificate.check_signature()
    except (ValueError, PeerError):
        raise CommandError("this is no certificate, or a part of it is missing", code=Exit.USAGE) from None
    if certificate.node != read_public(config.node.key_file, Purpose.NODE):
        raise CommandError("the certificate is for another node", code=Exit.USAGE, hint="p2pfw id tells this one's")
    if not certificate.valid_at(time.time()):
        raise CommandError("the certificate is not valid now", code=Exit.USAGE, hint="is this machine's clock right?")
    with StateLock.take(config.node.state_dir):
        keep_certificate(config, certificate)
    invocation.printer.line(f"certified until {rfc3339(certificate.not_after)}")


@owner.command("renew")
@click.pass_obj
def renew(invocation: Invocation) -> None:
    """A new certificate for this node, now. Comes by itself while the owner's key is on this node."""
    _said(invocation, invocation.call("POST", "/v1/owner/renew"))


@owner.command("revoke")
@click.argument("node_id", metavar="NODE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def revoke(invocation: Invocation, node_id: str, yes: bool) -> None:  # noqa: FBT001
    """Void a node's key, everywhere and for ever: it was stolen, or given away."""
    if not yes and sys.stdin.isatty():
        click.confirm(f"Revoke {node_id} for ever?", abort=True, err=True)
    _said(invocation, invocation.call("POST", "/v1/owner/revoke", {"node": node_id}))


def _said(invocation: Invocation, body: bytes) -> None:
    if not invocation.as_json(body, "owner-change"):
        import json

        invocation.printer.line(str(json.loads(body)["text"]))
