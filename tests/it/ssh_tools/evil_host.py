"""A host that takes the gateway's login and misbehaves once a command is asked for, with paramiko. Usage: evil_host.py PORT KEY CASE; the
password is in TEST_PASSWORD. Each case is what SSH libraries have been brought down by; afterwards, if the connection has lasted, the
command is answered like by any host."""

import os
import socket
import struct
import sys
import threading
import time

import paramiko
from paramiko.common import byte_chr

port, key, case = int(sys.argv[1]), sys.argv[2], sys.argv[3]
MOST = 0xFFFFFFFF


def number(*values):
    return struct.pack(f">{len(values)}I", *values)


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return number(len(value)) + value


def send(transport, kind, rest):
    message = paramiko.Message()
    message.add_bytes(byte_chr(kind) + rest)
    transport._send_user_message(message)


def never_opened(transport, _):
    """Every message about a channel, for channels that there are not."""
    for there in (900, 7777, MOST):
        send(transport, 92, number(there, 1) + text("no") + text(""))
        send(transport, 93, number(there, MOST))
        send(transport, 94, number(there) + text(b"x" * 1000))
        send(transport, 95, number(there, 1) + text(b"x" * 1000))
        send(transport, 96, number(there))
        send(transport, 98, number(there) + text("exit-status") + b"\0" + number(0))
        send(transport, 98, number(there) + text("window-change") + b"\1")
        send(transport, 99, number(there))
        send(transport, 100, number(there))
        send(transport, 97, number(there))
    # Answers to what nobody has asked.
    send(transport, 81, b"")
    send(transport, 82, b"")
    # A connection may end at this one at the latest.
    send(transport, 91, number(7777, 5, 1 << 20, 1 << 15))


def windows(transport, channel):
    """Windows beyond what a number holds, data beyond any window, and a second answer to the opening, with packets of no size."""
    for _ in range(8):
        send(transport, 93, number(channel.remote_chanid, MOST))
    for _ in range(800):
        send(transport, 94, number(channel.remote_chanid) + text(b"z" * 30_000))
    send(transport, 91, number(channel.remote_chanid, channel.chanid, MOST, 0))


def extensions(transport, _):
    """EXT_INFO long after the keys, again and again, with names without end and a count that is not true."""
    many = b"".join(text(f"name-{n}@example.com") + text(b"v" * 20) for n in range(700))
    for _ in range(200):
        send(transport, 7, number(700) + many)
    send(transport, 7, number(1) + text("server-sig-algs") + text(b"," * 30_000))
    send(transport, 7, number(MOST))


def opens(transport, _):
    """Channels that nobody has asked for, of each kind that a host may open."""
    for n in range(120):
        far = text("127.0.0.1") + number(22)
        begin = number(1000 + n, 1 << 20, 1 << 15)
        send(transport, 90, text("forwarded-tcpip") + begin + far + far)
        send(transport, 90, text("x11") + begin + far)
        send(transport, 90, text("auth-agent@openssh.com") + begin)
    send(transport, 90, text("session") + number(2000, MOST, 0))


def door(transport, _):
    """More ways to the agent, which was asked for, than there may be, with none given up; and some that were not asked for."""
    answers = threading.Semaphore(0)
    for kind in (91, 92):
        known = transport._handler_table[kind]
        transport._handler_table[kind] = lambda message, known=known: (known(message), answers.release())
    for n in range(400):
        far = text("127.0.0.1") + number(22)
        begin = number(1000 + n, 1 << 20, 1 << 15)
        send(transport, 90, text("auth-agent@openssh.com") + begin)
        send(transport, 90, text("forwarded-tcpip") + begin + far + far)
    # The command ends when each has its answer: with the command all is over.
    until = time.monotonic() + 60
    for n in range(800):
        if not answers.acquire(timeout=max(0, until - time.monotonic())):
            raise TimeoutError(f"{n} of 800 were answered")


CASES = {"never-opened": never_opened, "windows": windows, "extensions": extensions, "opens": opens, "door": door}


class Host(paramiko.ServerInterface):
    def __init__(self, transport):
        self.transport = transport

    def get_allowed_auths(self, username):
        return "password"

    def check_auth_password(self, username, password):
        good = password == os.environ["TEST_PASSWORD"]
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_forward_agent_request(self, channel):
        return True

    def check_channel_exec_request(self, channel, command):
        threading.Thread(target=self.answer, args=(channel,), daemon=True).start()
        return True

    def answer(self, channel):
        time.sleep(0.3)
        try:
            print("misbehaves", flush=True)
            CASES[case](self.transport, channel)
            channel.sendall(b"answered\n")
            channel.send_exit_status(0)
            channel.close()
            print("answered", flush=True)
        except Exception as ended:  # Whatever the gateway makes of it.
            print("ended:", ended, flush=True)


def serve(sock):
    transport = paramiko.Transport(sock)
    transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(key))
    try:
        transport.start_server(server=Host(transport))
        while transport.is_active():
            time.sleep(0.2)
    except (paramiko.SSHException, EOFError, OSError) as ended:
        print("ended:", ended, flush=True)


listener = socket.create_server(("127.0.0.1", port))
while True:
    accepted, _ = listener.accept()
    threading.Thread(target=serve, args=(accepted,), daemon=True).start()
