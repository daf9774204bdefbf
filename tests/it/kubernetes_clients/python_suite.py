"""The Python client of Kubernetes through the gate: lists, watches, writes, logs, exec and port-forward, with the same calls
as without it. Arguments: the server and its authority; the tokens of an engineer and of somebody who may forward
ports come by the environment.
"""

import os
import sys
import threading
import time

from kubernetes import client, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream

SERVER, AUTHORITY = sys.argv[1:3]
CANARIES = ("tr0ub4dor-and-3-more", "dHIwdWI0ZG9yLWFuZC0zLW1vcmU=", "correct-horse-battery", "ghp_16C7e42F")


def api(token):
    configuration = client.Configuration()
    configuration.host = SERVER
    configuration.ssl_ca_cert = AUTHORITY
    configuration.api_key = {"authorization": token}
    configuration.api_key_prefix = {"authorization": "Bearer"}
    return client.CoreV1Api(client.ApiClient(configuration))


def clean(text):
    for canary in CANARIES:
        assert canary not in str(text), f"{canary} was shown: {text}"
    return text


def main():
    core = api(os.environ["TEST_TOKEN"])
    pods = clean(core.list_namespaced_pod("shop", limit=1))
    assert [p.metadata.name for p in pods.items] == ["cart-0"], pods
    more = core.list_namespaced_pod("shop", limit=1, _continue=pods.metadata._continue)
    assert [p.metadata.name for p in more.items] == ["cart-1"], more
    print("ok: lists, page by page")

    secret = clean(core.read_namespaced_secret("db", "shop"))
    assert secret.data["password"] == "W3BjLW1hc2tlZDpzZWNyZXRd", secret.data
    print("ok: a Secret is masked")

    made = core.create_namespaced_config_map("shop", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="py"), data={"a": "b"}))
    assert made.data == {"a": "b"}, made
    core.patch_namespaced_config_map("py", "shop", {"data": {"a": "c"}})
    assert core.read_namespaced_config_map("py", "shop").data == {"a": "c"}
    seen = []
    for event in watch.Watch().stream(core.list_namespaced_config_map, "shop", resource_version="0", timeout_seconds=2):
        seen.append((event["type"], event["object"].metadata.name))
    assert ("MODIFIED", "py") in seen, seen
    # Live: an event is there when it happens, not with the next one.
    last = core.list_namespaced_config_map("shop").metadata.resource_version
    began = time.monotonic()
    threading.Timer(0.5, core.patch_namespaced_config_map, ("py", "shop", {"data": {"a": "d"}})).start()
    live = watch.Watch()
    for event in live.stream(core.list_namespaced_config_map, "shop", resource_version=last, timeout_seconds=30):
        assert event["object"].data["a"] == "d", event
        live.stop()
    assert time.monotonic() - began < 15, "the event came late"
    print("ok: creates, patches, watches")

    log = clean(core.read_namespaced_pod_log("cart-0", "shop"))
    assert "started" in log and "ready" in log, log
    print("ok: reads logs")

    ran = stream(core.connect_get_namespaced_pod_exec, "cart-0", "shop", command=["echo", "token=ghp_16C7e42F292c6912E7710c838347Ae178B4a"],
                 stdout=True, stderr=True, stdin=False, tty=False)
    assert "pc-masked" in clean(ran), ran
    talk = stream(core.connect_get_namespaced_pod_attach, "cart-0", "shop", stdout=True, stderr=True, stdin=True, tty=False,
                  _preload_content=False)
    talk.write_stdin("there and back\n")
    assert talk.readline_stdout(timeout=10) == "there and back"
    talk.close()
    print("ok: exec and attach")

    try:
        stream(core.connect_get_namespaced_pod_exec, "cart-0", "shop", command=["sh"], stdout=True, stdin=True, tty=True)
        raise SystemExit("a shell was opened")
    except ApiException as refused:
        assert refused.status in (0, 403) and "clusters/shell" in str(refused), refused
    try:
        portforward(core.connect_get_namespaced_pod_portforward, "cart-0", "shop", ports="80")
        raise SystemExit("a port was forwarded")
    except ApiException as refused:
        assert "portcullis/opaque" in str(refused), refused
    print("ok: what is refused says why")

    ports = portforward(api(os.environ["PORT_TOKEN"]).connect_get_namespaced_pod_portforward, "cart-0", "shop", ports="80")
    through = ports.socket(80)
    through.settimeout(10)
    through.sendall(b"through the port")
    assert through.recv(64) == b"THROUGH THE PORT"
    ports.close()
    print("ok: forwards a port that policy names")


main()
