"""What every answer carries, and which requests from elsewhere are refused."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = ("GET", "HEAD", "OPTIONS")
POLICY = "; ".join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",  # data: what stands in a frame until its picture is there; blob: the chosen photo
    "font-src 'self'",
    "connect-src 'self'",
    "frame-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
))  # fmt: skip
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",  # whoever knows better says so
}
TWO_YEARS = "max-age=63072000; includeSubDomains"


class Protected:
    """Adds the headers that an answer does not set itself."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", TWO_YEARS)
            await send(message)

        await self.app(scope, receive, say if scope["type"] == "http" else send)


class OwnPagesOnly:
    """A form or script of another site may not change anything here, whatever cookies the browser adds.

    Browsers say where a request comes from: by Sec-Fetch-Site, older ones by Origin.  What says neither is no browser,
    and has no cookie that somebody else could make use of.  The policy is that of Go's http.CrossOriginProtection.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE and foreign(Headers(scope=scope)):
            answer = PlainTextResponse("this can only be asked for by a page of this site\n", 403)
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)


def foreign(headers: Headers) -> bool:
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")  # none: typed, or from a bookmark
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")
