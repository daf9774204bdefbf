//! Secrets from where they are kept: every kind of reference opens a real database, what is rotated is used by the next
//! session, what cannot be fetched opens nothing, and none of it shows anywhere.

mod keepers;

use crate::ssh::scp;
use anyhow::{Context, Result, ensure};
use keepers::Keepers;
use portcullis_tests::cluster::random_word;
use portcullis_tests::issuer::{AGENT, ANA};
use portcullis_tests::kubernetes::ClusterWorld;
use portcullis_tests::process::{Server, run, until};
use portcullis_tests::scratch::private;
use portcullis_tests::ssh::askpass;
use portcullis_tests::{
    Cluster, Gateway, Scratch, Shown, SshOptions, SshWorld, World, WorldOptions,
};
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long what is fetched is used.
const TTL: Duration = Duration::from_secs(2);

/// The connections, each with a reference of its own kind.
const REFERENCES: [(&str, &str); 9] = [
    ("by-env", "env:BY_ENV"),
    ("by-file", "file:{at}/by-file"),
    ("by-systemd", "systemd:by-systemd"),
    ("by-command", "command:keeper#password"),
    ("by-store", "store:databases/by-store"),
    ("by-vault", "vault:main/databases/by-vault#password"),
    ("by-jwt", "vault:platform/databases/by-jwt#password"),
    ("by-aws", "aws:prod/databases/by-aws#password"),
    ("by-cluster", "kubernetes:shop/by-cluster#password"),
];

/// A connection of the policies' sample application.
fn connection(name: &str, credential: &str) -> String {
    format!(
        "  - name: {name}
    protocol: postgres
    labels: {{ env: prod, app: orders }}
    host: localhost
    port: {{port}}
    database: orders
    tls: {{tls}}
    credential:
      {credential}
"
    )
}

fn options(keepers: &Keepers, connections: String, passwords: &[(String, String)]) -> WorldOptions {
    let at = keepers.at().display().to_string();
    let mut environment = vec![(
        "CREDENTIALS_DIRECTORY".to_owned(),
        format!("{at}/credentials"),
    )];
    let by_env = passwords.iter().find(|(name, _)| name == "by-env");
    environment.extend(by_env.map(|(_, password)| ("BY_ENV".to_owned(), password.clone())));
    WorldOptions {
        connections: connections.replace("{at}", &at),
        more: keepers.backends(),
        environment,
        ..WorldOptions::default()
    }
}

/// A login of the database that does what the application may.
fn login(cluster: &Cluster, name: &str, password: &str) -> Result<()> {
    let make = format!(
        "DO $$ BEGIN CREATE ROLE \"{name}\" LOGIN IN ROLE app_rw; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         ALTER ROLE \"{name}\" PASSWORD '{password}'"
    );
    cluster.sql("orders", &make).map(drop)
}

fn who(world: &World, connection: &str) -> Result<Shown> {
    world.ask(&AGENT, connection, "SELECT 'I am ' || session_user")
}

#[test]
fn secrets_of_every_kind_open_rotate_and_stay_inside() -> Result<()> {
    let keepers = Keepers::start()?;
    let passwords: Vec<(String, String)> = REFERENCES
        .iter()
        .map(|(name, _)| ((*name).to_owned(), random_word()))
        .collect();
    let connections: String = REFERENCES
        .iter()
        .map(|(name, reference)| {
            let credential = format!("static: {{ user: {name}, password: \"{reference}\" }}");
            connection(name, &credential)
        })
        .collect();
    for (name, password) in &passwords {
        keepers.put(None, name, password)?;
    }
    let world = World::start(&options(&keepers, connections, &passwords))?;
    keepers.trust_platform(&world)?;
    for (name, password) in &passwords {
        login(&world.cluster, name, password)?;
        keepers.put(Some(&world), name, password)?;
    }
    let mut seen = String::new();
    for (name, _) in &passwords {
        let shown = who(&world, name)?;
        ensure!(
            shown.out.contains(&format!("I am {name}")),
            "{name}: {}\n{}",
            shown.all(),
            world.gateway.log()
        );
        seen.push_str(&shown.all());
    }
    let old = passwords.clone();
    let rotated = rotate(&keepers, &world, &mut seen)?;
    unreachable_store(&keepers, &world, &mut seen)?;
    fs::rename(keepers.at().join("gone"), keepers.at().join("by-file"))?;
    left_in_the_database(&world, &rotated, &mut seen)?;
    sent_by_a_client(&world, &rotated, &mut seen)?;

    let mut canaries: Vec<(String, String)> = old.into_iter().chain(rotated).collect();
    let openers = keepers.openers.iter();
    canaries.extend(openers.map(|(name, value)| ((*name).to_owned(), value.clone())));
    stay_inside(&world, &seen, &canaries)
}

#[test]
fn a_vault_server_makes_a_login_for_each_session_and_takes_it_back() -> Result<()> {
    const LENT: &str = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'v-%'";
    let keepers = Keepers::start()?;
    let credential = "vault: { server: main, mount: database, role: app }";
    let connections = connection("lent", credential);
    let mut world = World::start(&options(&keepers, connections, &[]))?;
    let (bao, port) = (&keepers.bao, world.cluster.port);
    let url = format!(
        "connection_url=postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{port}/orders?sslmode=disable"
    );
    let password = format!("password={}", world.admin_password);
    let configure = [
        "write",
        "database/config/orders",
        "plugin_name=postgresql-database-plugin",
        "allowed_roles=*",
        &url,
        "username=pc_admin",
        &password,
    ];
    bao.run(&configure)?;
    let role = [
        "write",
        "database/roles/app",
        "db_name=orders",
        "creation_statements=CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE app_rw ROLE CURRENT_USER",
        "revocation_statements=DROP ROLE \"{{name}}\"",
        "default_ttl=4s",
        "max_ttl=10m",
    ];
    bao.run(&role)?;
    let first = lent_over_a_reload(&world)?;
    ensure!(
        first.out.contains("v-"),
        "a login of its own, renewed while it is in use: {}\n{}",
        first.all(),
        world.gateway.log()
    );
    let second = world.ask(&AGENT, "lent", "SELECT session_user")?;
    let name = |shown: &Shown| {
        let found = shown
            .out
            .split_whitespace()
            .find(|word| word.starts_with("v-"));
        found.map(str::to_owned)
    };
    ensure!(
        name(&first) != name(&second),
        "another one for each: {}",
        second.all()
    );
    // One is left: the gateway reads the catalog with it.
    until(
        "the logins of sessions that are over are taken back",
        || Ok(world.cluster.sql("orders", LENT)?.trim() == "1"),
    )?;
    world.gateway.signal("TERM");
    world.gateway.wait(Duration::from_secs(20))?;
    until("at its end the gateway gives everything back", || {
        Ok(world.cluster.sql("orders", LENT)?.trim() == "0")
    })?;
    let log = world.gateway.log();
    ensure!(!log.contains("not given back"), "{log}");
    Ok(())
}

/// A session that outlasts its first lease by far, and a change of the section that its server stands in.
fn lent_over_a_reload(world: &World) -> Result<Shown> {
    let token = world.token(&AGENT)?;
    let child = world
        .psql("anybody", &token, "lent")
        .args(["-c", "SELECT session_user, pg_sleep(6)"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("run psql")?;
    std::thread::sleep(Duration::from_secs(2));
    let file = world.folder().join("portcullis.yaml");
    let text = fs::read_to_string(&file)?;
    let ttl = format!("  ttl: {}s\n", TTL.as_secs());
    ensure!(text.contains(&ttl), "the section is there");
    fs::write(&file, text.replace(&ttl, "  ttl: 1s\n"))?;
    let reloaded = world.gateway.admin(&["reload"])?;
    ensure!(reloaded.code == 0, "{}", reloaded.all());
    Ok(Shown::from_output(&child.wait_with_output()?))
}

#[test]
fn a_vault_server_signs_for_ssh_hosts() -> Result<()> {
    let keepers = Keepers::start()?;
    let bao = &keepers.bao;
    bao.run(&["secrets", "enable", "ssh"])?;
    bao.run(&[
        "write",
        "ssh/config/ca",
        "generate_signing_key=true",
        "key_type=ed25519",
    ])?;
    let role = [
        "write",
        "ssh/roles/gateway",
        "key_type=ca",
        "allow_user_certificates=true",
        "allowed_users=*",
        "allowed_extensions=permit-pty,permit-port-forwarding",
        "allowed_critical_options=source-address",
        "allow_user_key_ids=true",
        "max_ttl=10m",
    ];
    bao.run(&role)?;
    let credential = "certificate: { user: {login}, ttl: 2m, source_addresses: [127.0.0.1], vault: { server: main, mount: ssh, role: gateway } }";
    let world = SshWorld::start(&SshOptions {
        credential: credential.to_owned(),
        connection: keepers.backends(),
        ..SshOptions::default()
    })?;
    let refused = world.run(&AGENT, "echo reached")?;
    ensure!(
        !refused.out.contains("reached"),
        "the host does not trust that authority yet"
    );
    let authority = bao.run(&["read", "-field=public_key", "ssh/config/ca"])?;
    fs::write(world.host.folder().join("authority.pub"), authority)?;
    let shown = world.run(&AGENT, "echo reached")?;
    ensure!(
        shown.out.contains("reached"),
        "{}\n{}\n{}",
        shown.all(),
        world.gateway.log(),
        world.host.log()
    );
    // What the server would sign beyond what was asked for is not used.
    let wide = serde_json::json!({
        "key_type": "ca", "allow_user_certificates": true, "allowed_users": "*",
        "allowed_critical_options": "source-address", "allow_user_key_ids": true, "max_ttl": "10m",
        "default_extensions": {"permit-agent-forwarding": ""},
    });
    let file = keepers.at().join("wide.json");
    fs::write(&file, wide.to_string())?;
    bao.run(&[
        "write",
        "ssh/roles/gateway",
        &format!("@{}", file.display()),
    ])?;
    let refused = world.run(&AGENT, "echo reached")?;
    ensure!(!refused.out.contains("reached"), "{}", refused.all());
    let log = world.gateway.log();
    ensure!(
        log.contains("permits something else") || log.contains("answered 400"),
        "{log}"
    );
    Ok(())
}

#[test]
fn an_authority_with_a_passphrase_and_one_in_an_agent_open_hosts() -> Result<()> {
    let folder = Scratch::new("authority")?;
    let at = folder.path();
    let word = random_word();
    private(&at.join("passphrase"), &word)?;
    let ca = at.join("ca");
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", &word, "-f"])
        .arg(&ca))?;
    let opened = |credential: &str| -> Result<(SshWorld, Shown)> {
        let world = SshWorld::start(&SshOptions {
            credential: credential.to_owned(),
            ..SshOptions::default()
        })?;
        fs::copy(at.join("ca.pub"), world.host.folder().join("authority.pub"))?;
        let shown = world.run(&AGENT, "echo reached")?;
        Ok((world, shown))
    };
    let (place, public) = (at.display(), fs::read_to_string(at.join("ca.pub"))?);
    let file = format!(
        "certificate: {{ user: {{login}}, authority: \"file:{place}/ca\", passphrase: \"file:{place}/passphrase\" }}"
    );
    let (world, shown) = opened(&file)?;
    ensure!(
        shown.out.contains("reached"),
        "{}\n{}",
        shown.all(),
        world.gateway.log()
    );
    ensure!(
        !world.gateway.log().contains(&word),
        "the passphrase is in the log"
    );

    let socket = at.join("agent");
    let mut agent = Command::new("ssh-agent");
    agent.arg("-D").arg("-a").arg(&socket);
    let _agent = Server::start("ssh-agent", agent, &at.join("agent.log"), "TERM")?;
    let askpass = askpass(at)?;
    until("the agent takes the key", || {
        let mut add = Command::new("ssh-add");
        add.arg(&ca)
            .env("SSH_AUTH_SOCK", &socket)
            .env("SSH_ASKPASS", &askpass)
            .env("TEST_TOKEN", &word)
            .env("SSH_ASKPASS_REQUIRE", "force");
        Ok(Shown::by(&mut add)?.code == 0)
    })?;
    fs::remove_file(&ca)?;
    let agent = format!(
        "certificate: {{ user: {{login}}, agent: {{ socket: {place}/agent, public_key: \"{}\" }} }}",
        public.trim()
    );
    let (world, shown) = opened(&agent)?;
    ensure!(
        shown.out.contains("reached"),
        "{}\n{}",
        shown.all(),
        world.gateway.log()
    );
    Ok(())
}

/// New passwords everywhere: the next session has them, without a restart; one that is open goes on.
fn rotate(keepers: &Keepers, world: &World, seen: &mut String) -> Result<Vec<(String, String)>> {
    let token = world.token(&AGENT)?;
    let mut open = world
        .psql("anybody", &token, "by-vault")
        .args(["-At"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("run psql")?;
    let mut input = open.stdin.take().context("write to psql")?;
    writeln!(input, "SELECT 'before';")?;
    let mut rotated = Vec::new();
    for (name, _) in REFERENCES.iter().filter(|(name, _)| *name != "by-env") {
        // With what URLs and JSON write in another way.
        let password = format!("{}/+\"&", random_word());
        login(&world.cluster, name, &password)?;
        keepers.put(Some(world), name, &password)?;
        rotated.push(((*name).to_owned(), password));
    }
    std::thread::sleep(TTL);
    for (name, _) in &rotated {
        let shown = who(world, name)?;
        ensure!(
            shown.out.contains(&format!("I am {name}")),
            "after the rotation, {name}: {}\n{}",
            shown.all(),
            world.gateway.log()
        );
        seen.push_str(&shown.all());
    }
    writeln!(input, "SELECT 'after';")?;
    drop(input);
    let mut out = String::new();
    open.stdout
        .take()
        .context("read psql")?
        .read_to_string(&mut out)?;
    open.wait()?;
    ensure!(
        out.contains("before") && out.contains("after"),
        "the open session goes on: {out}"
    );
    Ok(rotated)
}

/// A store that does not answer: within its time a value is used, and then nobody gets in.
fn unreachable_store(keepers: &Keepers, world: &World, seen: &mut String) -> Result<()> {
    ensure!(
        who(world, "by-vault")?.out.contains("I am"),
        "it is kept for a moment"
    );
    keepers.bao.freeze(true)?;
    std::thread::sleep(TTL);
    let shown = who(world, "by-vault")?;
    keepers.bao.freeze(false)?;
    ensure!(
        shown.code != 0 && shown.err.contains("cannot get its credential for by-vault"),
        "refused: {}",
        shown.all()
    );
    seen.push_str(&shown.all());
    until("the store answers again", || {
        Ok(who(world, "by-vault")?.out.contains("I am"))
    })?;
    fs::rename(keepers.at().join("by-file"), keepers.at().join("gone"))?;
    let shown = who(world, "by-file")?;
    ensure!(
        shown.err.contains("cannot get its credential"),
        "refused: {}",
        shown.all()
    );
    seen.push_str(&shown.all());
    Ok(())
}

/// Secrets that somebody has left in a table are masked on their way out, whatever they were encoded as.
fn left_in_the_database(
    world: &World,
    secrets: &[(String, String)],
    seen: &mut String,
) -> Result<()> {
    use base64::Engine as _;
    let base64 = |before: &str, secret: &str| {
        base64::engine::general_purpose::STANDARD.encode(format!("{before}{secret}, and more"))
    };
    let bytes = |secret: &str, written: &dyn Fn(u8) -> String| -> String {
        secret.bytes().map(written).collect()
    };
    let hex = |secret: &str| bytes(secret, &|b| format!("{b:02x}"));
    let percent = |secret: &str| {
        bytes(secret, &|b| match b.is_ascii_alphanumeric() {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
    };
    let mut rows = Vec::new();
    for (name, secret) in secrets {
        rows.push((name.clone(), secret.clone()));
        rows.push((name.clone(), base64("", secret)));
    }
    let (name, secret) = secrets.last().context("there are some")?;
    for form in [
        base64("x", secret),
        base64("xy", secret),
        hex(secret),
        percent(secret),
        serde_json::to_string(secret)?,
    ] {
        ensure!(!form.contains(secret), "it is a form of its own: {form}");
        rows.push((name.clone(), form));
    }
    let before = on_record(&world.gateway, "", "tripwire")?;
    ensure!(before == 0, "nobody has read any yet: {before}");
    world.cluster.sql(
        "orders",
        "CREATE TABLE left_behind (id int, value text); GRANT SELECT ON left_behind TO app_rw",
    )?;
    for (id, (name, form)) in rows.iter().enumerate() {
        let insert = format!("INSERT INTO left_behind VALUES ({id}, '{form}')");
        world.cluster.sql("orders", &insert)?;
        let ask = format!("SELECT value FROM left_behind WHERE id = {id}");
        let shown = world.ask(&AGENT, name, &ask)?;
        ensure!(
            shown.out.contains("[pc-masked:tripwire]"),
            "{name}, row {id}: {}",
            shown.all()
        );
        seen.push_str(&shown.all());
    }
    let told = on_record(&world.gateway, "", "tripwire")?;
    ensure!(told == rows.len(), "{told} of {} are told", rows.len());
    let (first, _) = rows.first().context("there are some")?;
    twice_in_a_session(world, first, seen)
}

/// One may have strayed there; the second that one session reads is its last. It reads the two rows of its own credential.
fn twice_in_a_session(world: &World, name: &str, seen: &mut String) -> Result<()> {
    let token = world.token(&AGENT)?;
    let mut command = world.psql("anybody", &token, name);
    let shown = Shown::by(command.args([
        "-At",
        "-c",
        "SELECT value FROM left_behind WHERE id = 0",
        "-c",
        "SELECT 'goes ' || 'on'",
        "-c",
        "SELECT value FROM left_behind WHERE id = 1",
        "-c",
        "SELECT 'still ' || 'here'",
    ]))?;
    ensure!(
        shown.out.matches("[pc-masked:tripwire]").count() == 1 && shown.shows("goes on"),
        "{}",
        shown.all()
    );
    ensure!(
        shown.code == 2 && shown.err.contains("FATAL") && !shown.shows("still here"),
        "{}: {}",
        shown.code,
        shown.all()
    );
    seen.push_str(&shown.all());
    Ok(())
}

/// A client that sends one has it already: the record tells, without repeating it.
fn sent_by_a_client(world: &World, secrets: &[(String, String)], seen: &mut String) -> Result<()> {
    let events = |name: &str| on_record(&world.gateway, name, "tripwire-request");
    for (name, secret) in secrets {
        ensure!(events(name)? == 0, "{name}: nobody has sent it yet");
        let shown = world.ask(&AGENT, name, &format!("SELECT length('{secret}')"))?;
        ensure!(
            shown.code == 0,
            "{name}: it is told, not refused: {}",
            shown.all()
        );
        ensure!(events(name)? == 1, "{name}: {}", shown.all());
        seen.push_str(&shown.all());
    }
    Ok(())
}

/// Events of that kind in all that was recorded of sessions in whose description this stands.
fn on_record(gateway: &Gateway, of: &str, event: &str) -> Result<usize> {
    let sessions = gateway.json(&["sessions", "list", "--recorded"])?;
    let event = format!("\"event\":\"{event}\"");
    let mut count = 0;
    for session in sessions.as_array().into_iter().flatten() {
        if !session.to_string().contains(of) {
            continue;
        }
        let id = session["id"].as_str().context("a session has an id")?;
        let replay = gateway.admin(&["sessions", "replay", id, "--verbose", "--json"])?;
        count += replay.out.replace(' ', "").matches(&event).count();
    }
    Ok(count)
}

fn leaks_on_record(gateway: &Gateway) -> Result<usize> {
    on_record(gateway, "", "tripwire-request")
}

/// The record does not hold it; where it does, the entries are shown.
fn not_repeated(gateway: &Gateway, secret: &str) -> Result<()> {
    let mut record = Vec::new();
    read_all(&gateway.state(), &mut record)?;
    let text = String::from_utf8_lossy(&record);
    if let Some(at) = text.find(secret) {
        let around = text
            .get(at.saturating_sub(400)..at + secret.len())
            .unwrap_or_default();
        anyhow::bail!("the record repeats it: {}", around.escape_debug());
    }
    Ok(())
}

#[test]
fn a_secret_of_the_gateway_in_a_command_or_a_call_is_told() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let authority = fs::read_to_string(world.host.authority())?;
    let line = authority.lines().nth(4).context("a line of the key")?;
    ensure!(
        leaks_on_record(&world.gateway)? == 0,
        "nobody has sent it yet"
    );
    world.run(&AGENT, &format!("printf %s {line} | wc -c"))?;
    ensure!(
        leaks_on_record(&world.gateway)? == 1,
        "a command: {}",
        world.gateway.log()
    );
    let mut piped = world.ssh(&ANA, &[], &["wc -c"])?;
    let mut child = piped.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut input = child.stdin.take().context("write to ssh")?;
    writeln!(input, "before {line} after")?;
    drop(input);
    child.wait()?;
    ensure!(
        leaks_on_record(&world.gateway)? == 2,
        "a stream: {}",
        world.gateway.log()
    );
    let file = world.folder().join("sent");
    fs::write(&file, format!("before {line} after\n"))?;
    for (old, told) in [(false, 3), (true, 4)] {
        let token = world.issuer.token(&ANA)?;
        let to = format!("{}@web-1@127.0.0.1:sent", world.host.login);
        let sent = Shown::by(&mut scp(&world, &token, &file, &to, old))?;
        ensure!(sent.code == 0, "{}", sent.all());
        ensure!(
            leaks_on_record(&world.gateway)? == told,
            "a file, {old}: {}",
            world.gateway.log()
        );
    }
    not_repeated(&world.gateway, line)?;

    let world = ClusterWorld::start()?;
    let label = format!("--from-literal=note=before {}", world.api.token);
    let create = ["create", "configmap", "leak", "-n", "shop", &label];
    let shown = world.ask(&ANA, &create)?;
    ensure!(shown.code == 0, "{}", shown.all());
    ensure!(
        leaks_on_record(&world.gateway)? >= 1,
        "a call: {}",
        world.gateway.log()
    );
    not_repeated(&world.gateway, &world.api.token)?;
    Ok(())
}

/// Neither as it is nor encoded: not for clients, not in the log, the metrics, the record or the command line.
fn stay_inside(world: &World, seen: &str, canaries: &[(String, String)]) -> Result<()> {
    let mut record = Vec::new();
    read_all(&world.gateway.state(), &mut record)?;
    ensure!(record.len() > 1000, "the record holds something");
    let argv = fs::read_to_string(format!("/proc/{}/cmdline", world.gateway.pid()))?;
    let places = [
        ("what clients saw", seen.to_owned()),
        ("the log", world.gateway.log()),
        ("the metrics", world.gateway.page("/metrics")?),
        ("the record", String::from_utf8_lossy(&record).into_owned()),
        ("the command line", argv),
    ];
    for (name, value) in canaries {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(value);
        for (place, text) in &places {
            for form in [value.as_str(), &encoded] {
                ensure!(!text.contains(form), "the secret {name} stands in {place}");
            }
        }
    }
    Ok(())
}

fn read_all(folder: &Path, into: &mut Vec<u8>) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_all(&path, into)?;
        } else if path.is_file() {
            into.extend(fs::read(&path)?);
        }
    }
    Ok(())
}
