"""The pure core: same input, same `now`, same answer. No loop, clock, file, socket, log or randomness."""
