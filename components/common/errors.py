"""Errors people can act on: a headline, what was received, what to do next."""

from components.common.names import plain


class FacenetError(Exception):
    """A failed task: exit code 1.

    Args:
        headline: what went wrong, in one sentence that ends with a full stop.
        received: the value, path or count that the user gave.
        advice: what to do next, in the imperative.
    """

    exit_code = 1

    def __init__(self, headline: str, *, received: object = None, advice: str = "") -> None:
        super().__init__(headline)
        self.headline = headline
        self.received = received
        self.advice = advice

    def __str__(self) -> str:
        lines = [self.headline]
        if self.received is not None:
            lines.append(f"Received: {plain(self.received)}")
        if self.advice:
            lines.append(self.advice)
        return "\n".join(lines)


# What reading a record from JSON or YAML can raise when anybody may have written it: it is neither, a field is missing
# or has another type, a number is too large for this machine, or lists are nested a thousand deep.
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)


def reason_of(error: Exception) -> str:
    """Why a file cannot be read: what the system says, that it is no text, or the error's own words."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)


class UsageError(FacenetError):
    """Wrong use: a flag, a path or an input that does not fit. Exit code 2."""

    exit_code = 2
