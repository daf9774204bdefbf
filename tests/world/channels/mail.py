"""Mail servers (aiosmtpd) with TLS and a login, on loopback, and some that are not as they should be.

FOLDER/servers.json lists them: name, port, certificate, key, and how:
  starttls  TLS by STARTTLS, without which it takes nothing
  implicit  TLS from the first byte
  stripped  no TLS at all, but a login: what is left once somebody on the way has cut STARTTLS out
  injects   as starttls, but what somebody on the way said comes right behind `220 ready`
`only` names the one mechanism that it offers to log in. They log to FOLDER/mail.jsonl what was said in the clear, who
logged in, and the mail, with the version of TLS that each came over. A file `refuse` in the folder makes logins fail.

usage: mail.py FOLDER USER, with the password in MAIL_PASSWORD
"""

import json
import os
import pathlib
import ssl
import sys
import threading
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

FOLDER, USER = pathlib.Path(sys.argv[1]), sys.argv[2].encode()
PASSWORD = os.environ["MAIL_PASSWORD"].encode()
INJECTED = (
    b"220 ready\r\n250-here\r\n250 AUTH PLAIN\r\n235 welcome\r\n250 sender\r\n250 recipient\r\n354 go on\r\n250 taken\r\n"
)
WRITING = threading.Lock()


def log(kind, **more):
    with WRITING, open(FOLDER / "mail.jsonl", "a", encoding="utf-8") as out:
        out.write(json.dumps({"kind": kind, **more}) + "\n")


class Talk(SMTP):
    name, how = "", ""

    def tls(self):
        secured = self.transport.get_extra_info("ssl_object") if self.transport else None
        return secured.version() if secured else None

    def data_received(self, data):
        if self.tls() is None:
            log("plain", server=self.name, text=data.decode("latin-1"))
        super().data_received(data)

    async def smtp_STARTTLS(self, arg):
        if self.how == "injects":
            self.push = self.inject
        return await super().smtp_STARTTLS(arg)

    async def inject(self, _status):
        del self.push
        self._writer.write(INJECTED)
        await self._writer.drain()


def login(server, _session, _envelope, mechanism, data):
    refused = (FOLDER / "refuse").exists()
    good = not refused and data.login == USER and data.password == PASSWORD
    log("login", server=server.name, user=data.login.decode(), mechanism=mechanism, tls=server.tls(), good=good)
    return AuthResult(success=good, handled=False, auth_data=data)


class Sink:
    async def handle_DATA(self, server, session, envelope):
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        log(
            "mail",
            server=server.name,
            tls=server.tls(),
            login=session.login_data.decode(),
            to=envelope.rcpt_tos,
            subject=parsed["subject"],
            body=parsed.get_content(),
        )
        return "250 taken"


class At(Controller):
    def __init__(self, server):
        self.server_of_test = server
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server["certificate"], server["key"])
        how = server["how"]
        words = {"starttls": "tls_context", "injects": "tls_context", "implicit": "ssl_context"}
        more = {words[how]: context} if how in words else {}
        others = {"PLAIN", "LOGIN"} - {server.get("only")} if "only" in server else set()
        super().__init__(
            Sink(),
            hostname="127.0.0.1",
            port=server["port"],
            authenticator=login,
            auth_required=True,
            # Of TLS from the first byte its protocol knows nothing.
            auth_require_tls="tls_context" in more,
            require_starttls="tls_context" in more,
            auth_exclude_mechanism=others,
            **more,
        )

    def factory(self):
        talk = Talk(self.handler, **self.SMTP_kwargs)
        talk.name, talk.how = self.server_of_test["name"], self.server_of_test["how"]
        return talk


for each in json.loads((FOLDER / "servers.json").read_text(encoding="utf-8")):
    At(each).start()
(FOLDER / "ready").touch()
threading.Event().wait()
