"""A cluster that is never the bottleneck: 10,000 pods and the events of a watch as bytes that were prepared once, and an
exec that says back what it is sent. It takes the arguments of `tests/world/kubernetes/api_server.py`.

It refuses what the bench does not ask, and proves nothing but speed.
"""

import base64
import hashlib
import json
import os
import ssl
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = os.environ["API_TOKEN"]
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PODS = 10_000
EVENTS = 20_000
TABLE_COLUMNS = ["Name", "Ready", "Status", "Restarts", "Age"]


def pod(number):
    name = f"cart-{number:05}-7d9f8b6c5-x{number % 97:02}zk"
    uid = f"8f14e45f-ceea-467f-a8b1-{number:012}"
    managed = [{"manager": who, "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}, "f:pod-template-hash": {}}},
                             "f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}": {".": {}, "f:status": {}, "f:type": {}}}}}}
               for who in ("kube-controller-manager", "kubelet")]
    return {
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": str(1000 + number),
                     "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": "cart-0", "pod-template-hash": "7d9f8b6c5"},
                     "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart-7d9f8b6c5", "uid": uid,
                                          "controller": True, "blockOwnerDeletion": True}],
                     "managedFields": managed},
        "spec": {"containers": [{"name": "main", "image": "registry.example/cart:1.4.2", "ports": [{"containerPort": 8080}],
                                 "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "DB_PASSWORD", "value": "correct-horse-battery"}],
                                 "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}], "nodeName": f"node-{number % 40}"},
        "status": {"phase": "Running", "podIP": f"10.1.{number // 250}.{number % 250}",
                   "conditions": [{"type": kind, "status": "True"} for kind in ("Initialized", "Ready", "ContainersReady")]},
    }


def row(obj):
    return {"cells": [obj["metadata"]["name"], "1/1", "Running", 0, "12d"],
            "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}}


def dense(value):
    return json.dumps(value, separators=(",", ":")).encode()


OBJECTS = [pod(number) for number in range(PODS)]
ROWS = [dense(row(obj)) for obj in OBJECTS]
ITEMS = [dense(obj) for obj in OBJECTS]
COLUMNS = dense([{"name": n, "type": "integer" if n == "Restarts" else "string", "format": "name" if n == "Name" else "",
                  "description": n, "priority": 0} for n in TABLE_COLUMNS])
CHUNK = [b'{"type":"MODIFIED","object":' + item + b"}\n" for item in ITEMS]
WATCH = [b"".join(CHUNK[n:n + 8]) for n in range(0, PODS, 8)] * (EVENTS // PODS)
PAGES = {}
ONE = b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"99"},"items":[' + ITEMS[0] + b"]}"


def page(table, start, limit):
    """A page of the list, made once."""
    key = (table, start, limit)
    if key not in PAGES:
        end = min(PODS, start + limit) if limit else PODS
        more = b"" if end == PODS else b',"continue":"%d","remainingItemCount":%d' % (end, PODS - end)
        metadata = b'"metadata":{"resourceVersion":"99"' + more + b"}"
        if table:
            PAGES[key] = (b'{"kind":"Table","apiVersion":"meta.k8s.io/v1",' + metadata + b',"columnDefinitions":' + COLUMNS
                          + b',"rows":[' + b",".join(ROWS[start:end]) + b"]}")
        else:
            PAGES[key] = b'{"kind":"PodList","apiVersion":"v1",' + metadata + b',"items":[' + b",".join(ITEMS[start:end]) + b"]}"
    return PAGES[key]


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, code, body, kind="application/json"):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def do_GET(self):
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(401, b"{}")
        url = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(url.query, keep_blank_values=True).items()}
        accept = self.headers.get("Accept", "")
        if url.path.endswith("/exec"):
            return self.execute(query)
        if url.path == "/api/v1/namespaces/one/pods" and query.get("watch") not in ("true", "1"):
            return self.answer(200, ONE)
        if url.path in ("/api/v1/namespaces/one/pods", "/api/v1/pods", "/api/v1/namespaces/shop/pods"):
            if query.get("watch") in ("true", "1"):
                return self.watch()
            start, limit = int(query.get("continue") or 0), int(query.get("limit") or 0)
            body = page("as=Table" in accept, start, limit)
            return self.answer(200, body)
        if url.path.startswith("/api/v1/namespaces/shop/pods/"):
            obj = dict(OBJECTS[0])
            obj["metadata"] = dict(obj["metadata"], name=url.path.rsplit("/", 1)[1])
            return self.answer(200, dense(obj))
        if url.path in ("/api", "/apis"):
            items = [] if url.path == "/apis" else [{"metadata": {}, "versions": [{"version": "v1", "freshness": "Current", "resources": [
                {"resource": "pods", "responseKind": {"group": "", "version": "v1", "kind": "Pod"}, "scope": "Namespaced",
                 "singularResource": "pod", "shortNames": ["po"], "verbs": ["get", "list", "watch"]}]}]}]
            return self.answer(200, dense({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
                                           "items": items}), "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
        return self.answer(404, dense({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 404,
                                       "reason": "NotFound", "message": "not found"}))

    def watch(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in WATCH:
            self.chunk(piece)
        self.chunk(b"")

    def execute(self, query):
        """`cat` says back what it is sent, anything else ends at once."""
        accept = base64.b64encode(hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + MAGIC).digest()).decode()
        self.send_response(101)
        for line in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept),
                     ("Sec-WebSocket-Protocol", "v5.channel.k8s.io")):
            self.send_header(*line)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True

        def frame(opcode, payload):
            size = len(payload)
            head = bytes([0x80 | opcode])
            head += bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65536 else b"\x7f" + struct.pack(">Q", size)
            self.wfile.write(head + payload)
            self.wfile.flush()

        while query.get("command") == "cat":
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            size = head[1] & 127
            if size == 126:
                size = struct.unpack(">H", self.rfile.read(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self.rfile.read(8))[0]
            key = self.rfile.read(4)
            data = bytes(b ^ key[i % 4] for i, b in enumerate(self.rfile.read(size)))
            opcode = head[0] & 15
            if opcode == 8 or data == b"\xff\x00":
                break
            if opcode == 9:
                frame(10, data)
            elif opcode in (1, 2) and data[:1] == b"\x00":
                frame(2, b"\x01" + data[1:])
        frame(2, b"\x03" + dense({"metadata": {}, "status": "Success"}))
        frame(8, b"\x03\xe8")


def main():
    certificate, key, port_file = sys.argv[1:4]
    page(True, 0, 0)
    page(False, 0, 0)
    for start in range(0, PODS, 500):
        page(True, start, 500)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with open(port_file + ".new", "w") as file:
        file.write(str(server.server_address[1]))
    os.rename(port_file + ".new", port_file)
    server.serve_forever()


main()
