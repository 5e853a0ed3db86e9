"""A server for this machine alone: under which names it is called, and from which pages.

Any page that a browser shows may send to 127.0.0.1. Under a name of its own that leads there it
could read the answers too (DNS rebinding), so the name in `Host` counts, and for what is sent the
page that it comes from.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from s2s_zoo.apps.serving.body import drain
from s2s_zoo.apps.serving.refused import Refused

HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:/?#@\s]+))(?::\d*)?")


def names_of(address: str, host: str, allowed: Collection[str] = ()) -> frozenset[str] | None:
    """The names that a server is called by, beside those of this machine; None is any name.

    Args:
        address: str, the IP address that it is bound to.
        host: str, as it was asked for.
        allowed: list of str, further ones.
    """
    if not allowed and not _is_here(address):
        return None
    return frozenset(name.lower().rstrip(".") for name in (address, host, *allowed))


class OwnSite:
    """An ASGI application that answers under its names, and what its own pages send.

    Args:
        app: an ASGI application.
        names: set of str, as `names_of` gives it.
        refuse: function of a request and a Refused that returns a response.
        timeout: float, seconds for a refused body to arrive.
    """

    def __init__(
        self,
        app: ASGIApp,
        names: frozenset[str],
        refuse: Callable[[Request, Refused], Awaitable[Response]],
        timeout: float,
    ) -> None:
        self.app = app
        self.names = names
        self.refuse = refuse
        self.timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._check(scope["method"], Headers(scope=scope))
            except Refused as error:
                request = Request(scope, receive)
                with contextlib.suppress(ClientDisconnect):
                    await drain(request, self.timeout)
                    response = await self.refuse(request, error)
                    await response(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _check(self, method, headers):
        host = headers.get("host", "")
        if host and not self._is_ours(name := _name(host)):
            raise Refused(
                403,
                f"This server is for this machine alone, under names such as localhost. "
                f"Received: Host {host!r:.80}. Start it with --allow-host {name or 'NAME'!r:.80}, "
                "if that is a proxy before it.",
            )
        if method in ("GET", "HEAD") or headers.get("sec-fetch-site") in ("same-origin", "none"):
            return
        origin = headers.get("origin")
        if origin is None and "sec-fetch-site" not in headers:
            return  # no browser
        if not self._is_own_page(origin or "", host):
            raise Refused(
                403,
                "A page of another site cannot use this server. Received: Origin "
                f"{origin or 'none'!r:.80}. Start it with --allow-host and the name of that site.",
            )

    def _is_ours(self, name):
        if name in self.names or name == "localhost" or name.endswith(".localhost"):
            return True
        return _is_here(name)

    def _is_own_page(self, origin, host):
        try:
            page = urlsplit(origin)
        except ValueError:
            return False
        if page.netloc and page.netloc.lower() == host.lower():
            return True
        # A proxy may say another Host than the browser. Other servers here are other sites.
        name = _name(page.netloc)
        return name in self.names and not _is_here(name)


def _name(netloc):
    """The name in a Host, "" if there is none that could be one."""
    found = HOST.fullmatch(netloc)
    return (found[1] or found[2]).lower().rstrip(".") if found else ""


def _is_here(name):
    """Whether a name is an address of this machine that no other one reaches."""
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
