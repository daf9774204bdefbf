"""What a client may try that OpenSSH never sends, with paramiko. Usage: edges.py PORT KNOWN_HOSTS CASE USER; the token is in
TEST_TOKEN. Prints what came of it."""

import os
import sys
import threading
import time

import paramiko

port, known, case, user = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]


def connect():
    client = paramiko.SSHClient()
    client.load_host_keys(known)
    client.connect(
        "127.0.0.1",
        port=port,
        username=user,
        password=os.environ["TEST_TOKEN"],
        allow_agent=False,
        look_for_keys=False,
        timeout=20,
    )
    return client


def forward(transport, host, number=22):
    try:
        return transport.open_channel("direct-tcpip", (host, number), ("127.0.0.1", 1), timeout=20)
    except paramiko.ChannelException as refused:
        return refused.code


def says(client, what):
    _, stdout, _ = client.exec_command(f"echo {what}", timeout=20)
    return stdout.read().decode().strip()


client = connect()
transport = client.get_transport()
if case == "forwards":
    # More than there may be channels, one after the other, each refused.
    print({forward(transport, "127.0.0.1") for _ in range(80)}, says(client, "still"))
elif case == "letters":
    print(forward(transport, "b\u00fccher.example"), forward(transport, "a\tb"), forward(transport, ""), says(client, "still"))
elif case == "jumps":
    # No target is named, so a forward names it; one that names none leads nowhere.
    print(forward(transport, ""), forward(transport, "a b"))
    inner = paramiko.Transport(forward(transport, "web-1"))
    inner.start_client(timeout=20)
    inner.auth_password("nobody", os.environ["TEST_TOKEN"])
    print("inner", inner.is_authenticated())
    nested = paramiko.Transport(forward(transport, "nowhere"))
    nested.start_client(timeout=20)
    nested.auth_password("nobody", os.environ["TEST_TOKEN"])
    print("nested", forward(nested, "web-1"))
elif case == "kinds":
    # Every other kind of channel, and every global request: refused, and the connection goes on.
    for kind in (
        "x11",
        "auth-agent@openssh.com",
        "forwarded-tcpip",
        "direct-streamlocal@openssh.com",
        "forwarded-streamlocal@openssh.com",
        "tun@openssh.com",
        "nothing@example.com",
    ):
        message = paramiko.Message()
        message.add_byte(b"\x5a")
        message.add_string(kind)
        with transport.lock:
            number = transport._next_channel()
            channel = paramiko.Channel(number)
            transport._channels.put(number, channel)
            transport.channel_events[number] = event = threading.Event()
            transport.channels_seen[number] = True
        channel._set_transport(transport)
        channel._set_window(1 << 20, 1 << 15)
        for word in (number, 1 << 20, 1 << 15):
            message.add_int(word)
        if "streamlocal" in kind:
            message.add_string(f"/tmp/none-{os.getpid()}")
            message.add_string("")
            if kind.startswith("direct-"):
                message.add_int(0)
        elif kind == "tun@openssh.com":
            message.add_int(1)
            message.add_int(0)
        elif kind in ("x11", "forwarded-tcpip"):
            message.add_string("127.0.0.1")
            message.add_int(1)
            if kind == "forwarded-tcpip":
                message.add_string("127.0.0.1")
                message.add_int(1)
        transport._send_user_message(message)
        event.wait(20)
        print(kind, "refused" if transport._channels.get(number) is None else "opened")
    for name, what in (
        ("tcpip-forward", ("127.0.0.1", 0)),
        ("streamlocal-forward@openssh.com", (f"/tmp/none-{os.getpid()}",)),
        ("nothing@example.com", ()),
    ):
        print(name, "refused" if transport.global_request(name, what, wait=True) is None else "granted")
    print(says(client, "still"))
elif case == "flood":
    # Many channels that are held, with what they bring, and one whose client reads nothing: all of it is kept.
    idle = []
    for _ in range(58):
        channel = transport.open_session(timeout=20)
        channel.exec_command("./deploy.sh")
        channel.sendall(b"x" * (1024 * 1024 + 40_000))
        idle.append(channel)
    stuck = transport.open_session(window_size=65536, timeout=20)
    stuck.exec_command("head -c 4000000 /dev/zero; sleep 60")
    time.sleep(2)
    stuck.settimeout(20)
    try:
        for _ in range(256):
            stuck.sendall(b"x" * 262_144)
        print("kept")
    except OSError:
        print("closed")
    began = time.time()
    print(says(client, "beside"), time.time() - began < 15)
client.close()
