"""verify: check exported evidence, offline and without trusting who exported it."""

from pathlib import Path

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.invocation import Invocation, Leaf
from p2pfw.cli.printer import Form, Styled

MOST_BYTES = 256 << 20


@click.command(cls=Leaf)
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def verify(invocation: Invocation, file: Path) -> int:
    """Check the signatures in what `p2pfw events --evidence` printed. Exit 1 when one is bad or proves nothing."""
    from p2pfw.core.proving import check_line

    try:
        if str(file) != "-" and file.stat().st_size > MOST_BYTES:
            raise CommandError(f"{file}: more than {MOST_BYTES >> 20} MiB", code=Exit.USAGE)
        with click.open_file(str(file), encoding="utf-8") as opened:
            lines = [line for line in opened if line.strip()]
    except UnicodeDecodeError:
        hint = "it checks what p2pfw events --evidence printed"
        raise CommandError(f"{file}: this is no text", code=Exit.USAGE, hint=hint) from None
    except OSError as error:
        raise CommandError(f"{file}: cannot be read: {error}", code=Exit.USAGE) from None
    good = bad = bare = 0
    for number, line in enumerate(lines, start=1):
        checked = check_line(line)
        good, bad, bare = good + checked.good, bad + bool(checked.problems), bare + (not checked.good)
        _show(invocation, number, checked.said, checked.problems)
    if invocation.form is Form.JSON:
        invocation.show_json(
            {"schema": "p2pfw.verify/1", "lines": len(lines), "proven": good, "bad": bad, "bare": bare}
        )
    elif invocation.form is Form.PLAIN:
        invocation.printer.row("total", len(lines), good, bad, bare)
    else:
        invocation.printer.line(
            f"{len(lines)} events: {good} signed statements are genuine, {bad} events are not, {bare} prove nothing"
        )
    return Exit.NO if bad or not good else Exit.OK


def _show(invocation: Invocation, number: int, said: tuple[str, ...], problems: tuple[str, ...]) -> None:
    if invocation.form is Form.JSON:
        return
    for word, texts, colour in (("genuine", said, "green"), ("BAD", problems, "red")):
        for text in texts:
            if invocation.form is Form.PLAIN:
                invocation.printer.row(word, number, text)
            else:
                invocation.printer.line(f"line {number}  ", Styled(f"{word:<8}", colour), text)
