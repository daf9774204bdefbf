"""Ends TLS with a certificate of its own and opens another one to the gateway: what `sslmode=require` alone cannot
notice. One thread for each connection, which is the only one that ever touches its two ends; whoever hangs, hangs alone.

Usage: in_between.py PORT CERTIFICATE KEY; says the port that it listens on.
"""

import select
import socket
import ssl
import struct
import sys
import threading

PORT, CERTIFICATE, KEY = int(sys.argv[1]), sys.argv[2], sys.argv[3]
REQUEST = struct.pack("!ii", 8, 80877103)
PATIENCE = 60

mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
mine.load_cert_chain(CERTIFICATE, KEY)
theirs = ssl.create_default_context()
theirs.check_hostname = False
theirs.verify_mode = ssl.CERT_NONE


def exactly(plain, length):
    data = b""
    while len(data) < length:
        more = plain.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def some(end):
    """What has come, nothing yet (None), or the end (b"")."""
    end.settimeout(0)
    try:
        return end.recv(65536)
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
        return None
    finally:
        end.settimeout(PATIENCE)


def relay(client, server):
    other = {client: server, server: client}
    while True:
        ready = [end for end in other if end.pending()] or select.select(list(other), [], [], PATIENCE)[0]
        if not ready:
            return
        for end in ready:
            data = some(end)
            if data == b"":
                return
            if data:
                other[end].sendall(data)


def close(end):
    """In order: all that was written arrives, and that it was the last."""
    try:
        end.settimeout(0)
        try:
            end.unwrap()
        except (AttributeError, OSError, ValueError):
            pass
        end.shutdown(socket.SHUT_WR)
        end.settimeout(PATIENCE)
        while end.recv(65536):
            pass
    except (OSError, ValueError):
        pass
    finally:
        end.close()


def serve(client):
    ends = [client]
    try:
        client.settimeout(PATIENCE)
        if exactly(client, len(REQUEST)) != REQUEST:
            return
        client.sendall(b"S")
        client = ends[0] = mine.wrap_socket(client, server_side=True)
        server = socket.create_connection(("127.0.0.1", PORT), PATIENCE)
        ends.append(server)
        server.sendall(REQUEST)
        if exactly(server, 1) != b"S":
            return
        ends[1] = theirs.wrap_socket(server)
        relay(*ends)
    except (EOFError, OSError) as error:
        print(f"in between: {error!r}", file=sys.stderr, flush=True)
    finally:
        for end in ends:
            # Not one after the other: whoever does not hang up keeps nobody else waiting.
            threading.Thread(target=close, args=(end,), daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0), backlog=64)
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
