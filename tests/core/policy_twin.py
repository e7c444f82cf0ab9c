"""The policy again, slow and obvious: the words of docs/policy.md one after the other, with list scans.

The oracle of the tests. Shares no code with p2pfw/core beyond the statement and the answer's words.
"""

import ipaddress
import itertools
import math

from p2pfw.core.announcement import Action
from p2pfw.core.statement import Source, Standing
from p2pfw.core.verdict import Decision, Reason

DAY = 86_400
HARD = [
    *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32"),
    *("::/128", "::1/128", "fe80::/10", "ff00::/8"),
]
PRIVATE = [
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"),
    *("fc00::/7", "fec0::/10", "2001:2::/48"),
]
NETS = {text: ipaddress.ip_network(text) for text in HARD + PRIVATE}


def network(key):
    """A key as the standard library's network."""
    bits, number = (128, 6) if key >> 136 else (32, 4)
    address, length = key >> 8 & (1 << 128) - 1, key & 0xFF
    kind = ipaddress.IPv6Network if number == 6 else ipaddress.IPv4Network
    assert length <= bits
    return kind((address, length))


def inner_networks(net):
    """Every IPv4 network whose addresses may hide in this one, by trying the definitions bit by bit."""
    if net.version == 4:
        return []
    found = []
    for outer, begins, inverted in [
        ("::ffff:0:0/96", 96, False),
        ("64:ff9b::/96", 96, False),
        ("64:ff9b:1::/48", 96, False),
        ("2002::/16", 16, False),
        ("2001::/32", 32, False),
        ("2001::/32", 96, True),
    ]:
        frame = ipaddress.IPv6Network(outer)
        if not net.overlaps(frame):
            continue
        bits = f"{int(net.network_address):0128b}"[: net.prefixlen] if net.subnet_of(frame) else ""
        known = bits[begins : begins + 32]
        if inverted:
            known = known.translate(str.maketrans("01", "10"))
        found.append(ipaddress.IPv4Network((int(known.ljust(32, "0"), 2), len(known))))
    return found


def touches(key, others):
    """True when the prefix, or what hides in it, shares an address with one of the networks."""
    tested = [network(key), *inner_networks(network(key))]
    return any(one.version == other.version and one.overlaps(other) for one, other in itertools.product(tested, others))


def is_live(statement, now):
    """Live entry, as docs/policy.md defines it."""
    signed = statement.source is Source.SIGNED
    return (
        statement.standing is Standing.LIVE
        and statement.action is Action.BLOCK
        and (statement.expires > now or (statement.expires == 0 and not signed))
        and statement.created <= now + 120
        and not (signed and statement.expires - statement.stated > 30 * DAY)
    )


def trust_of(policy, statement):
    """T of a statement."""
    if statement.source is Source.SIGHTING:
        return 1.0
    if statement.source is Source.FEED_VOICE:
        return statement.trust
    table, owner = policy.trust, statement.owner
    rep = reputation(table.evidence.account(owner))
    return 0.0 if rep <= 0.25 else round(base_of(table, owner, statement.category)[0] * rep, 4)


def reputation(account):
    """rep, of evidence that has not faded."""
    return (4 + account.pos) / (4 + account.pos + 4 * account.neg) if account else 1.0


def base_of(table, owner, category):
    """(base, sponsor): configured, else the charter's, else the best voucher's part."""
    given = table.given(owner)
    if given:
        return given.trust_for.get(category, given.trust), owner
    if owner in table.charter():
        return table.charter()[owner], owner
    offers = []
    for vouch in table.vouches.of(owner, 0):
        voucher = table.given(vouch.voucher)
        rep = reputation(table.evidence.account(vouch.voucher))
        rep = 0.0 if rep <= 0.25 else rep
        if voucher or vouch.voucher in table.charter():
            overall = voucher.trust if voucher else table.charter()[vouch.voucher]
            there = voucher.trust_for.get(category, overall) if voucher else overall
            worth = min(0.25, 0.5 * vouch.level / 100 * overall * rep)
            here = min(0.25, 0.5 * vouch.level / 100 * round(there * rep, 4))
            offers.append((-worth, vouch.voucher, round(here, 4)))
    return (min(offers)[2], min(offers)[1]) if offers else (0.0, owner)


def voice_of(statement, table):
    """Who is speaking."""
    if statement.source is Source.SIGHTING:
        return b"self"
    if statement.source is Source.FEED_VOICE:
        return b"feed:" + statement.name.encode()
    return base_of(table, statement.owner, statement.category)[1]


def judge(policy, key, statements, now, *, adopted_before=False):
    """(decision, reason, score, threshold, voices, needed, until), by precedence."""
    net = network(key)
    host = 32 if net.version == 4 else 64
    width = max(0, host - net.prefixlen)
    live = [one for one in statements if is_live(one, now)]
    live = [one for one in live if one.origin != policy.own_node or not one.basis]  # a feed's word, told to others
    operator = [one for one in live if one.source is Source.OPERATOR or one.origin == policy.own_node]
    rest = [one for one in live if one not in operator]
    ours = [one for one in rest if one.source is Source.SIGNED and one.fleet and one.owner == policy.own_owner]
    fleet = [one for one in ours if net.prefixlen >= (16 if net.version == 4 else 32) or one.forced]
    feed = [one for one in rest if one.source is Source.FEED and net.prefixlen >= (10 if net.version == 4 else 24)]
    others = [one for one in rest if one not in ours and one.source is not Source.FEED]
    if net.prefixlen < (24 if net.version == 4 else 48):
        others = []
        if not operator and not fleet and not feed:
            return Decision.REFUSE, Reason.TOO_WIDE, 0.0, None, 0, None, None
    refusal = _refusal(policy, key, now, operator, others)
    if refusal is not None:
        return Decision.REFUSE, refusal, 0.0, None, 0, None, None
    for reason, group in ((Reason.OPERATOR, operator), (Reason.FLEET, fleet), (Reason.FEED, feed)):
        if group:
            scored = _score(policy, others, width, now, adopted_before=False)
            ends = [one.expires or math.inf for one in [*operator, *fleet, *feed]]
            ends.append(scored[-1] or math.inf if scored[0] is Decision.ADOPT else 0)
            until = max(ends)
            return Decision.ADOPT, reason, 0.0, None, 0, None, 0 if until == math.inf else until
    return _score(policy, others, width, now, adopted_before=adopted_before)


def _refusal(policy, key, now, operator, others):
    ranges = list(policy.protected.entries())

    def guarded(strength):
        return touches(key, [network(entry.key) for entry in ranges if entry.strength.value == strength])

    sighted = any(one.source is Source.SIGHTING for one in others)
    if touches(key, [NETS[text] for text in HARD]) or guarded("hard"):
        return Reason.PROTECTED
    if guarded("soft") and not any(one.forced for one in operator):
        return Reason.PROTECTED
    if guarded("peer") and not operator and not sighted:
        return Reason.PROTECTED
    if touches(key, [NETS[text] for text in PRIVATE]) and not policy.allow_private:
        return Reason.PRIVATE
    allowed = [network(one.key) for one in policy.whitelist.entries() if one.until == 0 or one.until > now]
    allowed += [inner for net in allowed if net.version == 6 and net.prefixlen >= 96 for inner in _mapped(net)]
    return Reason.WHITELIST if touches(key, allowed) else None


def _mapped(net):
    return inner_networks(net) if net.subnet_of(ipaddress.IPv6Network("::ffff:0:0/96")) else []


def _score(policy, others, width, now, *, adopted_before):
    supports = [(round(trust_of(policy, one) * one.confidence, 6), one) for one in others]
    supports = [pair for pair in supports if pair[0] >= 0.1]
    supports.sort(key=lambda pair: (-pair[0], voice_of(pair[1], policy.trust)))
    tellers = []
    for pair in supports:
        if pair[1].basis == 0 or all(pair[1].basis != other[1].basis for other in tellers):
            tellers.append(pair)
    voices = []
    for pair in tellers:
        if all(voice_of(pair[1], policy.trust) != voice_of(other[1], policy.trust) for other in voices):
            voices.append(pair)
    doubt = 1.0
    for support in sorted(pair[0] for pair in voices):
        doubt *= 1.0 - support
    score = round(1.0 - doubt, 4)
    threshold = round(min(0.95, 0.60 + 0.04 * width), 4)
    needed = 1 + math.ceil(width / 8)
    adopt = score >= threshold and len(voices) >= needed
    keep = adopted_before and score >= round(threshold - 0.15, 4) and len(voices) >= max(1, needed - 1)
    if adopt or keep:
        newest = max(pair[1].stated for pair in supports)
        latest = max(pair[1].expires or math.inf for pair in supports)
        until = min(latest, newest + {1: 1, 2: 7}.get(len(voices), 30) * DAY)
        if until > now:
            sighted = any(pair[1].source is Source.SIGHTING for pair in supports)
            reason = Reason.LOCAL if sighted else Reason.OK
            return Decision.ADOPT, reason, score, threshold, len(voices), needed, until
        running = [count for count, days in ((1, 1), (2, 7)) if newest + days * DAY > now]
        needed = max(needed, running[0] if running else 3)
        return Decision.HOLD, Reason.NEEDS_VOICES, score, threshold, len(voices), needed, None
    reason = Reason.NEEDS_VOICES if score >= threshold else Reason.BELOW_THRESHOLD
    return Decision.HOLD, reason, score, threshold, len(voices), needed, None
