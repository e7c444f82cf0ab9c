"""p2pfw: servers that trust each other share firewall blocks, without a central controller."""

__version__ = "0.1.0"
