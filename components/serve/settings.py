"""The flags of `facenet serve`, and its token."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from components.common.errors import UsageError, reason_of
from components.common.flags import Flag
from components.common.listen import HERE
from components.verify.settings import GALLERY, GalleryFile, NamingSettings

# Addresses that nobody but this machine reaches.
_LOOPBACK = (HERE, "localhost", "::1")
TOKEN = "FACENET_TOKEN"  # noqa: S105 - where it is, and not what it is
# What guesses cannot reach; and what a header can hold without quoting (RFC 6750, 2.1).
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")
_MEGABYTE = 10**6


@dataclass(frozen=True)
class Settings(NamingSettings):
    """Answer verify, identify, enroll, forget and embed over HTTP, on this machine only; a page is at /. Ctrl-C ends.

    The same network is also served by the Open Inference Protocol (V2), as the model `facenet`.
    """

    gallery: GalleryFile = GALLERY
    """The gallery; the first who is enrolled begins it. Other commands may change it meanwhile."""
    host: Annotated[str, Flag("ADDRESS")] = HERE
    """The address to listen on. On any but this machine's own, a token is needed."""
    port: int = 8000
    """The port to listen on; 0 takes any free one."""
    token_file: Annotated[Path | None, Flag("FILE")] = None
    """A file with the token that requests must carry, as `Authorization: Bearer TOKEN`: at least 16 letters or digits.
    Or put it into the variable FACENET_TOKEN. With neither, whoever uses this machine may ask."""
    workers: int = 0
    """Processes that look at photos, each with the network in memory; 0 for one for each processor."""
    max_megabytes: float = 20
    """The largest request, in megabytes."""
    seconds: float = 30
    """How long one photo may take, from the start of the work on it, and how long a request may take to arrive."""
    rate: float = 20
    """Requests a second that one address may make, and twice as many at once; 0 for any number."""

    def __post_init__(self) -> None:
        for name, value in (("--max_megabytes", self.max_megabytes), ("--seconds", self.seconds)):
            if not 0 < value <= 1e6:
                raise UsageError(f"{name} must be above 0, and a million at most.", received=value)
        for name, number in (("--workers", self.workers), ("--rate", self.rate)):
            if not 0 <= number <= 1e6:
                raise UsageError(f"{name} must be 0 or more, and a million at most.", received=number)

    @property
    def max_bytes(self) -> int:
        """The largest body of a request."""
        return round(self.max_megabytes * _MEGABYTE)

    def token(self) -> str | None:
        """The token that requests must carry; None where there is none, and none is needed.

        Raises:
            UsageError: it is too short, has other characters, cannot be read, or is missing where one is needed.
        """
        given, source = os.environ.get(TOKEN), TOKEN
        if self.token_file is not None:
            source = str(self.token_file)
            try:
                given = self.token_file.read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as error:
                raise UsageError(
                    "The token's file cannot be read.",
                    received=f"{source} ({reason_of(error)})",
                    advice="Give a file of one line with --token_file.",
                ) from error
        if given is None and self.host not in _LOOPBACK:
            raise UsageError(
                "Others can reach this address, and could ask who people are or forget them: a token is needed.",
                received=f"--host {self.host}",
                advice=f"Put one into a file for --token_file, or into {TOKEN}: "
                "python3 -c 'import secrets; print(secrets.token_urlsafe())' makes one.",
            )
        if given is not None and not _TOKEN.fullmatch(given):
            raise UsageError(
                "The token must have at least 16 characters, letters, digits and ._~+/- only.",
                received=f"{len(given)} characters in {source}",
            )
        return given
