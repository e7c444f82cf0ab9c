"""Dates of HTTP headers, against the standard library's writer of them."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.httpdate import http_date


@given(st.integers(0, 253_402_300_799))
def test_every_second_until_the_year_ten_thousand_is_read_back(seconds):
    """What the standard library writes is read as the same second."""
    assert http_date(formatdate(seconds, usegmt=True)) == seconds


def test_the_example_of_the_standard():
    """RFC 9110 5.6.7."""
    assert http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
    ],
)
def test_what_is_no_date_is_no_date(text):
    """0 and no error: a header is anybody's text, and a list without a date is dated by when it came."""
    assert http_date(text) == 0
