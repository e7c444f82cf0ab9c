"""Exit codes, and the one error that ends a command: what happened, what to do about it, and the code.

The codes are part of the public surface (docs/cli.md): scripts test them, so none is ever given another meaning.
"""

from enum import IntEnum
from typing import Final

from p2pfw.client.errors import ClientError, DeniedError, LateError, RefusedError, UnreachableError
from p2pfw.errors import (
    CharterError,
    ConfigError,
    ConflictError,
    InputError,
    KeyFileError,
    NotAcceptableError,
    NotFoundError,
    P2pfwError,
    PrivilegeError,
)


class Exit(IntEnum):
    """What a command says to scripts."""

    OK = 0
    NO = 1
    """The answer is no, or it did not work."""
    USAGE = 2
    """Wrong usage or configuration."""
    UNREACHABLE = 3
    """No node answers."""
    REFUSED = 4
    """Refused by policy, whitelist or protection."""
    PERMISSION = 5
    TIMEOUT = 124
    INTERRUPTED = 130


_OF_STATUS: Final = {
    400: Exit.USAGE,
    401: Exit.PERMISSION,
    403: Exit.PERMISSION,
    404: Exit.NO,
    409: Exit.REFUSED,
    413: Exit.USAGE,
    422: Exit.REFUSED,
}
# The first that fits: subclasses stand before what they are derived from.
_OF_ERROR: Final[tuple[tuple[type[P2pfwError], Exit], ...]] = (
    (ConflictError, Exit.REFUSED),
    (NotAcceptableError, Exit.REFUSED),
    (NotFoundError, Exit.NO),
    (InputError, Exit.USAGE),
    (ConfigError, Exit.USAGE),
    (KeyFileError, Exit.USAGE),
    (PrivilegeError, Exit.PERMISSION),
    (CharterError, Exit.USAGE),
    (UnreachableError, Exit.UNREACHABLE),
    (DeniedError, Exit.PERMISSION),
    (LateError, Exit.TIMEOUT),
)


class CommandError(Exception):
    """Ends a command. `hint` says what would be right."""

    def __init__(self, problem: str, *, code: Exit, hint: str = "") -> None:
        super().__init__(problem)
        self.problem, self.code, self.hint = problem, code, hint


def as_command_error(error: P2pfwError) -> CommandError:
    """An error that was raised in this process, or by asking the node, for the operator."""
    code = next((code for kind, code in _OF_ERROR if isinstance(error, kind)), Exit.NO)
    if isinstance(error, RefusedError):
        code = _OF_STATUS.get(error.status, Exit.NO)
    if isinstance(error, InputError | ClientError):
        return CommandError(error.problem, code=code, hint=error.hint)
    return CommandError(str(error), code=code)


def of_answer(status: int, body: bytes) -> CommandError:
    """An answer of the node that is no success."""
    return as_command_error(RefusedError(status, body, {}))
