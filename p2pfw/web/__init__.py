"""I/O with the operator and local clients: the REST API on a unix socket and on loopback HTTP."""
