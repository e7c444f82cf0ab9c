"""Lists of prefixes as other programs write and read them. Pure: bytes in, values out, and back.

Reading never guesses: what is no prefix is left out, counted by reason, and the first of it named with its line. What a
list may contain, and how much of it may change at once, is decided by whoever takes it in.
"""

from p2pfw.formats.parsed import FormatError, ParsedList, Problem
from p2pfw.formats.registry import BLOCKLISTS, FORMATS, parse_list
from p2pfw.formats.writing import WRITTEN, Entry, Merging, Writer, Written, write

__all__ = [
    "BLOCKLISTS",
    "FORMATS",
    "WRITTEN",
    "Entry",
    "FormatError",
    "Merging",
    "ParsedList",
    "Problem",
    "Writer",
    "Written",
    "parse_list",
    "write",
]
