"""One connection to the gateway, and a request over it for each path on standard input: the status of each answer, and
what it says when it is a refusal or text. A connection that has ended is not made again."""

import http.client
import json
import os
import ssl
import sys

port, authorities = sys.argv[1:]
trust = ssl.create_default_context(cafile=authorities)
gateway = http.client.HTTPSConnection("localhost", int(port), context=trust, timeout=60)
gateway.connect()
gateway.auto_open = 0
for line in sys.stdin:
    try:
        gateway.request("GET", line.strip(), headers={
            "Authorization": "Bearer " + os.environ["TOKEN"], "Accept": "application/json"})
        answer = gateway.getresponse()
        said = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        print("ended", type(error).__name__, flush=True)
        gateway.close()
        continue
    if answer.headers["Content-Type"].startswith("application/json"):
        body = json.loads(said)
        said = body.get("message", body["kind"])
    print(answer.status, said.replace("\n", " "), flush=True)
