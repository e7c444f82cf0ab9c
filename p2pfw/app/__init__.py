"""The use cases: announcing, judging, enforcing, peering, joining, explaining. They know ports, never adapters."""
