"""SPDY/3.1 as a kubelet speaks it, for the stand-in: exec and attach with the streams of a command, port-forward with a
pair of streams for each connection, bare or within the messages of a WebSocket.

Written from the protocol's draft and from what kubectl sends, apart from the engine. It is strict where a real server
would only log: a frame that it does not expect ends the connection, and the client sees it.
"""

import fcntl
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import termios
import threading
import zlib

TUNNEL = "SPDY/3.1+portforward.k8s.io"

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
).split()
DICTIONARY = b"".join(struct.pack(">I", len(w)) + w.replace("_", " ").encode() for w in _WORDS) + (
    b"100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    b"203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    b"403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    b"Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    b"chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    b"text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


class Bare:
    """The connection itself."""

    def __init__(self, rfile, wfile):
        self.rfile, self.wfile, self.lock = rfile, wfile, threading.Lock()

    def read(self, count):
        data = self.rfile.read(count)
        if data is None or len(data) < count:
            raise EOFError
        return data

    def write(self, data):
        with self.lock:
            self.wfile.write(data)
            self.wfile.flush()

    def close(self):
        pass


class Messages(Bare):
    """Within binary messages of a WebSocket."""

    def __init__(self, rfile, wfile):
        super().__init__(rfile, wfile)
        self.waiting = b""

    def read(self, count):
        while len(self.waiting) < count:
            head = super().read(2)
            size = head[1] & 127
            if size == 126:
                size = struct.unpack(">H", super().read(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", super().read(8))[0]
            if not head[1] & 128:
                raise EOFError("a client's frames are masked")
            key = super().read(4)
            data = bytes(b ^ key[i % 4] for i, b in enumerate(super().read(size)))
            opcode = head[0] & 15
            if opcode == 8:
                raise EOFError
            if opcode == 9:
                self.frame(10, data)
            elif opcode in (0, 2):
                self.waiting += data
            elif opcode == 1:
                raise EOFError("text")
        data, self.waiting = self.waiting[:count], self.waiting[count:]
        return data

    def frame(self, opcode, data):
        size = len(data)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([size])
        elif size < 65536:
            head += b"\x7e" + struct.pack(">H", size)
        else:
            head += b"\x7f" + struct.pack(">Q", size)
        super().write(head + data)

    def write(self, data):
        self.frame(2, data)

    def close(self):
        self.frame(8, b"\x03\xe8")


class Connection:
    def __init__(self, carrier):
        self.carrier = carrier
        self.inflate = zlib.decompressobj(zdict=DICTIONARY)
        self.deflate = zlib.compressobj(9, zdict=DICTIONARY)
        self.lock = threading.Lock()
        self.streams = {}  # number -> headers

    # What is written

    def control(self, kind, body, flags=0):
        self.carrier.write(struct.pack(">HHI", 0x8003, kind, flags << 24 | len(body)) + body)

    def reply(self, stream):
        with self.lock:
            block = self.deflate.compress(struct.pack(">I", 0)) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
            self.control(2, struct.pack(">I", stream) + block)

    def data(self, stream, data, fin=False):
        self.carrier.write(struct.pack(">II", stream, (1 << 24 if fin else 0) | len(data)) + data)

    def reset(self, stream):
        self.control(3, struct.pack(">II", stream, 5))

    def leave(self):
        last = max(self.streams, default=0)
        try:
            self.control(7, struct.pack(">II", last, 0))
            self.carrier.close()
        except OSError:
            pass

    # What is read

    def block(self, data):
        plain = self.inflate.decompress(data)
        count, at, headers = struct.unpack(">I", plain[:4])[0], 4, {}
        for _ in range(count):
            pair = []
            for _ in range(2):
                size = struct.unpack(">I", plain[at:at + 4])[0]
                pair.append(plain[at + 4:at + 4 + size].decode())
                at += 4 + size
            assert pair[0] == pair[0].lower() and pair[0] not in headers, "a header that nobody may send"
            headers[pair[0]] = pair[1]
        assert at == len(plain), "bytes behind the headers"
        return headers

    def next(self):
        """(kind, stream, fin, what): `open`, `data`, `reset`, `away`."""
        while True:
            first, rest = struct.unpack(">II", self.carrier.read(8))
            flags, body = rest >> 24, self.carrier.read(rest & 0xFFFFFF)
            if not first & 0x80000000:
                return "data", first, bool(flags & 1), body
            assert first >> 16 == 0x8003, "another version"
            kind = first & 0xFFFF
            if kind == 1:
                stream = struct.unpack(">I", body[:4])[0]
                assert stream % 2 == 1 and stream not in self.streams, "no stream of a client's"
                self.streams[stream] = self.block(body[10:])
                return "open", stream, bool(flags & 1), self.streams[stream]
            if kind == 3:
                return "reset", struct.unpack(">I", body[:4])[0], True, b""
            if kind == 6:
                number = struct.unpack(">I", body)[0]
                if number % 2:
                    self.control(6, body)
            elif kind == 7:
                return "away", 0, True, b""
            elif kind not in (4, 8, 9):
                raise AssertionError(f"frame {kind}")

    # Exec and attach

    def command(self, argv, flags):
        wanted = {"error"} | (flags & {"stdin", "stdout"})
        if "tty" in flags:
            wanted |= {"resize"}
        elif "stderr" in flags:
            wanted |= {"stderr"}
        named = {}
        try:
            while set(named) != wanted:
                kind, stream, _, headers = self.next()
                assert kind == "open", "streams come first"
                named[headers["streamtype"]] = stream
                self.reply(stream)
            # A kubelet asks whether its client is there.
            self.control(6, struct.pack(">I", 2))
            code = self.terminal(argv, named) if "tty" in flags else self.plain(argv, named)
        except (EOFError, OSError):
            return
        end = {"metadata": {}, "status": "Success"} if code == 0 else {
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": f"command terminated with non-zero exit code: exit status {code}",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]}}
        try:
            # In two parts, which nobody forbids.
            text = json.dumps(end).encode()
            self.data(named["error"], text[:9])
            self.data(named["error"], text[9:])
            for stream in named.values():
                self.reset(stream) if stream != named["error"] else self.data(stream, b"", True)
        except OSError:
            return
        self.leave()

    def plain(self, argv, named):
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env={"PATH": os.environ["PATH"], "POD": "cart-0"})
        if "stdin" not in named:
            child.stdin.close()

        def pump(pipe, name):
            while piece := pipe.read1(4096):
                if name in named:
                    try:
                        self.data(named[name], piece)
                    except OSError:
                        return

        def listen():
            try:
                while True:
                    kind, stream, fin, data = self.next()
                    if kind == "away":
                        break
                    if kind in ("data", "reset") and stream == named.get("stdin"):
                        child.stdin.write(data)
                        child.stdin.flush()
                        if fin:
                            child.stdin.close()
            except (EOFError, OSError, ValueError):
                pass
            finally:
                try:
                    child.stdin.close()
                except OSError:
                    pass

        threads = [threading.Thread(target=pump, args=pair) for pair in ((child.stdout, "stdout"), (child.stderr, "stderr"))]
        threading.Thread(target=listen, daemon=True).start()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return child.wait()

    def terminal(self, argv, named):
        pid, master = pty.fork()
        if pid == 0:
            os.environ["TERM"] = "xterm"
            os.execvp(argv[0], argv)

        def listen():
            try:
                while True:
                    kind, stream, _, data = self.next()
                    if kind == "away":
                        break
                    if kind != "data" or not data:
                        continue
                    if stream == named.get("stdin"):
                        os.write(master, data)
                    elif stream == named.get("resize"):
                        size = json.loads(data)
                        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size["Height"], size["Width"], 0, 0))
            except (EOFError, OSError):
                pass
            finally:
                try:
                    os.kill(pid, signal.SIGHUP)
                except OSError:
                    pass

        threading.Thread(target=listen, daemon=True).start()
        try:
            while piece := os.read(master, 4096):
                self.data(named["stdout"], piece)
        except OSError:
            pass
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    # Port-forward

    def ports(self):
        """A pod's ports are this machine's, on the loopback address."""
        links = {}  # data stream -> socket

        def pump(link, stream):
            try:
                while piece := link.recv(16384):
                    self.data(stream, piece)
                self.data(stream, b"", True)
            except OSError:
                pass

        try:
            while True:
                kind, stream, fin, what = self.next()
                if kind == "away":
                    break
                if kind == "open":
                    self.reply(stream)
                    port = int(what["port"])
                    if what["streamtype"] == "error":
                        continue
                    error = next(n for n, h in self.streams.items()
                                 if h["streamtype"] == "error" and h.get("requestid") == what.get("requestid"))
                    try:
                        links[stream] = socket.create_connection(("127.0.0.1", port), 5)
                        links[stream].settimeout(None)
                    except OSError as why:
                        self.data(error, f"error forwarding port {port}: {why}".encode(), True)
                        self.data(stream, b"", True)
                        continue
                    self.data(error, b"", True)
                    threading.Thread(target=pump, args=(links[stream], stream), daemon=True).start()
                elif kind == "data" and stream in links:
                    links[stream].sendall(what)
                    if fin:
                        links[stream].shutdown(socket.SHUT_WR)
                elif kind == "reset" and stream in links:
                    links.pop(stream).close()
        except (EOFError, OSError):
            pass
        for link in links.values():
            link.close()
