"""charter: who the members of a network of equals are. new, sign, diff and show FILE work without a node."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.invocation import Branch, Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from p2pfw.core.charter import Charter, Member, Seed, SignedCharter
    from p2pfw.core.identity import SigningKey

_FILE = click.Path(path_type=Path)
_MEMBER_HELP = "OWNER-ID=NAME or OWNER-ID=NAME:TRUST; trust is quad unless said."
_SEED_HELP = "NODE-ID=ws://host:7787: where somebody who knows nobody begins."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Founding:
    """What `charter new` was asked for."""

    members: tuple[str, ...]
    seeds: tuple[str, ...]
    need: int | None
    valid: str
    own_id: bool
    output: Path | None
    key: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What `charter propose` was asked for."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    trusts: tuple[str, ...]
    seeds: tuple[str, ...]
    need: int | None
    valid: str | None
    after: str | None
    output: Path | None
    key: Path | None


@click.group(cls=Branch)
def charter() -> None:
    """The charter of a network of equals: members, and how many of them change it."""


def _key_options(command: "click.decorators.FC") -> "click.decorators.FC":
    return click.option("--key", type=_FILE, metavar="FILE", help="The owner's key; the configured one by default.")(
        command
    )


@charter.command("new")
@click.argument("network")
@click.option("--member", "members", multiple=True, metavar="ID=NAME[:TRUST]", help=_MEMBER_HELP)
@click.option("--seed", "seeds", multiple=True, metavar="ID=URL", help=_SEED_HELP)
@click.option("--need", type=click.IntRange(min=1), help="Members that a change needs; more than half by default.")
@click.option("--valid", default="365d", show_default=True, help="For how long; 400 days at the most.")
@click.option("--own-id", is_flag=True, help="The network's id is the charter's, not that of its name.")
@click.option("--output", "-o", type=_FILE, metavar="FILE", help="Instead of standard output.")
@_key_options
@click.pass_obj
def new(invocation: Invocation, /, network: str, **asked: Any) -> None:  # noqa: ANN401  (click's options)
    """Version 1, signed by this owner. Send it to the other members: each signs it with `charter sign FILE`."""
    import time

    from p2pfw.core.charter import Charter, SignedCharter, members_of
    from p2pfw.core.identity import network_id

    wanted = _Founding(**asked)
    signer = _owner_key(invocation, wanted.key)
    listed = members_of(map(_member, wanted.members))
    now = int(time.time())
    made = Charter(
        network=network,
        founded=b"" if wanted.own_id else network_id(network),
        changes_need=wanted.need or len(listed) // 2 + 1,
        created=now,
        valid_until=now + _seconds(wanted.valid),
        members=listed,
        seeds=tuple(sorted(map(_seed, wanted.seeds))),
    )
    _write(invocation, SignedCharter(charter=made, signatures={}).signed_by(signer), wanted.output)


@charter.command("show")
@click.argument("file", type=_FILE, required=False)
@click.pass_obj
def show(invocation: Invocation, file: Path | None) -> None:
    """What holds on this node, what is proposed, what is in conflict; or what a file says."""
    if file is not None:
        from p2pfw.config.charterfile import read_charter, render_charter

        invocation.printer.raw(render_charter(read_charter(file)))
        return
    body = invocation.call("GET", "/v1/charter")
    if not invocation.as_json(body, "charter"):
        from p2pfw.cli.show import trust as shown

        shown.charter(invocation.printer, body)


@charter.command("propose")
@click.option("--add", "added", multiple=True, metavar="ID=NAME[:TRUST]", help=_MEMBER_HELP)
@click.option("--remove", "removed", multiple=True, metavar="NAME|ID", help="A member that is to leave.")
@click.option("--trust", "trusts", multiple=True, metavar="NAME=TRUST", help="Another trust for a member.")
@click.option("--seed", "seeds", multiple=True, metavar="ID=URL", help=_SEED_HELP)
@click.option("--need", type=click.IntRange(min=1), help="Members that a change needs from then on.")
@click.option("--valid", metavar="TIME", help="From now, for how long: 365d.")
@click.option("--after", metavar="HASH|FILE", help="Follow this version, not the one that holds: to settle a conflict.")
@click.option("--output", "-o", type=_FILE, metavar="FILE", help="Into a file, and nothing is gossiped.")
@_key_options
@click.pass_obj
def propose(invocation: Invocation, /, **asked: Any) -> None:  # noqa: ANN401  (click's options)
    """The next version, signed by this owner and gossiped; it holds once enough members have signed it."""
    import time

    from p2pfw.core.charter import Charter, SignedCharter, members_of

    wanted = _Change(**asked)
    before = _version(invocation, wanted.after).charter
    members = _changed(before, wanted)
    now = int(time.time())
    made = Charter(
        network=before.network,
        founded=before.network_id,
        number=before.number + 1,
        previous=before.hash,
        changes_need=wanted.need or max(before.changes_need, len(members) // 2 + 1),
        created=now,
        valid_until=now + _seconds(wanted.valid) if wanted.valid else max(before.valid_until, now + 1),
        members=members_of(members.values()),
        seeds=tuple(sorted({*before.seeds, *map(_seed, wanted.seeds)})),
    )
    signed = SignedCharter(charter=made, signatures={}).signed_by(_owner_key(invocation, wanted.key))
    if wanted.output is not None:
        _write(invocation, signed, wanted.output)
        return
    _submit(invocation, signed)


def _changed(before: "Charter", wanted: _Change) -> "dict[str, Member]":
    """The members as they are to be, by name."""
    from p2pfw.core.charter import Member

    members = {member.name: member for member in before.members}
    for text in wanted.removed:
        del members[_name_of(members, text)]
    for text in wanted.added:
        one = _member(text)
        members[one.name] = one
    for text in wanted.trusts:
        name, _, trust = text.rpartition("=")
        old = members[_name_of(members, name)]
        members[old.name] = Member(owner=old.owner, name=old.name, trust=_trust(trust))
    return members


@charter.command("sign")
@click.argument("what", metavar="FILE|HASH")
@_key_options
@click.pass_obj
def sign(invocation: Invocation, what: str, key: Path | None) -> None:
    """Sign a proposal: by its hash, on the node with the owner's key; or in a file, wherever the key is.

    A signed file is written back, and given to the node where one runs.
    """
    path = Path(what)
    if not path.exists():
        body = invocation.call("POST", "/v1/charter/sign", {"hash": what})
        if not invocation.as_json(body, "charter"):
            from p2pfw.cli.show import trust as shown

            shown.charter(invocation.printer, body)
        return
    from p2pfw.config.charterfile import read_charter

    signed = read_charter(path).signed_by(_owner_key(invocation, key))
    _write(invocation, signed, path)
    try:
        _submit(invocation, signed)
    except CommandError as error:
        if error.code not in (Exit.UNREACHABLE, Exit.USAGE, Exit.NO):
            raise
        invocation.printer.say("signed; no node here took it, so pass the file on")


@charter.command("diff")
@click.argument("one", metavar="FILE|HASH")
@click.argument("other", metavar="[FILE|HASH]", required=False)
@click.pass_obj
def diff(invocation: Invocation, one: str, other: str | None) -> int:
    """What a version changes: against the one that holds, or against another. Exit 1 when they differ."""
    new_, old = _version(invocation, one), _version(invocation, other)
    lines = list(_differences(old.charter, new_.charter))
    for line in lines:
        invocation.printer.line(line)
    return Exit.NO if lines else Exit.OK


@charter.command("export")
@click.argument("what", metavar="[HASH]", required=False)
@click.option("--output", "-o", type=_FILE, metavar="FILE", help="Instead of standard output.")
@click.pass_obj
def export(invocation: Invocation, what: str | None, output: Path | None) -> None:
    """The version that holds, or a proposal, as a file for `p2pfw join`, `charter sign` and bootstrap/."""
    _write(invocation, _version(invocation, what), output)


# --- parts -------------------------------------------------------------------------------------------------------


def _version(invocation: Invocation, what: str | None) -> "SignedCharter":
    """By file, by hash on the node, or the one that holds there."""
    from p2pfw.config.charterfile import parse_charter, read_charter

    if what is not None and Path(what).exists():
        return read_charter(Path(what))
    import msgspec

    from p2pfw import schema

    view = msgspec.json.decode(invocation.call("GET", "/v1/charter"), type=schema.CharterView)
    known = [view.current, *view.proposals, *view.conflict]
    found = [one for one in known if what is not None and one.hash.startswith(what.lower())]
    if what is not None and len(found) != 1:
        raise CommandError(f"{what}: neither a file nor a version that the node knows", code=Exit.USAGE)
    return parse_charter((found[0] if what is not None else view.current).text, "the node")


def _submit(invocation: Invocation, signed: "SignedCharter") -> None:
    body = invocation.call("POST", "/v1/charter", {"charter": signed.encode().hex()})
    if not invocation.as_json(body, "charter"):
        from p2pfw.cli.show import trust as shown

        shown.charter(invocation.printer, body)


def _owner_key(invocation: Invocation, path: Path | None) -> "SigningKey":
    from p2pfw.cli.keys import open_key
    from p2pfw.store.keyfile import Purpose

    configured = path if path is not None else invocation.load().node.owner_key_file
    if configured is None:
        hint = "--key FILE, or run this where node.owner_key_file is set"
        raise CommandError("the owner's key is not on this node", code=Exit.NO, hint=hint)
    return open_key(configured, Purpose.OWNER)


def _write(invocation: Invocation, signed: "SignedCharter", output: Path | None) -> None:
    from p2pfw.config.charterfile import render_charter

    text = render_charter(signed)
    if output is None:
        invocation.printer.raw(text)
        return
    from p2pfw.cli.exporting import write_file

    write_file(str(output), iter([text.encode()]))
    count = signed.voices(signed.charter)
    invocation.printer.say(f"written to {output}: version {signed.charter.number}, {count} signatures of members")


def _member(text: str) -> "Member":
    from p2pfw.core.charter import Member
    from p2pfw.core.identity import OwnerId
    from p2pfw.core.idtext import decode_id

    owner, _, rest = text.partition("=")
    name, _, trust = rest.partition(":")
    if not name:
        raise CommandError(f"{text!r} names no member", code=Exit.USAGE, hint=_MEMBER_HELP)
    return Member(owner=OwnerId(decode_id(owner)), name=name, trust=_trust(trust or "quad"))


def _seed(text: str) -> "Seed":
    from p2pfw.core.charter import Seed
    from p2pfw.core.identity import NodeId
    from p2pfw.core.idtext import decode_id

    node, _, address = text.partition("=")
    if not address:
        raise CommandError(f"{text!r} is no seed", code=Exit.USAGE, hint=_SEED_HELP)
    return Seed(node=NodeId(decode_id(node)), address=address)


def _trust(text: str) -> int:
    from p2pfw.config.charterfile import trust_units

    return trust_units(text)


def _seconds(text: str) -> int:
    from p2pfw.core.duration import parse_duration

    return parse_duration(text)


def _name_of(members: "dict[str, Member]", text: str) -> str:
    """A member by its name, or by its owner's id."""
    if text in members:
        return text
    from p2pfw.core.idtext import decode_id
    from p2pfw.errors import InputError

    try:
        owner = decode_id(text)
    except InputError:
        owner = b""
    found = [name for name, member in members.items() if member.owner == owner]
    if not found:
        hint = f"members are {', '.join(sorted(members))}"
        raise CommandError(f"{text!r} is no member", code=Exit.USAGE, hint=hint)
    return str(found[0])


def _differences(old: "Charter", new_: "Charter") -> "Iterator[str]":
    from p2pfw.config.charterfile import trust_text
    from p2pfw.core.idtext import short_id
    from p2pfw.core.times import rfc3339

    before = {member.owner: member for member in old.members}
    after = {member.owner: member for member in new_.members}
    for owner, member in sorted(after.items()):
        if owner not in before:
            yield f"+ {member.name} ({short_id(owner)}) {trust_text(member)}"
        elif before[owner] != member:
            was = before[owner]
            yield f"~ {was.name} {trust_text(was)} -> {member.name} {trust_text(member)}"
    yield from (f"- {before[owner].name} ({short_id(owner)})" for owner in sorted(before.keys() - after.keys()))
    yield from (f"+ seed {seed.address}" for seed in new_.seeds if seed not in old.seeds)
    yield from (f"- seed {seed.address}" for seed in old.seeds if seed not in new_.seeds)
    if old.changes_need != new_.changes_need:
        yield f"~ changes need {old.changes_need} -> {new_.changes_need}"
    if old.valid_until != new_.valid_until:
        yield f"~ valid until {rfc3339(old.valid_until)} -> {rfc3339(new_.valid_until)}"
