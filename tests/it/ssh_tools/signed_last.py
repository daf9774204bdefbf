"""Shows somebody else's certificate, and signs with one's own key, in every order. Usage: signed_last.py PORT USER KEY CERTIFICATE
OTHERS_CERTIFICATE; prints what came of each, and last what a command says."""

import socket
import struct
import sys
import time

import paramiko
from heard import Heard
from paramiko.common import byte_chr

port, user, key, own, other = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5]
KIND = b"ssh-ed25519-cert-v01@openssh.com"


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">I", len(value)) + value


def blob(path):
    signer = paramiko.Ed25519Key.from_private_key_file(key)
    signer.load_certificate(path)
    return signer.public_blob.key_blob


signer = paramiko.Ed25519Key.from_private_key_file(key)


def send(transport, rest):
    message = paramiko.Message()
    message.add_bytes(byte_chr(50) + rest)
    answers = len(transport.auth_handler.kinds)
    transport._send_user_message(message)
    until = time.monotonic() + 20
    while time.monotonic() < until and transport.is_active() and len(transport.auth_handler.kinds) == answers:
        time.sleep(0.05)


def request(name, certificate, signed):
    return text(name) + text("ssh-connection") + text("publickey") + (b"\1" if signed else b"\0") + text(KIND) + text(certificate)


def probe(transport, name, certificate):
    send(transport, request(name, certificate, False))


def sign(transport, name, certificate, over=None):
    """Signs this request; with `over` the signature is one for another certificate."""
    what = request(name, certificate, True)
    signed = text(transport.session_id) + byte_chr(50) + request(name, over or certificate, True)
    send(transport, what + text(signer.sign_ssh_data(signed).asbytes()))


def connected():
    transport = paramiko.Transport(socket.create_connection(("127.0.0.1", port)))
    transport.start_client(timeout=20)
    transport.auth_handler = Heard()
    message = paramiko.Message()
    message.add_bytes(byte_chr(5) + text("ssh-userauth"))
    transport._send_user_message(message)
    while transport.is_active() and not transport.auth_handler.kinds:
        time.sleep(0.05)
    return transport


def let_in(transport):
    return transport.is_active() and transport.is_authenticated()


mine, theirs = blob(own), blob(other)
transport = connected()
sign(transport, user, theirs)
print("another's certificate with my key", let_in(transport))
transport.close()
transport = connected()
sign(transport, user, theirs, over=mine)
print("another's certificate with a signature for mine", let_in(transport))
transport.close()
transport = connected()
probe(transport, user, mine)
sign(transport, user, theirs)
print("mine shown, another's signed", let_in(transport))
transport.close()
transport = connected()
probe(transport, user, theirs)
sign(transport, user, mine)
print("another's shown, mine signed", let_in(transport))
channel = transport.open_session(timeout=20)
channel.settimeout(20)
channel.exec_command("echo in")
print(channel.makefile().read().decode().strip())
transport.close()
