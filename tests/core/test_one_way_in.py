"""An announcement cannot reach the adopted set around the policy: one way in, whatever frame or kind it comes by."""

import ast
from dataclasses import fields
from pathlib import Path

import pytest

from p2pfw.core import wire
from p2pfw.core.adoption import Adoption
from p2pfw.core.announcement import Action, Kind, build_entries, build_other
from p2pfw.core.directory import Directory
from p2pfw.core.identity import OwnerId
from p2pfw.core.intake import Intake
from p2pfw.core.ledger import Ledger
from p2pfw.core.membership import Membership
from p2pfw.core.policy import Policy
from p2pfw.core.protected import Protected
from p2pfw.core.trust import TrustTable
from p2pfw.core.verdict import Decision
from p2pfw.core.whitelist import Whitelist, WhitelistEntry
from p2pfw.errors import PeerError
from tests.core.judging import key as prefix_key
from tests.core.making import NETWORK, NOW, block, key, node_id, owner_id, stamp

ROOT = Path(__file__).parents[2] / "p2pfw"


def trees():
    """Every module of the product, parsed."""
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def test_only_the_intake_records_and_only_gossip_and_this_nodes_own_word_reach_the_intake():
    """Ledger.record has one caller; what calls it is the check of every announcement (protocol 1.4)."""
    record = {module for module, tree in trees() if _calls(tree, "self._ledger.record")}

    assert record == {"core/intake.py"}
    assert {
        module for module, tree in trees() if _calls(tree, "intake.receive") or _calls(tree, "self._intake.receive")
    } <= {
        "core/gossip/archive.py",
        "sim/machine.py",
    }


def _calls(tree, dotted):
    return any(isinstance(node, ast.Call) and ast.unparse(node.func).endswith(dotted) for node in ast.walk(tree))


def test_only_adoption_writes_verdicts_and_only_the_policy_makes_them():
    """The kernel's worker asks adoption what is wanted; adoption asks the policy; nobody else says ADOPT."""
    makes = {
        module
        for module, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Verdict" and not module.startswith("firewall/")
    }
    writes = {module for module, tree in trees() if _calls(tree, "self._verdicts.set")}

    assert makes == {"core/policy.py"}
    assert writes == {"core/adoption.py"}


@pytest.mark.parametrize("kind", [*Kind, 9, 200, 255])
def test_no_kind_of_announcement_is_adopted_but_trusted_entries(kind):
    """Of an owner with trust 0.90, on a free prefix: only kind entries; others cannot even carry a record."""
    intake, adoption = node(trust=0.9)
    body = b"" if kind in (Kind.ENTRIES, Kind.PARDON) else b"\0" * 12
    if kind in (Kind.ENTRIES, Kind.PARDON):
        action = Action.PARDON if kind == Kind.PARDON else Action.BLOCK
        one = build_entries(key(1), stamp(), [block("203.0.113.9", action=action)], kind=kind)
    else:
        one = build_other(key(1), stamp(), kind, body, NOW + 60)
    taken(intake, adoption, one.raw)

    assert adoption.count(Decision.ADOPT) == (kind == Kind.ENTRIES)


def test_of_all_frames_only_a_push_carries_announcements_and_only_the_inflow_takes_them():
    """Every kind of frame, by the fields that it has: a new one that carries any fails here until it is looked at."""
    frames = {one for one in vars(wire).values() if isinstance(getattr(one, "KIND", None), int)}
    carrying = {one.__name__ for one in frames if any("Pushed" in str(field.type) for field in fields(one))}
    signed = {
        one.__name__ for one in frames if {"header", "signature", "body"} <= {field.name for field in fields(one)}
    }
    takers = {module for module, tree in trees() if _calls(tree, "archive.receive")}

    assert len({one.KIND for one in frames}) > 10
    assert carrying == {"Push"}
    assert signed == set()
    assert takers == {"core/gossip/inflow.py"}


@pytest.mark.parametrize(
    ("by", "text", "decision"),
    [
        (1, "203.0.113.9", Decision.HOLD),
        (3, "203.0.113.9", Decision.ADOPT),
        (3, "203.0.113.11", Decision.REFUSE),
        (3, "127.0.0.1", Decision.REFUSE),
        (4, "203.0.113.9", None),
    ],
)
def test_what_came_in_is_what_the_policy_says_of_it(by, text, decision):
    """Of `watch`, of `solo`, on a whitelisted and on a protected address, and of a stranger: not recorded at all."""
    intake, adoption = node(trust=0.0, solo=3, allowed="203.0.113.11")
    taken(intake, adoption, build_entries(key(by), stamp(), [block(text)]).raw)

    assert {word.decision for _, word in adoption.verdicts()} == ({decision} if decision is not None else set())


def node(*, trust, solo=1, allowed=""):
    """A core that trusts owner 1 so much, and owner `solo` alone."""
    table = TrustTable(OwnerId(bytes(32)))
    table.give(owner_id(1), trust)
    if solo != 1:
        table.give(owner_id(solo), 0.9)
    directory, whitelist = Directory(), Whitelist()
    if allowed:
        whitelist.put(WhitelistEntry(key=prefix_key(allowed)))
    ledger = Ledger(directory)
    intake = Intake(NETWORK, directory, ledger, table, Membership(table))
    policy = Policy(
        own_node=node_id(9), own_owner=table.own_owner, trust=table, whitelist=whitelist, protected=Protected()
    )
    return intake, Adoption(policy, ledger.statements)


def taken(intake, adoption, raw):
    """Through the intake, if it lets it in, and judged."""
    try:
        outcome = intake.receive(raw, NOW)
    except PeerError:
        return
    adoption.mark(getattr(outcome, "dirty", ()))
    adoption.judge_some(NOW, 100)
