"""The enforcer: a process of its own that holds the rights over the firewall, and what the node says to it.

The node parses what the internet sends and holds no right; this package is what stands between it and the kernel. See
docs/decisions/0008-the-enforcer-is-a-process.md.
"""
