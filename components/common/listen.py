"""A socket to serve on."""

from __future__ import annotations

import socket

from components.common.errors import UsageError, reason_of

HERE = "127.0.0.1"


def listen(host: str, port: int) -> socket.socket:
    """Listens, so that the address may be printed: who asks before the server is ready waits.

    Args:
        host: a name or an address of this machine.
        port: 0 for any free one.

    Raises:
        UsageError: there is no such address here, or the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
        # asyncio sends at once (TCP_NODELAY) where a socket says its protocol, which those that it accepts inherit.
        # Otherwise an answer in two parts waits 40 ms between them.
        bound = socket.socket(family, proto=socket.IPPROTO_TCP)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((address[0], port, *address[2:]))  # getaddrinfo would take 99999 for 34463
            bound.listen()
        except BaseException:
            bound.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        raise UsageError(
            "This address cannot be listened on.",
            received=f"{host}, port {port} ({reason_of(error)})",
            advice="Choose another port with --port, or let one be found: --port 0.",
        ) from error
    return bound
