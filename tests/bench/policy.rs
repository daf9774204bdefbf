//! What policies cost: a decision by a flat pack and by the shipped packs, over 10, 1,000 and 100,000
//! users of data; a reload of 50 modules; a replay of decisions that were really made. Beside OPA, in the
//! same run, where an `opa` is on the PATH. Processor time, by the program's own `policy bench`.

use anyhow::{Context, Result};
use portcullis_tests::issuer::ANA;
use portcullis_tests::{Scratch, World, WorldOptions, gateway, process, world};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const USERS: [usize; 3] = [10, 1_000, 100_000];
const MODULES: usize = 50;
/// Five rules that look people up, match labels, look at the clock and at statements.
const FLAT: &str = r#"package portcullis.packs.flat

import rego.v1

user := data.users[input.identity.subject]

grant contains {"rule": "flat/team"} if {
	some team in user.teams
	input.connection.labels.app in data.teams[team].apps
}

deny contains {"rule": "flat/suspended", "msg": "suspended"} if user.suspended == true

deny contains {"rule": "flat/night", "msg": "not at night"} if {
	[hour, _, _] := time.clock([input.request.time_ns, "Europe/Berlin"])
	not hour in {7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}
}

deny contains {"rule": "flat/destroys", "msg": "destroys"} if {
	some statement in input.command.statements
	statement.verb in {"DROP", "TRUNCATE"}
}

approval contains {"rule": "flat/writes", "msg": "writes", "approver_groups": ["dba"]} if {
	some statement in input.command.statements
	statement.class in {"write", "ddl", "dcl"}
	input.connection.labels.env == "prod"
}
"#;

/// Measures, and writes `tests/bench/policy.md`.
pub fn run(profile: &str) -> Result<()> {
    let scratch = Scratch::new("policy-bench")?;
    let folder = scratch.path();
    let bench = Bench {
        program: gateway::program(&world::workspace(), profile)?,
        folder: folder.to_owned(),
    };
    let mut text = format!(
        "# Policy figures\n\nProcessor time of one thread, {profile} build. `uncached` forgets what packs have said before each decision.\n\n\
         | packs | users of data | uncached p50 us | p99 us | cached p50 us | p99 us | load ms | OPA us |\n|---|---|---|---|---|---|---|---|\n"
    );
    for users in USERS {
        for flat in [true, false] {
            let row = bench.decisions(users, flat)?;
            eprintln!("{row}");
            text.push_str(&row);
        }
    }
    text.push_str(&bench.reload()?);
    text.push_str(&replay(profile)?);
    println!("{text}");
    let file = world::workspace().join("tests/bench/policy.md");
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))
}

struct Bench {
    program: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let output = process::run(
            Command::new(&self.program)
                .args(["policy", "bench", "--json"])
                .args(arguments),
        )?;
        serde_json::from_slice(&output.stdout).context("read the figures")
    }

    fn decisions(&self, users: usize, flat: bool) -> Result<String> {
        let data = self.folder.join(format!("data-{users}.json"));
        fs::write(&data, data_of(users).to_string())?;
        let input = self.folder.join("input.json");
        fs::write(&input, input_of().to_string())?;
        let pack = self.folder.join("flat.rego");
        fs::write(&pack, FLAT)?;
        let pack = pack.display().to_string();
        let shipped = shipped()?;
        let (data_arg, input_arg) = (data.display().to_string(), input.display().to_string());
        let mut arguments = vec!["--data", &data_arg, "--input", &input_arg];
        match flat {
            true => arguments.push(&pack),
            false => arguments.extend(shipped.iter().map(String::as_str)),
        }
        let figures = self.ask(&arguments)?;
        let number = |path: &str| figures.pointer(path).and_then(Value::as_f64).unwrap_or(0.0);
        let policies = match flat {
            true => PathBuf::from(&pack),
            false => world::workspace().join("policies/portcullis"),
        };
        Ok(format!(
            "| {} | {users} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {} |\n",
            if flat {
                "flat, 5 rules"
            } else {
                "all that ship"
            },
            number("/inputs/0/uncached_us/p50"),
            number("/inputs/0/uncached_us/p99"),
            number("/inputs/0/cached_us/p50"),
            number("/inputs/0/cached_us/p99"),
            number("/reload_ms"),
            opa(&policies, &data, &input)?
        ))
    }

    /// Fifty modules, each with a rule and a test of its own.
    fn reload(&self) -> Result<String> {
        let mut packs = Vec::new();
        for n in 0..MODULES / 2 {
            let folder = self.folder.join(format!("pack_{n}"));
            fs::create_dir_all(&folder)?;
            fs::write(
                folder.join(format!("pack_{n}.rego")),
                FLAT.replace("packs.flat", &format!("packs.pack_{n}")),
            )?;
            fs::write(
                folder.join(format!("pack_{n}_test.rego")),
                format!(
                    "package portcullis.packs.pack_{n}_test\n\nimport rego.v1\n\nimport data.portcullis.fixtures\nimport data.portcullis.packs.pack_{n}\n\n\
                     test_drops if {{\n\tsome denial in pack_{n}.deny with input as fixtures.command(fixtures.engineer, fixtures.prod, [fixtures.drop(\"TABLE\")])\n\tdenial.rule == \"flat/destroys\"\n}}\n"
                ),
            )?;
            packs.push(folder.display().to_string());
        }
        let arguments: Vec<&str> = packs.iter().map(String::as_str).collect();
        let figures = self.ask(&arguments)?;
        let number = |path: &str| figures.pointer(path).and_then(Value::as_f64).unwrap_or(0.0);
        Ok(format!(
            "\n## Reload\n\n{MODULES} files (25 packs, 25 of tests): read, check, compile {:.1} ms ({:.1} ms of processor); {} tests {:.1} ms. Budget: 50 ms.\n",
            number("/reload_ms"),
            number("/reload_cpu_ms"),
            figures["tests"],
            number("/tests_cpu_ms")
        ))
    }
}

/// All packs that ship.
fn shipped() -> Result<Vec<String>> {
    let folder = world::workspace().join("policies/portcullis/packs");
    let mut packs = Vec::new();
    for entry in fs::read_dir(&folder).context("list the packs")?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(pack) = name.strip_suffix(".rego").filter(|n| !n.ends_with("_test")) {
            packs.push(format!("builtin:{pack}"));
        }
    }
    packs.sort();
    Ok(packs)
}

/// Microseconds of a query of all packs by OPA, where there is one.
fn opa(policies: &Path, data: &Path, input: &Path) -> Result<String> {
    let mut command = Command::new("opa");
    command
        .args(["bench", "--format", "json", "--data"])
        .arg(policies)
        .arg("--data")
        .arg(data)
        .arg("--input")
        .arg(input)
        .arg("data.portcullis.packs");
    let Ok(output) = command.output() else {
        return Ok("no opa on the PATH".to_owned());
    };
    anyhow::ensure!(
        output.status.success(),
        "opa bench: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let figures: Value = serde_json::from_slice(&output.stdout).context("read OPA's figures")?;
    let (time, count) = (figures["T"].as_f64(), figures["N"].as_f64());
    Ok(time
        .zip(count)
        .map_or("?".to_owned(), |(t, n)| format!("{:.0}", t / n / 1000.0)))
}

fn data_of(users: usize) -> Value {
    let groups = users.div_ceil(10);
    let mut data = json!({
        "users": {}, "teams": {}, "access": {"groups": {}, "bindings": {}},
        "config": {"mask": {"readers": ["dpo"], "entities": {"EMAIL": "partial"}}, "sql": {"admin_groups": ["dba"]}},
    });
    for n in 0..users {
        data["users"][format!("user-{n}")] = json!({"teams": [format!("team-{}", n % groups)], "suspended": false, "mail": format!("user-{n}@example.com")});
    }
    for n in 0..groups {
        data["teams"][format!("team-{n}")] = json!({"apps": ["orders", format!("app-{n}")]});
        data["access"]["groups"][format!("team-{n}")] = json!([format!("binding-{n}")]);
        data["access"]["bindings"][format!("binding-{n}")] = json!({"labels": {"app": "orders"}});
    }
    data
}

/// A plain read by a person of the first team.
fn input_of() -> Value {
    let effects = json!({"read": 4, "write": 0, "destroy": 0, "escalate": 0, "unknown": 0});
    json!({
        "version": "portcullis/v1", "action": "command",
        "identity": {
            "issuer": "https://idp.example.com", "subject": "user-3", "provider": "corp", "kind": "human",
            "name": "user-3@example.com", "groups": ["team-0", "staff"], "claims": {}, "actors": [], "owner": null,
            "auth": {"time_ns": 1_794_994_140_000_000_000_i64, "methods": ["pwd"], "assurance": null, "expires_ns": 1_794_997_800_000_000_000_i64},
        },
        "connection": {"name": "orders", "protocol": "postgres", "labels": {"app": "orders", "env": "prod"}, "database": "orders", "role": "app"},
        "session": {"id": "s-00000000000000000000000001", "started_ns": 1_794_994_199_000_000_000_i64, "login": "pc_1", "reason": null, "ticket": null, "access_request": null},
        "connect": null,
        "command": {
            "parse": "ok", "stage": "query", "effect": "read", "risk": "none", "verbs": ["read"], "labels": [], "findings": [],
            "statements": [{
                "verb": "SELECT", "class": "read", "effect": "read", "object_type": null,
                "objects": [{"kind": "table", "schema": "public", "name": "orders", "write": false}],
                "columns": ["id"], "predicate": "present", "functions": [], "labels": [], "verbs": ["read"],
                "settings": [], "changes": [], "copy": null, "shell": null, "call": null,
            }],
            "text": "SELECT id FROM public.orders WHERE id = 7", "truncated": false, "parameters": [], "digest": "00",
        },
        "context": {"transaction": "idle", "role": null, "search_path": null, "settings": {}, "shadows": []},
        "approval": null,
        "history": {
            "commands": 4, "denied": 0, "rows": 812, "bytes": 120_334, "effects": effects, "last_approval_ns": null,
            "identity_hour": {"sessions": 1, "commands": 4, "denied": 0, "rows": 812, "bytes": 120_334, "effects": effects},
        },
        "request": {"node": "gw-1", "source_ip": "10.1.2.3", "program": "psql", "tls": "TLSv1.3", "time_ns": 1_794_994_200_000_000_000_i64},
    })
}

/// Decisions of a real gateway, made again.
fn replay(profile: &str) -> Result<String> {
    let world = World::start(&WorldOptions {
        profile: profile.to_owned(),
        ..WorldOptions::default()
    })?;
    let token = world.token(&ANA)?;
    let script = world.folder().join("load.sql");
    fs::write(
        &script,
        "\\set id random(1, 500)\nSELECT status FROM public.orders WHERE id = :id;\n",
    )?;
    let dsn = format!(
        "host=localhost hostaddr=127.0.0.1 port={} user=bench dbname=orders",
        world.gateway.port
    );
    process::run(
        Command::new(world.cluster.bin().join("pgbench"))
            .args(["-n", "-c", "2", "-t", "1500", "-f"])
            .arg(&script)
            .arg(&dsn)
            .env("PGPASSWORD", &token),
    )?;
    let config = world.folder().join("portcullis.yaml").display().to_string();
    let shown = world
        .gateway
        .admin(&["policy", "replay", "--config", &config, "--json"])?;
    let answer: Value = serde_json::from_str(&shown.out).context("read the replay")?;
    let decisions = answer["decisions"].as_f64().unwrap_or(0.0);
    let seconds = answer["seconds"].as_f64().unwrap_or(0.0);
    let mut text = String::from("\n## Replay\n\n");
    let _ = writeln!(
        text,
        "{decisions} recorded decisions over the policies that made them: {:.0}/s, {} changes.",
        decisions / seconds.max(0.000_001),
        answer["changes"]
    );
    Ok(text)
}
