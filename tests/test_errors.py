"""The tree of errors is the drawn one, and each error says what its receiver needs."""

import re

import pytest

from p2pfw import errors
from p2pfw.errors import (
    AdmissionError,
    ConfigError,
    ConflictError,
    HandshakeError,
    InputError,
    MissingProgramError,
    NodeError,
    P2pfwError,
    PeerError,
)

ALL = {name: value for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, P2pfwError)}
PEER_ERRORS = sorted(
    (error for error in ALL.values() if issubclass(error, PeerError)), key=lambda error: error.__name__
)


def test_the_drawing_shows_every_error_at_its_place():
    """The docstring's tree names each class once, below the class that it inherits from."""
    drawn, above = {}, {}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    ([ │├└─]*)(\w+Error)\b", line):
            depth = len(found[1])
            above[depth] = found[2]
            drawn[found[2]] = above.get(depth - 4)
    real = {name: error.__base__.__name__ for name, error in ALL.items()}

    assert drawn == {**real, "P2pfwError": None}


def test_each_reason_is_counted_apart():
    """Two errors of peers never share the word that they are counted by."""
    reasons = [error.reason for error in PEER_ERRORS]

    assert len(set(reasons)) == len(reasons)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", reason) for reason in reasons)


@pytest.mark.parametrize("name", ["FutureError", "ExpiredError", "RevokedError", "NotCarriedError", "ShareError"])
def test_a_relay_is_not_blamed_for_what_it_cannot_know(name: str):
    """Clocks differ, revocations travel, and shares are ours: the session goes on."""
    assert ALL[name].blame is False


def test_a_forger_is_blamed():
    """A relay checks signatures before it sends: a bad one is its own fault."""
    assert ALL["SignatureError"].blame is True


@pytest.mark.parametrize("kind", [AdmissionError, HandshakeError])
def test_a_code_says_where_a_session_failed(kind: type[AdmissionError]):
    """The code is for counting; the detail is for reading, and is the code when there is none."""
    assert kind("revoked").code == "revoked"
    assert str(kind("revoked")) == "revoked"
    assert str(kind("revoked", "the owner took the key back")) == "the owner took the key back"


def test_a_configuration_error_names_the_place_and_the_remedy():
    """File and line first, then the problem, then what was probably meant; each only as far as known."""
    assert str(ConfigError("unknown key 'pear'", where="p2pfw.toml:7", hint="did you mean 'peer'?")) == (
        "p2pfw.toml:7: unknown key 'pear' (did you mean 'peer'?)"
    )
    assert str(ConfigError("no such file")) == "no such file"


def test_an_input_error_says_what_would_be_right():
    """The hint follows the problem; field and hint can be read apart."""
    error = InputError("host bits set", field="prefix", hint="did you mean 10.0.0.0/8?")

    assert str(error) == "host bits set; did you mean 10.0.0.0/8?"
    assert (error.field, error.hint, error.problem) == ("prefix", "did you mean 10.0.0.0/8?", "host bits set")
    assert str(InputError("no")) == "no"


def test_a_conflict_names_the_range_in_the_way():
    """409 answers quote it."""
    assert ConflictError("whitelisted", overlap="10.0.0.0/8").overlap == "10.0.0.0/8"


def test_a_missing_program_names_its_package():
    """The operator can copy the package's name."""
    error = MissingProgramError("ipset", "ipset")

    assert str(error) == "ipset is not installed; Debian package: ipset"
    assert isinstance(error, NodeError)
