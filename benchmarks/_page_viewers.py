"""Viewers of pages without a browser: each has a real session, as BokehJS would have it, over a real websocket."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

_TOKEN = re.compile(r'"token":"([^"]+)"')
_NOW = re.compile(r'\\"now\\":(\d+)')
READY = {"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}}


class Viewer:
    """One open page."""

    def __init__(self, root: str, page: str) -> None:
        self.root, self.page = root, page
        self.delays: list[float] = []  #: from the look at the store until the news is here [s]
        self._count = 0
        self._socket: WebSocketClientConnection | None = None

    async def open(self) -> None:
        """Load the page, open its websocket, and wait for the first news."""
        http = AsyncHTTPClient()
        answer = await http.fetch(HTTPRequest(f"{self.root}/{self.page}", request_timeout=120))
        token = _TOKEN.search(answer.body.decode())
        assert token is not None
        address = f"{self.root.replace('http', 'ws', 1)}/{self.page.partition('?')[0]}/ws"
        self._socket = await websocket_connect(address, subprotocols=["bokeh", token[1]], max_message_size=64 << 20)
        await self._message("ACK")
        await self._send("PULL-DOC-REQ", {})
        document = await self._message("PULL-DOC-REPLY")
        await self._patch({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": READY})
        wish = {"type": "map", "entries": [["do", "all"], ["n", time.time()]]}
        await self._patch({"kind": "ModelChanged", "model": {"id": _holder(document)}, "attr": "wish", "new": wish})
        while not await self.news():
            pass

    async def news(self) -> bool:
        """Wait for a frame; whether it was news."""
        text = await self._frame()
        found = _NOW.search(text)
        if found is None:
            return False
        self.delays.append(time.time() - int(found[1]) / 1000)
        return True

    async def watch(self) -> None:
        """Take news until it is enough."""
        while True:
            await self.news()

    def close(self) -> None:
        """Leave."""
        if self._socket is not None:
            self._socket.close()

    async def _frame(self) -> str:
        assert self._socket is not None
        frame = await self._socket.read_message()
        if frame is None:
            raise ConnectionError("the server closed the page")
        return frame if isinstance(frame, str) else ""

    async def _message(self, kind: str) -> Any:
        """The content of the next message of a kind."""
        while True:
            header = await self._frame()
            if header.startswith('{"msgid"') or '"msgtype"' in header[:200]:
                found = json.loads(header)
                await self._frame()  # metadata
                content = await self._frame()
                if found["msgtype"] == kind:
                    return json.loads(content)

    async def _patch(self, event: dict[str, Any]) -> None:
        await self._send("PATCH-DOC", {"events": [event]})

    async def _send(self, kind: str, content: dict[str, Any]) -> None:
        assert self._socket is not None
        self._count += 1
        for part in ({"msgid": f"{id(self)}-{self._count}", "msgtype": kind}, {}, content):
            await self._socket.write_message(json.dumps(part))


def _holder(document: Any) -> str:
    """Id of the model that carries the viewer's wishes."""
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if re.fullmatch(r"Feed\d*", str(one.get("name"))) and "id" in one:
                return str(one["id"])
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    raise LookupError("the page has no feed")
