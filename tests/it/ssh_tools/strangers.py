"""A client, or a host, that breaks the protocol before anybody has logged in: raw packets, no library but for a prime. One case for each class of
advisory that SSH libraries have had. Usage: strangers.py client CASE PORT; prints what came of it. Or: strangers.py host CASE PORT,
which listens and says what it was sent."""

import os
import socket
import struct
import sys
import time

from paramiko.kex_group16 import KexGroup16SHA512

DISCONNECT, IGNORE, KEXINIT, KEX, KEX_REPLY = 1, 2, 20, 30, 31


def string(data):
    return struct.pack(">I", len(data)) + data


def packet(payload):
    """RFC 4253 section 6, before there are keys."""
    padding = 8 - (len(payload) + 5) % 8
    padding += 8 if padding < 4 else 0
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def kexinit(kex=b"curve25519-sha256", cipher=b"aes256-ctr", mac=b"hmac-sha2-256-etm@openssh.com", key=b"ssh-ed25519"):
    lists = [kex, key, cipher, cipher, mac, mac, b"none", b"none", b"", b""]
    return bytes([KEXINIT]) + os.urandom(16) + b"".join(string(name) for name in lists) + b"\0" * 5


class Peer:
    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""
        sock.settimeout(20)

    def take(self, count):
        while len(self.buffer) < count:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.buffer += more
        piece, self.buffer = self.buffer[:count], self.buffer[count:]
        return piece

    def line(self):
        line = b""
        while not line.endswith(b"\n"):
            line += self.take(1)
        return line.strip()

    def packet(self):
        length, padding = struct.unpack(">IB", self.take(5))
        return self.take(length - 1)[: length - 1 - padding]

    def send(self, payload):
        self.sock.sendall(packet(payload))

    def hello(self):
        self.sock.sendall(b"SSH-2.0-stranger\r\n")
        return self.line()

    def ends(self):
        """Whatever else is said, the connection ends, and soon."""
        began = time.monotonic()
        try:
            while True:
                payload = self.packet()
                if payload[:1] == bytes([DISCONNECT]):
                    break
        except TimeoutError:
            return "still open"
        except (EOFError, OSError, struct.error):
            pass
        return "ended" if time.monotonic() - began < 15 else "late"


def client(case, port):
    peer = Peer(socket.create_connection(("127.0.0.1", port)))
    if case == "endless-line":
        try:
            for _ in range(512):
                peer.sock.sendall(b"x" * 65536)
            sent = "took 32 MiB"
        except OSError:
            sent = "ended"
        return sent
    if case == "many-lines":
        # RFC 4253 section 4.2 lets a server, and not a client, talk before it names itself.
        try:
            for _ in range(512):
                peer.sock.sendall(b"hello\r\n" * 8192)
            return "took 28 MiB"
        except OSError:
            return "ended"
    peer.hello()
    server = peer.packet()
    if case == "huge-packet":
        peer.sock.sendall(struct.pack(">IB", 0x7FFFFFFF, 4) + b"x" * 100_000)
        return peer.ends()
    if case == "no-packet":
        peer.sock.sendall(struct.pack(">I", 0) * 1000)
        return peer.ends()
    if case == "padding":
        peer.sock.sendall(struct.pack(">IB", 12, 255) + b"x" * 64)
        return peer.ends()
    if case == "huge-field":
        # A list of names that says it has 4 GiB.
        peer.send(bytes([KEXINIT]) + bytes(16) + b"\xff\xff\xff\xff" + b"x" * 1000)
        return peer.ends()
    if case == "no-mac":
        peer.send(kexinit(mac=b"none"))
        return peer.ends()
    if case == "no-cipher":
        peer.send(kexinit(cipher=b"none"))
        return peer.ends()
    if case == "offers":
        # Where a terrapin is kept out, and what is too weak to be offered.
        names = server[17:]
        kex = names[4 : 4 + struct.unpack(">I", names[:4])[0]].split(b",")
        weak = [n for n in kex if n.endswith((b"sha1", b"group14-sha256")) or b"nistp" in n]
        return f"strict {b'kex-strict-s-v00@openssh.com' in kex} weak {len(weak)} sha1 {b'hmac-sha1' in names} cbc {b'cbc' in names}"
    if case == "terrapin":
        # Strict key exchange was agreed on: nothing else may stand before the keys.
        peer.send(bytes([IGNORE]) + string(b"early"))
        peer.send(kexinit(kex=b"curve25519-sha256,kex-strict-c-v00@openssh.com"))
        return peer.ends()
    if case == "terrapin-late":
        peer.send(kexinit(kex=b"curve25519-sha256,kex-strict-c-v00@openssh.com"))
        peer.send(bytes([IGNORE]) + string(b"between"))
        peer.send(bytes([KEX]) + string(b"\x09" + bytes(31)))
        return peer.ends()
    if case.startswith("x25519-"):
        peer.send(kexinit())
        length = int(case.removeprefix("x25519-"))
        peer.send(bytes([KEX]) + string(b"\x07" * length))
        return peer.ends()
    if case == "zero-point":
        peer.send(kexinit())
        peer.send(bytes([KEX]) + string(bytes(32)))
        return peer.ends()
    if case.startswith("mlkem-"):
        peer.send(kexinit(kex=b"mlkem768x25519-sha256"))
        peer.send(bytes([KEX]) + string(b"\x07" * int(case.removeprefix("mlkem-"))))
        return peer.ends()
    if case.startswith("group16-"):
        peer.send(kexinit(kex=b"diffie-hellman-group16-sha512"))
        prime = KexGroup16SHA512.P
        number = {"zero": 0, "one": 1, "last": prime - 1, "prime": prime, "beyond": prime + 2}[case.removeprefix("group16-")]
        peer.send(bytes([KEX]) + string(number.to_bytes((number.bit_length() + 8) // 8, "big") if number else b""))
        return peer.ends()
    if case == "early-service":
        # Asks for a login and a channel before there are keys.
        peer.send(bytes([5]) + string(b"ssh-userauth"))
        peer.send(bytes([50]) + string(b"root") + string(b"ssh-connection") + string(b"none"))
        peer.send(bytes([90]) + string(b"session") + struct.pack(">III", 0, 1 << 20, 1 << 15))
        return peer.ends()
    if case == "early-success":
        peer.send(bytes([52]))
        return peer.ends()
    raise SystemExit(f"no case {case}")


def host(case, port):
    listener = socket.create_server(("127.0.0.1", port))
    print("listens", flush=True)
    while True:
        sock, _ = listener.accept()
        peer = Peer(sock)
        try:
            misbehave(peer, case)
        except (EOFError, OSError, struct.error):
            pass
        finally:
            sock.close()


def misbehave(peer, case):
    if case == "endless-banner":
        for _ in range(4096):
            peer.sock.sendall(b"x" * 65536)
        return
    if case == "banner-lines":
        for _ in range(4096):
            peer.sock.sendall(b"hello\r\n" * 8192)
        return
    if case == "silent":
        time.sleep(120)
        return
    peer.sock.sendall(b"SSH-2.0-stranger\r\n")
    peer.line()
    if case == "huge-packet":
        peer.sock.sendall(struct.pack(">IB", 0x7FFFFFFF, 4) + b"x" * 100_000)
        peer.ends()
        return
    peer.send(kexinit())
    peer.packet()
    if case == "no-mac":
        return
    peer.packet()
    key = string(b"ssh-ed25519") + string(bytes(32))
    point = {"x25519-31": 31, "x25519-0": 0, "x25519-64": 64}.get(case, 32)
    signature = string(b"ssh-ed25519") + string(bytes(64))
    peer.send(bytes([KEX_REPLY]) + string(key) + string(b"\x09" * point) + string(signature))
    peer.ends()


if __name__ == "__main__":
    side, case, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if side == "client":
        try:
            print(client(case, port))
        except (EOFError, OSError):
            print("ended")
    else:
        host(case, port)
