"""Collectors over TLS that misbehave as they are told: OpenTelemetry logs (OTLP/HTTP), and syslog (RFC 5424 in RFC 5425 framing).

Usage: falls.py otlp|syslog CERTIFICATE KEY PORT FOLDER WAY[,WAY...]

Each connection over which anything is said is met in the next way, all further ones in the last. FOLDER/taken has what was taken, one body or
message a line; FOLDER/met a line for each connection: when, and how it was met; `stranger` where the client would have no TLS with us.
"""

import http.server
import json
import socket
import ssl
import sys
import time

KIND, CERTIFICATE, KEY, PORT, FOLDER, WAYS = sys.argv[1:7]
WAYS = WAYS.split(",")
# Shorter than a batch: what is not read stays with the sender.
WINDOW = 4096

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)


def write(name, line):
    with open(f"{FOLDER}/{name}", "a") as out:
        out.write(line + "\n")


def met(how):
    write("met", f"{time.monotonic()} {how}")


def next_way():
    return WAYS.pop(0) if len(WAYS) > 1 else WAYS[0]


def secured(plain):
    # Whoever says nothing keeps the others waiting no longer than this.
    plain.settimeout(60)
    try:
        return context.wrap_socket(plain, server_side=True)
    except ssl.SSLError:
        met("stranger")
    except OSError:
        # Whoever only looked whether the port is open.
        pass
    return None


class Otlp(http.server.BaseHTTPRequestHandler):
    """`later`: 503, and to be left alone for three seconds. `partial`: one of them is refused for good. `well`."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        way = next_way()
        met(way)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        answer = {}
        if way == "partial":
            answer = {"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": "too old"}}
        if way != "later":
            write("taken", json.dumps(json.loads(body)))
        answer = json.dumps(answer).encode()
        self.send_response(503 if way == "later" else 200)
        if way == "later":
            self.send_header("Retry-After", "3")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def otlp(server):
    while True:
        plain, address = server.accept()
        secure = secured(plain)
        if secure:
            Otlp(secure, address, None)
            secure.close()


def first_frame(secure):
    """The first message of a batch, once something of the next is there too."""
    data = b""
    while chunk := secure.recv(1000):
        data += chunk
        length, _, rest = data.partition(b" ")
        if length.isdigit() and len(rest) > int(length):
            return rest[: int(length)]
    raise SystemExit("a batch has less than two messages")


def syslog(server):
    while True:
        plain, _ = server.accept()
        secure = secured(plain)
        if not secure:
            continue
        way = next_way()
        if way == "half":
            # It keeps the first message, and goes in the middle of another.
            write("taken", first_frame(secure).decode())
            secure.close()
            met(way)
            continue
        if way == "deaf":
            # It ends its side without having read, and is there a while longer.
            secure.shutdown(socket.SHUT_WR)
            time.sleep(5)
            secure.close()
            met(way)
            continue
        data = b""
        try:
            while chunk := secure.recv(65536):
                data += chunk
        except OSError:
            continue
        while data:
            length, _, data = data.partition(b" ")
            message, data = data[: int(length)], data[int(length) :]
            write("taken", message.decode())
        # Those who wait for it see that it is taken once it stands there.
        secure.close()
        met(way)


listening = socket.socket()
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if "deaf" in WAYS:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
listening.bind(("127.0.0.1", int(PORT)))
listening.listen()
{"otlp": otlp, "syslog": syslog}[KIND](listening)
