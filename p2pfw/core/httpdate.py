"""Dates as HTTP headers write them (RFC 9110 5.6.7, the preferred form; the obsolete ones are no dates here).

By a table and not by the machine's locale, in which months may have other names.
"""

import re
from datetime import UTC, datetime
from typing import Final

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE: Final = re.compile(
    rf"[A-Z][a-z]{{2}}, ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}}) ([0-9]{{2}}):([0-9]{{2}}):([0-9]{{2}}) GMT"
)


def http_date(text: str) -> int:
    """Unix seconds of "Sun, 06 Nov 1994 08:49:37 GMT"; 0 for what is no date, or one before 1970."""
    found = _DATE.fullmatch(text)
    if found is None:
        return 0
    day, month, year, hour, minute, second = found.groups()
    try:
        date = datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return 0
    return max(0, int(date.timestamp()))
