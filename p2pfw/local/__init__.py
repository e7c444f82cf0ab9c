"""Unix sockets of this machine: as files that others may open, and who is at the other end."""
