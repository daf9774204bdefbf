"""One connection to the gateway, and a request over it for each line of standard input: the status of each answer, and
what it says when it is a refusal."""

import http.client
import json
import os
import ssl
import sys

port, authorities = sys.argv[1:]
trust = ssl.create_default_context(cafile=authorities)
gateway = http.client.HTTPSConnection("localhost", int(port), context=trust, timeout=30)
for _ in sys.stdin:
    gateway.request("GET", "/prod/api/v1/namespaces/shop/pods", headers={
        "Authorization": "Bearer " + os.environ["TOKEN"], "Accept": "application/json"})
    answer = gateway.getresponse()
    body = json.loads(answer.read())
    print(answer.status, body.get("message", body["kind"]).replace("\n", " "), flush=True)
