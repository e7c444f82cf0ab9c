"""I/O with this machine: its addresses, gateways, resolvers, logins, memory. Reads only, runs nothing."""
