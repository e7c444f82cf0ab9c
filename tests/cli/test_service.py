"""service: files that systemd accepts, in place and gone again."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from p2pfw.cli import service
from p2pfw.cli.invocation import Invocation
from p2pfw.cli.service import ENFORCER_UNIT, UNIT, unit_files

REPOSITORY = Path(__file__).parents[2]


def test_install_writes_and_remove_takes_everything_away(offline, tmp_path):
    """Below --root nothing is run; what would have been is said."""
    installed = offline("service", "install", "--root", str(tmp_path))

    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert installed.code == 0
    assert written == sorted(unit_files(""))
    assert "systemctl enable p2pfw-enforcer.service p2pfw.service" in installed.err
    assert "p2pfw init" in installed.err

    removed = offline("service", "remove", "--root", str(tmp_path))

    assert removed.code == 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert offline("service", "remove", "--root", str(tmp_path)).out == ""


def test_state_is_kept_unless_purged(offline, tmp_path):
    """Keys are not removed by the way."""
    key = tmp_path / "var/lib/p2pfw/node.key"
    key.parent.mkdir(parents=True)
    key.write_text("x")

    assert "kept" in offline("service", "remove", "--root", str(tmp_path)).err
    assert key.exists()
    offline("service", "remove", "--purge", "--root", str(tmp_path))
    assert not key.exists()


def test_the_unit_starts_this_installation(offline, monkeypatch):
    """The path of the very program that was asked."""
    unit = offline("service", "install", "--print").out

    assert f"ExecStart={service.program()} -c /etc/p2pfw/p2pfw.toml run\n" in unit
    assert f"ExecStart={service.program()} -c /etc/p2pfw/p2pfw.toml enforcer --listen /run/" in unit
    assert "@PROGRAM@" not in unit
    monkeypatch.setattr(sys, "executable", "/opt/my $app 5%/bin/python")
    assert service.program() == '"/opt/my $$app 5%%/bin/python" -m p2pfw'


def test_install_without_rights_says_so(offline, tmp_path):
    """Exit 5."""
    (tmp_path / "etc").write_text("a file where a directory should be")

    assert offline("service", "install", "--root", str(tmp_path)).code == 5


@pytest.mark.parametrize("name", [UNIT, ENFORCER_UNIT])
def test_the_units_in_contrib_are_those_that_are_installed(name):
    """For packages: the same files, with the path of a package."""
    packaged = (REPOSITORY / "contrib/systemd" / Path(name).name).read_text()

    assert packaged == unit_files("/usr/bin/p2pfw")[name]


@pytest.fixture
def units(tmp_path):
    """Both units, as files."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")
    for name in (UNIT, ENFORCER_UNIT):
        (tmp_path / Path(name).name).write_text(unit_files("/bin/true")[name])
    return tmp_path


def analyzed(*arguments):
    """What systemd-analyze says: (exit code, all its words)."""
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_systemd_finds_nothing_wrong_with_the_units(units):
    """systemd-analyze verify, without a word."""
    assert analyzed("verify", "--man=no", *(str(one) for one in sorted(units.glob("*.service")))) == (0, "")


@pytest.mark.parametrize(("name", "most"), [("p2pfw.service", "15"), ("p2pfw-enforcer.service", "20")])
def test_the_units_expose_little(units, name, most):
    """systemd's own measure, in tenths: 1.5 for the node, 2.0 for the enforcer, which holds two capabilities."""
    code, said = analyzed("security", "--offline=yes", "--no-pager", f"--threshold={most}", str(units / name))

    assert code == 0, said


def test_what_systemd_says_is_passed_on_and_stops_nothing(monkeypatch, tmp_path, capsys):
    """Each command is run, in order; one that fails or is missing is named, and the rest goes on."""
    record = tmp_path / "record"
    for name, code in (("systemctl", 0), ("systemd-sysusers", 3)):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {record}\necho "no luck" >&2\nexit {code}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(service, "_BOOTED", tmp_path)
    commands = (("systemd-sysusers", "x.conf"), ("systemd-missing",), ("systemctl", "daemon-reload"))

    service._run_systemd(Invocation(), Path("/"), commands)

    assert record.read_text() == "systemd-sysusers x.conf\nsystemctl daemon-reload\n"
    said = capsys.readouterr().err
    assert "systemd-sysusers x.conf: no luck" in said
    assert "systemd-missing did not work" in said
    assert "daemon-reload:" not in said
