"""cert ca, cert server: without a node, without a network."""

import json
import sys


def test_the_files_are_named_and_nothing_else(offline, tmp_path):
    """On stdout, for scripts; what to do with them on stderr."""
    folder = tmp_path / "ca"

    made = [offline("cert", "ca", "--dir", str(folder)), offline("cert", "server", "web-1", "--dir", str(folder))]

    assert [one.code for one in made] == [0, 0]
    assert made[0].out.splitlines() == [str(folder / "ca.crt"), str(folder / "ca.key")]
    assert made[1].out.splitlines() == [str(folder / "web-1.crt"), str(folder / "web-1.key")]
    assert "--cacert" in made[0].err
    assert all((folder / name).exists() for name in ("ca.crt", "ca.key", "web-1.crt", "web-1.key"))


def test_json_names_them_as_well(offline, tmp_path):
    """With its schema; the address alone is enough."""
    offline("cert", "ca", "--dir", str(tmp_path))

    done = offline("--json", "cert", "server", "2001:db8::1", "--dir", str(tmp_path))

    assert json.loads(done.out) == {
        "schema": "p2pfw.cert/1",
        "certificate": str(tmp_path / "2001-db8--1.crt"),
        "key": str(tmp_path / "2001-db8--1.key"),
    }


def test_without_an_authority_it_says_how_to_make_one(offline, tmp_path):
    """And makes nothing."""
    done = offline("cert", "server", "web-1", "--dir", str(tmp_path))

    assert done.code != 0
    assert "p2pfw cert ca makes one" in done.err
    assert list(tmp_path.iterdir()) == []


def test_the_package_that_is_missing_is_named(offline, tmp_path, monkeypatch):
    """Nodes run without it: it is installed where certificates are made."""
    monkeypatch.delitem(sys.modules, "p2pfw.store.certificates", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography", None)

    done = offline("cert", "ca", "--dir", str(tmp_path))

    assert done.code == 2
    assert "cryptography" in done.err
    assert "p2pfw[cert]" in done.err
