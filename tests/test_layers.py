"""The rules of tests/conftest.py hold: a test run in a folder of its own, with that file, shows it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SKIPPING = "import pytest\ndef test_it():\n    pytest.skip('no namespaces today')\n"
SKIPPING_MODULE = "import pytest\npytest.skip('no kernel today', allow_module_level=True)\n"
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it():\n    assert False\n"
EMPTY_SET = "import pytest\n@pytest.mark.parametrize('case', [])\ndef test_it(case): ...\ndef test_other(): ...\n"
PASSING = "def test_it(): ...\n"


@pytest.mark.parametrize("source", [SKIPPING, SKIPPING_MODULE])
def test_a_skip_is_a_failure_in_ci(tmp_path: Path, source: str):
    """With CI=true a skipped test, and a skipped module, fail the run and quote the reason."""
    done = _pytest(tmp_path, source, CI="true")

    assert done.returncode != 0
    assert "in CI nothing may skip" in done.stdout
    assert "today" in done.stdout


@pytest.mark.parametrize("source", [SKIPPING, SKIPPING_MODULE])
def test_a_skip_elsewhere_is_named(tmp_path: Path, source: str):
    """Without CI the run goes on, and its last lines say which layer was not proven."""
    done = _pytest(tmp_path, source, other=PASSING)

    assert done.returncode == 0, done.stdout
    assert "NOT PROVEN: 1 tests of layer kernel were skipped" in done.stdout


def test_an_expected_failure_is_no_skip(tmp_path: Path):
    """Pytest counts an expected failure among the skipped; it is none."""
    assert _pytest(tmp_path, EXPECTED_FAILURE, CI="true").returncode == 0


def test_an_empty_parametrisation_leaves_no_test(tmp_path: Path):
    """Cases that are read from absent files are not skipped tests; the run says that there was nothing to try."""
    done = _pytest(tmp_path, EMPTY_SET, CI="true")

    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 deselected" in done.stdout
    assert "nothing to try: kernel/test_subject.py::test_it" in done.stdout


def test_the_folder_is_the_marker(tmp_path: Path):
    """A test below kernel/ is selected by -m kernel without saying so itself, and no other test is."""
    done = _pytest(tmp_path, PASSING, "-m", "kernel", other=PASSING)

    assert "1 passed, 1 deselected" in done.stdout


def _pytest(
    folder: Path, source: str, *options: str, other: str = "", **env: str
) -> "subprocess.CompletedProcess[str]":
    """Run pytest on `source` as kernel/test_subject.py (and `other` as test_other.py) under a copy of our conftest."""
    (folder / "kernel").mkdir()
    (folder / "kernel/test_subject.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    kernel\n    swarm\n    e2e\n")
    if other:
        (folder / "test_other.py").write_text(other)
    shutil.copy(ROOT / "tests/conftest.py", folder)
    environment = {name: value for name, value in os.environ.items() if name not in {"CI", "P2PFW_SOAK"}}
    environment |= {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | env
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
