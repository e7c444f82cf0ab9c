"""I/O with feeds: bytes of a list from a file or over HTTP, within bounds, and only when they changed.

`source.FeedReader` implements ports.FeedSource. What the bytes mean is formats', what of them may be blocked is
core.guards', when to look again is the use case's.
"""
