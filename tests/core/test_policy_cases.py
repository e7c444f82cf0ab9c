"""The worked cases of the policy: inputs, expected verdict, score, threshold, voices."""

import json
from itertools import groupby
from pathlib import Path

import pytest

from p2pfw.core.announcement import Action, Category, feed_basis
from p2pfw.core.evidence import Account
from p2pfw.core.prefix import Family, parse_address, v4_key, v6_key
from p2pfw.core.protected import Strength
from p2pfw.core.statement import Source, Standing
from p2pfw.core.trust import TrustTable
from p2pfw.core.verdict import Decision
from p2pfw.core.vouch import Vouch
from tests.core.judging import DAY, MINE, local, owner, policy, protected, said, whitelist

FROZEN = Path(__file__).parent / "vectors" / "policy-cases.json"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "policy-cases.json"


def cases():
    """The frozen ones, and all of the shared collection where that is present."""
    found = {}
    for path in (FROZEN, SHARED):
        if path.exists():
            found.update({case["name"]: case for case in json.loads(path.read_text())["cases"]})
    return [pytest.param(case, id=name) for name, case in found.items()]


def key_of(text):
    """A key with whatever host bits the case has."""
    address, _, length = text.partition("/")
    family, number = parse_address(address)
    return (v4_key if family is Family.V4 else v6_key)(number, int(length))


def announcements(case):
    """Those written out, and those to be repeated."""
    repeated = case.get("repeat") or {"count": 0}
    yield from case["announcements"]
    for number in range(repeated["count"]):
        yield {**repeated["announcement"], "origin": repeated["announcement"]["origin"].format(i=number)}


def owner_of(case, origin):
    """The owner of an origin of the case: itself, when it names none."""
    known = case["origins"].get(origin, {})
    return MINE if known.get("fleet") else owner(known.get("owner", origin))


def statement(case, entry, standing):
    """One announcement of the case, as the ledger would put it."""
    known = case["origins"].get(entry["origin"], {})
    basis = entry["basis"]
    return said(
        entry["origin"],
        owner=owner_of(case, entry["origin"]),
        fleet=known.get("fleet", False),
        action=Action[entry["action"]],
        category=Category[entry["category"].upper()],
        confidence=entry["confidence"],
        created=entry["created"],
        stated=entry["created"] - entry.get("age", 0),
        expires=entry["expires"],
        basis=feed_basis(basis.removeprefix("feed:")) if basis.startswith("feed:") else 0,
        standing=standing,
    )


def statements(case):
    """What the ledger would answer: of each origin the newest that holds, unless pardoned by its owner.

    What has ended is given as if it lived: the policy must see for itself.
    """
    entries = sorted(announcements(case), key=lambda entry: (entry["origin"], entry["seq"]))
    pardons = [entry for entry in entries if entry["action"] == "PARDON"]
    for origin, told in groupby(entries, key=lambda entry: entry["origin"]):
        entries_of = [entry for entry in told if entry["action"] != "PARDON"]
        held = [entry for entry in entries_of if entry["expires"] > case["now"]]
        yield from (statement(case, entry, Standing.LIVE) for entry in entries_of if entry not in held)
        for entry in held[-1:]:
            first_made = entry["created"] - entry.get("age", 0)
            pardoned = any(
                owner_of(case, pardon["origin"]) == owner_of(case, origin) and first_made <= pardon["created"]
                for pardon in pardons
            )
            yield statement(case, entry, Standing.PARDONED if pardoned else Standing.LIVE)


def trust(case):
    """What the case's operator gives to the owners."""
    table = TrustTable(MINE)
    for name, known in case["origins"].items():
        categories = {Category[word.upper()]: value for word, value in known.get("categories", {}).items()}
        if "trust" in known:
            table.give(owner_of(case, name), known["trust"], categories)
        if "neg" in known or "pos" in known:
            account = Account(pos=known.get("pos", 0), neg=known.get("neg", 0), at=case["now"])
            table.evidence.load(owner_of(case, name), account)
    for vouch in vouches(case):
        by, subject = owner_of(case, vouch["voucher"]), owner_of(case, vouch["subject"])
        ends = case["now"] + DAY
        level = round(vouch["level"] * 100)
        signed = Vouch(voucher=by, subject=subject, level=level, created=case["now"], expires=ends, signature=bytes(64))
        table.vouches.learn(signed, case["now"])
    table.refresh(case["now"])
    return table


def vouches(case):
    """Those written out, and those to be repeated."""
    repeated = case.get("repeat") or {"count": 0}
    yield from case["vouches"]
    for number in range(repeated["count"] if repeated.get("vouch") else 0):
        yield {**repeated["vouch"], "subject": repeated["vouch"]["subject"].format(i=number)}


def local_statements(case):
    """The operator's block and this machine's sighting, where the case has them."""
    if case.get("operator_block"):
        yield local(Source.OPERATOR, created=case["now"], until=case["operator_block"]["expires"])
    if case.get("local_sighting"):
        yield local(Source.SIGHTING, created=case["now"], until=case["now"] + 86_400)


@pytest.mark.parametrize("case", cases())
def test_worked_case_is_judged_as_written(case):
    """docs/policy.md: what the case leaves open (null beside a refusal or an operator's word) is not compared."""
    judge = policy(
        trust(case),
        whitelist=whitelist(*case["whitelist"]),
        protected=protected(Strength.SOFT, *case.get("protected", [])),
    )
    given = [*statements(case), *local_statements(case)]

    verdict = judge.judge(key_of(case["prefix"]), given, case["now"], adopted_before=case["adopted_before"])

    expect = case["expect"]
    assert (verdict.decision, verdict.reason.word) == (Decision[expect["verdict"]], expect["reason"])
    assert verdict.until == expect["until"]
    assert verdict.threshold == expect["threshold"]
    assert verdict.voices_needed == expect["voices_needed"]
    assert expect["score"] is None or verdict.score == expect["score"]
    assert expect["voices"] is None or verdict.voices == expect["voices"]
    explained = judge.explain(key_of(case["prefix"]), given, case["now"], adopted_before=case["adopted_before"])
    assert explained.verdict == verdict


def test_frozen_cases_are_many_enough_to_notice_a_mistake():
    """Without the shared collection, each way to decide is still tried."""
    frozen = json.loads(FROZEN.read_text())["cases"]

    reasons = {case["expect"]["reason"] for case in frozen}

    assert reasons >= {"ok", "operator", "fleet", "local", "needs-voices", "below-threshold", "whitelist", "protected"}
    assert reasons >= {"too-wide", "not-canonical"}
