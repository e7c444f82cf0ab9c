"""I/O with the disk: SQLite, key files, the lock on the state directory, backup and restore."""
