"""psycopg 3 through whatever DSN it is given; prints what it saw, which must be the same everywhere."""
import asyncio
import sys
from decimal import Decimal

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

dsn = sys.argv[1]


def show(name, value):
    print(f"{name}: {value!r}")


with psycopg.connect(dsn, autocommit=True) as conn:
    show("encoding", conn.info.encoding)
    show("scs", conn.info.parameter_status("standard_conforming_strings"))
    cur = conn.execute("SELECT %s::int, %s::text, %s::numeric", (1, "é", Decimal("1.50")))
    show("row", cur.fetchone())
    for binary in (False, True):
        cur = conn.cursor(binary=binary)
        cur.execute(
            "SELECT 1::int2, 2::int4, 3::int8, 1.5::float8, 1.25::numeric, true, 'x'::text, '\\x00ff'::bytea,"
            " date '2026-02-03', timestamptz '2026-02-03 04:05:06+00', '{\"a\":[1,\"b\"]}'::jsonb,"
            " ARRAY['a','b c','d\"e'], ARRAY[[1,2],[3,4]], NULL, '3fa85f64-5717-4562-b3fc-2c963f66afa6'::uuid,"
            " interval '1 day 2 hours', inet '10.0.0.1/8', int4range(1, 5)"
        )
        show(f"types binary={binary}", cur.fetchone())
    show("prepared", [conn.execute("SELECT %s::int * 2", (n,), prepare=True).fetchone() for n in range(8)])
    show("description", [(d.name, d.type_code) for d in conn.execute("SELECT 1 AS a, 'b'::text AS b").description])

    conn.execute("CREATE TEMP TABLE t (a int, b text, c bytea)")
    with conn.cursor() as cur:
        with cur.copy("COPY t FROM STDIN") as copy:
            for n in range(1000):
                copy.write_row((n, f"row {n}\twith\ntabs", b"\x00\x01"))
        with cur.copy("COPY t TO STDOUT") as copy:
            show("copy text", [row for row in copy.rows()][:2])
        with cur.copy("COPY (SELECT a, b FROM t ORDER BY a LIMIT 3) TO STDOUT (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "text"])
            show("copy binary", list(copy.rows()))
        with cur.copy("COPY (SELECT b FROM t ORDER BY a LIMIT 2) TO STDOUT (FORMAT CSV, HEADER)") as copy:
            show("copy csv", b"".join(bytes(block) for block in copy))
        with cur.copy("COPY t (a, b) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "text"])
            copy.write_row((5000, "binary"))
        show("copied", cur.execute("SELECT count(*), max(a) FROM t").fetchone())
        try:
            with cur.copy("COPY t FROM STDIN") as copy:
                copy.write("not a number\tx\t\\N\n")
        except psycopg.Error as error:
            show("copy error", (error.sqlstate, error.diag.message_primary))
        try:
            with cur.copy("COPY t FROM STDIN") as copy:
                copy.write_row((1, "x", None))
                raise KeyError("client gives up")
        except KeyError as error:
            show("copy given up", error)
        show("after", cur.execute("SELECT count(*) FROM t").fetchone())

with psycopg.connect(dsn) as conn:
    with conn.cursor(name="server_side") as cur:
        cur.itersize = 100
        cur.execute("SELECT generate_series(1, 1050) AS n")
        show("server cursor", sum(n for (n,) in cur))
    try:
        conn.execute("SELECT 1/0")
    except psycopg.Error as error:
        show("error", (error.sqlstate, error.diag.message_primary, conn.info.transaction_status.name))
    conn.rollback()
    show("rolled back", conn.info.transaction_status.name)
    with conn.transaction():
        conn.execute("CREATE TEMP TABLE u (n int)")
        try:
            with conn.transaction():
                conn.execute("INSERT INTO u VALUES (1)")
                conn.execute("SELECT nonsense")
        except psycopg.Error as error:
            show("savepoint", error.sqlstate)
        show("kept", conn.execute("SELECT count(*) FROM u").fetchone())

with psycopg.connect(dsn, autocommit=True) as conn:
    with conn.pipeline():
        cursors = [conn.execute("SELECT %s::int", (n,)) for n in range(50)]
        show("pipeline", sum(c.fetchone()[0] for c in cursors))
    try:
        with conn.pipeline() as pipeline:
            first = conn.execute("SELECT 1")
            conn.execute("SELECT broken_column")
            last = conn.execute("SELECT 3")
            pipeline.sync()
            show("pipeline first", first.fetchone())
            last.fetchone()
    except psycopg.Error as error:
        show("pipeline error", error.sqlstate)
    show("still there", conn.execute("SELECT 'yes'").fetchone())
    conn.execute("LISTEN chat")
    conn.execute("SELECT pg_notify('chat', 'hello')")
    show("notify", [(n.channel, n.payload) for n in conn.notifies(timeout=5, stop_after=1)])
    notices = []
    conn.add_notice_handler(lambda diag: notices.append(diag.message_primary))
    conn.execute("DROP TABLE IF EXISTS nothing_of_the_kind")
    show("notices", notices)
    show("multi", [r.fetchall() for r in conn.execute("SELECT 1; SELECT 2").results()])
    show("empty", conn.execute("").statusmessage)
    show("big", len(conn.execute("SELECT repeat('x', 3000000)").fetchone()[0]))
    show("wide", len(conn.execute(sql.SQL("SELECT {}").format(sql.SQL(",").join(sql.Literal(n) for n in range(500)))).fetchone()))
    show("json", conn.execute("SELECT %s::jsonb", (Jsonb({"k": ["v", 1, None]}),)).fetchone())


async def cancelled():
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
        task = asyncio.create_task(conn.execute("SELECT pg_sleep(30)"))
        await asyncio.sleep(0.5)
        await conn.cancel_safe()
        try:
            await task
        except psycopg.Error as error:
            show("cancel", error.sqlstate)
        cur = await conn.execute("SELECT 'alive'")
        show("after cancel", await cur.fetchone())


asyncio.run(cancelled())
