"""What a terminal, signals and half-closed streams do on a host, with asyncssh. It prints the same through a gateway as without.
Usage: terminal_suite.py PORT USER KNOWN_HOSTS [KEY]; the password is in TEST_TOKEN."""

import asyncio
import os
import sys

import asyncssh

port, user, known = int(sys.argv[1]), sys.argv[2], sys.argv[3]
key = sys.argv[4] if len(sys.argv) > 4 else None


async def until(process, what):
    seen = ""
    while what not in seen:
        piece = await asyncio.wait_for(process.stdout.read(4096), 30)
        if not piece:
            raise SystemExit(f"it ended before {what!r}: {seen!r}")
        seen += piece
    return seen


async def resized(connection):
    """A window that changes reaches the program as SIGWINCH."""
    command = "trap 'stty size; exit 9' WINCH; echo ready; while :; do sleep 0.1; done"
    async with connection.create_process(command, term_type="xterm", term_size=(80, 24)) as process:
        await until(process, "ready")
        process.change_terminal_size(132, 50)
        seen = await until(process, "50 132")
        await process.wait()
        print("resized", seen.strip().splitlines()[-1], process.exit_status)


async def interrupted(connection):
    """Ctrl-C at a terminal ends what runs in it, not what runs beside it."""
    command = "trap 'echo caught' INT; echo ready; sleep 60; echo after"
    async with connection.create_process(command, term_type="xterm") as process:
        await until(process, "ready")
        await asyncio.sleep(0.5)
        process.stdin.write("\x03")
        seen = await until(process, "after")
        await process.wait()
        print("interrupted", "caught" in seen, process.exit_status)


async def signalled(connection):
    for name in ("TERM", "INT", "HUP", "USR1", "KILL"):
        command = "echo runs; exec sleep 60"
        async with connection.create_process(command) as process:
            await until(process, "runs")
            process.send_signal(name)
            await asyncio.wait_for(process.wait(), 30)
            print("signal", name, process.exit_status, process.exit_signal and process.exit_signal[0])


async def hung_up(connection):
    """Whoever closes a terminal takes along what runs in it."""
    command = "trap 'echo gone > hung-up; exit' HUP; echo ready; while :; do sleep 0.1; done"
    process = await connection.create_process(command, term_type="xterm")
    await until(process, "ready")
    process.close()
    for _ in range(100):
        found = await connection.run("cat hung-up 2> /dev/null; rm -f hung-up")
        if found.stdout:
            break
        await asyncio.sleep(0.1)
    print("hung up", found.stdout.strip())


async def half_closed(connection):
    """A client that has sent everything goes on to read."""
    command = "cat; echo the rest; sleep 0.3; echo more >&2; exit 6"
    async with connection.create_process(command) as process:
        process.stdin.write("sent\n")
        process.stdin.write_eof()
        out, err = await process.stdout.read(), await process.stderr.read()
        await process.wait()
        print("half closed", out.split(), err.split(), process.exit_status)


async def beside(connection):
    """Many channels of one connection, each with a stream, an error stream and a code of its own."""

    async def one(number):
        command = f"cat; echo err-{number} >&2; exit {number}"
        done = await connection.run(command, input=f"in-{number}\n" * 2000)
        return done.stdout == f"in-{number}\n" * 2000, done.stderr.strip(), done.exit_status

    print("beside", await asyncio.gather(*(one(number) for number in range(9))))


async def environment(connection):
    done = await connection.run("echo $LC_TIME-$LANG", env={"LC_TIME": "C", "LANG": "C.UTF-8"})
    print("environment", done.stdout.strip())


async def main():
    how = {"client_keys": [key]} if key else {"client_keys": None, "password": os.environ["TEST_TOKEN"]}
    async with asyncssh.connect(
        "127.0.0.1", port, username=user, known_hosts=known, agent_path=None, config=None, connect_timeout=20, **how
    ) as connection:
        for part in (resized, interrupted, signalled, hung_up, half_closed, beside, environment):
            await part(connection)


asyncio.run(main())
