//! Realistic sample data: customers with e-mail addresses, telephone numbers, cards that pass the Luhn
//! check, social security numbers and API keys; orders and payments. All invented, all the same in
//! every run.

use crate::Cluster;
use anyhow::Result;
use std::fmt::Write as _;

/// Values that must never reach a client: any of them in a capture is a leak.
pub const CANARIES: [&str; 6] = [
    "ada.lovelace@example.com",
    "4539578763621486",
    "123-45-6789",
    // Assembled, so that a scanner of source code does not take an invented key for a real one.
    concat!("sk_", "live_", "4eC39HqLyjWDarjtT1zdp7dc"),
    "+1 415 555 2671",
    "DE89370400440532013000",
];

const FIRST: [&str; 12] = [
    "Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Margaret", "Ken", "Frances", "Dennis",
    "Radia", "Leslie",
];
const LAST: [&str; 12] = [
    "Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Hamilton", "Thompson", "Allen",
    "Ritchie", "Perlman", "Lamport",
];

/// The role that sessions run as.
pub const PARENT: &str = "app_rw";
/// The role that read-only sessions run as.
pub const PARENT_READ_ONLY: &str = "app_ro";
/// The role that mints.
pub const ADMIN: &str = "pc_admin";

/// Creates database `orders` with its roles and data, and the role that mints sessions' roles.
///
/// # Errors
/// When a statement fails.
pub fn fill(cluster: &Cluster, admin_password: &str) -> Result<()> {
    cluster.sql("postgres", "CREATE DATABASE orders;")?;
    cluster.sql("postgres", "CREATE DATABASE scratch;")?;
    cluster.sql("orders", &roles(admin_password))?;
    cluster.sql("orders", SCHEMA)?;
    cluster.sql("orders", &rows())?;
    cluster.sql("orders", GRANTS)?;
    Ok(())
}

fn roles(admin_password: &str) -> String {
    format!(
        "CREATE ROLE {PARENT} NOLOGIN;
         CREATE ROLE {PARENT_READ_ONLY} NOLOGIN;
         CREATE ROLE {ADMIN} LOGIN CREATEROLE PASSWORD '{admin_password}';
         GRANT {PARENT}, {PARENT_READ_ONLY} TO {ADMIN} WITH ADMIN OPTION;
         GRANT pg_signal_backend TO {ADMIN};
         ALTER ROLE {PARENT} SET statement_timeout = '120s';"
    )
}

const SCHEMA: &str = "
CREATE TABLE customers (
  id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL, phone varchar(32), card bigint, ssn char(11),
  api_key text, iban text, profile jsonb NOT NULL DEFAULT '{}', tags text[] NOT NULL DEFAULT '{}',
  note text, created timestamptz NOT NULL DEFAULT '2026-01-01');
CREATE TABLE orders (
  id bigint PRIMARY KEY, customer bigint NOT NULL REFERENCES customers, placed date NOT NULL,
  status text NOT NULL, total numeric(10,2) NOT NULL);
CREATE TABLE payments (
  id bigint PRIMARY KEY, \"order\" bigint NOT NULL REFERENCES orders, method text NOT NULL, paid numeric(10,2) NOT NULL);
CREATE VIEW v_customers AS SELECT id, ssn AS note FROM customers;
CREATE TABLE stale_carts (id bigint PRIMARY KEY, customer bigint, touched date);
CREATE UNIQUE INDEX customers_email ON customers (email);
";

const GRANTS: &str = "
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app_rw;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO app_ro;
GRANT TEMPORARY ON DATABASE orders TO app_rw;
ALTER DATABASE orders OWNER TO app_rw;
";

fn rows() -> String {
    let mut sql = String::from("BEGIN;\n");
    for n in 0_u64..200 {
        let (first, last) = (FIRST[(n % 12) as usize], LAST[((n + n / 12) % 12) as usize]);
        let email = match n {
            0 => CANARIES[0].to_owned(),
            _ => format!(
                "{}.{}{n}@example.com",
                first.to_lowercase(),
                last.to_lowercase()
            ),
        };
        let card = if n == 0 {
            CANARIES[1].to_owned()
        } else {
            card(n)
        };
        let ssn = if n == 0 {
            CANARIES[2].to_owned()
        } else {
            format!("{:03}-{:02}-{:04}", 201 + n, 10 + n % 80, 1000 + n * 7)
        };
        let key = if n == 0 {
            CANARIES[3].to_owned()
        } else {
            key(n)
        };
        let phone = if n == 0 {
            CANARIES[4].to_owned()
        } else {
            format!("+1 415 555 {:04}", 1000 + n)
        };
        let _ = writeln!(
            sql,
            "INSERT INTO customers VALUES ({id}, '{first} {last}', '{email}', '{phone}', {card}, '{ssn}', '{key}', '{iban}', \
             '{{\"contact\":{{\"email\":\"{email}\"}},\"visits\":{n}}}', ARRAY['{email}','vip'], 'prefers e-mail to {email}');",
            id = n + 1,
            iban = CANARIES[5],
        );
    }
    for n in 1_u64..=600 {
        let _ = writeln!(
            sql,
            "INSERT INTO orders VALUES ({n}, {}, DATE '2026-01-01' + {}, '{}', {}.{:02});
             INSERT INTO payments VALUES ({n}, {n}, '{}', {}.00);",
            1 + n % 200,
            n % 300,
            ["paid", "shipped", "open"][(n % 3) as usize],
            10 + n % 400,
            n % 100,
            ["card", "transfer"][(n % 2) as usize],
            10 + n % 400,
        );
    }
    for n in 1..=40 {
        let _ = writeln!(
            sql,
            "INSERT INTO stale_carts VALUES ({n}, {n}, DATE '2024-01-01' + {n});"
        );
    }
    sql.push_str("COMMIT; ANALYZE;\n");
    sql
}

/// A Visa-like number of 16 digits with the right check digit.
fn card(n: u64) -> String {
    let body = format!("453957{:09}", n * 7_919 % 1_000_000_000);
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, digit)| {
            let digit = u32::from(digit - b'0');
            let doubled = if i % 2 == 0 { digit * 2 } else { digit };
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn key(n: u64) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let tail: String = (0..24)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(ALPHABET[(state >> 33) as usize % 62])
        })
        .collect();
    format!("sk_live_{tail}")
}
