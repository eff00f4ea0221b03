"""The server's side of Socket Mode, as far as slack_sdk's own client speaks it: text, ping, pong, close."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import queue
import struct
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


class Socket:
    """One connection: ``send`` an envelope, ``received`` holds what the client answered."""

    def __init__(self, request: BaseHTTPRequestHandler) -> None:
        self.request = request
        self.received: queue.Queue[dict[str, Any]] = queue.Queue()
        self._sending = threading.Lock()

    def serve(self) -> None:
        """Shake hands, say hello, then read until the client leaves."""
        key = self.request.headers["Sec-WebSocket-Key"]
        accept = base64.b64encode(hashlib.sha1(f"{key}{GUID}".encode()).digest()).decode()
        self.request.connection.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        self.request.close_connection = True
        self.send({"type": "hello", "num_connections": 1})
        with contextlib.suppress(OSError, struct.error):
            while self._read():
                pass

    def send(self, message: dict[str, Any]) -> None:
        """One text message."""
        self._frame(TEXT, json.dumps(message).encode())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._frame(CLOSE, b"")

    def _frame(self, opcode: int, data: bytes) -> None:
        size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data))
        with self._sending:
            self.request.connection.sendall(bytes([0x80 | opcode]) + size + data)

    def _read(self) -> bool:
        """One frame of the client's; False when it said goodbye."""
        head = self.request.rfile.read(2)
        if len(head) < 2:
            return False
        opcode, size = head[0] & 0x0F, head[1] & 0x7F
        if size >= 126:
            long = self.request.rfile.read(2 if size == 126 else 8)
            size = int.from_bytes(long, "big")
        mask = self.request.rfile.read(4)
        data = bytes(byte ^ mask[place % 4] for place, byte in enumerate(self.request.rfile.read(size)))
        if opcode == PING:
            self._frame(PONG, data)
        elif opcode == TEXT:
            self.received.put(json.loads(data))
        return opcode != CLOSE
