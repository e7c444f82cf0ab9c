"""Facts about the tree itself: what must be in it, what must never be, and that what users install is whole."""

import ast
import base64
import configparser
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import p2pfw

ROOT = Path(__file__).parents[1]
OURS = "p2pfw"
MODULES = sorted((ROOT / OURS).rglob("*.py"))
MAX_FUNCTION_LINES = 50
MAX_CODE_LINES = 300  # blank lines, comments and docstrings are free
BINARY = {".png", ".ico", ".woff2", ".gz", ".sqlite"}
REGISTRIES = (  # in two parts each, as this file is searched too
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("npmjs", ".org"),
    ("npmjs", ".com"),
    ("crates", ".io"),
    ("rubygems", ".org"),
    ("proxy.golang", ".org"),
    ("registry-1.docker", ".io"),
    ("ghcr", ".io"),
    ("quay", ".io"),
    ("deb.debian", ".org"),
    ("archive.ubuntu", ".com"),
)
SECRET_KEY_FILE = re.compile(r"P2PFW-SECRET-KEY v\d+.{0,600}?\bdata: ([A-Za-z0-9+/=_-]{40,})", re.DOTALL)
PUBLISHED_SEEDS = {base64.b64encode(bytes(range(32))).decode()}  # of the frozen test vectors: nobody's key
PEM_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{40}")


def test_the_layout_is_the_documented_one():
    """Every file and folder of the layout is there."""
    expected = (
        "README.md setup.cfg pyproject.toml Makefile CHANGELOG.md LICENSE .ci/run bootstrap keys docker docs contrib"
    )

    assert [name for name in expected.split() if not (ROOT / name).exists()] == []
    assert [name for name in ("bootstrap", "keys", "docker") if not (ROOT / name / "README.md").is_file()] == []


def test_ci_runs_make_test_and_nothing_else():
    """What a developer runs is what CI runs."""
    script = ROOT / ".ci/run"
    lines = [line for line in script.read_text().splitlines() if line and not line.startswith(("#", "set ", "cd "))]

    assert os.access(script, os.X_OK)
    assert lines == ["exec make test"]


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench", "soak", "clean", "help"])
def test_the_makefile_has_the_target(target: str):
    """Each documented command exists; make itself finds its recipe without running it."""
    make = ["make", "--dry-run", "--no-print-directory", target]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr


def test_the_changelog_knows_the_version():
    """The version of the package is the newest one in the changelog, released or to come."""
    newest = re.search(
        r"^## \[(\d+\.\d+\.\d+)\]|to become (\d+\.\d+\.\d+)\.", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )

    assert newest is not None
    assert p2pfw.__version__ in newest.groups()


def test_no_private_key_is_in_the_tree():
    """No key file of ours and no PEM private key, in whatever file: neither committed nor about to be."""
    found = [
        str(path.relative_to(ROOT))
        for path, text in _texts()
        if path.suffix == ".key" or set(SECRET_KEY_FILE.findall(text)) - PUBLISHED_SEEDS or PEM_PRIVATE_KEY.search(text)
    ]

    assert found == []


def test_the_search_for_private_keys_finds_them():
    """The patterns of the test above fit what they are looking for."""
    body = "A" * 64

    assert SECRET_KEY_FILE.findall(f"P2PFW-SECRET-KEY v1\npurpose: node\nkdf: none\ndata: {body}\n") == [body]
    assert PEM_PRIVATE_KEY.search(f"-----BEGIN EC PRIVATE {'KEY'}-----\n{body}\n")


def test_no_package_registry_is_named():
    """Where packages come from is the machine's configuration, not ours."""
    names = ["".join(parts) for parts in REGISTRIES]
    found = [(str(path.relative_to(ROOT)), name) for path, text in _texts() for name in names if name in text]

    assert found == []


def test_relative_links_lead_somewhere():
    """Each link in a Markdown page to a file of the repository finds that file."""
    link = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
    dead = [
        f"{path.relative_to(ROOT)} → {target}"
        for path, text in _texts()
        if path.suffix == ".md"
        for target in link.findall(text)
        if not (path.parent / target).exists()
    ]

    assert dead == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_keeps_the_house_style(path: Path):
    """A module says why it exists, fits in one sitting, and so do its functions."""
    text = path.read_text()
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [f"{one.name}: {_lines(one)} lines" for one in functions if _lines(one) > MAX_FUNCTION_LINES]

    assert ast.get_docstring(tree) or not text.strip(), "no module docstring"
    assert _code_lines(tree) <= MAX_CODE_LINES
    assert long == []


def test_dependencies_in_the_lint_environment_are_the_declared_ones():
    """Whatever p2pfw imports from outside is declared as a dependency, and whatever is declared is imported."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = [lines for name, lines in config["options.extras_require"].items() if name != "test"]
    lines = "\n".join([config["options"]["install_requires"], *extras]).split("\n")
    declared = {re.split(r"[>=;<! ]", line)[0] for line in lines if line}
    import_names = {"prometheus-client": "prometheus_client", "pynacl": "nacl"}
    known = {import_names.get(name, name) for name in declared}
    imported = {name for path in MODULES for name in _imports(path)} - set(sys.stdlib_module_names) - {OURS}

    assert imported - known == set()
    assert known - imported == set()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, so that building leaves nothing behind here."""
    source = tmp_path_factory.mktemp("source")
    for path in _files():
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return source


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that a user would install."""
    target = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(target), str(source)])
    (built,) = target.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_is_whole(source: Path, wheel: Path):
    """Every file of the package is in the wheel, data files too; tests and benchmarks are not."""
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = {path.relative_to(source).as_posix() for path in (source / OURS).rglob("*") if path.is_file()}

    assert packed == package


@pytest.mark.slow
def test_the_wheel_installs_into_an_empty_environment(wheel: Path, tmp_path: Path):
    """A new virtual environment and one `pip install` give a p2pfw that knows its version."""
    venv.create(tmp_path / "venv", with_pip=True)
    python, program = tmp_path / "venv/bin/python", tmp_path / "venv/bin/p2pfw"
    _run([python, "-m", "pip", "install", "--quiet", str(wheel)])
    _run([python, "-m", "pip", "check"])

    assert p2pfw.__version__ in _run([program, "--version"], cwd=tmp_path)
    assert "status" in _run([program, "--help"], cwd=tmp_path)


def _run(argv: list[str | Path], cwd: Path | None = None) -> str:
    """Standard output of a program that must succeed; our own settings do not reach it."""
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | quiet
    done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _files() -> list[Path]:
    """Every file that is committed or could be by mistake: not what git ignores."""
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    return sorted({ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()})


def _texts() -> Iterator[tuple[Path, str]]:
    for path in _files():
        if path.suffix not in BINARY:
            yield path, path.read_text(errors="replace")


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _code_lines(tree: ast.Module) -> int:
    """Lines that hold code: those that a syntax node starts or ends on, docstrings aside."""
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    free = {line for node in texts for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    ends = {(node.lineno, node.end_lineno) for node in ast.walk(tree) if hasattr(node, "lineno")}
    return len({line for pair in ends for line in pair} - free)


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
