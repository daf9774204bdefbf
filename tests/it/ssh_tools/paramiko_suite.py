"""What paramiko sees of a host: commands, their streams and codes, and files over SFTP. It prints the same whether it is
connected straight to the host or through a gateway. Usage: paramiko_suite.py PORT USER KNOWN_HOSTS [KEY]; the password is
in TEST_TOKEN."""

import hashlib
import os
import stat
import sys

import paramiko

port, user, known = int(sys.argv[1]), sys.argv[2], sys.argv[3]
key = sys.argv[4] if len(sys.argv) > 4 else None

client = paramiko.SSHClient()
client.load_host_keys(known)
client.set_missing_host_key_policy(paramiko.RejectPolicy())
client.connect(
    "127.0.0.1",
    port=port,
    username=user,
    password=None if key else os.environ["TEST_TOKEN"],
    key_filename=key,
    allow_agent=False,
    look_for_keys=False,
    timeout=20,
)


def run(command, sends=b""):
    stdin, stdout, stderr = client.exec_command(command, timeout=60)
    stdin.write(sends)
    stdin.channel.shutdown_write()
    out, err = stdout.read(), stderr.read()
    print(command, stdout.channel.recv_exit_status(), hashlib.sha256(out).hexdigest()[:12], err.decode())


run("echo out; echo err >&2; exit 3")
run("seq 1 20000")
run("wc -c", b"x" * 300_000)
run("cat", bytes(range(256)) * 2000)
run("kill -TERM $$")

sftp = client.open_sftp()
sftp.mkdir("p")
data = bytes((n * 2654435761 >> 11) & 255 for n in range(700_000))
with sftp.open("p/a", "wb") as file:
    file.set_pipelined(True)
    file.write(data)
sftp.chmod("p/a", 0o640)
sftp.rename("p/a", "p/b")
sftp.symlink("b", "p/l")
with sftp.open("p/l", "rb") as file:
    file.prefetch()
    print("read back", file.read() == data)
with sftp.open("p/b", "rb") as file:
    file.seek(1234)
    print("from the middle", hashlib.sha256(file.read(4321)).hexdigest()[:12])
print(sorted(sftp.listdir("p")), oct(stat.S_IMODE(sftp.stat("p/b").st_mode)), sftp.stat("p/b").st_size)
print(sftp.normalize("p").endswith("/home/p"), sftp.readlink("p/l"))
for what in (lambda: sftp.stat("p/none"), lambda: sftp.rmdir("p"), lambda: sftp.open("p", "wb")):
    try:
        what()
        print("it went well")
    except OSError as error:
        print(type(error).__name__)
sftp.remove("p/l")
sftp.remove("p/b")
sftp.rmdir("p")
client.close()
