"""Round trips over one SSH connection, with asyncssh: commands, and one byte through a terminal. Prints medians in milliseconds as
JSON. Usage: ssh.py PORT USER KNOWN_HOSTS COUNT [KEY [JUMP_PORT JUMP_USER]]; the password is in TEST_TOKEN."""

import asyncio
import json
import os
import statistics
import sys
import time

import asyncssh

port, user, known, count = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
key = sys.argv[5] if len(sys.argv) > 5 else None
jump = sys.argv[6:8]


# Which letter it is matters: one with which a secret begins waits for the next.
TYPED = [bytes([b]) for b in b"cd /srv/app && ls -la | grep conf; echo The Quick Brown Fox 0123456789"]


def connect(port, user, tunnel=None):
    how = {"client_keys": [key]} if key else {"client_keys": None, "password": os.environ["TEST_TOKEN"]}
    return asyncssh.connect(
        "127.0.0.1", port, username=user, known_hosts=known, agent_path=None, config=None, tunnel=tunnel, **how
    )


def median(times):
    return round(statistics.median(times) * 1000, 3)


async def measure(connection):
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await connection.run("true", check=True)
        times.append(time.perf_counter() - began)
    found = {"exec": median(times[1:])}
    command = "stty raw -echo; printf R; exec cat"
    async with connection.create_process(command, term_type="dumb", encoding=None) as process:
        while await process.stdout.read(1) != b"R":
            pass
        times = []
        for n in range(count * 10):
            began = time.perf_counter()
            process.stdin.write(TYPED[n % len(TYPED)])
            await process.stdout.readexactly(1)
            times.append(time.perf_counter() - began)
            # Nobody types faster, and what waits for more output must not be helped by it.
            await asyncio.sleep(0.005)
        process.kill()
    found["echo"] = median(times)
    print(json.dumps(found))


async def main():
    if jump:
        async with connect(int(jump[0]), jump[1]) as outer, connect(port, user, outer) as connection:
            await measure(connection)
    else:
        async with connect(port, user) as connection:
            await measure(connection)


asyncio.run(main())
