"""The words of a verdict are those of the API, and stay what they are."""

from p2pfw.core.verdict import Decision, Reason, Uncounted


def test_decisions_are_three():
    """ADOPT, HOLD, REFUSE."""
    assert [decision.word for decision in Decision] == ["ADOPT", "HOLD", "REFUSE"]


def test_reasons_are_the_fourteen_of_the_policy():
    """docs/policy.md lists them; no other is ever answered."""
    words = "ok operator fleet feed local needs-voices below-threshold whitelist protected private too-wide"
    assert [reason.word for reason in Reason] == [*words.split(), "not-canonical", "limit", "density"]


def test_reasons_of_a_statement_that_does_not_count_are_the_thirteen():
    """docs/policy.md lists them; no other is ever answered."""
    words = "expired future lifetime-too-long bad-signature retracted pardoned muted voided feed-duplicate same-owner"
    assert [reason.word for reason in Uncounted] == [*words.split(), "same-sponsor", "not-carried", "watch"]
