"""Sends what Slack sends: a click on a button, or the command /portcullis. Signed as Slack's documentation says, or not.

usage: slack.py PORTAL CA_FILE click|link good|forged|late USER REQUEST
"""

import hashlib
import hmac
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import urlencode

portal, ca, what, how, user, request = sys.argv[1:]
secret = b"8f742231b10e8888abcd99yyyzzz85a5"
if what == "click":
    payload = {
        "type": "block_actions",
        "user": {"id": user, "username": "bea"},
        "team": {"id": "T1"},
        "actions": [{"action_id": "approve", "value": request}],
        "trigger_id": str(time.time_ns()),
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
else:
    body = urlencode({"team_id": "T1", "user_id": user, "user_name": "bea", "command": "/portcullis", "text": "link"}).encode()
seconds = int(time.time()) - (600 if how == "late" else 0)
signature = hmac.new(secret, f"v0:{seconds}:".encode() + body, hashlib.sha256).hexdigest()
if how == "forged":
    signature = "0" * 64
sent = urllib.request.Request(
    f"{portal}/hooks/slack",
    body,
    {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": str(seconds),
        "x-slack-signature": f"v0={signature}",
    },
)
try:
    with urllib.request.urlopen(sent, context=ssl.create_default_context(cafile=ca)) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
