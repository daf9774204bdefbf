//! People who log in at a real OpenID provider, and an agent that acts for one of them: in a browser, on
//! another device, refreshed, locked out, with groups taken away and keys rotated while a session is open.

use crate::company::{Company, Talk, ended};
use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::oidc::{CLIENT_SECRET, browse};
use portcullis_tests::process::free_port;
use portcullis_tests::{Shown, World, WorldOptions, install, world};
use std::process::Command;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
/// A second by itself; whoever notices is a client, on a machine that may be busy. Unended it would sleep for a minute.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A service file and an exec credential: nothing in the environment but their names.
fn served_by_files(company: &Company, token: &str) -> Result<()> {
    let port = company.world.gateway.port.to_string();
    let ca = company.world.certificate().display().to_string();
    let setup = [
        "setup",
        "psql",
        "--host",
        "localhost",
        "--port",
        &port,
        "--ca",
        &ca,
        "--target",
        "orders",
    ];
    let setup = company.run(&setup)?;
    ensure!(setup.code == 0, "{}", setup.all());
    let mut psql = Command::new("psql");
    psql.args(["-X", "service=orders", "-c", "SELECT 1 AS one"])
        .env("PGSERVICEFILE", company.home.join("pg_service.conf"));
    let served = Shown::by(&mut psql)?;
    ensure!(served.code == 0 && served.shows("one"), "{}", served.all());
    let credential = company.run(&["kube-credential"])?;
    ensure!(
        credential.shows("ExecCredential") && credential.shows(token),
        "for kubectl"
    );
    Ok(())
}

#[test]
fn a_person_logs_in_in_a_browser_works_and_logs_out() -> Result<()> {
    let company = Company::new("1h")?;
    let (said, page) = company.log_in(&["login", "--no-open"])?;
    ensure!(
        said.contains("ana@example.com") && said.contains("engineers"),
        "{said}"
    );
    ensure!(page.shows("You are logged in"), "{}", page.all());
    let who = company.run(&["whoami", "--json"])?;
    let who: serde_json::Value = serde_json::from_str(&who.out)?;
    ensure!(
        who["subject"] == "ana" && who["issuer"] == company.provider.url(),
        "{who}"
    );
    let token = company.token()?;
    let rows = company.ask(&token, "SELECT name FROM customers WHERE id = 1")?;
    ensure!(
        rows.code == 0 && rows.shows("Ada Lovelace"),
        "{}",
        rows.all()
    );
    served_by_files(&company, &token)?;
    // The file is hers alone.
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(company.home.join("login.json"))?
        .permissions()
        .mode();
    ensure!(mode & 0o777 == 0o600, "{mode:o}");
    let session = company.linger(&token)?;
    let out = company.run(&["logout"])?;
    ensure!(out.code == 0, "{}", out.all());
    let (took, told) = ended(session)?;
    ensure!(
        took < AT_ONCE && told.contains("revoked"),
        "{took:?}: {told}"
    );
    let stolen = company.ask(&token, "SELECT 1")?;
    ensure!(
        stolen.code != 0 && stolen.shows("identity/revoked"),
        "{}",
        stolen.all()
    );
    ensure!(
        company
            .run(&["token", "show"])?
            .shows("nobody is logged in"),
        "forgotten here"
    );
    let log = company.world.gateway.log();
    for secret in [CLIENT_SECRET, token.as_str()] {
        ensure!(!log.contains(secret), "a secret is in the log");
    }
    Ok(())
}

/// What kubectl runs says nothing but a credential on its output, logs in where it may ask, and says what to do where not.
#[test]
fn kubectl_logs_in_where_nobody_is_and_may_be_asked() -> Result<()> {
    let company = Company::new("1h")?;
    // A browser that shows nothing: the address is opened by the test.
    let browsers = company.home.with_file_name("browsers");
    let browser = browsers.join("xdg-open");
    std::fs::create_dir_all(&browsers)?;
    std::fs::write(&browser, "#!/bin/sh\n")?;
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755))?;
    let path = std::env::var("PATH")?;
    let credential = |interactive: &str| -> Result<Command> {
        let info = format!(
            "{{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"spec\":{{\"interactive\":{interactive}}}}}"
        );
        let mut command = company.command(&["kube-credential"])?;
        command
            .env("PATH", format!("{}:{path}", browsers.display()))
            .env("KUBERNETES_EXEC_INFO", info);
        Ok(command)
    };
    let alone = Shown::by(&mut credential("false")?)?;
    ensure!(
        alone.code != 0 && alone.out.is_empty() && alone.err.contains("portcullis login"),
        "{} {}",
        alone.code,
        alone.all()
    );
    let begun = company.begin(credential("true")?)?;
    let page = browse(&begun.url, &company.world.certificate())?;
    let (good, said) = begun.end()?;
    ensure!(
        good && page.shows("You are logged in"),
        "{said}\n{}",
        page.all()
    );
    let mut answers = serde_json::Deserializer::from_str(&said).into_iter::<serde_json::Value>();
    let answer = answers.next().context("an answer")??;
    let token = company.token()?;
    ensure!(
        answer["kind"] == "ExecCredential" && answer["status"]["token"] == token.as_str(),
        "{said}"
    );
    // From now on nobody is asked, and nothing but the answer is said.
    let again = Shown::by(&mut credential("false")?)?;
    let answer: serde_json::Value = serde_json::from_str(&again.out)?;
    ensure!(
        again.code == 0 && answer["status"]["token"] == token.as_str(),
        "{}",
        again.all()
    );
    Ok(())
}

#[test]
fn a_person_logs_in_on_another_device() -> Result<()> {
    let company = Company::new("1h")?;
    company.provider.control("user=bea")?;
    let (said, page) = company.log_in(&["login", "--device"])?;
    ensure!(
        said.contains("bea@example.com") && page.shows("Success"),
        "{said}\n{}",
        page.all()
    );
    let rows = company.ask(&company.token()?, "SELECT 1 AS one")?;
    ensure!(rows.code == 0, "{}", rows.all());
    // An address that nobody has verified is no name.
    company.provider.control("user=mallory")?;
    let (said, _) = company.log_in(&["login", "--no-open"])?;
    ensure!(
        said.contains("mallory") && !said.contains("ana@example.com"),
        "{said}"
    );
    Ok(())
}

#[test]
fn strangers_who_come_back_from_nowhere_do_not_fill_the_record() -> Result<()> {
    let mut company = Company::new("1h")?;
    let url = format!(
        "{}/v1/login/callback?state=x&code=[1-25]",
        company.world.portal()?
    );
    let mut curl = Command::new("curl");
    curl.args([
        "-sS",
        "-m",
        "120",
        "-w",
        "%{http_code}\\n",
        "-o",
        "/dev/null",
    ])
    .arg("--cacert")
    .arg(company.world.certificate())
    .arg(url);
    let shown = Shown::by(&mut curl)?;
    let refused = shown.out.lines().filter(|line| line.starts_with('4'));
    ensure!(refused.count() == 25, "{}", shown.all());
    // What is counted is on record when the gateway stops, at the latest.
    company.world.gateway.signal("TERM");
    let ended = company.world.gateway.wait(Duration::from_secs(60))?;
    ensure!(
        ended == Some(0),
        "{ended:?}: {}",
        company.world.gateway.log()
    );
    let record = company.world.gateway.admin(&["journal", "node"])?;
    let entries = record.out.lines().filter(|e| e.contains("login-refused"));
    let (counted, apart): (Vec<&str>, Vec<&str>) = entries.partition(|e| e.contains("\"count\""));
    ensure!(apart.len() == 10, "{}", record.all());
    ensure!(
        apart.iter().all(|e| e.contains("login/unknown")),
        "{apart:?}"
    );
    ensure!(counted.len() == 1, "{counted:?}");
    ensure!(
        counted[0].contains("\"count\":15") && counted[0].contains("127.0.0.1"),
        "{counted:?}"
    );
    Ok(())
}

#[test]
fn a_login_that_is_proved_anew_goes_on_with_what_stands_on_it() -> Result<()> {
    let company = Company::new("1h")?;
    company.log_in(&["login", "--no-open"])?;
    let first = company.run(&["whoami", "--json"])?;
    let name = |shown: &Shown| -> Result<String> {
        let who: serde_json::Value = serde_json::from_str(&shown.out)?;
        let name = who["token_id"].as_str();
        Ok(name.with_context(|| shown.all())?.to_owned())
    };
    let mut talk = Talk::start(&company, &company.token()?)?;
    for way in ["--no-open", "--device"] {
        company.log_in(&["login", "--fresh", way])?;
        let again = company.run(&["whoami", "--json"])?;
        ensure!(name(&first)? == name(&again)?, "{way}: {}", again.all());
        talk.goes_on(way)?;
    }
    // Without the wish it is another login, and the one before ends with all that stands on it.
    company.log_in(&["login", "--no-open"])?;
    let other = company.run(&["whoami", "--json"])?;
    ensure!(name(&first)? != name(&other)?, "{}", other.all());
    let until = Instant::now() + Duration::from_secs(60);
    while talk.goes_on("still").is_ok() {
        ensure!(Instant::now() < until, "the session outlives its login");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

#[test]
fn what_the_provider_takes_away_ends_with_the_next_refresh() -> Result<()> {
    // Tokens of two minutes are refreshed at each use.
    let company = Company::new("2m")?;
    company.log_in(&["login", "--no-open"])?;
    let session = company.linger(&company.token()?)?;
    // Nothing changes: the session goes on over a refresh.
    let again = company.token()?;
    std::thread::sleep(Duration::from_millis(300));
    company.provider.control("groups=")?;
    ensure!(
        company.ask(&again, "SELECT 1")?.code == 0,
        "nobody has asked the provider yet"
    );
    let bare = company.token()?;
    let (took, told) = ended(session)?;
    ensure!(
        took < AT_ONCE && told.contains("says something else about you"),
        "{took:?}: {told}"
    );
    let refused = company.ask(&bare, "SELECT 1")?;
    ensure!(refused.code != 0, "no group, no target: {}", refused.all());
    company.provider.control("groups=engineers")?;
    let session = company.linger(&company.token()?)?;
    company.provider.control("lock=ana")?;
    let locked = company.run(&["token", "show"])?;
    ensure!(
        locked.code == 1 && locked.shows("log in again"),
        "{}",
        locked.all()
    );
    let (took, told) = ended(session)?;
    ensure!(
        took < AT_ONCE && told.contains("revoked"),
        "{took:?}: {told}"
    );
    Ok(())
}

#[test]
fn a_refresh_token_that_somebody_copied_ends_the_login() -> Result<()> {
    let company = Company::new("2m")?;
    company.log_in(&["login", "--no-open"])?;
    let file = company.home.join("login.json");
    let copied = std::fs::read(&file)?;
    let session = company.linger(&company.token()?)?;
    let ours = std::fs::read(&file)?;
    std::fs::write(&file, copied)?;
    let thief = company.run(&["token", "show"])?;
    ensure!(
        thief.code == 1 && thief.shows("used before"),
        "{}",
        thief.all()
    );
    let (took, _) = ended(session)?;
    ensure!(took < AT_ONCE, "{took:?}");
    portcullis_tests::scratch::private(&file, &String::from_utf8(ours)?)?;
    ensure!(
        company.run(&["token", "show"])?.code == 1,
        "the whole login is over"
    );
    Ok(())
}

#[test]
fn a_fresh_login_ends_the_one_whose_refresh_token_was_used_before() -> Result<()> {
    let company = Company::new("2m")?;
    company.log_in(&["login", "--no-open"])?;
    let file = company.home.join("login.json");
    let copied = std::fs::read_to_string(&file)?;
    // Tokens of two minutes are refreshed at each use: here by whoever has the copy.
    let thiefs = company.token()?;
    portcullis_tests::scratch::private(&file, &copied)?;
    company.log_in(&["login", "--fresh", "--no-open"])?;
    let rows = company.ask(&thiefs, "SELECT 1 AS one")?;
    ensure!(rows.code != 0, "{}", rows.all());
    let rows = company.ask(&company.token()?, "SELECT 1 AS one")?;
    ensure!(rows.code == 0, "{}", rows.all());
    let record = company.world.gateway.admin(&["journal", "node"])?;
    let mut over = record.out.lines().filter(|e| e.contains("login-over"));
    ensure!(over.any(|e| e.contains("login/reused")), "{}", record.all());
    Ok(())
}

#[test]
fn nobody_goes_on_under_a_name_that_is_revoked() -> Result<()> {
    let company = Company::new("1h")?;
    let who = || -> Result<[String; 2]> {
        let shown = company.run(&["whoami", "--json"])?;
        let who: serde_json::Value = serde_json::from_str(&shown.out)?;
        let said = |name: &str| who[name].as_str().map(str::to_owned);
        let both = said("issuer").zip(said("token_id"));
        both.map(|(a, b)| [a, b]).with_context(|| shown.all())
    };
    company.log_in(&["login", "--no-open"])?;
    let [issuer, name] = who()?;
    let mut revoke = vec!["revoke", "--reason", "left"];
    revoke.extend(["--issuer", &issuer, "--token-id", &name]);
    let revoked = company.world.gateway.admin(&revoke)?;
    ensure!(revoked.code == 0, "{}", revoked.all());
    let refused = company.run(&["whoami"])?;
    ensure!(refused.code != 0, "{}", refused.all());
    company.log_in(&["login", "--fresh", "--no-open"])?;
    let [_, another] = who()?;
    ensure!(name != another, "{name} goes on");
    let rows = company.ask(&company.token()?, "SELECT 1 AS one")?;
    ensure!(rows.code == 0, "{}", rows.all());
    Ok(())
}

/// Engineers, and the agents that act for them.
const ACTING: &str = "\
access:
  groups:
    engineers: [people, agents]
  bindings:
    people: {protocols: [postgres], labels: {app: orders}}
    agents: {kinds: [agent], protocols: [postgres], labels: {app: orders}}
";

/// What only reads is kept from writing by that alone, and the record says who acted for whom.
fn within_what_was_asked_for(company: &Company, reads: &str, writes: &str) -> Result<()> {
    let delete = "DELETE FROM stale_carts WHERE id = 7";
    let refused = company.ask(reads, delete)?;
    ensure!(
        refused.code != 0 && refused.shows("identity/read-only"),
        "{}",
        refused.all()
    );
    let left = "SELECT count(*) FROM stale_carts WHERE id = 7";
    ensure!(company.world.cluster.sql("orders", left)?.trim() == "1");
    let done = company.ask(writes, delete)?;
    ensure!(done.code == 0 && done.shows("DELETE 1"), "{}", done.all());
    ensure!(company.world.cluster.sql("orders", left)?.trim() == "0");
    // The index beside the record follows it.
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let gateway = &company.world.gateway;
        let denied = gateway.json(&["sessions", "list", "--denied"])?;
        let mut rows = denied["rows"].as_array().into_iter().flatten();
        if rows.any(|row| {
            row["principal"]["subject"] == "ana"
                && row["actors"][0]["subject"] == "report-bot"
                && row["kind"] == "agent"
        }) {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{denied:#}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A person is no actor, and the agent alone no subject.
fn people_act_for_themselves(company: &Company, agent: &str) -> Result<()> {
    let own = company.home.join("own-token");
    portcullis_tests::scratch::private(&own, &company.token()?)?;
    let own = own.display().to_string();
    let person = company.run(&["token", "exchange", "--actor-token-file", &own])?;
    ensure!(
        person.code == 1 && person.shows("people act for themselves"),
        "{}",
        person.all()
    );
    let swapped = [
        "token",
        "exchange",
        "--actor-token-file",
        agent,
        "--token-file",
        agent,
    ];
    ensure!(
        company.run(&swapped)?.shows("no person"),
        "a machine is no subject"
    );
    Ok(())
}

#[test]
fn an_agent_acts_for_a_person_and_never_beyond() -> Result<()> {
    // Policy lets agents of engineers write: what keeps this one from it is what its token was narrowed to.
    let options = WorldOptions {
        packs: "    - builtin: access\n    - builtin: approve\n".to_owned(),
        data: ACTING.to_owned(),
        ..WorldOptions::default()
    };
    let company = Company::with("1h", "", options)?;
    company.log_in(&["login", "--no-open"])?;
    let file = company.home.join("agent-token");
    portcullis_tests::scratch::private(&file, &company.provider.agent()?)?;
    let path = file.display().to_string();
    let exchange = |more: &[&str]| {
        let mut all = vec!["token", "exchange", "--actor-token-file", &path];
        all.extend(more);
        company.run(&all)
    };
    let narrowed = exchange(&["--target", "orders", "--read-only", "--task", "report 7"])?;
    ensure!(
        narrowed.code == 0,
        "{}\n{}",
        narrowed.all(),
        company.world.gateway.log()
    );
    let acting = narrowed.out.trim();
    let other = exchange(&["--target", "billing"])?;
    let refused = company.ask(other.out.trim(), "SELECT 1")?;
    ensure!(
        refused.code != 0 && refused.shows("other targets"),
        "{}",
        refused.all()
    );
    let read = company.ask(acting, "SELECT name FROM customers WHERE id = 1")?;
    ensure!(
        read.code == 0 && read.shows("Ada Lovelace"),
        "{}",
        read.all()
    );
    within_what_was_asked_for(
        &company,
        acting,
        exchange(&["--target", "orders"])?.out.trim(),
    )?;
    let record = company.world.gateway.admin(&["journal", "node"])?;
    ensure!(
        record.shows("token-exchanged") && record.shows("report 7") && record.shows("report-bot"),
        "{}",
        record.all()
    );
    people_act_for_themselves(&company, &path)?;
    // Leaving ends what was exchanged.
    company.run(&["logout"])?;
    let late = company.ask(acting, "SELECT 1")?;
    ensure!(late.shows("identity/revoked"), "{}", late.all());
    Ok(())
}

#[test]
fn a_workload_comes_with_client_credentials_and_keys_rotate_meanwhile() -> Result<()> {
    let company = Company::new("1h")?;
    let token = company.provider.agent()?;
    let refused = company.ask(&token, "SELECT 1")?;
    // It proves who it is; the sample's policy does not know it.
    ensure!(
        refused.code != 0 && !refused.shows("identity/"),
        "{}",
        refused.all()
    );
    company.log_in(&["login", "--no-open"])?;
    let mut session = Talk::start(&company, &company.token()?)?;
    // Among the agents that report on orders it is let in.
    company.provider.control("agents=data-agents")?;
    let token = company.provider.agent()?;
    let known = company.ask(&token, "SELECT 1 AS one")?;
    ensure!(known.code == 0 && known.shows("one"), "{}", known.all());
    company.provider.control("rotate=hard")?;
    // Session tokens are the gateway's own: nothing changes for whoever is logged in.
    session.goes_on("right after the rotation")?;
    ensure!(
        company.ask(&company.token()?, "SELECT 1")?.code == 0,
        "goes on"
    );
    // A token of the new key is taken as soon as the cool-down lets the gateway look.
    let rotated = company.provider.agent()?;
    let until = Instant::now() + Duration::from_secs(45);
    let mut shown = company.ask(&rotated, "SELECT 1 AS one")?;
    while shown.shows("identity/key") {
        ensure!(Instant::now() < until, "the new key is never fetched");
        std::thread::sleep(SECOND);
        shown = company.ask(&rotated, "SELECT 1 AS one")?;
    }
    ensure!(shown.code == 0 && shown.shows("one"), "{}", shown.all());
    let old = company.ask(&token, "SELECT 1")?;
    ensure!(
        old.shows("identity/key"),
        "the old key is gone: {}",
        old.all()
    );
    session.goes_on("with the old key gone")
}

#[test]
fn libpq_18_brings_its_token_by_oauthbearer() -> Result<()> {
    let port = free_port()?;
    let world = World::start(&WorldOptions {
        listeners: format!(
            "  - protocol: postgres
    address: 127.0.0.1:{port}
    tls: {{ certificate: {{at}}/tls.crt, key: {{at}}/tls.key }}
    oauth: {{ issuer: dev }}
"
        ),
        ..WorldOptions::default()
    })?;
    let python = match std::env::var_os("PORTCULLIS_PYTHON") {
        Some(python) => python.into(),
        None => install::python(&world::workspace())?,
    };
    let dsn = format!(
        "host=localhost hostaddr=127.0.0.1 port={port} user=anybody dbname=orders sslmode=verify-full sslrootcert={}",
        world.certificate().display()
    );
    let issuer = world.issuer.url();
    let mut command = Command::new(python);
    command
        .arg(world::workspace().join("tests/it/drivers/oauth.py"))
        .args([&dsn, &issuer, &world.token(&ANA)?])
        // The development issuer speaks plain http on loopback.
        .env("PGOAUTHDEBUG", "UNSAFE");
    let shown = Shown::by(&mut command)?;
    ensure!(
        shown.code == 0
            && shown.shows("Ada Lovelace")
            && shown.shows(&format!("told {issuer}/.well-known/openid-configuration"))
            && shown.shows("refused True"),
        "{}\n{}",
        shown.all(),
        world.gateway.log()
    );
    // Whoever only asks where to get a token is no refused login.
    let record = world.gateway.admin(&["journal", "node"])?;
    ensure!(!record.shows("login_refused"), "{}", record.all());
    Ok(())
}
