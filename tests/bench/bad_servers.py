"""A server that is no proper one, on a free port, in a process of its own: `python bad_servers.py KIND [AFTER_MS]`; prints its port."""

import os
import socket
import sys
import threading
import time

KIND, AFTER_MS = sys.argv[1], int((sys.argv[2:] or ["0"])[0])
"""banner: says what is not HTTP; endless: a body without an end; dies: AFTER_MS from its first request; hushes: answers nobody from
AFTER_MS after its first request on; turns: answers take 50 ms, one at a time; well: as it should.
"""
turn, doom, hushed = threading.Lock(), threading.Event(), threading.Event()


def serve(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        if KIND == "banner":
            sock.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
        while sock.recv(65536):
            if KIND == "banner":
                continue  # a busy client would read an answer and the banner in one piece, and say something else of them
            if KIND == "dies" and not doom.is_set():
                doom.set()
                threading.Timer(AFTER_MS / 1000, os._exit, (1,)).start()
            if KIND == "hushes" and not doom.is_set():
                doom.set()
                threading.Timer(AFTER_MS / 1000, hushed.set).start()
            if hushed.is_set():
                continue
            if KIND == "endless":
                sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    sock.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
            if KIND == "turns":
                with turn:
                    time.sleep(0.05)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    except OSError:
        return


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
