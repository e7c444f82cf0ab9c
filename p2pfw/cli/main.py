"""The entry point: the short way for `test`, the whole command line for everything else."""

import sys

from p2pfw.cli import quick


def main() -> None:
    """`p2pfw`, as it is installed."""
    question = quick.parse(sys.argv[1:])
    if question is not None:
        sys.exit(quick.main(question))
    from p2pfw.cli.app import run

    sys.exit(run(sys.argv[1:]))
