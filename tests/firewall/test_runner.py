"""Programs are run as lists, fed, read, bounded in time and output, and ended with all they started."""

import os
import stat
import tempfile
import threading
import time
from pathlib import Path

import pytest

from p2pfw.errors import FirewallError, MissingProgramError, PrivilegeError
from p2pfw.firewall import runner as module
from p2pfw.firewall.runner import Output, Program, ProgramRunner, checked, failure


def program(folder: Path, text: str, name: str = "ipset") -> ProgramRunner:
    """A runner that finds this script first."""
    path = folder / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return ProgramRunner({"PATH": f"relative:{folder}"})


def test_input_goes_in_and_output_comes_back(tmp_path: Path):
    """All slices, in order, however large; stdout and stderr apart."""
    runner = program(tmp_path, "#!/bin/sh\nsort -n -u | tail -1; echo said >&2\n")
    slices = ("".join(f"{n}\n" for n in range(at, at + 50_000)).encode() for at in range(0, 500_000, 50_000))
    output = runner.run(Program.IPSET, ["restore"], feed=slices, timeout=60)

    assert (output.code, output.stdout, output.stderr) == (0, b"499999\n", "said\n")


def test_input_is_made_while_the_program_reads(tmp_path: Path):
    """A load of a million lines is never whole in memory, and ipset works while we render."""
    runner = program(tmp_path, f"#!/bin/sh\nhead -c 1 >/dev/null; touch {tmp_path}/reads; cat >/dev/null\n")

    def slices():
        yield b"first\n"
        deadline = time.monotonic() + 30
        while not (tmp_path / "reads").exists() and time.monotonic() < deadline:
            yield b"more\n"

    assert runner.run(Program.IPSET, [], feed=slices(), timeout=60).code == 0
    assert (tmp_path / "reads").exists()


def test_arguments_are_no_shell(tmp_path: Path):
    """Whatever an argument holds, it is one argument."""
    runner = program(tmp_path, '#!/bin/sh\nprintf "%s|" "$@"\n')
    output = runner.run(Program.IPSET, ["a b", "$(id)", "; rm -rf", "'\""])

    assert output.stdout == b"a b|$(id)|; rm -rf|'\"|"


def test_the_environment_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Nothing of the parent's gets in: no LD_PRELOAD, no language."""
    monkeypatch.setenv("LD_PRELOAD_P2PFW", "x")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    output = program(tmp_path, "#!/bin/sh\nenv\n").run(Program.IPSET, [])

    assert b"LC_ALL=C\n" in output.stdout
    assert b"LD_PRELOAD_P2PFW" not in output.stdout
    assert b"LANG=" not in output.stdout


def test_a_program_that_ends_early_is_no_hang(tmp_path: Path):
    """ipset stops at the first bad line; what it said is what counts, not the broken pipe."""
    runner = program(tmp_path, "#!/bin/sh\nhead -c 10 >/dev/null; echo 'Error in line 1' >&2; exit 1\n")
    output = runner.run(Program.IPSET, ["restore"], feed=(b"x" * 65_536 for _ in range(200)), timeout=60)

    assert (output.code, output.stderr) == (1, "Error in line 1\n")


@pytest.mark.parametrize(
    "script", ["exec sleep 600", "sleep 600", "cat; sleep 600 & sleep 600", "trap '' TERM; sleep 600"]
)
def test_a_hanging_program_is_ended(tmp_path: Path, script: str):
    """With what it started: nothing of it is left to hold a lock."""
    runner = program(tmp_path, f"#!/bin/sh\necho $$ >{tmp_path}/pid\n{script}\n")
    with pytest.raises(FirewallError, match="ipset restore: no end after 1 s"):
        runner.run(Program.IPSET, ["restore"], feed=[b"x" * 500_000], timeout=1)

    group = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        _wait_for_group_to_end(group)


def test_a_child_that_keeps_the_pipe_is_a_hang(tmp_path: Path):
    """A program that has ended but left its output open to somebody is not waited for without end."""
    runner = program(tmp_path, "#!/bin/sh\nsleep 600 &\nexit 0\n")
    with pytest.raises(FirewallError, match="no end after"):
        runner.run(Program.IPSET, [], timeout=1)


def test_a_flood_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Output has a bound."""
    monkeypatch.setattr(module, "MAX_OUTPUT", 1 << 20)
    with pytest.raises(FirewallError, match="printed more than 1 MiB"):
        program(tmp_path, "#!/bin/sh\nexec yes\n").run(Program.IPSET, [], timeout=60)


def test_complaints_are_bounded(tmp_path: Path):
    """Error output is read to its end, and the first part kept."""
    output = program(tmp_path, "#!/bin/sh\nyes | head -c 3000000 >&2\n").run(Program.IPSET, [], timeout=60)

    assert (output.code, len(output.stderr)) == (0, module.MAX_COMPLAINT)


def test_a_program_that_cannot_start_is_an_error(tmp_path: Path):
    """A damaged executable is said, and found anew once it is mended."""
    runner = program(tmp_path, "no program at all")
    with pytest.raises(FirewallError, match="ipset cannot be started"):
        runner.run(Program.IPSET, [])
    program(tmp_path, "#!/bin/sh\necho fine\n")

    assert runner.run(Program.IPSET, []).stdout == b"fine\n"


def test_a_missing_program_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Operator's error: no ipset or iptables, and which package has it."""
    monkeypatch.setattr(module, "_SYSTEM_FOLDERS", (str(tmp_path),))
    runner = ProgramRunner({"PATH": ""})

    with pytest.raises(MissingProgramError, match="ip6tables-save is not installed; Debian package: iptables"):
        runner.find(Program.IP6TABLES_SAVE)


def test_system_folders_are_searched_too():
    """An unprivileged user's PATH lacks sbin."""
    assert os.path.isabs(ProgramRunner({}).find(Program.IPSET))


@pytest.mark.parametrize(
    "said",
    [
        "ipset v7.17: Kernel error received: Operation not permitted",
        "iptables v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)",
        "iptables v1.8.9 (nf_tables): Can't open socket to ipset.",
    ],
)
def test_want_of_rights_is_told_with_the_remedy(said: str):
    """The three ways in which the programs say it, as measured; iptables does so with the code for "try again"."""
    error = failure(Output(command="x", code=4, stderr=f"{said}\n\nTry -h\n"))

    assert isinstance(error, PrivilegeError)
    assert said in str(error)
    assert "CAP_NET_ADMIN and CAP_NET_RAW" in str(error)


def test_a_failure_says_command_code_and_first_line(tmp_path: Path):
    """What an operator needs, on one line."""
    runner = program(
        tmp_path, "#!/bin/sh\necho >&2; echo 'ipset v7: Error in line 4: bad' >&2; echo more >&2; exit 3\n"
    )
    with pytest.raises(FirewallError) as raised:
        checked(runner, Program.IPSET, ["restore", "-exist"])

    assert str(raised.value) == "ipset restore -exist: exit code 3: ipset v7: Error in line 4: bad"
    assert str(failure(Output(command="x", code=1))) == "x: exit code 1: no message"


def test_an_error_while_rendering_ends_the_program(tmp_path: Path):
    """A bug of ours must not leave a program waiting for the rest of its input."""
    runner = program(tmp_path, f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec cat >/dev/null\n")

    def slices():
        yield b"one\n"
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
            yield b"more\n"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        runner.run(Program.IPSET, [], feed=slices(), timeout=60)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_runs_do_not_share_anything(tmp_path: Path):
    """Two threads at once, as the worker and the reader are."""
    runner = program(tmp_path, "#!/bin/sh\ncat\n")
    answers: dict[int, bytes] = {}

    def ask(number: int) -> None:
        answers[number] = runner.run(Program.IPSET, [], feed=[str(number).encode() * 100_000], timeout=60).stdout

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {number: str(number).encode() * 100_000 for number in range(4)}


def test_no_descriptor_is_left_open(tmp_path: Path):
    """Neither by a good run nor by a bad one."""
    runner = program(tmp_path, '#!/bin/sh\n[ "$1" = bad ] && exec sleep 600\ncat\n')
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        runner.run(Program.IPSET, [], feed=[b"x"])
        with pytest.raises(FirewallError):
            runner.run(Program.IPSET, ["bad"], timeout=0.05)

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_command_can_stand_before_the_program(tmp_path: Path):
    """nsenter, setpriv: what becomes the program."""
    program(tmp_path, '#!/bin/sh\necho "$X $1"\n')
    runner = ProgramRunner({"PATH": str(tmp_path)}, through=["env", "X=through"])

    assert runner.run(Program.IPSET, ["save"]).stdout == b"through save\n"


def lock_file(folder: Path, **environ: str) -> str:
    """What the legacy iptables would be told to lock."""
    program(folder, '#!/bin/sh\necho "$XTABLES_LOCKFILE"\n')
    runner = ProgramRunner({"PATH": str(folder), **environ})
    return runner.run(Program.IPSET, []).stdout.decode().strip()


def test_the_systems_lock_file_is_used_where_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """So that we and others lock one another out; and what the operator says wins."""
    monkeypatch.setattr(module, "_XTABLES_LOCK", tmp_path / "xtables.lock")

    assert lock_file(tmp_path) == ""
    assert lock_file(tmp_path, XTABLES_LOCKFILE="/x") == "/x"


def test_the_legacy_lock_file_is_ours_where_the_systems_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As non-root the legacy iptables cannot open /run/xtables.lock and gives up."""
    monkeypatch.setattr(module, "_XTABLES_LOCK", tmp_path / "gone" / "xtables.lock")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    assert lock_file(tmp_path, RUNTIME_DIRECTORY=f"{tmp_path}:/y") == f"{tmp_path}/p2pfw-xtables.lock"
    assert lock_file(tmp_path) == lock_file(tmp_path) == f"{tmp_path}/p2pfw-{os.getuid()}/p2pfw-xtables.lock"
    assert stat.S_IMODE((tmp_path / f"p2pfw-{os.getuid()}").stat().st_mode) == 0o700


def test_a_lock_folder_that_others_may_write_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A predictable name in /tmp may be somebody else's trap."""
    monkeypatch.setattr(module, "_XTABLES_LOCK", tmp_path / "gone" / "xtables.lock")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    trap = tmp_path / f"p2pfw-{os.getuid()}"
    trap.symlink_to("/etc")

    assert Path(lock_file(tmp_path)).parent != trap


def _wait_for_group_to_end(group: int) -> None:
    """Killed processes are reaped by whoever adopted them: ask until there is none, or a minute is over."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        os.killpg(group, 0)
        time.sleep(0.01)
