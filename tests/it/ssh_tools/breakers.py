"""What a client may send once there are keys that no client sends, with paramiko's transport: before its login, in it and after it.
Usage: breakers.py PORT KNOWN_HOSTS CASE USER; the token is in TEST_TOKEN. Prints what came of it."""

import os
import queue
import socket
import struct
import sys
import time

import paramiko
from heard import Heard
from paramiko.common import byte_chr

port, known, case, user = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
token = os.environ["TEST_TOKEN"]


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">I", len(value)) + value


def send(transport, kind, rest):
    message = paramiko.Message()
    message.add_bytes(byte_chr(kind) + rest)
    transport._send_user_message(message)


def connected():
    transport = paramiko.Transport(socket.create_connection(("127.0.0.1", port)))
    transport.start_client(timeout=20)
    transport.auth_handler = Heard()
    return transport


def logged_in():
    transport = connected()
    transport.auth_password(user, token)
    return transport


def ended(transport, within=15):
    until = time.monotonic() + within
    while transport.is_active() and time.monotonic() < until:
        time.sleep(0.05)
    return not transport.is_active()


def says(transport, what):
    channel = transport.open_session(timeout=20)
    channel.settimeout(20)
    channel.exec_command(f"echo {what}")
    return channel.makefile().read().decode().strip()


def goes_on(transport):
    """Either the connection has ended, or it works."""
    try:
        return "unharmed" if says(transport, "still") == "still" else "harmed"
    except (paramiko.SSHException, EOFError, OSError):
        return "unharmed" if ended(transport) else "stuck"


number = struct.pack(">I", 4711)
if case == "never-opened":
    # Every message about a channel, for one that was never opened.
    for kind, rest in (
        (91, struct.pack(">III", 1, 1 << 20, 1 << 15)),
        (92, struct.pack(">I", 1) + text("") + text("")),
        (93, struct.pack(">I", 1 << 20)),
        (94, text("x" * 1000)),
        (95, struct.pack(">I", 1) + text("x")),
        (96, b""),
        (97, b""),
        (98, text("exec") + b"\1" + text("echo ran > ran")),
        (98, text("shell") + b"\1"),
        (98, text("pty-req") + b"\1" + text("xterm") + bytes(16) + text("")),
        (98, text("window-change") + b"\0" + bytes(16)),
        (99, b""),
        (100, b""),
    ):
        transport = logged_in()
        send(transport, kind, number + rest)
        print(kind, goes_on(transport))
        transport.close()
elif case == "before-login":
    for kind, rest in (
        (80, text("tcpip-forward") + b"\1" + text("127.0.0.1") + struct.pack(">I", 0)),
        (90, text("session") + struct.pack(">III", 0, 1 << 20, 1 << 15)),
        (90, text("direct-tcpip") + struct.pack(">III", 0, 1 << 20, 1 << 15) + text("127.0.0.1") + bytes(4) + text("") + bytes(4)),
        (94, bytes(4) + text("x")),
        (98, bytes(4) + text("exec") + b"\1" + text("echo ran > ran")),
        (52, b""),
        (51, text("password") + b"\0"),
        (61, struct.pack(">I", 1) + text("x")),
    ):
        transport = connected()
        send(transport, kind, rest)
        time.sleep(0.2)
        # What was asked too early was not granted; a proof is what lets in.
        print(kind, transport.is_authenticated())
        transport.close()
elif case == "fields":
    # Lengths and counts that nothing stands behind, in a login.
    for name, rest in (
        ("user", b"\xff\xff\xff\xf0" + b"x" * 100),
        ("password", text(user) + text("ssh-connection") + text("password") + b"\0" + b"\xff\xff\xff\xff"),
        ("key", text(user) + text("ssh-connection") + text("publickey") + b"\1" + text("ssh-ed25519") + text(b"\xff" * 40)),
        ("certificate", text(user) + text("ssh-connection") + text("publickey") + b"\0"
            + text("ssh-ed25519-cert-v01@openssh.com") + text(text("ssh-ed25519-cert-v01@openssh.com") + b"\xff\xff\xff\xff" + b"x" * 64)),
        ("method", text(user) + text("ssh-connection") + text("gssapi-with-mic") + b"\xff\xff\xff\xff"),
        # And one that is as it should be.
        ("good", text(user) + text("ssh-connection") + text("password") + b"\0" + text(token)),
    ):
        transport = connected()
        send(transport, 5, text("ssh-userauth"))
        send(transport, 50, rest)
        until = time.monotonic() + (20 if name == "good" else 1)
        while time.monotonic() < until and transport.is_active() and not transport.is_authenticated():
            time.sleep(0.05)
        print(name, transport.is_authenticated())
        transport.close()
elif case == "answers":
    # Many more answers than were asked for, and fewer.
    for count in (0, 2, 0xFFFFFFFF):
        transport = connected()
        send(transport, 5, text("ssh-userauth"))
        send(transport, 50, text(user) + text("ssh-connection") + text("keyboard-interactive") + text("") + text(""))
        time.sleep(0.3)
        send(transport, 61, struct.pack(">I", count) + text("x") * min(count, 2))
        time.sleep(0.3)
        print(count, transport.is_authenticated())
        transport.close()
elif case == "windows":
    # A window that overflows, and packets of no length: one channel's affair.
    transport = logged_in()
    channel = transport.open_session(timeout=20)
    for _ in range(3):
        send(transport, 93, struct.pack(">II", channel.remote_chanid, 0xFFFFFFFF))
    print("overflow", goes_on(transport))
    transport.close()
    transport = logged_in()
    transport._sanitize_packet_size = lambda size: 0 if size == 7 else 32768
    began = time.monotonic()
    try:
        stuck = transport.open_channel("session", max_packet_size=7, timeout=20)
        stuck.exec_command("seq 1 100000")
        time.sleep(1)
    except (EOFError, OSError, paramiko.SSHException):
        pass
    print("no packet", goes_on(transport), time.monotonic() - began < 15)
    transport.close()
elif case == "extensions":
    # RFC 8308 allows one; each was kept once.
    transport = logged_in()
    one = struct.pack(">I", 1) + text("x" * 100) + text("y" * 30_000)
    try:
        for _ in range(2000):
            send(transport, 7, one)
    except (EOFError, OSError, paramiko.SSHException):
        pass
    print(goes_on(transport))
    transport.close()
elif case == "another":
    # A second login on a connection changes nobody.
    transport = logged_in()
    send(transport, 50, text("root@web-1") + text("ssh-connection") + text("password") + b"\0" + text("other"))
    send(transport, 50, text(user) + text("ssh-connection") + text("none"))
    print(goes_on(transport))
    transport.close()
elif case == "forged":
    # That a channel is open which the client itself has asked for: as if the gateway had opened it towards the client.
    transport = logged_in()
    channel = transport.open_session(timeout=20)
    channel.settimeout(20)
    channel.exec_command("echo $$ > writer; echo runs; exec cat")
    print(channel.makefile().readline().strip())
    send(transport, 91, struct.pack(">IIII", channel.remote_chanid, 1, 1 << 20, 1 << 15))
    print("ended", ended(transport, 60))
    transport.close()
    # The same while the gateway asks for a channel towards the client: then one answer is waited for, and not of this one. And the answer
    # that is, given twice.
    for twice in (False, True):
        transport = logged_in()
        asked = queue.Queue()
        transport._handler_table[90] = asked.put
        channel = transport.open_session(timeout=20)
        channel.settimeout(60)
        channel.request_forward_agent(lambda _: None)
        channel.exec_command("ssh-add -l; exec cat")
        opening = asked.get(timeout=60)
        kind, theirs = opening.get_text(), opening.get_int()
        begins = struct.pack(">III", 4711, 1 << 20, 1 << 15)
        if twice:
            send(transport, 91, struct.pack(">I", theirs) + begins)
        send(transport, 91, struct.pack(">I", theirs if twice else channel.remote_chanid) + begins)
        print(kind, "ended", ended(transport, 60))
        transport.close()
