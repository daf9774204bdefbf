//! Every known way past classification or masking, for ever: `tests/bypass/postgres.sql` against the real
//! thing. The canary never reaches the client, and what is refused never reaches the server.

use anyhow::{Context, Result, bail, ensure};
use portcullis_tests::issuer::AGENT;
use portcullis_tests::{Shown, World, WorldOptions, world};

/// Values of the customer with id 1, and what is left of them after the usual re-encodings.
const CANARIES: [&str; 9] = [
    "123-45-6789",
    "9876-54-321",
    "123-45",
    "5-6789",
    "3132332d34352d36373839",
    "MTIzLTQ1LTY3ODk",
    "ada.lovelace@example.com",
    "4539578763621486",
    "4eC39HqLyjWDarjtT1zdp7dc",
];

const LABELS: [&str; 6] = [
    "never-leaks",
    "masked-whole",
    "denied",
    "oracle",
    "uniform",
    "clean",
];

#[derive(Debug)]
struct Way {
    line: usize,
    label: String,
    name: String,
    sql: String,
}

fn ways() -> Result<Vec<Way>> {
    let file = world::workspace().join("tests/bypass/postgres.sql");
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let mut ways: Vec<Way> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some((label, name)) = line
            .strip_prefix("-- ")
            .and_then(|head| head.split_once(':'))
            && LABELS.contains(&label)
        {
            let (label, name) = (label.to_owned(), name.trim().to_owned());
            ways.push(Way {
                line: number + 1,
                label,
                name,
                sql: String::new(),
            });
        } else if let Some(way) = ways.last_mut()
            && !line.trim().is_empty()
            && (!way.sql.is_empty() || !line.starts_with("--"))
        {
            way.sql.push_str(line);
            way.sql.push('\n');
        }
    }
    ensure!(
        ways.len() >= 40,
        "only {} ways in {}",
        ways.len(),
        file.display()
    );
    Ok(ways)
}

/// What must not have changed, whatever was tried.
fn fingerprint(world: &World) -> Result<String> {
    world.cluster.sql("orders", "SELECT (SELECT md5(string_agg(c::text, '' ORDER BY id)) FROM customers c),
        (SELECT md5(string_agg(o::text, '' ORDER BY id)) FROM orders o), (SELECT count(*) FROM payments),
        (SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname NOT LIKE 'pc\\_%'),
        (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
        (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
        (SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database), (SELECT count(*) FROM pg_largeobject_metadata)")
}

#[test]
fn no_way_past_the_gate() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let token = world.token(&AGENT)?;
    let before = fingerprint(&world)?;
    let mut failures = Vec::new();
    for way in ways()? {
        if let Err(error) = attempt(&world, &token, &way) {
            failures.push(format!(
                "postgres.sql:{} {} ({}): {error:#}\n    {}",
                way.line,
                way.name,
                way.label,
                way.sql.trim()
            ));
        }
    }
    let after = fingerprint(&world)?;
    ensure!(before == after, "something was written:\n{before}\n{after}");
    ensure!(
        failures.is_empty(),
        "{} ways are open:\n{}",
        failures.len(),
        failures.join("\n")
    );
    Ok(())
}

fn writes(sql: &str) -> bool {
    let verbs = ["UPDATE ", "DELETE ", "INSERT ", "MERGE "];
    verbs.iter().any(|verb| sql.contains(verb))
}

fn attempt(world: &World, token: &str, way: &Way) -> Result<()> {
    let mut command = world.psql("anybody", token, "orders");
    let shown = Shown::by(command.args(["-A", "-c", &way.sql])).context("run psql")?;
    // What the client sent comes back in error messages; only the server's answer is looked at.
    let all = shown.all();
    let leak = CANARIES
        .iter()
        .find(|c| all.contains(**c) && !way.sql.contains(**c));
    match (way.label.as_str(), leak) {
        (_, Some(canary)) => bail!("`{canary}` reached the client:\n{all}"),
        ("denied", None) => {
            ensure!(
                shown.err.contains("portcullis") || shown.err.contains("ERROR"),
                "it was not refused:\n{all}"
            );
            ensure!(
                shown.err.contains("\"rule\"") || shown.code != 0,
                "no rule is named:\n{all}"
            );
        }
        // A write may be refused for being one.
        ("oracle", None) => ensure!(
            shown.err.contains("portcullis/tests-protected")
                || (writes(&way.sql) && shown.err.contains("\"rule\"")),
            "it was not refused for what it tests:\n{all}"
        ),
        ("clean", None) => ensure!(
            shown.code == 0 && !shown.out.trim().is_empty() && !all.contains("[pc-masked"),
            "it was not shown as it is:\n{all}"
        ),
        ("uniform", None) => {
            let copied = way.sql.starts_with("COPY ");
            let lines: Vec<&str> = shown.out.lines().skip(usize::from(!copied)).collect();
            let rows: Vec<&&str> = lines.iter().filter(|l| !l.ends_with(" rows)")).collect();
            ensure!(
                shown.code == 0 && rows.len() > 1 && rows.windows(2).all(|two| two[0] == two[1]),
                "its rows differ, or there are none:\n{all}"
            );
        }
        ("never-leaks" | "masked-whole", None) => ensure!(
            !shown.err.contains("portcullis/tests-protected"),
            "it was refused, and there is nothing to refuse:\n{all}"
        ),
        (other, None) => bail!("`{other}` is no label"),
    }
    Ok(())
}
