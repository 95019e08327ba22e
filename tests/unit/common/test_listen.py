from __future__ import annotations

import asyncio
import socket

from components.common.listen import HERE, listen


def test_an_answer_in_two_parts_does_not_wait_between_them():
    """asyncio of CPython 3.11 to 3.13 (`_set_nodelay` in base_events.py) looks at the socket's own protocol number."""
    delays = []

    async def answered() -> None:
        def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            delays.append(not writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listen(HERE, 0) as bound:
            async with await asyncio.start_server(look, sock=bound):
                reader, writer = await asyncio.open_connection(*bound.getsockname())
                await reader.read()
                writer.close()

    asyncio.run(answered())
    assert delays == [False]
