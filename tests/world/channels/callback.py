"""Sends a callback to the gateway, signed as Standard Webhooks say, or not.

usage: callback.py PORTAL CA_FILE WHSEC good|forged|late|twice BODY
"""

import base64
import hashlib
import hmac
import ssl
import sys
import time
import urllib.error
import urllib.request
import uuid

portal, ca, secret, how, body = sys.argv[1:]
body = body.encode()
key = base64.b64decode(secret.removeprefix("whsec_"))
seconds = int(time.time()) - (600 if how == "late" else 0)
name = f"msg_{uuid.uuid4().hex}"
signature = base64.b64encode(hmac.new(key, f"{name}.{seconds}.".encode() + body, hashlib.sha256).digest()).decode()
if how == "forged":
    signature = base64.b64encode(hashlib.sha256(body).digest()).decode()
for _ in range(2 if how == "twice" else 1):
    request = urllib.request.Request(
        f"{portal}/hooks/callback",
        body,
        {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(seconds),
            "webhook-signature": f"v1,{signature}",
        },
    )
    try:
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=ca)) as answer:
            print(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode())
