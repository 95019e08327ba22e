"""What keeps a server's pages to those who may see them."""

from __future__ import annotations

import re

# Of requests to a server of this machine. A page of another site can lead a browser there under a name of its own, and
# then read the answer (DNS rebinding). Any port is fine: the one that `ssh -L` forwards is another.
HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.IGNORECASE)
# Of every answer, besides the policy that says what its page may load.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # faces, or names and embeddings, are in them
}
