"""A stand-in for a Kubernetes API server, for tests of the gateway: discovery, tables, lists, watches, writes, logs,
exec and attach over WebSocket and SPDY, port-forward over both, over TLS, behind a bearer token.

It is written apart from the engine, in another language, from the API's documentation, so that the two cannot share a
mistake. It refuses whatever it does not know, and it proves nothing about a real server's validation, admission, RBAC,
storage or protobuf answers (see tests/README.md). Every request is written to a log, as it arrived.
"""

import base64
import gzip
import hashlib
import json
import os
import re
import ssl
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import spdy

TOKEN = os.environ["API_TOKEN"]
LOG = open(os.environ["API_LOG"], "a", buffering=1)
# Whose certificates clients have to show, where they do: a file of authorities.
CLIENTS = os.environ.get("API_CLIENTS")
# Where it is set, sessions come with tokens of ServiceAccounts, each good for so many seconds, and none is made while
# there is a file at API_MINT_STOPS.
MINT = float(os.environ.get("API_MINT_SECONDS", "0"))
MINTED = {}  # token -> its end
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

CHANGED = threading.Condition()
VERSION = 1
EVENTS = []  # (version, type, resource, namespace, object, what it was before)
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
        before = OBJECTS.get(key)
        if kind == "DELETED":
            OBJECTS.pop(key, None)
        else:
            OBJECTS[key] = obj
        EVENTS.append((VERSION, kind, resource, meta.get("namespace", ""), json.loads(json.dumps(obj)),
                       json.loads(json.dumps(before))))
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
    for name in ("default", "shop", "old", "kube-system"):
        store("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
                             "status": {"phase": "Active"}})
    store("pods", pod("shop", "cart-0", [{"name": "DB_PASSWORD", "value": "correct-horse-battery"},
                                          {"name": "PORT", "value": "8080"}]))
    store("pods", pod("shop", "cart-1"))
    store("pods", pod("kube-system", "dns-0"))
    # Whoever opens streams here has to do so over SPDY, as with clusters before 1.30.
    store("pods", pod("old", "spdy-0"))
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


def operations(kind, group=""):
    """What kubectl looks for: whether the server validates what is written."""
    named = {"group": group, "kind": kind, "version": "v1"}
    validates = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
    return {action: {"x-kubernetes-action": action, "x-kubernetes-group-version-kind": named, "parameters": [validates], "responses": {}}
            for action in ("get", "patch", "put")}


# Of the schema what `kubectl explain pods` and `kubectl apply` read.
SCHEMA = {
    "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.32.0"},
    "paths": {f"/api/v1/namespaces/{{namespace}}/{plural}/{{name}}": operations(kind)
              for plural, kind in (("pods", "Pod"), ("configmaps", "ConfigMap"), ("secrets", "Secret"))},
    "components": {"schemas": {"io.k8s.api.core.v1.Pod": {
        "description": "Pod is a collection of containers that can run on a host.", "type": "object",
        "properties": {"kind": {"type": "string", "description": "Kind is a string value."}},
        "x-kubernetes-group-version-kind": [{"group": "", "kind": "Pod", "version": "v1"}]},
        "io.k8s.api.core.v1.Secret": {
        "description": "Secret holds secret data of a certain type.", "type": "object",
        "properties": {
            "data": {"description": "Data contains the secret data. The serialized form of the secret data is a base64 encoded string.",
                     "type": "object", "additionalProperties": {"type": "string", "format": "byte"}},
            "kind": {"type": "string", "description": "Kind is a string value."}},
        "x-kubernetes-group-version-kind": [{"group": "", "kind": "Secret", "version": "v1"}]}}},
}
APPS = {"openapi": "3.0.0", "info": SCHEMA["info"], "components": {"schemas": {}}, "paths": {
    "/apis/apps/v1/namespaces/{namespace}/deployments/{name}": operations("Deployment", "apps")}}
# The same as servers before 1.24 have it, which call it text.
OLD_SCHEMA = {"swagger": "2.0", "info": SCHEMA["info"], "paths": {}, "definitions": SCHEMA["components"]["schemas"]}


def fields(data):
    """The fields of a protobuf message: number and value, numbers as they are, everything else as bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 2:
            size = varint()
            yield key >> 3, data[at:at + size]
            at += size
        else:
            raise ValueError("a wire type that these objects do not use")


def decoded(resource, data):
    """An object out of protobuf, as far as clients write such ones here: metadata, and the data of ConfigMaps and Secrets."""
    raw = dict(fields(data[4:]))[2]
    obj = {"kind": RESOURCES[resource][0], "apiVersion": RESOURCES[resource][1], "metadata": {}}

    def pair(entry, text):
        entry = dict(fields(entry))
        return entry.get(1, b"").decode(), text(entry.get(2, b""))

    for number, value in fields(raw):
        if number == 1:
            for what, inner in fields(value):
                if what in (1, 3):
                    obj["metadata"]["name" if what == 1 else "namespace"] = inner.decode()
                elif what in (11, 12):
                    key, text = pair(inner, bytes.decode)
                    obj["metadata"].setdefault("labels" if what == 11 else "annotations", {})[key] = text
        elif number == 2 and resource in ("configmaps", "secrets"):
            key, text = pair(value, bytes.decode if resource == "configmaps" else lambda v: base64.b64encode(v).decode())
            obj.setdefault("data", {})[key] = text
        elif number == 3 and resource == "secrets":
            obj["type"] = value.decode()
    return obj


def usage(obj):
    meta = obj["metadata"]
    return {"metadata": {"name": meta["name"], "namespace": meta["namespace"], "labels": meta.get("labels")},
            "timestamp": "2026-01-01T00:00:00Z", "window": "15s",
            "containers": [{"name": "main", "usage": {"cpu": "7m", "memory": "12Mi"}}]}


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


def requirement(text, labels):
    """One requirement of a label selector."""
    if found := re.fullmatch(r"(\S+) (in|notin) \(([^)]*)\)", text):
        key, how, values = found.groups()
        return (labels.get(key) in [v.strip() for v in values.split(",")]) == (how == "in")
    if text.startswith("!"):
        return text[1:] not in labels
    if "!=" in text:
        key, value = text.split("!=")
        return labels.get(key) != value
    if "=" in text:
        key, value = re.split("==?", text)
        return labels.get(key) == value
    return text in labels


def selects(label_selector, field_selector):
    labels = [p for p in re.split(r",(?![^(]*\))", label_selector) if p]
    fields = [p.split("=", 1) for p in field_selector.split(",") if p]

    def selected(obj):
        meta = obj["metadata"]
        own = {"metadata.name": meta["name"], "metadata.namespace": meta.get("namespace", "")}
        return all(requirement(p, meta.get("labels") or {}) for p in labels) and all(
            own.get(k.rstrip("=")) == v.lstrip("=") for k, v in fields)
    return selected


def status(code, reason, message):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": reason, "code": code}


def written_out(pod):
    """A pod's environment as a real server has it in its errors: as Go writes structs."""
    env = [e for c in pod["spec"]["containers"] for e in c.get("env", [])]
    listed = ", ".join(f'{{Name: "{e["name"]}", Value: "{e.get("value", "")}"}}' for e in env)
    return f"  core.PodSpec{{\n-  \tEnv: []core.EnvVar{{{listed}}},\n  }}"


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
            "headers": [[n.lower(), v] for n, v in self.headers.items()], "client": self.client(),
            "peer": self.client_address[1]}) + "\n")
        if not self.known():
            return self.refuse(401, "Unauthorized", "Unauthorized")
        url = urlsplit(self.path)
        self.query = parse_qs(url.query, keep_blank_values=True)
        parts = [p for p in url.path.split("/") if p]
        if self.discover(parts):
            return None
        return self.resource(parts, data)

    def client(self):
        """Whose certificate the client has shown."""
        shown = self.connection.getpeercert() if CLIENTS else None
        return dict(part[0] for part in shown["subject"])["commonName"] if shown else None

    def known(self):
        """The gateway's own token, or its certificate, makes tokens where sessions come with some, and does nothing else."""
        bearer = self.headers.get("Authorization")
        own = self.client() is not None if bearer is None else bearer == f"Bearer {TOKEN}"
        if not MINT or (self.command == "POST" and self.path.endswith("/token")):
            return own
        return time.time() < MINTED.get(bearer, 0)

    def mint(self, namespace, name, data):
        spec = json.loads(data)["spec"]
        if spec["expirationSeconds"] < 600:
            return self.refuse(422, "Invalid", "may not specify a duration less than 10 minutes")
        if name == "nobody" or os.path.exists(os.environ.get("API_MINT_STOPS", "")):
            return self.refuse(403, "Forbidden", f'serviceaccounts "{name}" is forbidden: cannot create serviceaccounts/token')
        end = int(time.time() + MINT)
        claims = {"sub": f"system:serviceaccount:{namespace}:{name}", "exp": end}
        parts = [json.dumps({"alg": "RS256"}).encode(), json.dumps(claims).encode(), os.urandom(64)]
        token = ".".join(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts)
        MINTED[f"Bearer {token}"] = end
        return self.answer(201, {
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec,
            "metadata": {"name": name, "namespace": namespace},
            "status": {"token": token, "expirationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))}})

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def get(self, name, default=""):
        return self.query.get(name, [default])[0]

    def discover(self, parts):
        accept = self.headers.get("Accept", "")
        groups = {"": "v1", "apps": "v1", "authorization.k8s.io": "v1", "metrics.k8s.io": "v1beta1"}

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
            for group, version in groups.items():
                if (group == "") != (parts == ["api"]):
                    continue
                gv = f"{group}/{version}" if group else version
                resources = [{"resource": p, "responseKind": {"group": group, "version": version, "kind": k},
                              "scope": "Namespaced" if n else "Cluster", "singularResource": k.lower(),
                              "shortNames": s, "verbs": VERBS} for p, k, n, s in listed(gv)]
                items.append({"metadata": {"name": group} if group else {},
                              "versions": [{"version": version, "freshness": "Current", "resources": resources}]})
            self.answer(200, {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
                              "metadata": {}, "items": items},
                        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
        elif parts == ["api"]:
            self.answer(200, {"kind": "APIVersions", "versions": ["v1"]})
        elif parts == ["apis"]:
            self.answer(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": g, "versions": [{"groupVersion": f"{g}/{v}", "version": v}],
                 "preferredVersion": {"groupVersion": f"{g}/{v}", "version": v}} for g, v in groups.items() if g]})
        elif parts == ["api", "v1"] or (len(parts) == 3 and parts[0] == "apis"):
            gv = "v1" if parts[0] == "api" else "/".join(parts[1:])
            self.answer(200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": gv, "resources": [
                {"name": p, "singularName": k.lower(), "namespaced": n, "kind": k, "shortNames": s, "verbs": VERBS}
                for p, k, n, s in listed(gv)]})
        elif parts == ["openapi", "v3"]:
            self.answer(200, {"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=0A1B"},
                                        "apis/apps/v1": {"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=0A1C"}}})
        elif parts == ["openapi", "v3", "apis", "apps", "v1"]:
            self.answer(200, APPS)
        elif parts == ["openapi", "v3", "api", "v1"]:
            self.answer(200, SCHEMA)
        elif parts == ["openapi", "v2"]:
            leaks = {"x-a": f"Bearer {TOKEN}"} if self.get("hash") == "leaks" else {}
            self.answer(200, OLD_SCHEMA | leaks, "text/plain; charset=utf-8")
        elif parts == ["openapi", "v3", "api", "leaks"]:
            # What a careless one would: the credential it was sent, in an extension.
            self.answer(200, SCHEMA | {"x-a": f"Bearer {TOKEN}"})
        elif parts == ["openapi", "v3", "api", "no-schema"]:
            # What a broken or dishonest API behind the server would publish.
            self.answer(200, OBJECTS[("secrets", "shop", "db")])
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
        if parts[1] == "metrics.k8s.io" and resource == "pods":
            selected = selects(self.get("labelSelector"), self.get("fieldSelector"))
            pods = [o for (r, n, _), o in OBJECTS.items() if r == "pods" and namespace in ("", n) and selected(o)]
            return self.answer(200, {"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {},
                                     "items": [usage(pod) for pod in pods]})
        if resource not in RESOURCES:
            return self.refuse(404, "NotFound", f"the server could not find the requested resource {resource}")
        if sub == "log":
            return self.logs(name)
        if sub in ("exec", "attach", "portforward"):
            return self.streams(namespace, name, sub)
        if sub == "token" and MINT:
            return self.mint(namespace, name, data)
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
            if name == "squeezed":
                # Nobody asked for that.
                return self.answer(200, gzip.compress(json.dumps(obj).encode()), extra=[("Content-Encoding", "gzip")])
            return self.answer(200, obj)
        if namespace == "big":
            return self.big(wants_table)
        with CHANGED:
            found = [o for (r, n, _), o in OBJECTS.items() if r == resource and namespace in ("", n)]
            version = VERSION
        selected = selects(self.get("labelSelector"), self.get("fieldSelector"))
        found, page = self.page([o for o in found if selected(o)])
        if wants_table:
            shown = table(resource, found, include, version)
            shown["metadata"].update(page)
            return self.answer(200, shown)
        kind, gv, _, _ = RESOURCES[resource]
        items = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in found]
        return self.answer(200, {"kind": kind + "List", "apiVersion": gv,
                                 "metadata": {"resourceVersion": str(version), **page}, "items": items})

    def page(self, found):
        """A page of a list, and what its metadata say about the rest."""
        start = json.loads(base64.b64decode(self.get("continue")))["start"] if self.get("continue") else 0
        limit = int(self.get("limit", "0") or 0)
        if not limit or start + limit >= len(found):
            return found[start:], {}
        last = found[start + limit - 1]["metadata"]["name"]
        token = base64.b64encode(json.dumps({"start": start + limit, "last": last}).encode()).decode()
        return found[start:start + limit], {"continue": token, "remainingItemCount": len(found) - start - limit}

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
        selected = selects(self.get("labelSelector"), self.get("fieldSelector"))
        self.begin("application/json")
        sent, first = 0, True
        while time.time() < until:
            with CHANGED:
                fresh = [e for e in EVENTS[sent:] if e[0] > since]
                sent = len(EVENTS)
                if not fresh:
                    CHANGED.wait(1)
                    continue
            for version, kind, changed, where, obj, before in fresh:
                if changed != resource or namespace not in ("", where):
                    continue
                inside, was = selected(obj), before is not None and selected(before)
                if kind == "MODIFIED" and inside != was:
                    # Who selects sees what enters as new, and what leaves as it was last.
                    kind, obj = ("ADDED", obj) if inside else ("DELETED", before)
                elif not inside:
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
            data = json.dumps(decoded(resource, data)).encode()
        if not data and self.command != "DELETE":
            return self.refuse(400, "BadRequest", "no object")
        old = OBJECTS.get((resource, namespace, name)) if name else None
        if self.command == "POST":
            obj = json.loads(data)
            if namespace:
                obj.setdefault("metadata", {})["namespace"] = namespace
            if (resource, namespace, obj["metadata"]["name"]) in OBJECTS:
                return self.refuse(409, "AlreadyExists", f'{resource} "{obj["metadata"]["name"]}" already exists')
            return self.answer(201, obj if self.get("dryRun") else store(resource, obj))
        if self.command == "DELETE" and name is None:
            selected = selects(self.get("labelSelector"), self.get("fieldSelector"))
            gone = [o for (r, n, _), o in list(OBJECTS.items()) if r == resource and namespace == n and selected(o)]
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
        if resource == "pods" and old and obj["spec"].get("nodeName") != old["spec"].get("nodeName"):
            words = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`\n" + written_out(old)
            refused = status(422, "Invalid", f'Pod "{name}" is invalid: spec: {words}')
            causes = [{"reason": "FieldValueForbidden", "message": words, "field": "spec"}]
            return self.answer(422, refused | {"details": {"name": name, "kind": "Pod", "causes": causes}})
        return self.answer(200, obj if self.get("dryRun") else store(resource, obj, "MODIFIED"))

    def logs(self, name):
        self.begin("text/plain")
        lines = [b"started\n", b"token=ghp_16C7e42F292c6912E7710c838347Ae178B4a\n", b"ready\n"]
        if name == "mirror":
            lines = [b"shown: " + self.headers.get("Authorization", "").encode() + b"\n"]
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

    def streams(self, namespace, name, sub):
        if ("pods", namespace, name) not in OBJECTS:
            return self.refuse(404, "NotFound", f'pods "{name}" not found')
        if self.headers.get("Transfer-Encoding") or int(self.headers.get("Content-Length") or 0):
            return self.refuse(400, "BadRequest", "a request that changes the protocol has a body")
        # The one program that runs in a pod writes what it reads, and ends with its input.
        argv = self.query.get("command", []) if sub == "exec" else ["cat"]
        upgrade = self.headers.get("Upgrade", "").lower()
        if upgrade == "spdy/3.1" and self.command == "POST":
            return self.over_spdy(argv, sub)
        if upgrade != "websocket" or self.command != "GET" or namespace == "old":
            return self.refuse(400, "BadRequest", "Upgrade request required")
        offered = [p.strip() for p in self.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        known = (spdy.TUNNEL, "v4.channel.k8s.io") if sub == "portforward" else ("v5.channel.k8s.io", "v4.channel.k8s.io")
        chosen = next((p for p in known if p in offered), None)
        if chosen is None:
            return self.refuse(400, "BadRequest", "no protocol that is known")
        accept = base64.b64encode(hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + MAGIC).digest()).decode()
        self.switch(("Upgrade", "websocket"), ("Sec-WebSocket-Accept", accept), ("Sec-WebSocket-Protocol", chosen))
        if chosen == spdy.TUNNEL:
            return spdy.Connection(spdy.Messages(self.rfile, self.wfile)).ports()
        if sub == "portforward":
            return self.forward()
        return self.run(argv, self.get("stdin") == "true")

    def over_spdy(self, argv, sub):
        offered = self.headers.get_all("X-Stream-Protocol-Version") or []
        if any("," in line for line in offered):
            return self.refuse(400, "BadRequest", "stream protocols stand in lines of their own")
        wanted = "portforward.k8s.io" if sub == "portforward" else "v4.channel.k8s.io"
        if wanted not in offered:
            return self.refuse(403, "Forbidden", f"no protocol that is known: {offered}")
        self.switch(("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", wanted))
        connection = spdy.Connection(spdy.Bare(self.rfile, self.wfile))
        if sub == "portforward":
            return connection.ports()
        flags = {name for name in ("stdin", "stdout", "stderr", "tty") if self.get(name) in ("true", "1")}
        return connection.command(argv, flags)

    def switch(self, *headers):
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        self.writing = threading.Lock()

    def frame(self, opcode, payload):
        size = len(payload)
        head = bytes([0x80 | opcode])
        head += bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65536 else b"\x7f" + struct.pack(">Q", size)
        with self.writing:
            try:
                self.wfile.write(head + payload)
                self.wfile.flush()
            except OSError:
                pass

    def messages(self):
        """What the client says, until it closes."""
        while len(head := self.rfile.read(2)) == 2:
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
                self.frame(10, data)
            elif opcode in (1, 2):
                yield data

    def forward(self):
        """Port-forward as client libraries speak it: two channels for each port, which begin with its number. Behind each
        port somebody says in capitals what was said."""
        ports = [int(p) for ps in self.query.get("ports", []) for p in ps.split(",")]
        for number, port in enumerate(ports):
            for channel in (2 * number, 2 * number + 1):
                self.frame(2, bytes([channel]) + struct.pack("<H", port))
        for data in self.messages():
            if len(data) > 1:
                self.frame(2, data[:1] + data[1:].upper())

    def run(self, argv, stdin):
        child = subprocess.Popen(argv, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env={"PATH": os.environ["PATH"], "POD": "cart-0"})

        def pump(pipe, channel):
            while piece := pipe.read1(4096):
                self.frame(2, bytes([channel]) + piece)

        def listen():
            for data in self.messages():
                if data[:1] == b"\x04":
                    LOG.write(json.dumps({"method": "SIZE", "target": self.path, "body": data[1:].decode(), "headers": []}) + "\n")
                if data[:1] == b"\x00" and stdin:
                    child.stdin.write(data[1:])
                    child.stdin.flush()
                if data == b"\xff\x00" and stdin:
                    child.stdin.close()
            if child.poll() is None:
                child.terminate()

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
        self.frame(2, b"\x03" + json.dumps(end).encode())
        self.frame(8, b"\x03\xe8")


def main():
    certificate, key, port_file = sys.argv[1:4]
    fill()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if CLIENTS:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(CLIENTS)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with open(port_file + ".new", "w") as file:
        file.write(str(server.server_address[1]))
    os.rename(port_file + ".new", port_file)
    server.serve_forever()


main()
