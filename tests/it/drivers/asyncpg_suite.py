"""asyncpg (binary protocol throughout); prints what it saw, which must be the same everywhere."""
import asyncio
import datetime
import io
import sys
from urllib.parse import quote

import asyncpg


def show(name, value):
    print(f"{name}: {value!r}")


async def main(host, port, user, password, database):
    conn = await asyncpg.connect(
        host=host, port=int(port), user=user, password=password, database=database, ssl="require"
    )
    show("row", tuple(await conn.fetchrow("SELECT $1::int8 + 1, $2::text, $3::timestamptz", 41, "é",
                                          datetime.datetime(2026, 2, 3, tzinfo=datetime.timezone.utc))))
    show("types", tuple(await conn.fetchrow(
        "SELECT 1::int2, 1.5::float4, 12345.678::numeric, true, '\\x00ff'::bytea, date '2026-02-03',"
        " '{\"a\":1}'::jsonb, ARRAY['a',NULL,'c'], ARRAY[1,2], NULL::text, '10.0.0.1'::inet,"
        " '3fa85f64-5717-4562-b3fc-2c963f66afa6'::uuid, interval '3 days', ROW(1,'x')")))
    statement = await conn.prepare("SELECT $1::int * 2 AS d")
    show("prepared", [await statement.fetchval(n) for n in range(5)])
    show("attributes", [(a.name, a.type.name) for a in statement.get_attributes()])
    await conn.execute("CREATE TEMP TABLE t (a int, b text)")
    await conn.executemany("INSERT INTO t VALUES ($1, $2)", [(n, f"r{n}") for n in range(300)])
    show("many", await conn.fetchval("SELECT count(*) FROM t"))
    show("copied", await conn.copy_records_to_table("t", records=[(n, "c") for n in range(500)]))
    out = io.BytesIO()
    await conn.copy_from_query("SELECT * FROM t WHERE a < 3 ORDER BY a, b", output=out, format="csv")
    show("copy out", out.getvalue())
    async with conn.transaction():
        show("cursor", [r["n"] async for r in conn.cursor("SELECT n FROM generate_series(1, 7) n", prefetch=2)])
    try:
        async with conn.transaction():
            await conn.execute("INSERT INTO t VALUES (9999, 'gone')")
            await conn.execute("SELECT 1/0")
    except asyncpg.PostgresError as error:
        show("error", (error.sqlstate, error.message))
    show("rolled back", await conn.fetchval("SELECT count(*) FROM t WHERE a = 9999"))
    heard = asyncio.get_running_loop().create_future()
    await conn.add_listener("chat", lambda *a: heard.done() or heard.set_result(a[2:]))
    await conn.execute("NOTIFY chat, 'hi'")
    show("notify", await asyncio.wait_for(heard, 5))
    try:
        await conn.fetch("SELECT pg_sleep(30)", timeout=0.5)
    except asyncio.TimeoutError:
        show("timeout", "cancelled")
    show("alive", await conn.fetchval("SELECT 'yes'"))
    await conn.close()


asyncio.run(main(*sys.argv[1:6]))
