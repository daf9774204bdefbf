"""A collector of syslog over TLS (RFC 5425): unwraps the frames and writes one message a line.

Usage: collector.py CERTIFICATE KEY PORT FILE
"""

import socket
import ssl
import sys

CERTIFICATE, KEY, PORT, FILE = sys.argv[1:5]

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server = socket.create_server(("127.0.0.1", int(PORT)))
while True:
    plain, _ = server.accept()
    # Whoever says nothing keeps the others waiting no longer than this.
    plain.settimeout(60)
    try:
        with context.wrap_socket(plain, server_side=True) as secure:
            data = b""
            while chunk := secure.recv(65536):
                data += chunk
    except OSError:
        # Whoever only looked whether the port is open.
        continue
    with open(FILE, "ab") as out:
        while data:
            length, _, data = data.partition(b" ")
            message, data = data[: int(length)], data[int(length) :]
            out.write(message + b"\n")
