"""What asyncssh sees of a host: commands beside each other on one connection, signals, a terminal, and files. It prints the
same through a gateway as without. Usage: asyncssh_suite.py PORT USER KNOWN_HOSTS [KEY]; the password is in TEST_TOKEN."""

import asyncio
import hashlib
import os
import sys

import asyncssh

port, user, known = int(sys.argv[1]), sys.argv[2], sys.argv[3]
key = sys.argv[4] if len(sys.argv) > 4 else None


def short(data):
    return hashlib.sha256(data).hexdigest()[:12]


async def main():
    how = {"client_keys": [key]} if key else {"client_keys": None, "password": os.environ["TEST_TOKEN"]}
    async with asyncssh.connect(
        "127.0.0.1", port, username=user, known_hosts=known, agent_path=None, config=None, connect_timeout=20, **how
    ) as connection:
        many = [connection.run(f"echo {n}; exit {n % 5}") for n in range(12)]
        for result in await asyncio.gather(*many):
            print(result.stdout.strip(), result.exit_status)
        # More than there may be at a time, and the server's side closes first.
        later = [(await connection.run(f"echo {n}")).stdout.strip() for n in range(80)]
        print("one after the other", later == [str(n) for n in range(80)])
        big = b"0123456789abcdef" * 200_000
        echoed = await connection.run("cat", input=big, encoding=None)
        print("echoed", echoed.stdout == big, echoed.exit_status)
        killed = await connection.run("kill -9 $$")
        print(killed.exit_signal)
        async with connection.create_process("echo runs; exec sleep 60") as process:
            # A command that is held has been answered already: that it runs is known when it says so.
            await process.stdout.readline()
            process.terminate()
            await process.wait()
            print("ended by", process.exit_signal)
        wide = await connection.run("stty size", term_type="xterm", term_size=(101, 33))
        print(wide.stdout.strip())
        async with connection.start_sftp_client() as sftp:
            await sftp.mkdir("q")
            async with sftp.open("q/a", "wb") as file:
                await file.write(big)
            await sftp.rename("q/a", "q/b")
            async with sftp.open("q/b", "rb") as file:
                print("read", short(await file.read()) == short(big))
            print(sorted(n for n in await sftp.listdir("q") if n not in (".", "..")), await sftp.getsize("q/b"))
            print(await sftp.exists("q/none"))
            await sftp.rmtree("q")


asyncio.run(main())
