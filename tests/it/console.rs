//! The console in a real browser, before a real gateway, server and provider: log in, approve a held statement, watch it
//! run, end a session, read what was recorded, play a terminal.

mod browser;
mod cluster;
mod desk;
mod plain;

use crate::company::Company;
use anyhow::{Context, Result, ensure};
use browser::Browser;
use portcullis_tests::issuer::{ANA, BEA, Person};
use portcullis_tests::oidc::{CLIENT_SECRET, Provider};
use portcullis_tests::process::free_port;
use portcullis_tests::{Scratch, Shown, SshOptions, SshWorld, WorldOptions, ssh, world};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Who has which role: bea approves, cleo reads and operates.
const ROLES: &str = "console:
  roles:
    approver: {groups: [dba]}
    auditor: {groups: [audit]}
    operator: {groups: [sre]}
";

pub(crate) fn company() -> Result<Company> {
    let options = WorldOptions {
        data: format!("{}{ROLES}", world::DATA),
        more: "console: {}\n".to_owned(),
        ..WorldOptions::default()
    };
    Company::with("5m", "", options)
}

/// Somebody in a browser of their own, logged in.
fn logged_in(company: &Company, name: &str) -> Result<(Browser, String)> {
    let browser = Browser::start()?;
    let portal = arrives(company, name, &browser)?;
    Ok((browser, portal))
}

/// The same in a browser that is there.
fn arrives(company: &Company, name: &str, browser: &Browser) -> Result<String> {
    company.provider.control(&format!("user={name}"))?;
    let portal = company.world.portal()?;
    browser.go(&format!("{portal}/console"))?;
    browser.sees("Prove who you are")?;
    browser.picture("login")?;
    browser.click("a.primary")?;
    browser
        .sees("Hello,")
        .with_context(|| company.world.gateway.log())?;
    Ok(portal)
}

/// The browser has nothing to complain about: no script or style that the page's policy refuses.
fn content(browser: &Browser) -> Result<()> {
    let complaints = browser.complaints()?;
    ensure!(complaints.is_empty(), "{complaints:?}");
    Ok(())
}

/// Proves who it is once more, on the page of a request, and says yes.
fn proves_and_votes(browser: &Browser, picture: &str, why: &str) -> Result<()> {
    // The provider was not told to ask for the proof, and does not say when it did.
    browser.sees("A vote needs a fresh login")?;
    browser.click("p.notice a.button.primary")?;
    browser.sees("Why; recorded and shown to whoever asked")?;
    browser.picture(picture)?;
    browser.write("textarea[name=reason]", why)?;
    browser.click("button[value=approve]")
}

/// A token of ana's, from the provider that bea logs in at as well.
fn token_of_ana(company: &Company) -> Result<String> {
    company.provider.control("user=ana")?;
    company.log_in(&["login", "--no-open"])?;
    company.token()
}

#[test]
fn a_held_statement_is_approved_in_a_browser_and_read_back() -> Result<()> {
    let company = company()?;
    let world = &company.world;
    let ana = token_of_ana(&company)?;
    let (bea, portal) = logged_in(&company, "bea")?;
    bea.sees("bea")?;
    let mut session = world.psql("anybody", &ana, "orders");
    session.args([
        "-c",
        "SELECT id, name, email, ssn FROM customers ORDER BY id LIMIT 3",
        "-c",
        "DELETE FROM stale_carts WHERE id = 7 -- <script>alert(1)</script>",
    ]);
    let waiting = std::thread::spawn(move || Shown::by(&mut session));
    let id = world.gateway.pending(Duration::from_secs(60))?;
    bea.go(&format!("{portal}/console/approvals"))?;
    bea.sees(&id)?;
    bea.picture("approvals")?;
    bea.click(&format!("a[href$='{id}']"))?;
    bea.sees("DELETE FROM stale_carts WHERE id = 7 -- <script>alert(1)</script>")?;
    bea.sees("search path")?;
    proves_and_votes(&bea, "approval", "the cart is stale")?;
    bea.sees("the cart is stale")?;
    let shown = waiting.join().ok().context("psql ends")??;
    ensure!(
        shown.code == 0 && shown.shows("DELETE 1"),
        "{}",
        shown.all()
    );
    content(&bea)?;
    // A requester sees nothing of others, and no page of others' roles.
    bea.go(&format!("{portal}/console/policies"))?;
    bea.sees("Forbidden")?;
    bea.go(&format!("{portal}/console/sessions"))?;
    bea.sees("Nothing fits")?;
    drop(bea);
    reads_back(&company)
}

/// What an auditor finds of it.
fn reads_back(company: &Company) -> Result<()> {
    let (cleo, portal) = logged_in(company, "cleo")?;
    cleo.picture("home")?;
    cleo.go(&format!(
        "{portal}/console/sessions?who=ana&protocol=postgres"
    ))?;
    cleo.sees("ana@example.com")?;
    cleo.picture("sessions")?;
    cleo.click("table.list tbody td a")?;
    cleo.sees("What happened")?;
    for text in [
        "DELETE FROM stale_carts",
        "pc-masked",
        "DELETE 1",
        "SELECT 3",
    ] {
        cleo.sees(text)?;
    }
    let seen = cleo.text()?;
    ensure!(
        !seen.contains("123-45-6789"),
        "masked values stay masked: {seen}"
    );
    ensure!(
        cleo.run("return document.querySelectorAll('table.rows td').length")?
            .as_u64()
            > Some(8)
    );
    cleo.picture("session")?;
    cleo.click("a[href*='/decisions/']")?;
    cleo.sees("What the policy that serves now says")?;
    cleo.picture("decision")?;
    for (page, text) in [
        ("connections", "mint"),
        ("policies", "passed before it served"),
        ("policies/trial", "decisions were looked at"),
        ("plugins", "mask-pii"),
        ("events", "recording-viewed"),
    ] {
        cleo.go(&format!("{portal}/console/{page}"))?;
        cleo.sees(text)?;
        cleo.picture(&page.replace('/', "-"))?;
    }
    cleo.go(&format!("{portal}/console/plugins"))?;
    let digest = cleo.run("return document.querySelector('code.digest').textContent")?;
    let digest = digest.as_str().unwrap_or_default();
    ensure!(
        digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()),
        "{digest}"
    );
    content(&cleo)?;
    cleo.click("button.quiet")?;
    cleo.sees("Prove who you are")?;
    cleo.go(&format!("{portal}/console/sessions"))?;
    cleo.sees("Prove who you are")?;
    let record = company.world.gateway.admin(&["journal", "node"])?;
    for event in [
        "console-login",
        "recording-viewed",
        "decision-viewed",
        "login-over",
    ] {
        ensure!(
            record.shows(event),
            "{event} is on record: {}",
            record.all()
        );
    }
    Ok(())
}

#[test]
fn a_live_session_is_watched_and_ended() -> Result<()> {
    let company = company()?;
    let world = &company.world;
    let ana = token_of_ana(&company)?;
    let mut session = world.psql("anybody", &ana, "orders");
    let mut child = session
        .args(["-v", "ON_ERROR_STOP=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut typed = child.stdin.take().context("a pipe")?;
    let mut say = |line: &str| {
        use std::io::Write as _;
        writeln!(typed, "{line}")
    };
    say("SELECT 'before anybody looked';")?;
    let (cleo, portal) = logged_in(&company, "cleo")?;
    cleo.go(&format!("{portal}/console/live"))?;
    cleo.sees("ana@example.com")?;
    cleo.picture("live")?;
    cleo.click("table.list tbody td a")?;
    cleo.sees("before anybody looked")?;
    say("SELECT name, email FROM customers ORDER BY id LIMIT 2;")?;
    cleo.sees("SELECT name, email FROM customers")?;
    cleo.sees("pc-masked")?;
    cleo.picture("watch")?;
    cleo.click("summary")?;
    cleo.write("input[name=reason]", "enough for today")?;
    cleo.click("button.danger")?;
    cleo.sees("Live sessions")?;
    say("SELECT 1;").ok();
    let shown = Shown::from_output(&child.wait_with_output()?);
    ensure!(
        shown.code != 0 && shown.err.contains("enough for today"),
        "{}",
        shown.all()
    );
    let record = world.gateway.admin(&["journal", "node"])?;
    ensure!(
        record.shows("session_killed") && record.shows("session-watched"),
        "{}",
        record.all()
    );
    content(&cleo)?;
    Ok(())
}

/// A gateway before a host, at which people log in to the console.
fn host(folder: &Scratch) -> Result<(SshWorld, Provider, String)> {
    let port = free_port()?;
    let portal = format!("https://localhost:{port}");
    let provider = Provider::start(folder.path(), &portal)?;
    let secret = folder.path().join("client-secret");
    portcullis_tests::scratch::private(&secret, CLIENT_SECRET)?;
    let world = SshWorld::start(&SshOptions {
        data: format!("{}{ROLES}", ssh::DATA),
        issuers: format!(
            "  - name: corp
    issuer: {}
    audiences: [portcullis]
    kind: {{ fixed: human }}
    groups_claim: groups
",
            provider.url()
        ),
        more: format!(
            "console: {{}}
login:
  url: {portal}
  session: 5m
  longest: 1h
  providers:
    - issuer: corp
      client_id: portcullis
      client_secret: file:{}
",
            secret.display()
        ),
        listener: format!(
            "  - protocol: https
    address: 127.0.0.1:{port}
    tls: {{ self_signed: true }}
"
        ),
        ..SshOptions::default()
    })?;
    Ok((world, provider, portal))
}

#[test]
fn a_recorded_terminal_is_played_in_a_browser() -> Result<()> {
    let folder = Scratch::new("console")?;
    let (world, provider, portal) = host(&folder)?;
    let script = "printf '\\033]0;owned\\007\\033[31;1mred\\033[0m and <b>then</b>\\r\\n'; seq 1 5; sleep 1; echo over";
    let shown = Shown::by(&mut world.ssh(&ANA, &["-tt"], &[script])?)?;
    ensure!(shown.code == 0 && shown.shows("over"), "{}", shown.all());
    provider.control("user=cleo")?;
    let browser = Browser::start()?;
    browser.go(&format!("{portal}/console/sessions"))?;
    browser.sees("Prove who you are")?;
    browser.click("a.primary")?;
    browser
        .sees("Sessions")
        .with_context(|| world.gateway.log())?;
    browser.go(&format!("{portal}/console/sessions"))?;
    browser.click("table.list tbody td a")?;
    browser.sees("Play")?;
    browser.click("a.primary")?;
    browser.sees("red and <b>then</b>")?;
    browser.sees("over")?;
    let red = "return [...document.querySelectorAll('#screen span.bold')].some((s) => s.textContent === 'red' && s.style.color)";
    ensure!(
        browser.run(red)?.as_bool() == Some(true),
        "{}",
        browser.text()?
    );
    ensure!(browser.run("return document.title")?.as_str() == Some("Replay · Portcullis"));
    browser.sees("exit 0")?;
    browser.picture("player")?;
    plays_by_keys(&browser)?;
    // Back to the beginning, without what came later.
    browser.run("document.getElementById('seek').value = 0; document.getElementById('seek').dispatchEvent(new Event('input'))")?;
    ensure!(
        !browser
            .run("return document.getElementById('screen').innerText")?
            .to_string()
            .contains("over")
    );
    content(&browser)?;
    let record = world.gateway.admin(&["journal", "node"])?;
    ensure!(record.shows("recording-played"), "{}", record.all());
    Ok(())
}

/// The player at the end of its film, by keys alone: back, on, faster, slower, play.
fn plays_by_keys(browser: &Browser) -> Result<()> {
    let says = |script: &str| -> Result<String> {
        let value = browser.run(&format!("return String({script})"))?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    };
    let place = "document.getElementById('seek').value";
    let speed = "document.getElementById('speed').selectedIndex";
    let button = "document.getElementById('play').textContent";
    let until = Instant::now() + Duration::from_secs(60);
    while says(button)? != "Play" {
        ensure!(
            Instant::now() < until,
            "the film does not end: {}",
            says(place)?
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let (end, usual) = (says(place)?, says(speed)?);
    ensure!(end != "0", "it has a length");
    for (key, what, becomes) in [
        ("\u{e012}", place, Some("0")),
        ("\u{e014}", place, Some(end.as_str())),
        ("+", speed, None),
        ("-", speed, Some(usual.as_str())),
        ("\u{e012}", place, Some("0")),
        (" ", button, Some("Pause")),
        (" ", button, Some("Play")),
    ] {
        let before = says(what)?;
        browser.press(&[key])?;
        let after = says(what)?;
        let good = becomes.map_or(before != after, |becomes| becomes == after);
        ensure!(good, "{key:?}: {before} became {after}");
    }
    Ok(())
}

#[test]
fn the_terminal_of_the_player_draws_what_a_terminal_draws() -> Result<()> {
    let browser = Browser::start()?;
    let script =
        std::fs::read_to_string(world::workspace().join("engine/console/assets/terminal.js"))?;
    let cases = std::fs::read_to_string(world::workspace().join("tests/it/console/terminal.json"))?;
    browser.go("about:blank")?;
    let run = format!(
        "{script}\nconst cases = {cases};\nreturn cases.map(([columns, rows, text, want]) => {{\
         const t = new Terminal(columns, rows); for (const c of text) t.write(c);\
         const whole = new Terminal(columns, rows); whole.write(text);\
         return [t.text(), whole.text(), want, text]; }});"
    );
    let seen = browser.run(&run)?;
    let seen = seen.as_array().context("results")?;
    ensure!(seen.len() > 20, "{} cases", seen.len());
    for case in seen {
        ensure!(case[0] == case[2] && case[1] == case[2], "{case:#}");
    }
    Ok(())
}

/// The document of the API, tried by schemathesis: nothing it can think of makes the gateway fail or answer otherwise than
/// the document says.
#[test]
fn the_api_is_as_its_document_says() -> Result<()> {
    let company = company()?;
    company.provider.control("user=cleo")?;
    company.log_in(&["login", "--no-open"])?;
    let token = company.token()?;
    tried(&company, &token)
}

/// The same as somebody with every role and a login of just now, while something waits, with the ids that there are: so
/// that votes, grants, reviews and films are answered and not only refused.
#[test]
fn the_api_is_as_its_document_says_to_whoever_may_do_everything() -> Result<()> {
    let company = desk::company()?;
    let world = &company.world;
    let everything = Person {
        groups: &["dba", "audit", "sre"],
        ..BEA
    };
    let token = world.token(&everything)?;
    let portal = world.portal()?;
    let call = |person: &Person, path: &str, body: &str| -> Result<serde_json::Value> {
        let mut command = Command::new("curl");
        command
            .args(["-sS", "--cacert"])
            .arg(world.certificate())
            .args([
                "-H",
                &format!("Authorization: Bearer {}", world.token(person)?),
            ])
            .args(["-H", "Content-Type: application/json", "-d", body])
            .arg(format!("{portal}/api/v1/{path}"));
        let shown = Shown::by(&mut command)?;
        serde_json::from_str(&shown.out).with_context(|| shown.all())
    };
    let id = |value: &serde_json::Value| -> Result<String> {
        let id = value["id"].as_str().with_context(|| value.to_string())?;
        Ok(id.to_owned())
    };
    let glass =
        r#"{"target":"orders","reason":"INC-7, orders is down at night","break_glass":true}"#;
    let grant = id(&call(&ANA, "access", glass)?["grant"])?;
    let asked = world.ask(&ANA, "orders", "SELECT 1")?;
    ensure!(asked.code == 0, "the glass opens it: {}", asked.all());
    let away = r#"{"subject":"cleo@example.com","seconds":86400,"reason":"on leave"}"#;
    let delegation = id(&call(&everything, "delegations", away)?)?;
    let reviews = world.gateway.json(&["approvals", "reviews"])?;
    let session = world.gateway.json(&["sessions", "list", "--recorded"])?;
    let first = |list: &serde_json::Value, key: &str| id(list.get(0).unwrap_or(&list[key][0]));
    let (review, session) = (first(&reviews, "reviews")?, first(&session, "sessions")?);
    let ana = world.token(&ANA)?;
    let mut held = world.psql("anybody", &ana, "orders");
    held.args(["-c", "DELETE FROM stale_carts WHERE id = 7"]);
    let waiting = std::thread::spawn(move || Shown::by(&mut held));
    let request = world.gateway.pending(Duration::from_secs(60))?;
    let ids = [
        ("approvals", request.as_str()),
        ("grants", &grant),
        ("reviews", &review),
        ("delegations", &delegation),
    ];
    let known = known(&session, ids);
    std::fs::write(world.folder().join("schemathesis.toml"), known)?;
    tried(&company, &token)?;
    by_hand([&request, &review, &grant], |path, body| {
        call(&everything, path, body).map(drop)
    })?;
    plays(&company, &token, &session)?;
    waiting.join().ok().context("psql ends")??;
    // What was tried was done.
    let record = world.gateway.admin(&["journal", "node"])?;
    for event in [
        "approval/vote",
        "approval/grant-ended",
        "glass/reviewed",
        "recording-played",
    ] {
        ensure!(record.shows(event), "{event}: {}", record.all());
    }
    Ok(())
}

/// What schemathesis is told of the ids that there are.
fn known(session: &str, ids: [(&str, &str); 4]) -> String {
    let mut known = format!("[parameters]\n\"path.session\" = \"{session}\"\n");
    for (paths, id) in ids {
        known.push_str(&format!(
            "[[operations]]\ninclude-path-regex = \"/{paths}/\"\nparameters = {{ \"path.id\" = \"{id}\" }}\n"
        ));
    }
    known
}

/// What was tried at random need not have been what counts: each is done once more as it should be. What was done already is
/// refused now; the record says whether it was done.
fn by_hand(
    [request, review, grant]: [&str; 3],
    call: impl Fn(&str, &str) -> Result<()>,
) -> Result<()> {
    let vote = r#"{"choice":"deny","reason":"not today"}"#;
    call(&format!("approvals/{request}/votes"), vote)?;
    let word = r#"{"finding":"justified","text":"it was down"}"#;
    call(&format!("reviews/{review}/finding"), word)?;
    call(&format!("grants/{grant}/end"), r#"{"reason":"it is over"}"#)
}

/// A film comes to whoever may see it.
fn plays(company: &Company, token: &str, session: &str) -> Result<()> {
    let address = format!("{}/api/v1/sessions/{session}/film", company.world.portal()?);
    let mut film = Command::new("curl");
    film.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"])
        .arg(company.world.certificate())
        .args(["-H", &format!("Authorization: Bearer {token}"), &address]);
    let film = Shown::by(&mut film)?;
    ensure!(film.out.trim() == "200", "{}", film.all());
    Ok(())
}

fn tried(company: &Company, token: &str) -> Result<()> {
    let portal = company.world.portal()?;
    let tool = portcullis_tests::install::schemathesis(&world::workspace())?;
    let mut command = Command::new(tool);
    command
        .args(["run", &format!("{portal}/api/v1/openapi.json")])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--exclude-path-regex", "feed$", "--max-examples", "15"])
        // Below what one login may ask (`CONSOLE_REQUESTS_PER_MINUTE`), with room for what a test asks itself.
        .args(["--rate-limit", "1000/m"])
        .args([
            "--tls-verify",
            "false",
            "--request-timeout",
            "20",
            "--seed",
            "7",
        ])
        .args(["--phases", "examples,coverage,fuzzing", "--no-color"])
        .current_dir(company.world.folder());
    let shown = Shown::by(&mut command)?;
    ensure!(
        shown.code == 0,
        "{}\n{}",
        shown.all(),
        company.world.gateway.log()
    );
    Ok(())
}
