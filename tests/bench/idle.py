"""Opens many sessions through the gateway, runs one masked SELECT on each, and then only holds them.

    idle.py client PORT TOKEN COUNT        prints `open N`, waits for a line, asks some again, prints `alive N`
    idle.py upstream PORT                  a stand-in for PostgreSQL: trusts everybody, answers one question

The stand-in exists because thousands of real backends do not fit on a small machine; what is measured is the gateway.
"""

import asyncio
import ssl
import struct
import sys

SELECT = b"SELECT name, email, ssn FROM customers WHERE id = 1\0"


def frame(tag, body):
    return tag + struct.pack("!i", len(body) + 4) + body


async def read(reader):
    head = await reader.readexactly(5)
    return head[:1], await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)


# One for all: making one reads the machine's roots.
ANY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ANY.check_hostname = False
ANY.verify_mode = ssl.CERT_NONE


class Session:
    async def open(self, port, token):
        plain = await asyncio.open_connection("127.0.0.1", port)
        self.reader, self.writer = plain
        self.writer.write(struct.pack("!ii", 8, 80877103))
        assert await self.reader.readexactly(1) == b"S"
        await self.writer.start_tls(ANY)
        body = struct.pack("!i", 196608) + b"user\0anybody\0database\0orders\0\0"
        self.writer.write(struct.pack("!i", len(body) + 4) + body)
        assert (await read(self.reader))[0] == b"R"
        self.writer.write(frame(b"p", token.encode() + b"\0"))
        await self.ready()

    async def ready(self):
        seen = b""
        while True:
            tag, body = await read(self.reader)
            if tag == b"E":
                raise RuntimeError(body.replace(b"\0", b" ").decode(errors="replace"))
            seen += body
            if tag == b"Z":
                return seen

    async def ask(self):
        self.writer.write(frame(b"Q", SELECT))
        seen = await self.ready()
        assert b"[pc-masked:" in seen and b"ada.lovelace@" not in seen, seen


async def client(port, token, count):
    sessions = []
    for start in range(0, count, 16):
        batch = [Session() for _ in range(min(16, count - start))]
        await asyncio.gather(*(s.open(port, token) for s in batch))
        await asyncio.gather(*(s.ask() for s in batch))
        sessions += batch
    print("open", len(sessions), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    alive = 0
    for start in range(0, count, 16):
        batch = sessions[start : start + 16]
        done = await asyncio.gather(*(s.ask() for s in batch), return_exceptions=True)
        alive += sum(not isinstance(d, BaseException) for d in done)
    print("alive", alive, flush=True)


def description():
    names = [b"name", b"email", b"ssn"]
    columns = b"".join(n + b"\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0) for n in names)
    return frame(b"T", struct.pack("!h", len(names)) + columns)


def row():
    cells = [b"Ada Lovelace", b"ada.lovelace@example.com", b"123-45-6789"]
    return frame(b"D", struct.pack("!h", 3) + b"".join(struct.pack("!i", len(c)) + c for c in cells))


ANSWER = description() + row() + frame(b"C", b"SELECT 1\0") + frame(b"Z", b"I")
WELCOME = (
    frame(b"R", struct.pack("!i", 0))
    + b"".join(
        frame(b"S", k + b"\0" + v + b"\0")
        for k, v in [
            (b"client_encoding", b"UTF8"),
            (b"server_encoding", b"UTF8"),
            (b"server_version", b"15.0"),
            (b"standard_conforming_strings", b"on"),
        ]
    )
    + frame(b"K", struct.pack("!ii", 7, 7))
    + frame(b"Z", b"I")
)


async def serve(reader, writer):
    try:
        length = struct.unpack("!i", await reader.readexactly(4))[0]
        await reader.readexactly(length - 4)
        writer.write(WELCOME)
        while True:
            tag, _ = await read(reader)
            if tag == b"Q":
                writer.write(ANSWER)
            elif tag == b"P":
                # The gateway's own look at the catalog: there is none.
                writer.write(frame(b"E", b"SERROR\0VERROR\0C0A000\0Mno catalog\0\0"))
            elif tag == b"S":
                writer.write(frame(b"Z", b"I"))
            elif tag == b"X":
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def upstream(port):
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


if sys.argv[1] == "upstream":
    asyncio.run(upstream(int(sys.argv[2])))
else:
    asyncio.run(client(int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
