"""The whitelist from the command line."""

import json

import pytest

from p2pfw import schema
from tests.cli.samples import at

CUSTOMER = schema.AllowEntry(prefix="198.51.100.0/24", source="command", comment="customers", expires=at(days=1))
LOOPBACK = schema.AllowEntry(prefix="127.0.0.0/8", source="protected:hard", comment="loopback")


def test_add_sends_prefix_time_and_comment_and_says_what_it_released(node, p2pfw):
    """The kernel has it when the command ends; what is let out is named."""
    node.answer("PUT", "/v1/allow/198.51.100.0/24", schema.AllowAnswer(entry=CUSTOMER, released=["198.51.100.7/32"]))

    done = p2pfw("allow", "add", "198.51.100.0/24", "--ttl", "1d", "--comment", "customers")

    assert node.last.json == {"ttl": "1d", "comment": "customers"}
    assert done.out == ("198.51.100.0/24  whitelisted, until 2026-02-01T12:00:00Z\n  no longer blocked: 198.51.100.7\n")
    assert p2pfw("--plain", "allow", "add", "198.51.100.0/24").out == (
        "198.51.100.0/24\twhitelisted\t1769947200\t198.51.100.7/32\n"
    )
    assert p2pfw("-q", "allow", "add", "198.51.100.0/24").out == ""


def test_remove_takes_off_what_was_added(node, p2pfw):
    """An entry of the configuration is refused, with the file's name."""
    node.answer("DELETE", "/v1/allow/198.51.100.0/24", schema.AllowAnswer(entry=LOOPBACK))
    assert p2pfw("allow", "remove", "198.51.100.0/24").out == "127.0.0.0/8  no longer whitelisted\n"

    node.refuse("DELETE", "/v1/allow/10.0.0.0/8", 409, "10.0.0.0/8 stands in /etc/p2pfw/p2pfw.toml")
    assert p2pfw("allow", "remove", "10.0.0.0/8").code == 4


def test_list_shows_where_each_entry_comes_from(node, p2pfw):
    """With --protected, what keeps the machine alive too."""
    node.answer("GET", "/v1/allow", schema.AllowList(entries=[CUSTOMER, LOOPBACK]))

    done = p2pfw("allow", "list", "--protected")

    assert node.last.query == {"protected": "1"}
    assert done.out == (
        "PREFIX           FROM            ENDS   COMMENT\n"
        "198.51.100.0/24  command         in 1d  customers\n"
        "127.0.0.0/8      protected:hard  never  loopback\n"
    )
    assert p2pfw("--plain", "allow", "list").out.splitlines()[0] == ("198.51.100.0/24\tcommand\t1769947200\tcustomers")
    assert "protected" not in node.last.query


@pytest.mark.parametrize("allowed, code", [(True, 0), (False, 1)])
def test_check_answers_by_its_exit_code(node, p2pfw, allowed, code):
    """0 when something protects it; in every form."""
    overlaps = [CUSTOMER] if allowed else []
    answer = schema.AllowCheck(prefix="198.51.100.7/32", allowed=allowed, overlaps=overlaps)
    node.answer("GET", "/v1/allow/198.51.100.7", answer)

    done = p2pfw("allow", "check", "198.51.100.7")

    assert done.code == code
    assert ("cannot be blocked" in done.out) == allowed
    assert ("198.51.100.0/24" in done.out) == allowed
    assert p2pfw("--plain", "allow", "check", "198.51.100.7").code == code
    found = p2pfw("--json", "allow", "check", "198.51.100.7")
    assert (found.code, json.loads(found.out)["schema"]) == (code, "p2pfw.allow-check/1")
