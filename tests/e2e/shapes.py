"""Lists shaped like published ones: mostly hosts, some networks, comments, in no order."""

import random


def firehol(entries, seed=1):
    """A netset of so many distinct prefixes in ordinary public space, as text and as ipset would print them."""
    chance = random.Random(seed)
    members = set()
    while len(members) < entries:
        address = chance.randrange(0x3C000000, 0x5F000000)  # 60.0.0.0 up to 95.0.0.0: nothing special in it
        length = 32 if chance.random() < 0.9 else chance.choice((22, 23, 24, 24, 24, 26, 28, 29))
        network = address >> 32 - length << 32 - length
        text = ".".join(str(byte) for byte in network.to_bytes(4))
        members.add(text if length == 32 else f"{text}/{length}")
    shuffled = chance.sample(sorted(members), entries)
    head = ["#", "# a list in the shape of a published netset", f"# {entries} entries", "#"]
    return "\n".join([*head, *shuffled]) + "\n", members
