//! Runs `tests/scenarios/*.md`: prose with fenced blocks that are run against a real gateway, a real
//! PostgreSQL and real psql, or a real sshd and real ssh. See `tests/scenarios/README.md` for the blocks.

mod ssh;

use anyhow::{Context, Result, bail, ensure};
use portcullis_tests::issuer::{AGENT, ANA, BEA, DORA, EVE};
use portcullis_tests::{Gateway, Person, Shown, World, WorldOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            if let Err(error) = run(stringify!($name)) {
                panic!("{error:#}");
            }
        })*

        #[test]
        fn every_scenario_is_run() {
            let mut files: Vec<String> = std::fs::read_dir(folder())
                .expect("the scenarios are there")
                .flatten()
                .filter_map(|e| e.file_name().to_string_lossy().strip_suffix(".md").map(str::to_owned))
                .filter(|name| name != "README")
                .collect();
            files.sort();
            let mut listed = vec![$(stringify!($name).to_owned()),*];
            listed.sort();
            assert_eq!(files, listed);
        }
    };
}

scenarios!(
    access,
    approval,
    approval_access,
    break_glass,
    budgets,
    deciding,
    defer,
    documents,
    masking,
    predicates,
    recording,
    session,
    ssh,
    static_certificate,
    static_cleartext,
    static_login,
    static_md5,
    tokens,
);

fn folder() -> std::path::PathBuf {
    portcullis_tests::world::workspace().join("tests/scenarios")
}

/// One fenced block.
#[derive(Debug, Default)]
struct Block {
    line: usize,
    kind: String,
    options: Vec<(String, String)>,
    input: Vec<String>,
    shows: Vec<String>,
    hides: Vec<String>,
    code: Option<i32>,
    different: Option<usize>,
    rest: Vec<String>,
}

impl Block {
    fn option(&self, key: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    fn person(&self, key: &str) -> Result<Option<&'static Person>> {
        let Some(name) = self.option(key) else {
            return Ok(None);
        };
        let all = [
            ("agent", &AGENT),
            ("ana", &ANA),
            ("bea", &BEA),
            ("dora", &DORA),
            ("eve", &EVE),
        ];
        let person = all.iter().find(|(n, _)| *n == name).map(|(_, p)| *p);
        person
            .map(Some)
            .with_context(|| format!("line {}: nobody is called `{name}`", self.line))
    }
}

fn run(name: &str) -> Result<()> {
    let file = folder().join(format!("{name}.md"));
    let blocks = parse(&file)?;
    if blocks.iter().any(|b| b.kind == "ssh") {
        return ssh::run(name, &blocks);
    }
    let mut options = WorldOptions::default();
    for block in blocks.iter().filter(|b| b.kind == "world") {
        for line in &block.rest {
            let (key, value) = line
                .split_once(':')
                .with_context(|| format!("line {}: key: value", block.line))?;
            set(&mut options, key.trim(), value.trim())
                .with_context(|| format!("line {}", block.line))?;
        }
    }
    let world = World::start(&options)?;
    let mut said = BTreeMap::new();
    for block in &blocks {
        play(&world, block, &mut said).with_context(|| {
            format!(
                "{name}.md:{}\n--- the gateway's log ends with\n{}",
                block.line,
                tail(&world.gateway.log())
            )
        })?;
    }
    Ok(())
}

/// One setting of the world.
fn set(options: &mut WorldOptions, key: &str, value: &str) -> Result<()> {
    match key {
        "labels" => options.labels = value.to_owned(),
        "credential" => {
            options.credential = if value == "static" {
                "static"
            } else {
                "minted"
            }
        }
        "approvals" if value == "defer" => {
            let (hold, defer) = (
                "approver_groups: [dba]}\n  mask",
                "approver_groups: [dba], mode: defer}\n  mask",
            );
            options.data = portcullis_tests::world::DATA.replace(hold, defer);
        }
        "auth" => {
            options.cluster.auth = match value {
                "md5" => "md5",
                "password" => "password",
                "cert" => "cert",
                _ => "scram-sha-256",
            }
        }
        "tls" => options.cluster.tls = value == "on",
        "packs" => {
            let more = value.split_whitespace();
            let more = more.map(|pack| format!("    - builtin: {pack}\n"));
            options.packs = std::iter::once(portcullis_tests::world::PACKS.to_owned())
                .chain(more)
                .collect();
        }
        "config" => {
            let data = match options.data.is_empty() {
                true => portcullis_tests::world::DATA,
                false => &options.data,
            };
            let head = format!("\nconfig:\n  {value}\n");
            options.data = data.replace("\nconfig:\n", &head);
        }
        "mask" => options.data = masked_too(&options.data, value),
        "entities" => options.data = found_too(&options.data, value),
        "session" => options.more = format!("session: {value}\n"),
        "tenant_key" => {
            options.more = "masking: { tenant_key: \"file:{at}/tenant-key\" }\n".to_owned();
        }
        other => bail!("a world has no `{other}`"),
    }
    Ok(())
}

/// The world's data with one masked column more.
fn masked_too(data: &str, entry: &str) -> String {
    let data = match data.is_empty() {
        true => portcullis_tests::world::DATA,
        false => data,
    };
    let head = "\n      orders:\n";
    data.replace(head, &format!("{head}        - {entry}\n"))
}

/// The world's data with methods for what detectors find.
fn found_too(data: &str, entities: &str) -> String {
    let data = match data.is_empty() {
        true => portcullis_tests::world::DATA,
        false => data,
    };
    let head = "\n  mask:\n";
    data.replace(head, &format!("{head}    entities: {entities}\n"))
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// A line with what blocks of these names have printed.
fn filled(line: &str, said: &BTreeMap<String, String>) -> String {
    said.iter().fold(line.to_owned(), |line, (name, text)| {
        line.replace(&format!("{{{name}}}"), text)
    })
}

fn play(world: &World, block: &Block, said: &mut BTreeMap<String, String>) -> Result<()> {
    let shown = match block.kind.as_str() {
        "psql" => psql(world, block, said)?,
        "portcullis" => {
            let token = block.person("as")?.map(|p| world.token(p)).transpose()?;
            administered(&world.gateway, token.as_deref(), block)?
        }
        "server" => {
            let database = block.option("database").unwrap_or("orders");
            Shown {
                code: 0,
                out: world.cluster.sql(database, &block.input.join("\n"))?,
                err: String::new(),
            }
        }
        _ => return Ok(()),
    };
    check(block, &shown, said)
}

/// An administration command.
fn administered(gateway: &Gateway, token: Option<&str>, block: &Block) -> Result<Shown> {
    let mut line = block.input.join(" ");
    if line.contains("PENDING") {
        line = line.replace("PENDING", &gateway.pending(Duration::from_secs(60))?);
    }
    for (word, listing) in [
        ("GRANT", ["access", "list"]),
        ("REVIEW", ["approvals", "reviews"]),
    ] {
        if line.contains(word) {
            line = line.replace(word, &first_id(gateway, listing)?);
        }
    }
    let arguments: Vec<&str> = line.split_whitespace().collect();
    gateway.admin_as(token, &arguments)
}

/// What has to show, and what must not.
fn check(block: &Block, shown: &Shown, said: &mut BTreeMap<String, String>) -> Result<()> {
    let all = shown.all();
    for text in &block.shows {
        let text = filled(text, said);
        ensure!(all.contains(text.as_str()), "`{text}` is not shown:\n{all}");
    }
    for text in &block.hides {
        let text = filled(text, said);
        ensure!(!all.contains(text.as_str()), "`{text}` is shown:\n{all}");
    }
    if let Some(wanted) = block.different {
        let lines: BTreeSet<&str> = shown.out.lines().collect();
        ensure!(
            lines.len() == wanted,
            "{} different lines instead of {wanted}:\n{all}",
            lines.len()
        );
    }
    if let Some(name) = block.option("named") {
        ensure!(
            !shown.out.trim().is_empty(),
            "nothing to name `{name}`:\n{all}"
        );
        said.insert(name.to_owned(), shown.out.trim().to_owned());
    }
    if let Some(code) = block.code {
        ensure!(
            shown.code == code,
            "exit code {} instead of {code}:\n{all}",
            shown.code
        );
    }
    Ok(())
}

/// The id of the first thing in a listing.
fn first_id(gateway: &Gateway, listing: [&str; 2]) -> Result<String> {
    let rows = gateway.json(&[listing[0], listing[1]])?;
    let id = rows[0]["id"].as_str();
    id.map(str::to_owned)
        .with_context(|| format!("{listing:?} is empty"))
}

fn psql(world: &World, block: &Block, said: &BTreeMap<String, String>) -> Result<Shown> {
    let who = block.person("as")?.context("a psql block says as=")?;
    let token = world.token(who)?;
    let mut command = world.psql(
        "anybody",
        &token,
        block.option("target").unwrap_or("orders"),
    );
    if let Some(options) = block.option("options") {
        command.env("PGOPTIONS", options.replace("%20", " "));
    }
    if block.option("form") == Some("plain") {
        command.arg("-At");
    }
    // One -c per statement: psql sends each as a message of its own, in one session.
    for statement in filled(&block.input.join("\n"), said).split("\n;;\n") {
        command.args(["-c", statement]);
    }
    voted(&world.gateway, block, command, |p| world.token(p))
}

/// Runs a client; where the block says so, somebody votes on what it has to wait for.
fn voted(
    gateway: &Gateway,
    block: &Block,
    mut command: Command,
    token: impl Fn(&Person) -> Result<String>,
) -> Result<Shown> {
    let vote = ["approve", "deny"]
        .into_iter()
        .find(|key| block.option(key).is_some());
    let Some(verb) = vote else {
        return Shown::by(&mut command).context("run a client");
    };
    let voter = block.person(verb)?.context("somebody votes")?;
    let vote_token = token(voter)?;
    let waiting = std::thread::spawn(move || Shown::by(&mut command));
    let id = gateway.pending(Duration::from_secs(60))?;
    let reason = block.option("reason").unwrap_or("looked at it");
    let vote = ["approvals", verb, &id, "--reason", reason];
    let voted = gateway.admin_as(Some(&vote_token), &vote)?;
    ensure!(voted.code == 0, "the vote was refused: {}", voted.all());
    let shown = waiting
        .join()
        .map_err(|_| anyhow::anyhow!("the waiting client was lost"))??;
    Ok(shown)
}

fn parse(file: &Path) -> Result<Vec<Block>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(head)) => {
                let mut words = head.split_whitespace();
                let kind = words.next().unwrap_or_default().to_owned();
                let options = words
                    .filter_map(|w| w.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())))
                    .collect();
                open = Some(Block {
                    line: number + 1,
                    kind,
                    options,
                    ..Block::default()
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => match line.split_at_checked(2) {
                Some(("> ", rest)) => block.input.push(rest.to_owned()),
                Some((";;", "")) => block.input.push(";;".to_owned()),
                Some(("< ", rest)) => block.shows.push(rest.to_owned()),
                Some(("! ", rest)) => block.hides.push(rest.to_owned()),
                Some(("& ", rest)) => {
                    block.different = Some(rest.trim().parse().context("read a number of lines")?)
                }
                Some(("= ", rest)) => {
                    block.code = Some(rest.trim().parse().context("read an exit code")?)
                }
                _ => block.rest.push(line.to_owned()),
            },
            (None, None) => {}
        }
    }
    ensure!(open.is_none(), "{}: a block is not closed", file.display());
    ensure!(!blocks.is_empty(), "{} has no block", file.display());
    Ok(blocks)
}
