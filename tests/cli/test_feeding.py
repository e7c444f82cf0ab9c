"""feed list, add, remove, test, refresh."""

import json
import sys
import threading
from pathlib import Path

import pytest

from p2pfw import schema
from tests.cli.samples import at
from tests.cli.terminal import at_terminal


def view(name="drop", **more):
    """A feed that is well."""
    given = {
        "entries": 1_234,
        "cut": 2,
        "fetched": at(),
        "date": at(),
        "until": at(days=7),
        "next_refresh": at(hours=6),
    }
    return schema.FeedView(
        name=name, place="https://e.org/", format="plain", adopt="direct", source="command", **{**given, **more}
    )


def test_feeds_are_a_table(node, p2pfw):
    """Entries, age, next refresh, and the problem."""
    listed = [view(announced=1_200), view("bad", problem="HTTP 404", next_refresh=None)]
    node.answer("GET", "/v1/feeds", schema.FeedList(feeds=listed))
    lines = p2pfw("feed", "list").out.splitlines()

    assert lines[1].split()[:3] == ["drop", "1,234", "1,200"]
    assert "HTTP 404" in lines[2]
    assert p2pfw("--plain", "feed", "list").out.splitlines()[0].split("\t")[5] == "1234"
    assert json.loads(p2pfw("--json", "feed", "list").out)["schema"] == "p2pfw.feeds/1"


def test_adding_sends_what_was_said(node, p2pfw):
    """Paths absolute, and nothing that was not said; exit 1 when the first fetch failed."""
    node.answer("POST", "/v1/feeds", view(left_out={"no prefix": 3}), status=201)
    done = p2pfw("feed", "add", "drop", "--file", "list.txt", "--format", "dshield", "--minimum", "0")

    assert (done.code, node.asked[-1].json) == (
        0,
        {"name": "drop", "file": str(Path("list.txt").absolute()), "format": "dshield", "minimum": 0},
    )
    assert "3 left out: no prefix" in done.out
    p2pfw("feed", "add", "drop", "--url", "https://e.org/", "--announce")
    assert node.asked[-1].json == {"name": "drop", "url": "https://e.org/", "announce": True}
    node.answer("POST", "/v1/feeds", view(problem="HTTP 404", remedy="look"), status=201)
    done = p2pfw("feed", "add", "drop", "--url", "https://e.org/")
    assert (done.code, "HTTP 404" in done.out, "look" in done.out) == (1, True, True)


def test_removing(node, p2pfw):
    """By name."""
    node.answer("DELETE", "/v1/feeds/drop", None, status=204)

    assert p2pfw("feed", "remove", "drop").code == 0
    assert p2pfw("--json", "feed", "remove", "drop").code == 0


def test_a_test_shows_what_would_come_of_it(node, p2pfw):
    """URL or file; 1 when it would be refused."""
    said = {"entries": 10, "added": 1, "removed": 90, "left_out": {}, "unreadable": ["line 2: 'x'"], "date": at()}
    node.answer("POST", "/v1/test-feed", schema.FeedTest(accepted=True, **said))
    assert p2pfw("feed", "test", "https://e.org/").code == 0
    assert node.asked[-1].json == {"name": "test", "url": "https://e.org/"}

    node.answer("POST", "/v1/test-feed", schema.FeedTest(accepted=False, problem="90% would change", **said))
    done = p2pfw("feed", "test", "list.txt", "--name", "drop")
    assert (done.code, node.asked[-1].json["file"]) == (1, str(Path("list.txt").absolute()))
    assert all(words in done.out for words in ("would be refused", "90 fewer", "line 2: 'x'", "90% would change"))
    assert p2pfw("--plain", "feed", "test", "list.txt").out.startswith("refused\t10\t1\t90")


def test_refreshing_one_or_all(node, p2pfw):
    """All of them one after the other; the worst decides the exit code. Accepting needs a name."""
    node.answer("GET", "/v1/feeds", schema.FeedList(feeds=[view("a"), view("b")]))
    node.answer("POST", "/v1/feeds/a", view("a"))
    node.answer("POST", "/v1/feeds/b", view("b", problem="200% would change"))

    assert p2pfw("feed", "refresh", "a", "--accept").code == 0
    assert node.asked[-1].json == {"accept": True}
    done = p2pfw("feed", "refresh")
    assert (done.code, "b: 1,234 entries" in done.out) == (1, True)
    assert p2pfw("feed", "refresh", "--accept").code == 2


COMMANDS = [
    pytest.param(["add", "drop", "--url", "https://e.org/"], "/v1/feeds", "fetching drop", id="add"),
    pytest.param(["refresh", "drop"], "/v1/feeds/drop", "fetching drop", id="refresh"),
    pytest.param(["refresh"], "/v1/feeds/drop", "fetching drop (2 of 2)", id="refresh all"),
    pytest.param(["test", "https://e.org/"], "/v1/test-feed", "fetching the list", id="test"),
]


@pytest.fixture
def slow(node):
    """The node fetches until it is let go."""
    let_go = threading.Event()
    tested = schema.FeedTest(accepted=True, entries=1, added=1, removed=0, left_out={}, unreadable=[], date=at())

    def fetched(answer):
        def rule(_):
            let_go.wait()
            return 200, answer

        return rule

    node.answer("GET", "/v1/feeds", schema.FeedList(feeds=[view("a"), view()]))
    node.answer("POST", "/v1/feeds/a", view("a"))
    for path in ("/v1/feeds", "/v1/feeds/drop"):
        node.answer_by("POST", path, fetched(view()))
    node.answer_by("POST", "/v1/test-feed", fetched(tested))
    yield let_go
    let_go.set()


@pytest.mark.parametrize(("command", "path", "words"), COMMANDS)
def test_a_bar_shows_that_a_list_is_being_fetched(node, slow, command, path, words):
    """On the terminal while the node fetches, and taken away before the result; stdout has the result alone."""
    with at_terminal([sys.executable, "-m", "p2pfw", "--socket", str(node.path), "feed", *command]) as terminal:
        terminal.shows(words)
        slow.set()
        seen, out = terminal.rest()

    assert seen.rstrip().endswith("\x1b[2K")  # the line of the bar, erased
    assert "entries" in out
    assert "fetching" not in out
    assert "\x1b" not in out
    assert node.last.path == path


@pytest.mark.parametrize(("command", "path", "words"), COMMANDS)
def test_no_bar_where_nobody_looks(node, slow, p2pfw, command, path, words):
    """In a log a bar is noise; with --quiet it was not wanted."""
    slow.set()
    done = p2pfw("feed", *command)
    assert (done.code, done.err) == (0, "")
    assert node.last.path == path

    with at_terminal([sys.executable, "-m", "p2pfw", "-q", "--socket", str(node.path), "feed", *command]) as terminal:
        assert terminal.rest()[0] == ""
