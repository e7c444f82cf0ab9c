"""I/O with the kernel: one set pair of what is blocked, one of what is allowed, one DROP rule a family and hook.

The only folder of the node that runs programs. `backends.make_firewall` builds what implements `ports.Firewall`;
`uninstall.uninstall` takes everything of ours out again, with or without a node.
"""
