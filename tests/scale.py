"""How often a trial is repeated: sampled in `make test`, swept in `make soak` (which sets P2PFW_SOAK)."""

import os


def trials(test: int, soak: int) -> int:
    """`test` repetitions within `make test`, `soak` within `make soak`. The counts are those of the fault matrix."""
    return soak if os.environ.get("P2PFW_SOAK") else test
