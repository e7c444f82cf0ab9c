"""Sessions with peers over websockets: the network adapter behind ports.Transport."""
