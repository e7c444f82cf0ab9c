"""How a command speaks: data on stdout, talk on stderr; words of others never reach the terminal as control characters.

Names of peers, reasons and comments were typed by somebody else. An escape sequence in them could rewrite what the
operator reads, so every text is cleaned here before it is shown; colours are put on after that.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import click

_FORBIDDEN = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Unicode categories: controls, bidirectional and other formatting, line and paragraph separators."""


class Form(Enum):
    """Who reads the output."""

    HUMAN = "human"
    JSON = "json"
    PLAIN = "plain"
    """Tab-separated, times as epoch seconds."""


@dataclass(frozen=True, slots=True)
class Styled:
    """A text with a colour, where there are colours."""

    text: str
    colour: str = ""
    bold: bool = False


def clean(text: str) -> str:
    """Without what could act on a terminal or break a line; each such character becomes "?"."""
    if text.isprintable():
        return text
    return "".join("?" if unicodedata.category(c) in _FORBIDDEN else c for c in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Printer:
    """Where and how to print."""

    form: Form = Form.HUMAN
    colour: bool = False
    quiet: bool = False

    def line(self, *parts: str | Styled) -> None:
        """One line of data for people."""
        click.echo("".join(self._styled(part) for part in parts), color=self.colour)

    def raw(self, data: bytes | str) -> None:
        """Data as it is, without a line end: for machines."""
        click.echo(data, nl=False)

    def row(self, *cells: object) -> None:
        """One line of --plain. None is an empty cell; tabs cannot be in a cell."""
        click.echo("\t".join("" if cell is None else clean(str(cell)) for cell in cells))

    def say(self, *parts: str | Styled) -> None:
        """Talk; nothing when quiet."""
        if not self.quiet:
            self.warn(*parts)

    def warn(self, *parts: str | Styled) -> None:
        """Talk that is always said."""
        click.echo("".join(self._styled(part) for part in parts), err=True, color=self.colour)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str | Styled]]) -> None:
        """Columns as wide as their widest cell; the last one runs free. For no rows that there are none, as talk."""
        body = [list(row) for row in rows]
        if not body:
            self.say("(none)")
            return
        head: list[str | Styled] = [Styled(text.upper(), bold=True) for text in heads]
        widths = [max(len(_text(row[at])) for row in [head, *body]) for at in range(len(heads) - 1)]
        for row in [head, *body]:
            parts: list[str | Styled] = []
            for cell, width in zip(row, widths, strict=False):
                parts += [cell, " " * (width - len(_text(cell)) + 2)]
            self.line(*parts, row[-1])

    def _styled(self, part: str | Styled) -> str:
        text = clean(_text(part))
        if isinstance(part, str) or not self.colour:
            return text
        return click.style(text, fg=part.colour or None, bold=part.bold or None)


def _text(part: str | Styled) -> str:
    return part if isinstance(part, str) else part.text
