"""A stand-in for a Kubernetes API server, for tests of the gateway: discovery, tables, lists, watches, writes, logs
and exec over WebSocket, over TLS, behind a bearer token.

It is written apart from the engine, in another language, from the API's documentation, so that the two cannot share a
mistake. It refuses whatever it does not know, and it proves nothing about a real server's validation, admission, RBAC,
storage or protobuf answers (see tests/README.md). Every request is written to a log, as it arrived.
"""

import base64
import hashlib
import json
import os
import ssl
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = os.environ["API_TOKEN"]
LOG = open(os.environ["API_LOG"], "a", buffering=1)
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

CHANGED = threading.Condition()
VERSION = 1
EVENTS = []  # (version, type, resource, namespace, object)
OBJECTS = {}  # (resource, namespace, name) -> object

RESOURCES = {
    # plural: (kind, group/version, namespaced, short names, verbs beyond the usual)
    "namespaces": ("Namespace", "v1", False, ["ns"]),
    "pods": ("Pod", "v1", True, ["po"]),
    "secrets": ("Secret", "v1", True, []),
    "configmaps": ("ConfigMap", "v1", True, ["cm"]),
    "serviceaccounts": ("ServiceAccount", "v1", True, ["sa"]),
    "events": ("Event", "v1", True, ["ev"]),
    "deployments": ("Deployment", "apps/v1", True, ["deploy"]),
}
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def store(resource, obj, kind="ADDED"):
    global VERSION
    with CHANGED:
        VERSION += 1
        meta = obj["metadata"]
        meta["resourceVersion"] = str(VERSION)
        meta.setdefault("uid", f"uid-{VERSION}")
        meta.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        key = (resource, meta.get("namespace", ""), meta["name"])
        if kind == "DELETED":
            OBJECTS.pop(key, None)
        else:
            OBJECTS[key] = obj
        EVENTS.append((VERSION, kind, resource, meta.get("namespace", ""), json.loads(json.dumps(obj))))
        CHANGED.notify_all()
    return obj


def pod(namespace, name, env=(), labels=None):
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "busybox", "env": list(env)}], "nodeName": "node-1"},
        "status": {"phase": "Running", "podIP": "10.0.0.1",
                   "containerStatuses": [{"name": "main", "image": "busybox", "imageID": "", "ready": True, "restartCount": 0, "state": {"running": {}}}]},
    }


def fill():
    for name in ("default", "shop", "kube-system"):
        store("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
                             "status": {"phase": "Active"}})
    store("pods", pod("shop", "cart-0", [{"name": "DB_PASSWORD", "value": "correct-horse-battery"},
                                          {"name": "PORT", "value": "8080"}]))
    store("pods", pod("shop", "cart-1"))
    store("pods", pod("kube-system", "dns-0"))
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
              "metadata": {"name": "db", "namespace": "shop"},
              "data": {"password": base64.b64encode(b"tr0ub4dor-and-3-more").decode()}}
    secret["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": json.dumps(secret)}
    store("secrets", secret)
    store("configmaps", {"apiVersion": "v1", "kind": "ConfigMap",
                         "metadata": {"name": "app", "namespace": "shop"},
                         "data": {"mode": "fast", "app.env": "AWS_KEY=AKIAQ3EGRIZ7XMPL5DNT\nPORT=1\n"}})
    store("serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount",
                              "metadata": {"name": "default", "namespace": "shop"}})
    store("deployments", {"apiVersion": "apps/v1", "kind": "Deployment",
                          "metadata": {"name": "cart", "namespace": "shop", "generation": 1},
                          "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "cart"}},
                                   "template": {"metadata": {"labels": {"app": "cart"}},
                                                "spec": {"containers": [{"name": "main", "image": "busybox"}]}}},
                          "status": {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2,
                                     "availableReplicas": 2, "observedGeneration": 1}})


COLUMNS = {
    "pods": [("Name", lambda o: o["metadata"]["name"]), ("Ready", lambda o: "1/1"),
             ("Status", lambda o: o.get("status", {}).get("phase", "Pending")), ("Restarts", lambda o: 0),
             ("Age", lambda o: "1d")],
    "secrets": [("Name", lambda o: o["metadata"]["name"]), ("Type", lambda o: o.get("type", "Opaque")),
                ("Data", lambda o: len(o.get("data", {}))), ("Age", lambda o: "1d")],
}
PLAIN = [("Name", lambda o: o["metadata"]["name"]), ("Age", lambda o: "1d")]


def table(resource, objects, include, version):
    columns = COLUMNS.get(resource, PLAIN)
    kinds = {str: "string", int: "integer"}
    rows = []
    for obj in objects:
        shown = obj if include == "Object" else {
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
        row = {"cells": [f(obj) for _, f in columns]}
        if include != "None":
            row["object"] = shown
        rows.append(row)
    sample = rows[0]["cells"] if rows else ["" for _ in columns]
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": str(version)},
            "columnDefinitions": [{"name": n, "type": kinds.get(type(c), "string"), "format": "name" if n == "Name" else "",
                                   "description": n, "priority": 0} for (n, _), c in zip(columns, sample)],
            "rows": rows}


def status(code, reason, message):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": reason, "code": code}


def merge(old, patch):
    if not isinstance(patch, dict) or not isinstance(old, dict):
        return patch
    new = dict(old)
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        elif key in new:
            new[key] = merge(new[key], value)
        else:
            new[key] = value
    return new


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, code, obj, kind="application/json", extra=()):
        body = obj if isinstance(obj, bytes) else json.dumps(obj).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in extra:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, code, reason, message):
        self.answer(code, status(code, reason, message))

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def begin(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            data = b""
            while True:
                size = int(self.rfile.readline().strip() or b"0", 16)
                piece = self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return data
                data += piece
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def serve(self):
        data = self.body()
        LOG.write(json.dumps({
            "method": self.command, "target": self.path, "body": data.decode("utf-8", "replace"),
            "headers": [[n.lower(), v] for n, v in self.headers.items()]}) + "\n")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.refuse(401, "Unauthorized", "Unauthorized")
        url = urlsplit(self.path)
        self.query = parse_qs(url.query, keep_blank_values=True)
        parts = [p for p in url.path.split("/") if p]
        if self.discover(parts):
            return None
        return self.resource(parts, data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def get(self, name, default=""):
        return self.query.get(name, [default])[0]

    def discover(self, parts):
        accept = self.headers.get("Accept", "")
        groups = {"": ["v1"], "apps": ["v1"], "authorization.k8s.io": ["v1"]}

        def listed(group_version):
            found = []
            for plural, (kind, gv, namespaced, short) in RESOURCES.items():
                if gv == group_version:
                    found.append((plural, kind, namespaced, short))
            return found

        if parts == ["version"]:
            self.answer(200, {"major": "1", "minor": "32", "gitVersion": "v1.32.0", "platform": "linux/amd64"})
        elif parts in (["healthz"], ["livez"], ["readyz"]):
            self.answer(200, b"ok", "text/plain")
        elif parts in (["api"], ["apis"]) and "APIGroupDiscoveryList" in accept:
            items = []
            for group, versions in groups.items():
                if (group == "") != (parts == ["api"]):
                    continue
                gv = f"{group}/v1" if group else "v1"
                resources = [{"resource": p, "responseKind": {"group": group, "version": "v1", "kind": k},
                              "scope": "Namespaced" if n else "Cluster", "singularResource": k.lower(),
                              "shortNames": s, "verbs": VERBS} for p, k, n, s in listed(gv)]
                items.append({"metadata": {"name": group} if group else {},
                              "versions": [{"version": "v1", "freshness": "Current", "resources": resources}]})
            self.answer(200, {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
                              "metadata": {}, "items": items},
                        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
        elif parts == ["api"]:
            self.answer(200, {"kind": "APIVersions", "versions": ["v1"]})
        elif parts == ["apis"]:
            self.answer(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": g, "versions": [{"groupVersion": f"{g}/v1", "version": "v1"}],
                 "preferredVersion": {"groupVersion": f"{g}/v1", "version": "v1"}} for g in groups if g]})
        elif parts == ["api", "v1"] or (len(parts) == 3 and parts[0] == "apis"):
            gv = "v1" if parts[0] == "api" else "/".join(parts[1:])
            self.answer(200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": gv, "resources": [
                {"name": p, "singularName": k.lower(), "namespaced": n, "kind": k, "shortNames": s, "verbs": VERBS}
                for p, k, n, s in listed(gv)]})
        elif parts[:1] == ["openapi"]:
            self.answer(200, {"paths": {}} if parts[1:] == ["v3"] else {"openapi": "3.0.0", "info": {}, "paths": {}})
        else:
            return False
        return True

    def resource(self, parts, data):
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = ""
        if len(rest) >= 3 and rest[0] == "namespaces":
            namespace, rest = rest[1], rest[2:]
        if not rest:
            return self.refuse(404, "NotFound", "the server could not find the requested resource")
        resource, name, sub = rest[0], rest[1] if len(rest) > 1 else None, rest[2] if len(rest) > 2 else None
        if resource == "selfsubjectaccessreviews":
            return self.answer(201, {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                                     "metadata": {}, "spec": {}, "status": {"allowed": True}})
        if resource not in RESOURCES:
            return self.refuse(404, "NotFound", f"the server could not find the requested resource {resource}")
        if sub == "log":
            return self.logs()
        if sub == "exec":
            return self.execute(namespace, name)
        if sub == "token":
            return self.answer(201, {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
                                     "metadata": {"name": name, "namespace": namespace}, "spec": {},
                                     "status": {"token": "eyJhbGciOiJub25lIn0.minted-by-the-cluster.x",
                                                "expirationTimestamp": "2030-01-01T00:00:00Z"}})
        if self.command in ("GET", "HEAD"):
            return self.read(resource, namespace, name)
        return self.write(resource, namespace, name, data)

    def read(self, resource, namespace, name):
        if name is None and self.get("watch", "0") in ("true", "1", ""):
            return self.watch(resource, namespace)
        wants_table = "as=Table" in self.headers.get("Accept", "")
        include = self.get("includeObject", "Metadata")
        if name is not None:
            obj = OBJECTS.get((resource, namespace, name))
            if obj is None:
                return self.refuse(404, "NotFound", f'{resource} "{name}" not found')
            if wants_table:
                return self.answer(200, table(resource, [obj], include, VERSION))
            return self.answer(200, obj)
        if namespace == "big":
            return self.big(wants_table)
        with CHANGED:
            found = [o for (r, n, _), o in OBJECTS.items() if r == resource and namespace in ("", n)]
            version = VERSION
        wanted = self.get("fieldSelector")
        if wanted.startswith("metadata.name="):
            found = [o for o in found if o["metadata"]["name"] == wanted.split("=", 1)[1]]
        if wants_table:
            return self.answer(200, table(resource, found, include, version))
        kind, gv, _, _ = RESOURCES[resource]
        items = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in found]
        return self.answer(200, {"kind": kind + "List", "apiVersion": gv,
                                 "metadata": {"resourceVersion": str(version)}, "items": items})

    def big(self, wants_table):
        """Ten thousand pods, streamed as a server streams large lists."""
        count = int(os.environ.get("API_BIG", "10000"))
        self.begin("application/json")
        sample = [pod("big", "pod-000000", [{"name": "PORT", "value": "1"}])]
        sample[0]["metadata"]["uid"] = "u"
        sample[0]["metadata"]["annotations"] = {"note": "x" * 2000}
        if wants_table:
            head = table("pods", [], "Metadata", 1)
            row = table("pods", sample, "Metadata", 1)["rows"][0]
            text, opening = json.dumps(row), json.dumps(head)[:-2]
        else:
            text, opening = json.dumps(sample[0]), '{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":['
        piece = opening
        for number in range(count):
            piece += ("," if number else "") + text.replace("pod-000000", f"pod-{number:06}")
            if len(piece) > 60000:
                self.chunk(piece.encode())
                piece = ""
        self.chunk((piece + "]}").encode())
        self.chunk(b"")

    def watch(self, resource, namespace):
        since = int(self.get("resourceVersion", "0") or 0)
        until = time.time() + float(self.get("timeoutSeconds", "300"))
        wants_table = "as=Table" in self.headers.get("Accept", "")
        self.begin("application/json")
        sent, first = 0, True
        while time.time() < until:
            with CHANGED:
                fresh = [e for e in EVENTS[sent:] if e[0] > since]
                sent = len(EVENTS)
                if not fresh:
                    CHANGED.wait(1)
                    continue
            for version, kind, changed, where, obj in fresh:
                if changed != resource or namespace not in ("", where):
                    continue
                if wants_table:
                    shown = table(resource, [obj], self.get("includeObject", "Metadata"), version)
                    if not first:
                        shown["columnDefinitions"] = []
                    obj, first = shown, False
                try:
                    self.chunk(json.dumps({"type": kind, "object": obj}).encode() + b"\n")
                except OSError:
                    return
        self.chunk(b"")

    def write(self, resource, namespace, name, data):
        kind = self.headers.get("Content-Type", "").split(";")[0]
        if kind == "application/vnd.kubernetes.protobuf" and self.command != "DELETE":
            if not data.startswith(b"k8s\0"):
                return self.refuse(400, "BadRequest", "no protobuf")
            obj = {"kind": RESOURCES[resource][0], "apiVersion": RESOURCES[resource][1],
                   "metadata": {"name": "from-protobuf", "namespace": namespace}}
            return self.answer(201, store(resource, obj))
        old = OBJECTS.get((resource, namespace, name)) if name else None
        if self.command == "POST":
            obj = json.loads(data)
            if namespace:
                obj.setdefault("metadata", {})["namespace"] = namespace
            if (resource, namespace, obj["metadata"]["name"]) in OBJECTS:
                return self.refuse(409, "AlreadyExists", f'{resource} "{obj["metadata"]["name"]}" already exists')
            return self.answer(201, obj if self.get("dryRun") else store(resource, obj))
        if self.command == "DELETE" and name is None:
            gone = [o for (r, n, _), o in list(OBJECTS.items()) if r == resource and namespace == n]
            for obj in gone:
                store(resource, obj, "DELETED")
            return self.answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
        if old is None and not (self.command == "PATCH" and kind == "application/apply-patch+yaml"):
            return self.refuse(404, "NotFound", f'{resource} "{name}" not found')
        if self.command == "DELETE":
            if self.get("dryRun") or b'"dryRun"' in data:
                return self.answer(200, old)
            store(resource, json.loads(json.dumps(old)), "DELETED")
            return self.answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success",
                                     "details": {"name": name, "kind": resource}})
        obj = json.loads(data)
        if self.command == "PATCH":
            obj = merge(json.loads(json.dumps(old or {})), obj)
        obj["metadata"].update({"name": name, "namespace": namespace})
        return self.answer(200, obj if self.get("dryRun") else store(resource, obj, "MODIFIED"))

    def logs(self):
        self.begin("text/plain")
        lines = [b"started\n", b"token=ghp_16C7e42F292c6912E7710c838347Ae178B4a\n", b"ready\n"]
        for line in lines:
            self.chunk(line[:5])
            self.chunk(line[5:])
        if self.get("follow") == "true":
            for number in range(int(os.environ.get("API_LOG_LINES", "3"))):
                time.sleep(0.3)
                try:
                    self.chunk(b"tick %d\n" % number)
                except OSError:
                    return
        self.chunk(b"")

    def execute(self, namespace, name):
        if self.headers.get("Upgrade", "").lower() != "websocket":
            return self.refuse(400, "BadRequest", "Upgrade request required")
        offered = [p.strip() for p in self.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        chosen = next((p for p in ("v5.channel.k8s.io", "v4.channel.k8s.io") if p in offered), None)
        if chosen is None or (("pods", namespace, name) not in OBJECTS):
            return self.refuse(404 if chosen else 400, "NotFound", f'pods "{name}" not found')
        accept = base64.b64encode(hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + MAGIC).digest()).decode()
        self.send_response(101)
        for line in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept),
                     ("Sec-WebSocket-Protocol", chosen)):
            self.send_header(*line)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        self.run(self.query.get("command", []), self.get("stdin") == "true")

    def run(self, argv, stdin):
        child = subprocess.Popen(argv, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env={"PATH": os.environ["PATH"], "POD": "cart-0"})
        lock = threading.Lock()

        def frame(opcode, payload):
            size = len(payload)
            head = bytes([0x80 | opcode])
            head += bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65536 else b"\x7f" + struct.pack(">Q", size)
            with lock:
                try:
                    self.wfile.write(head + payload)
                    self.wfile.flush()
                except OSError:
                    pass

        def pump(pipe, channel):
            while piece := pipe.read1(4096):
                frame(2, bytes([channel]) + piece)

        def listen():
            while True:
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
                if opcode == 8:
                    return
                if opcode == 9:
                    frame(10, data)
                if opcode in (1, 2) and data[:1] == b"\x00" and stdin:
                    child.stdin.write(data[1:])
                    child.stdin.flush()
                if data == b"\xff\x00" and stdin:
                    child.stdin.close()

        readers = [threading.Thread(target=pump, args=(p, c)) for p, c in ((child.stdout, 1), (child.stderr, 2))]
        threading.Thread(target=listen, daemon=True).start()
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        code = child.wait()
        end = {"metadata": {}, "status": "Success"} if code == 0 else {
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": f"command terminated with non-zero exit code: exit status {code}",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]}}
        frame(2, b"\x03" + json.dumps(end).encode())
        frame(8, b"\x03\xe8")


def main():
    certificate, key, port_file = sys.argv[1:4]
    fill()
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
