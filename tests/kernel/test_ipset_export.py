"""The real ipset takes what `p2pfw export ipset` writes."""

import subprocess

from p2pfw.core.prefix import Prefix
from p2pfw.demo.lab import Lab
from p2pfw.formats import WRITTEN, parse_list
from p2pfw.formats.ipset import SET_NAMES
from p2pfw.formats.writing import write
from p2pfw.operations import AdoptedRow

KEYS = tuple(sorted(Prefix.parse(one).key for one in ("203.0.113.9", "198.51.100.0/24", "2001:db8::/48", "0.0.0.0/1")))


def test_an_export_is_restored_twice_over_and_reads_back(lab: Lab, tmp_path):
    """A second restore is no error, and what ipset saves is what was exported."""
    host = lab.host("importer")
    script = tmp_path / "export"
    entries = [AdoptedRow(key=key, until=0, reason="operator", category=0) for key in KEYS]
    script.write_bytes(write(entries, WRITTEN["ipset"], 0))

    for _ in range(2):
        done = host.run(["ipset", "restore", "-file", str(script)], check=False)
        assert done.returncode == 0, done.stderr
    saved: subprocess.CompletedProcess[str] = host.run(["ipset", "save"])

    assert f"add {SET_NAMES[0]} 203.0.113.9" in saved.stdout
    assert parse_list(saved.stdout.encode(), "ipset").keys == KEYS
