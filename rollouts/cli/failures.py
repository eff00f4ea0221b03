"""How a command ends when it does not succeed."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; documented in docs/cli.md."""

    DONE = 0
    REFUSED = 1  # the server understood and would not
    USAGE = 2  # argparse's own
    TAKES_A_PERSON = 3  # run lastgood login
    NO_SERVER = 4  # nobody answered, or the server failed
    NOT_GREEN = 5  # a gate or a finding keeps the version out
    TIMED_OUT = 6  # what was waited for is not over
    DIFFERS = 7  # what was compared is not the same


class Failure(Exception):
    """Ends the command with ``code`` after its sentence was printed."""

    def __init__(self, message: str, code: Exit = Exit.REFUSED) -> None:
        super().__init__(message)
        self.code = code


class Refused(Failure):
    """The server's answer, with its status and JSON body."""

    def __init__(self, status: int, body: dict[str, object]) -> None:
        lines = [str(body.get("error") or f"The server answered {status}.")]
        errors = body.get("errors")
        if isinstance(errors, list):
            lines += [f"  {error.get('path') or '(body)'}: {error.get('message')}" for error in errors]
        if offer := body.get("offer"):
            lines.append(f"{offer}: lastgood stop <agent> --fallback 'To a human'")
        super().__init__("\n".join(lines))
        self.status = status
