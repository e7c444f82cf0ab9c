"""Looks at what others have in the firewall and what concerns our rules; changes nothing.

Two variants of iptables can hold rules at the same time, and every packet passes both; but each command shows only its
own. And published ports pass by the hooks that do not see forwarded packets.
"""

from collections.abc import Sequence
from typing import Final

from p2pfw.core.prefix import Family
from p2pfw.errors import FirewallError
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.parse import Table, parse_tables
from p2pfw.firewall.ports_seen import open_ports
from p2pfw.firewall.rules import Hook
from p2pfw.firewall.runner import Program, Runner, checked
from p2pfw.ports import FirewallSurvey

_SAVE: Final = {Family.V4: Program.IPTABLES_SAVE, Family.V6: Program.IP6TABLES_SAVE}
_OTHER: Final = {
    "nft": (Program.IPTABLES_LEGACY_SAVE, Program.IP6TABLES_LEGACY_SAVE),
    "legacy": (Program.IPTABLES_NFT_SAVE, Program.IP6TABLES_NFT_SAVE),
}


def survey(runner: Runner, names: SetNames, hooks: Sequence[Hook]) -> FirewallSurvey:
    """One look. FirewallError when the rules cannot be read."""
    variant = variant_of(checked(runner, Program.IPTABLES, ["-V"]).decode(errors="replace"))
    ours: list[str] = []
    count = 0
    for program in _OTHER[variant]:
        tables = _other_tables(runner, program).values()
        count += sum(len(table.rules) for table in tables)
        if any(rule.comment == names.comment for table in tables for rule in table.rules):
            tool = program.file.removesuffix("-save")
            ours.append(f"""{tool}-save | grep -v '"{names.comment}"' | {tool}-restore""")
    ports = [port for family in Family for port in open_ports(_tables(runner, _SAVE[family]), hooks)]
    return FirewallSurvey(variant=variant, other_rules=count, other_ours=tuple(ours), open_ports=tuple(ports))


def variant_of(version: str) -> str:
    """What `iptables -V` says that it is. Versions that say nothing are older than the nft variant."""
    return "nft" if "(nf_tables)" in version else "legacy"


def _tables(runner: Runner, program: Program) -> dict[str, Table]:
    return parse_tables(checked(runner, program, []).decode(errors="replace"), tag="")


def _other_tables(runner: Runner, program: Program) -> dict[str, Table]:
    """Nothing where that variant is not installed or the kernel does not have it."""
    try:
        return _tables(runner, program)
    except FirewallError:
        return {}
