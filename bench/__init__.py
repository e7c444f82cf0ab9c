"""Benchmarks: the budgets of the design, each beside what does the same without us, in one run (`make bench`).

Everything that touches a kernel happens in private namespaces (p2pfw/demo/lab.py); the machine's own firewall is never
touched. Uses the harness of the end-to-end tests. Not a part of the product: nothing in p2pfw imports it.
"""
