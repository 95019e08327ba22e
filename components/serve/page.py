"""The page to drop a photo on: one HTML file, with the style of the other pages in it."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from components import page as shared

_STYLE = "/* components/page/style.css */"


def page() -> tuple[str, str]:
    """The page, and the policy that lets its own script and style run, by their hashes, and nothing else."""
    style = (Path(shared.__file__).parent / "style.css").read_text(encoding="utf-8")
    html = (Path(__file__).parent / "page.html").read_text(encoding="utf-8").replace(_STYLE, style)
    allowed = {
        kind: " ".join(f"'sha256-{_hash(text)}'" for text in re.findall(rf"<{kind}>(.*?)</{kind}>", html, re.DOTALL))
        for kind in ("script", "style")
    }
    policy = (
        f"default-src 'none'; script-src {allowed['script']}; style-src {allowed['style']}; img-src blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return html, policy


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
