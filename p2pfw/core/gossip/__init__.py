"""How announcements travel between nodes (protocol 4 to 6): a pure machine, events and `now` in, effects out.

`swarm.Gossip` is the only door. Behind it: `links` (what is known of each peer), `broadcast` (new announcements to
peers), `carry` (which owners both sides carry), `sync` over `reconcile` (what one side has and the other lacks),
`wants` (asking for it), `limits` (how much of it a peer may send unasked).
"""
