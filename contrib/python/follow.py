#!/usr/bin/env python3
"""Tell who is to be thanked for each new block: follows a node's events and asks why. Runs until interrupted.

follow.py [NODE] [--once]      NODE: the socket, or http://127.0.0.1:7788; --once: what the node still knows, no more
"""

import argparse

from p2pfw.client import Client, ClientError


def main() -> None:
    """One line a block: prefix, reason, and whose word counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("node", nargs="?", default="/run/p2pfw/api.sock")
    parser.add_argument("--once", action="store_true")
    given = parser.parse_args()
    node = Client(given.node)
    for event in node.events(since=1 if given.once else 0, follow=not given.once):
        if event.kind == "adopted" and event.prefix:
            found = node.why(event.prefix)
            names = ", ".join(one.name for one in found.evidence if one.counted)
            print(f"{event.prefix}\t{found.reason}\t{names}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except ClientError as error:
        raise SystemExit(f"follow: {error}") from None
