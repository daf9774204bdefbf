"""Everybody the approval desk talks to, on loopback: a receiver of webhooks that verifies them (Standard Webhooks 1.0), a
Slack that takes messages, a Jira and a ServiceNow with a few tickets, and a real SMTP server (aiosmtpd).

Written from the public documentation of each, apart from the engine. What it gets is appended to `log.jsonl`; a file
named `down` in its folder makes the webhook receiver answer 503.

usage: stand_in.py FOLDER HTTP_PORT SMTP_PORT WHSEC
"""

import base64
import hashlib
import hmac
import json
import pathlib
import sys
import time
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller

FOLDER = pathlib.Path(sys.argv[1])
HTTP, SMTP = int(sys.argv[2]), int(sys.argv[3])
SECRET = base64.b64decode(sys.argv[4].removeprefix("whsec_"))

JIRA = {
    "OPS-1": {"status": {"name": "In Progress"}, "assignee": {"emailAddress": "ana@example.com"}},
    "OPS-2": {"status": {"name": "Done"}, "assignee": {"emailAddress": "ana@example.com"}},
    "OPS-3": {"status": {"name": "In Progress"}, "assignee": {"emailAddress": "eve@example.com"}},
}
CHANGES = {
    "CHG001": {"number": "CHG001", "state": "Implement", "start_date": "2020-01-01 00:00:00", "end_date": "2099-01-01 00:00:00"},
    "CHG002": {"number": "CHG002", "state": "Implement", "start_date": "2020-01-01 00:00:00", "end_date": "2020-01-02 00:00:00"},
}


def log(kind, **more):
    with open(FOLDER / "log.jsonl", "a", encoding="utf-8") as out:
        out.write(json.dumps({"kind": kind, **more}) + "\n")


def signed(headers, body):
    """Standard Webhooks, section "Verifying webhook authenticity"."""
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    good = base64.b64encode(hmac.new(SECRET, text, hashlib.sha256).digest()).decode()
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return fresh and f"v1,{good}" in headers["webhook-signature"].split(" ")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/hook":
            good = signed(self.headers, body)
            down = (FOLDER / "down").exists()
            log("hook", id=self.headers["webhook-id"], signed=good, down=down, body=json.loads(body))
            return self.answer(503 if down else 200 if good else 401, {})
        if self.path == "/moved":
            log("moved")
            self.send_response(307)
            self.send_header("location", "/hook")
            self.send_header("content-length", "0")
            return self.end_headers()
        if self.path == "/slack/chat.postMessage":
            good = self.headers["authorization"] == "Bearer xoxb-test"
            log("slack", authorized=good, body=json.loads(body))
            return self.answer(200, {"ok": good})
        return self.answer(404, {})

    def do_GET(self):
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        log("get", path=self.path, authorization=bool(self.headers.get("authorization")))
        if (FOLDER / "down").exists():
            return self.answer(503, {})
        if path.startswith("/rest/api/2/issue/"):
            key = path.rsplit("/", 1)[1]
            found = JIRA.get(key)
            return self.answer(200, {"key": key, "fields": found}) if found else self.answer(404, {})
        if path == "/api/now/table/change_request":
            number = query["sysparm_query"][0].removeprefix("number=")
            return self.answer(200, {"result": [CHANGES[number]] if number in CHANGES else []})
        return self.answer(404, {})

    def log_message(self, *_):
        pass


class Sink:
    async def handle_DATA(self, _server, _session, envelope):
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        log(
            "mail",
            sender=envelope.mail_from,
            to=envelope.rcpt_tos,
            subject=parsed["subject"],
            headers=[name.lower() for name in parsed.keys()],
            body=parsed.get_content(),
        )
        return "250 taken"


Controller(Sink(), hostname="127.0.0.1", port=SMTP).start()
ThreadingHTTPServer(("127.0.0.1", HTTP), Handler).serve_forever()
