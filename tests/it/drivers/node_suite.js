// node-postgres through whatever it is given; prints what it saw, which must be the same everywhere.
const { Client } = require('pg');

const [host, port, user, password, database] = process.argv.slice(2);
const show = (name, value) => console.log(`${name}: ${JSON.stringify(value)}`);

(async () => {
  const client = new Client({ host, port, user, password, database, ssl: { rejectUnauthorized: false } });
  const notices = [];
  client.on('notice', (n) => notices.push(n.message));
  await client.connect();
  show('row', (await client.query('SELECT $1::int + 1 AS n, $2::text AS t', [41, 'é'])).rows);
  show('named', (await client.query({ name: 'p', text: 'SELECT $1::int * 2 AS d', values: [4] })).rows);
  show('again', (await client.query({ name: 'p', text: 'SELECT $1::int * 2 AS d', values: [5] })).rows);
  show('types', (await client.query("SELECT 1::int8 AS a, 1.5::numeric AS b, true AS c, '{\"x\":1}'::jsonb AS d, ARRAY[1,2] AS e, NULL AS f")).rows);
  show('multi', (await client.query('SELECT 1 AS a; SELECT 2 AS b')).map((r) => r.rows));
  try {
    await client.query('SELECT nonsense');
  } catch (error) {
    show('error', [error.code, error.message]);
  }
  await client.query('DROP TABLE IF EXISTS nothing_of_the_kind');
  show('notices', notices);
  show('rows', (await client.query('SELECT n FROM generate_series(1, 5000) n')).rowCount);
  await client.query('BEGIN');
  await client.query('CREATE TEMP TABLE t (n int)');
  await client.query('ROLLBACK');
  show('gone', (await client.query("SELECT to_regclass('t') AS t")).rows);
  await client.end();
})().catch((error) => {
  console.log(`failed: ${error.message}`);
  process.exit(1);
});
