"""The page to try a model by hand, and what a browser may do with it."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources

PAGE = resources.files("s2s_zoo.apps.serving").joinpath("page.html").read_text("utf-8")


def policy(page: str) -> str:
    """The Content-Security-Policy that allows a page its own script and style, and no others."""

    def hashes(tag):
        parts = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digests = (hashlib.sha256(part.encode()).digest() for part in parts)
        return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)

    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {hashes('script')}",
            f"style-src {hashes('style')}",
            "img-src blob: data:",
            "media-src blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


POLICY = policy(PAGE)
