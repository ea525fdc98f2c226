"""A bad line: an HTTP proxy (CONNECT only) to one port of this machine, which counts what a
client sends through it, is as slow as it is told to be, and breaks in the middle of a part."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

PIECE = 1 << 16


class Line:
    """Once `breaks_at` bytes have left, it calls `when_broken` and cuts what sends; from then on it
    cuts every connection that sends more than `cut_after` bytes, until it is mended."""

    def __init__(self, port: int, bytes_per_second: int) -> None:
        self.port = port
        self.bytes_per_second = bytes_per_second
        self.sent = 0
        self.breaks_at: int | None = None
        self.cut_after = 0
        self.when_broken: Callable[[], None] = lambda: None
        self.broken = False
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def mend(self) -> None:
        with self._lock:
            self.breaks_at = None
            self.broken = False

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(PIECE)
                if not piece:
                    return
                head += piece
            if not head.startswith(f"CONNECT 127.0.0.1:{self.port} ".encode()):
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self.port)) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=self._answers, args=(server, client), daemon=True).start()
                self._requests(client, server)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while piece := server.recv(PIECE):
                client.sendall(piece)
        except OSError:
            pass
        finally:
            _hang_up(client)

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        since_broken = 0
        try:
            while piece := client.recv(PIECE):
                if self.broken:
                    since_broken += len(piece)
                if since_broken > self.cut_after or self._breaks(len(piece)):
                    return
                server.sendall(piece)
                time.sleep(len(piece) / self.bytes_per_second)
        except OSError:
            pass
        finally:
            _hang_up(client)
            _hang_up(server)

    def _breaks(self, count: int) -> bool:
        with self._lock:
            self.sent += count
            if self.broken or self.breaks_at is None or self.sent < self.breaks_at:
                return False
            self.broken = True
        self.when_broken()
        return True


def _hang_up(side: socket.socket) -> None:
    try:
        side.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
