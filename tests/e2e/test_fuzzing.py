"""The API's document held against a running node by schemathesis, with all of its checks; tests/e2e/fuzzing.py helps.

Whatever is asked, well or badly formed, known or not, with a right, a wrong or no token, is answered as the document
says, and the node goes on as if nothing had been.
"""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.e2e.fleet import Server
from tests.scale import trials

PORT = 7788
ROOT = Path(__file__).parents[2]
SECONDS = 7_200
"""A guard; the sample takes half a minute."""
# 422 is an answer to what is well-formed: against policy, or nothing for this node. What a document calls good is never
# 400. The stream of events has no end of its own; readiness is told by 503. A value that another answer gave is not
# what a field of the same name takes (a coalition's `prefix` is a width).
CONFIGURATION = """
[phases]
examples.extra-data-sources.responses = false
coverage.extra-data-sources.responses = false
fuzzing.extra-data-sources.responses = false
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 422, 429, "5xx"]
[[operations]]
include-name = "GET /v1/events"
parameters = { "query.follow" = "0" }
[[operations]]
include-name = "GET /readyz"
[operations.checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503]
"""


@pytest.fixture
def node(lone: Server) -> Server:
    """Watching only, with its owner's key, on a port of loopback."""
    lone.write_config()
    lone.config.write_text(lone.config.read_text().replace('http = ""', f'http = "127.0.0.1:{PORT}"'))
    lone.start()
    return lone


def fuzz(node: Server, *arguments: str) -> str:
    """What schemathesis said; it is on the node's host, because a node answers to loopback."""
    (node.folder / "schemathesis.toml").write_text(CONFIGURATION)
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{PORT}/v1/openapi.json"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.e2e.fuzzing", "PYTHONPATH": str(ROOT)}
    run = node.host.run(
        [
            "env",
            "-C",
            str(node.folder),
            *command,
            "--checks",
            "all",
            "--seed",
            "1",
            "--continue-on-failure",
            *arguments,
        ],
        env=environment,
        check=False,
        timeout=SECONDS,
    )
    failures = run.stdout.partition("= FAILURES =")[2].partition("= WARNINGS =")[0]
    assert run.returncode == 0, failures or run.stdout + run.stderr
    return run.stdout


def goes_on(node: Server) -> bool:
    """It does what it is for, and nothing in its log is an error of ours."""
    node.api.block("203.0.113.77", force=True)
    ends_well = node.api.request("GET", "/healthz").text == "ok\n"
    node.stop()
    log = node.log.read_text()
    assert "Traceback" not in log, log[-4_000:]
    assert "ERROR" not in log, log[-4_000:]
    return ends_well


def test_the_document_is_true_for_who_may_do_everything(node: Server):
    """Every operation, by examples, at the bounds, at random and one after another; all of them are reached."""
    made = json.loads(node.cli("--json", "token", "add", "fuzz", "--scope", "admin", "--rate", "1000000").stdout)
    headers = ("-H", f"Authorization: Bearer {made['token']}", "-H", f"X-Api-Key: {made['token']}")
    said = fuzz(node, *headers, "--max-examples", str(trials(10, 1_000)))

    assert "Stateful" in said
    assert goes_on(node)


def test_the_document_is_true_for_who_has_no_token(node: Server):
    """What reads is answered on loopback, and nothing else is: no way around it at random."""
    before = node.api.status()["generation"]
    fuzz(node, "--max-examples", str(trials(15, 1_000)), "--phases", "examples,fuzzing,stateful")

    assert node.api.status()["generation"] == before
    assert node.api.get("/v1/tokens")["tokens"] == []
    assert goes_on(node)
