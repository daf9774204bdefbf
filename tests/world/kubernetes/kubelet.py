"""What a real API server needs behind it for exec, attach, port-forward and logs: a kubelet, as far as its streams go.
Commands run on this machine, as they do in the stand-in; ports are this machine's on the loopback address.

It speaks SPDY only, as kubelets of that age do best, and refuses whatever else it is asked.
"""

import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import spdy

FLAGS = {"input": "stdin", "output": "stdout", "error": "stderr", "tty": "tty"}
LINES = [b"started\n", b"token=ghp_16C7e42F292c6912E7710c838347Ae178B4a\n", b"ready\n"]


class Kubelet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def refuse(self, code, why):
        body = why.encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve(self):
        url = urlsplit(self.path)
        parts = [p for p in url.path.split("/") if p]
        query = parse_qs(url.query, keep_blank_values=True)
        what = parts[0] if parts else ""
        if what == "containerLogs":
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(sum(map(len, LINES))))
            self.end_headers()
            self.wfile.write(b"".join(LINES))
        elif what not in ("exec", "attach", "portForward"):
            self.refuse(404, "no such thing")
        elif self.headers.get("Upgrade", "").lower() != "spdy/3.1":
            self.refuse(400, "SPDY/3.1 is what is spoken here")
        else:
            self.streams(what, query)

    do_GET = do_POST = serve

    def streams(self, what, query):
        offered = self.headers.get_all("X-Stream-Protocol-Version") or []
        wanted = "portforward.k8s.io" if what == "portForward" else "v4.channel.k8s.io"
        if wanted not in offered:
            return self.refuse(403, json.dumps(offered))
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "SPDY/3.1")
        self.send_header("X-Stream-Protocol-Version", wanted)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        connection = spdy.Connection(spdy.Bare(self.rfile, self.wfile))
        if what == "portForward":
            return connection.ports()
        argv = query.get("command", []) if what == "exec" else ["cat"]
        flags = {ours for theirs, ours in FLAGS.items() if query.get(theirs, ["0"])[0] in ("1", "true")}
        return connection.command(argv, flags)


def main():
    certificate, key, port = sys.argv[1:4]
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Kubelet)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


main()
