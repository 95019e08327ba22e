"""An error as an answer to a request."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from starlette.responses import JSONResponse

from components.common.errors import FacenetError, UsageError
from components.common.names import plain


class ProblemError(FacenetError):
    """A request that is refused, or could not be answered.

    Args:
        headline: see `FacenetError`, as for the next two.
        received: what the request had.
        advice: what to do next.
        status: of the answer.
        headers: of the answer.
    """

    def __init__(
        self,
        headline: str,
        *,
        received: object = None,
        advice: str = "",
        status: int = 400,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(headline, received=received, advice=advice)
        self.status = status
        self.headers = dict(headers)


def status_of(error: FacenetError) -> int:
    """The status of an answer that is an error: 409 where it is in what the server was given, 500 where it failed."""
    if isinstance(error, ProblemError):
        return error.status
    return 409 if isinstance(error, UsageError) else 500


def body(error: FacenetError) -> dict[str, Any]:
    """An error as JSON; `error` is all of it in one text, as the Open Inference Protocol wants."""
    received = None if error.received is None else plain(error.received)
    return {"error": str(error), "headline": error.headline, "received": received, "advice": error.advice}


def answer(error: FacenetError) -> JSONResponse:
    """The answer that says an error."""
    headers = error.headers if isinstance(error, ProblemError) else None
    return JSONResponse(body(error), status_of(error), headers)


def as_problem(error: FacenetError, status: int) -> ProblemError:
    """An error of other rooms with the status that it has here."""
    return ProblemError(error.headline, received=error.received, advice=error.advice, status=status)
