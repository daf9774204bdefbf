"""libpq 18 over OAUTHBEARER: psycopg's own libpq, given a token by the hook that applications use."""
import ctypes
import sys

import psycopg

dsn, issuer, token = sys.argv[1:4]
with open("/proc/self/maps", encoding="ascii") as maps:
    path = next(line.split()[-1] for line in maps if "libpq" in line and ".so" in line)
libpq = ctypes.CDLL(path)


class Request(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("discovery", "scope", "poll", "cleanup", "token", "user")]


HOOK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
seen = []


def give(kind, _connection, data):
    if kind != 1:  # PQAUTHDATA_OAUTH_BEARER_TOKEN
        return 0
    request = ctypes.cast(data, ctypes.POINTER(Request)).contents
    seen.append(ctypes.string_at(request.discovery).decode() if request.discovery else None)
    held = ctypes.create_string_buffer(token.encode())
    give.held = held
    request.token = ctypes.addressof(held)
    return 1


hook = HOOK(give)
libpq.PQsetAuthDataHook.argtypes = [HOOK]
libpq.PQsetAuthDataHook(hook)
more = f" oauth_issuer={issuer} oauth_client_id=cli require_auth=oauth"
with psycopg.connect(dsn + more, autocommit=True) as conn:
    print(conn.execute("SELECT name FROM customers WHERE id = 1").fetchone()[0])
print("told", seen[0])
try:
    psycopg.connect(dsn + " password=x")
except psycopg.OperationalError as error:
    print("refused", "OAuth" in str(error))
