"""Lists in the shapes in which their publishers write them, made of addresses that belong to nobody."""

import json


def hosts(count, first=1, net="203.0.113"):
    """So many addresses in a row."""
    return [f"{net}.{number}" for number in range(first, first + count)]


def nets(count, first=0):
    """So many /24 in a row."""
    return [f"45.{first + number >> 8}.{first + number & 255}.0/24" for number in range(count)]


def spamhaus(prefixes, *, records=None, timestamp=1_700_000_000, metadata=True):
    """DROP, as drop_v4.json has it."""
    lines = [{"cidr": prefix, "sblid": f"SBL{number}", "rir": "ripencc"} for number, prefix in enumerate(prefixes)]
    if metadata:
        count = len(lines) if records is None else records
        last = {"type": "metadata", "timestamp": timestamp, "size": 9_999, "records": count, "copyright": "(c)"}
        lines.append(last)
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def dshield(prefixes):
    """block.txt: /24 only, with heading, names and countries."""
    rows = ["# DShield.org Recommended Block List", "#", "Start\tEnd\tNetmask\tAttacks\tName\tCountry\temail"]
    for prefix in prefixes:
        start = prefix.removesuffix("/24")
        rows.append(f"{start}\t{start.removesuffix('0')}255\t24\t1034\tEXAMPLE-NET\tZZ\tabuse@example.net")
    return "\n".join(rows) + "\n"


def abuseipdb(addresses, *, score=100, generated="2023-11-14T22:13:20+00:00"):
    """GET /api/v2/blacklist."""
    data = [
        {
            "ipAddress": address,
            "countryCode": "ZZ",
            "abuseConfidenceScore": score,
            "lastReportedAt": "2023-11-14T22:00:02+00:00",
        }
        for address in addresses
    ]
    return json.dumps({"meta": {"generatedAt": generated}, "data": data})


def warninglist(prefixes, kind="cidr"):
    """As MISP keeps them."""
    about = {
        "description": "Known services",
        "name": "services",
        "version": 20231114,
        "matching_attributes": ["ip-src"],
    }
    return json.dumps({**about, "type": kind, "list": list(prefixes)})


def decision(value, *, scope="Ip", kind="ban"):
    """One decision of a local API."""
    return {
        "id": 7,
        "origin": "crowdsec",
        "type": kind,
        "scope": scope,
        "value": value,
        "duration": "3h59m12.3s",
        "scenario": "crowdsecurity/ssh-bf",
        "uuid": "0b7c1c0e-0d5e-4a0b-9c1e-5d0d0e4f1a2b",
    }


def crowdsec(values, *more):
    """GET /v1/decisions/stream?startup=true."""
    new = [*(decision(value) for value in values), *more]
    return json.dumps({"deleted": None, "new": new or None})
