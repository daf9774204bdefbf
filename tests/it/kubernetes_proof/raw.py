"""The bytes of standard input over one TLS connection to the gateway, as they are, and what comes back until it ends."""

import socket
import ssl
import sys

port, authorities = sys.argv[1:]
trust = ssl.create_default_context(cafile=authorities)
with trust.wrap_socket(socket.create_connection(("localhost", int(port)), timeout=60), server_hostname="localhost") as gateway:
    gateway.sendall(sys.stdin.buffer.read())
    try:
        while piece := gateway.recv(65536):
            sys.stdout.buffer.write(piece)
    except OSError:
        # It may end without a word.
        pass
