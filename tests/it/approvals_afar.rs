//! Approvals by people on machines of their own: with the login that `portcullis login` has left in a home, over the HTTPS
//! listener, with neither the gateway's socket nor its configuration.

use crate::company::Company;
use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::process::{free_port, run};
use portcullis_tests::{Shown, World, WorldOptions, world};
use serde_json::Value;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Bea approves.
const ROLES: &str = "console:
  roles:
    approver: {groups: [dba]}
";

struct Office(Company);

impl Office {
    fn open(requests: bool) -> Result<Self> {
        let (data, packs) = match requests {
            false => (world::DATA.to_owned(), String::new()),
            true => (
                world::data_with_requests("", 3600),
                format!("{}    - builtin: access_requests\n", world::PACKS),
            ),
        };
        // Nobody takes what is sent to Slack: what Slack sends is signed all the same.
        let slack = format!(
            "approvals: {{ slack: {{ team: T1, channel: C1, token: \"env:SLACK_TOKEN\", \
             signing_secret: \"env:SLACK_SIGNING\", api: \"http://127.0.0.1:{}\" }} }}\n",
            free_port()?
        );
        let environment = [
            ("SLACK_TOKEN", "xoxb-test"),
            ("SLACK_SIGNING", "8f742231b10e8888abcd99yyyzzz85a5"),
        ];
        let options = WorldOptions {
            data: format!("{data}{ROLES}"),
            packs,
            more: format!("console: {{}}\n{slack}"),
            environment: environment
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .to_vec(),
            ..WorldOptions::default()
        };
        Company::with("5m", "", options).map(Self)
    }

    /// Somebody logs in, in a home of their own.
    fn enter(&mut self, name: &str, more: &[&str]) -> Result<()> {
        self.0.provider.control(&format!("user={name}"))?;
        self.0.home = self.0.home.with_file_name(name);
        self.0.log_in(&[&["login", "--no-open"], more].concat())?;
        Ok(())
    }

    /// A command of somebody who is elsewhere: no socket, and a configuration that is not there.
    fn command(&self, name: &str, arguments: &[&str]) -> Result<Command> {
        let mut command = self.0.command(arguments)?;
        command
            .env("PORTCULLIS_HOME", self.0.home.with_file_name(name))
            .env("PORTCULLIS_CONFIG", "/nowhere/portcullis.yaml")
            .env_remove("PORTCULLIS_SOCKET");
        Ok(command)
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Result<Shown> {
        Shown::by(&mut self.command(name, arguments)?).context("run portcullis")
    }

    /// The same of somebody whose environment names no gateway and no authority: the login alone says where to go.
    fn by_login_alone(&self, name: &str, arguments: &[&str]) -> Result<Value> {
        let mut command = self.command(name, &[arguments, &["--json"]].concat())?;
        command
            .env_remove("PORTCULLIS_GATEWAY")
            .env_remove("PORTCULLIS_CA");
        let shown = Shown::by(&mut command)?;
        ensure!(shown.code == 0, "{arguments:?}: {}", shown.all());
        serde_json::from_str(&shown.out).with_context(|| shown.all())
    }

    /// The same, which has to go well.
    fn good(&self, name: &str, arguments: &[&str]) -> Result<Shown> {
        let shown = self.run(name, arguments)?;
        ensure!(
            shown.code == 0,
            "{name} {arguments:?}: {}\n{}",
            shown.all(),
            self.0.world.gateway.log()
        );
        Ok(shown)
    }

    fn json(&self, name: &str, arguments: &[&str]) -> Result<Value> {
        let shown = self.good(name, &[arguments, &["--json"]].concat())?;
        serde_json::from_str(&shown.out).with_context(|| shown.all())
    }

    /// The same, which has to be refused, with these words.
    fn refused(&self, name: &str, arguments: &[&str], words: &[&str]) -> Result<()> {
        let shown = self.run(name, arguments)?;
        ensure!(shown.code == 1, "{arguments:?}: {}", shown.all());
        for word in words {
            ensure!(shown.err.contains(word), "{word}: {}", shown.all());
        }
        Ok(())
    }

    /// Ana's statement, which is held: psql, and the request.
    fn hold(&self, number: u32) -> Result<(Child, String)> {
        self.0.provider.control("user=ana")?;
        let token = self.good("ana", &["token", "show"])?;
        let sql = format!("DELETE FROM stale_carts WHERE id = {number}");
        let psql = self
            .0
            .world
            .psql("anybody", token.out.trim(), "orders")
            .args(["-c", &sql])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let id = self.0.world.gateway.pending(Duration::from_secs(60))?;
        Ok((psql, id))
    }

    /// A database login, of a gateway that need not be the one of the login.
    fn database_login(&self, name: &str, gateway: &str) -> Result<Shown> {
        self.run(name, &["token", "database", "--gateway", gateway])
    }

    /// A command that goes on meanwhile.
    fn begin(&self, name: &str, arguments: &[&str]) -> Result<Child> {
        let mut command = self.command(name, arguments)?;
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        piped.spawn().context("run portcullis")
    }
}

fn end(child: Child) -> Result<Shown> {
    Ok(Shown::from_output(&child.wait_with_output()?))
}

#[test]
fn a_held_statement_is_approved_and_waited_for_from_elsewhere() -> Result<()> {
    let mut office = Office::open(false)?;
    office.enter("ana", &[])?;
    office.enter("bea", &[])?;
    let (psql, id) = office.hold(7)?;
    let waiting = office.begin("ana", &["approvals", "wait", &id, "--within", "5m"])?;
    // Whoever has no role sees their own and votes on nothing.
    let mine = office.json("ana", &["approvals", "mine"])?;
    ensure!(mine["requests"][0]["id"] == id.as_str(), "{mine}");
    let same = office.by_login_alone("ana", &["approvals", "mine"])?;
    ensure!(same["requests"][0]["id"] == id.as_str(), "{same}");
    let vote = ["approvals", "approve", &id, "--reason", "it is stale"];
    office.refused("ana", &vote, &["console/role", "approver"])?;
    let seen = office.good("bea", &["approvals", "list"])?;
    ensure!(seen.shows(&id), "{}", seen.all());
    let seen = office.good("bea", &["approvals", "show", &id])?;
    ensure!(
        seen.shows("DELETE FROM stale_carts WHERE id = 7"),
        "{}",
        seen.all()
    );
    // The provider was not told to ask, and does not say when it did.
    office.refused("bea", &vote, &["fresh login", "portcullis login --fresh"])?;
    office.enter("bea", &["--fresh"])?;
    let voted = office.good("bea", &vote)?;
    ensure!(voted.shows("1 of 1 votes"), "{}", voted.all());
    let shown = end(psql)?;
    ensure!(
        shown.code == 0 && shown.shows("DELETE 1"),
        "{}",
        shown.all()
    );
    let page = format!("{}/console/approvals/{id}", office.0.world.portal()?);
    ensure!(
        shown
            .err
            .contains(&format!("portcullis approvals approve {id}, or at {page}")),
        "the page stands beside the command: {}",
        shown.all()
    );
    let waited = end(waiting)?;
    ensure!(waited.code == 0, "{}", waited.all());
    let (psql, id) = office.hold(8)?;
    let waiting = office.begin("ana", &["approvals", "wait", &id, "--within", "5m"])?;
    office.good("bea", &["approvals", "deny", &id, "--reason", "no ticket"])?;
    let (shown, waited) = (end(psql)?, end(waiting)?);
    ensure!(shown.code == 1, "{}", shown.all());
    ensure!(
        waited.code == 1 && waited.shows("is denied"),
        "{}",
        waited.all()
    );
    office.refused("bea", &["approvals", "show", "ap-00000000"], &["roles: {"])?;
    let record = office.0.world.gateway.admin(&["journal", "node"])?;
    ensure!(
        record.shows("approval/vote") && record.shows("\"console\""),
        "{}",
        record.all()
    );
    Ok(())
}

#[test]
fn access_is_asked_for_approved_extended_and_ended_from_elsewhere() -> Result<()> {
    let mut office = Office::open(true)?;
    office.enter("ana", &[])?;
    office.enter("bea", &["--fresh"])?;
    let ask = [
        "access", "request", "orders", "--for", "1h", "--reason", "OPS-12",
    ];
    let asked = office.json("ana", &ask)?;
    let id = asked["request"]["id"].as_str().context("a request")?;
    let own = office.json("bea", &ask)?;
    let own = own["request"]["id"].as_str().context("a request")?;
    let vote = |id| {
        [
            "approvals",
            "approve",
            id,
            "--reason",
            "the import has to run",
        ]
    };
    office.refused(
        "bea",
        &vote(own),
        &["nobody votes on a request of their own"],
    )?;
    office.good("bea", &vote(id))?;
    let mine = office.json("ana", &["approvals", "mine"])?;
    let grant = mine["grants"][0]["id"].as_str().context("a grant")?;
    let listed = office.good("bea", &["access", "list"])?;
    ensure!(listed.shows(grant), "{}", listed.all());
    let more = [
        "approvals",
        "extend",
        grant,
        "--for",
        "1h",
        "--reason",
        "not done",
    ];
    ensure!(office.json("ana", &more)?["state"] == "pending");
    office.refused("bea", &more, &["console/own"])?;
    let token = office.good("ana", &["token", "show"])?;
    let shown = office.0.ask(token.out.trim(), "SELECT 'opened'")?;
    ensure!(shown.code == 0 && shown.shows("opened"), "{}", shown.all());
    let ended = office.good("ana", &["approvals", "end", grant])?;
    ensure!(ended.shows("has ended"), "{}", ended.all());
    let none = office.good("ana", &["access", "list"])?;
    ensure!(none.shows("no grant is in force"), "{}", none.all());
    links_an_account(&office)?;
    breaks_the_glass(&mut office)?;
    stands_in(&office)
}

/// A code that Slack has shown: seen by anybody, confirmed with a fresh login alone.
fn links_an_account(office: &Office) -> Result<()> {
    // For five seconds after a start nothing is taken in.
    std::thread::sleep(Duration::from_secs(6));
    let mut slack = Command::new("python3");
    slack
        .arg(world::workspace().join("tests/world/channels/slack.py"))
        .arg(office.0.world.portal()?)
        .arg(office.0.world.certificate())
        .args(["link", "good", "U1", ""]);
    let shown = Shown::by(&mut slack)?.all();
    let (_, code) = shown
        .split_once("approvals link ")
        .with_context(|| format!("a code is shown: {shown}"))?;
    let link = ["approvals", "link", code.get(..20).context("a code")?];
    let seen = office.good("ana", &link)?;
    ensure!(
        seen.shows("slack:T1:U1") && seen.shows("--confirm"),
        "{}",
        seen.all()
    );
    let confirm = [link.as_slice(), &["--confirm"]].concat();
    office.refused("ana", &confirm, &["portcullis login --fresh"])?;
    let linked = office.good("bea", &confirm)?;
    ensure!(linked.shows("votes for you until"), "{}", linked.all());
    let record = office.0.world.gateway.admin(&["journal", "node"])?;
    let mut lines = record.out.lines();
    let linked = lines.find(|line| line.contains("account_linked"));
    ensure!(
        linked.is_some_and(|line| line.contains("\"bea\"") && line.contains("\"console\"")),
        "{}",
        record.all()
    );
    Ok(())
}

fn breaks_the_glass(office: &mut Office) -> Result<()> {
    let glass = [
        "access",
        "break-glass",
        "orders",
        "--reason",
        "INC-7, orders is down at night",
    ];
    office.refused("ana", &glass, &["fresh login", "portcullis login --fresh"])?;
    office.enter("ana", &["--fresh"])?;
    office.good("ana", &glass)?;
    let reviews = office.json("bea", &["approvals", "reviews"])?;
    let review = reviews[0]["id"].as_str().context("a review")?;
    let close = [
        "approvals",
        "review",
        review,
        "--finding",
        "concern",
        "--reason",
        "somebody was there",
    ];
    let own = "nobody votes on a request of their own";
    office.refused("ana", &close, &[own])?;
    let closed = office.good("bea", &close)?;
    ensure!(closed.shows("is closed"), "{}", closed.all());
    Ok(())
}

fn stands_in(office: &Office) -> Result<()> {
    let away = [
        "approvals",
        "delegate",
        "--to",
        "cleo",
        "--for",
        "14d",
        "--reason",
        "on leave",
    ];
    let made = office.json("bea", &away)?;
    let id = made["id"].as_str().context("a delegation")?;
    let listed = office.good("bea", &["approvals", "delegations"])?;
    ensure!(listed.shows(id), "{}", listed.all());
    office.refused("ana", &["approvals", "return", id], &["no such delegation"])?;
    office.good("bea", &["approvals", "return", id])?;
    let code = ["approvals", "link", "0123456789abcdefghjk"];
    office.refused("bea", &code, &["the code is not good"])
}

#[test]
fn what_does_not_lead_there_says_so() -> Result<()> {
    let mut office = Office::open(false)?;
    office.enter("ana", &[])?;
    let mine = ["approvals", "mine"];
    let token = office.good("ana", &["token", "show"])?;
    let with = |key: &str, value: &str, more: &[&str]| -> Result<Shown> {
        let mut command = office.command("ana", &[&mine, more].concat())?;
        Shown::by(command.env(key, value)).context("run portcullis")
    };
    let down = format!("https://localhost:{}", free_port()?);
    let nobody = office.0.home.with_file_name("nobody");
    let expired = office.0.world.issuer.token_with(&ANA, &["--ttl", "1"])?;
    std::thread::sleep(Duration::from_secs(2));
    for (what, shown, code, words) in [
        (
            "another authority",
            with("PORTCULLIS_CA", &another_authority(&office)?, &[])?,
            3,
            ["no gateway answers", "--ca"],
        ),
        (
            "plain http",
            with("PORTCULLIS_GATEWAY", "http://localhost:6443", &[])?,
            1,
            ["no address of a gateway", "https://HOST:PORT"],
        ),
        (
            "nobody there",
            with("PORTCULLIS_TOKEN", token.out.trim(), &["--server", &down])?,
            3,
            ["no gateway answers", "--ca"],
        ),
        (
            "the gateway of somebody else",
            with("PORTCULLIS_GATEWAY", &down, &[])?,
            1,
            ["you are logged in at", "portcullis login --gateway"],
        ),
        (
            "a login at the database of somebody else",
            office.database_login("ana", &down)?,
            1,
            ["you are logged in at", "portcullis login --gateway"],
        ),
        (
            "a token that has expired",
            with("PORTCULLIS_TOKEN", &expired, &[])?,
            1,
            ["expired", "portcullis login --gateway"],
        ),
        (
            "nobody logged in",
            with("PORTCULLIS_HOME", &nobody.display().to_string(), &[])?,
            1,
            ["nobody is logged in here", "portcullis login"],
        ),
    ] {
        ensure!(shown.code == code, "{what}: {}", shown.all());
        for word in words {
            ensure!(shown.err.contains(word), "{what}: {}", shown.all());
        }
        ensure!(
            !shown.all().contains(token.out.trim()),
            "{what}: a token is shown"
        );
    }
    over_a_socket(&office)?;
    drop(office);
    without_a_console()
}

/// No gateway is named: the way is the socket. The login goes over that of its own gateway alone.
fn over_a_socket(office: &Office) -> Result<()> {
    let mine = |key: &str, value: &OsStr| -> Result<Shown> {
        let mut command = office.command("ana", &["approvals", "mine"])?;
        command.env_remove("PORTCULLIS_GATEWAY").env(key, value);
        Shown::by(&mut command).context("run portcullis")
    };
    let world = &office.0.world;
    let folder = world.gateway.folder();
    let config = folder.join("portcullis.yaml");
    let own = mine("PORTCULLIS_CONFIG", config.as_os_str())?;
    ensure!(own.code == 0, "the gateway of the login: {}", own.all());
    let foreign = folder.join("foreign.yaml");
    let text = std::fs::read_to_string(&config)?;
    let elsewhere = text.replace(&world.portal()?, "https://localhost:1");
    std::fs::write(&foreign, elsewhere)?;
    let socket = folder.join("admin.sock");
    for (what, key, value, word) in [
        (
            "a socket of whoever",
            "PORTCULLIS_SOCKET",
            socket.as_os_str(),
            "nothing says that this socket",
        ),
        (
            "a configuration that says another address",
            "PORTCULLIS_CONFIG",
            foreign.as_os_str(),
            "nothing says that this socket",
        ),
        (
            "a token that is no text",
            "PORTCULLIS_TOKEN",
            OsStr::from_bytes(b"e\xff"),
            "PORTCULLIS_TOKEN is no token",
        ),
    ] {
        let shown = mine(key, value)?;
        ensure!(
            shown.code == 1 && shown.err.contains(word),
            "{what}: {}",
            shown.all()
        );
    }
    Ok(())
}

/// An authority that has certified nothing here.
fn another_authority(office: &Office) -> Result<String> {
    let path = office.0.home.with_file_name("another.crt");
    let mut command = Command::new("openssl");
    command
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=another", "-keyout"])
        .arg(office.0.home.with_file_name("another.key"))
        .arg("-out")
        .arg(&path);
    run(&mut command)?;
    Ok(path.display().to_string())
}

/// A gateway that people log in at nowhere: its listener has no API.
fn without_a_console() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let mut command = world.gateway.command(&["approvals", "mine"]);
    command
        .arg("--server")
        .arg(world.portal()?)
        .arg("--ca")
        .arg(world.certificate())
        .env("PORTCULLIS_TOKEN", world.token(&ANA)?);
    let shown = Shown::by(&mut command)?;
    ensure!(
        shown.code == 1 && shown.err.contains("console: {}"),
        "{}",
        shown.all()
    );
    Ok(())
}
