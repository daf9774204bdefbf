"""A terminal whose window changes while its command is held, with asyncssh. Usage: held_window.py PORT USER KNOWN_HOSTS; the password
is in TEST_TOKEN. A line on standard input says that the command is held; then it prints `resized`, and at the end what came of it."""

import asyncio
import os
import sys

import asyncssh

port, user, known = int(sys.argv[1]), sys.argv[2], sys.argv[3]


async def main():
    async with asyncssh.connect(
        "127.0.0.1",
        port,
        username=user,
        known_hosts=known,
        agent_path=None,
        config=None,
        connect_timeout=20,
        client_keys=None,
        password=os.environ["TEST_TOKEN"],
    ) as connection:
        opening = asyncio.ensure_future(
            connection.create_process("./deploy.sh", term_type="xterm", term_size=(80, 24))
        )
        await asyncio.to_thread(sys.stdin.readline)
        process = await asyncio.wait_for(opening, 30)
        for width, height in ((90, 30), (101, 33), (132, 50)):
            process.change_terminal_size(width, height)
            await asyncio.sleep(0.2)
        print("resized", flush=True)
        said = await asyncio.wait_for(process.stdout.read(), 120)
        await asyncio.wait_for(process.wait(), 30)
        print(said.split()[-1], process.exit_status)


asyncio.run(main())
