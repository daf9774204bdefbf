"""Many SSH connections that do nothing, with asyncssh: each has run a command; with `terminal` each has a terminal open as well. Says
`open` once they are, and keeps them until its input ends. Usage: ssh_idle.py PORT USER KNOWN_HOSTS COUNT [terminal]; the password
is in TEST_TOKEN."""

import asyncio
import os
import sys

import asyncssh

port, user, known, count = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
terminal = sys.argv[5:] == ["terminal"]


async def one(doors):
    # No more at a time than strangers may be.
    async with doors:
        connection = await asyncssh.connect(
            "127.0.0.1", port, username=user, known_hosts=known, agent_path=None, config=None, client_keys=None,
            password=os.environ["TEST_TOKEN"],
        )
        await connection.run("echo once", check=True)
        process = None
        if terminal:
            process = await connection.create_process("cat", term_type="xterm")
            process.stdin.write("typed\n")
            await process.stdout.readline()
    return connection, process


async def main():
    doors = asyncio.Semaphore(8)
    held = await asyncio.gather(*(one(doors) for _ in range(count)))
    print("open", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(len(held))


asyncio.run(main())
