"""The floor for copying from memory: one epoll loop that writes prepared answers, and knows no HTTP but the path.

``python -m conformance.bench.bare PORT FOLDER`` answers every ``GET /path`` with the file's bytes, read at start.
"""

from __future__ import annotations

import selectors
import socket
import sys
from pathlib import Path
from urllib.parse import quote

Waiting = dict[socket.socket, tuple[bytes | memoryview, ...]]


def main() -> None:
    """Serve until killed."""
    port, root = int(sys.argv[1]), Path(sys.argv[2])
    answers = {}
    for path in root.rglob("*"):
        if path.is_file():
            body = path.read_bytes()
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            answers[quote("/" + path.relative_to(root).as_posix()).encode()] = (head, memoryview(body))
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    waiting: Waiting = {}
    while True:
        for key, events in selector.select():
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if connection is listener:
                accepted, _ = listener.accept()
                accepted.setblocking(False)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(accepted, selectors.EVENT_READ)
                continue
            try:
                if events & selectors.EVENT_READ:
                    request = connection.recv(4096)
                    if not request:
                        raise ConnectionResetError
                    waiting[connection] = answers[request.split(b" ", 2)[1]]
                _push(selector, connection, waiting)
            except OSError:
                selector.unregister(connection)
                waiting.pop(connection, None)
                connection.close()


def _push(selector: selectors.BaseSelector, connection: socket.socket, waiting: Waiting) -> None:
    pieces = list(waiting[connection])
    while pieces:
        try:
            sent = connection.sendmsg(pieces)
        except BlockingIOError:
            waiting[connection] = tuple(pieces)
            selector.modify(connection, selectors.EVENT_WRITE)
            return
        while pieces and sent >= len(pieces[0]):
            sent -= len(pieces.pop(0))
        if pieces:
            pieces[0] = memoryview(pieces[0])[sent:]
    selector.modify(connection, selectors.EVENT_READ)


if __name__ == "__main__":
    main()
