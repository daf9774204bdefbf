//! Who is told of requests and how answers come in: webhooks, Slack, mail, tickets, signed callbacks. The receivers are
//! those of `world/channels.rs`.

mod mail;
mod reach;
mod standing;
mod standing_elsewhere;
mod tickets;

use anyhow::{Context, Result, ensure};
use portcullis_model::limits;
use portcullis_tests::channels::{Channels, WHSEC};
use portcullis_tests::issuer::{ANA, BEA, EVE};
use portcullis_tests::{Scratch, Shown, World, WorldOptions, world};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

struct Desk {
    world: World,
    /// When the gateway was there.
    since: Instant,
    channels: Channels,
    _folder: Scratch,
}

const PACK: &str = "package portcullis.packs.told

import rego.v1

approval contains {
    \"rule\": \"told/delete\", \"msg\": \"it deletes\", \"approver_groups\": [\"dba\"], \"mode\": \"defer\",
    \"chat\": \"approve\", \"ttl_seconds\": 900, \"reuse\": {\"ttl_seconds\": 600, \"class\": \"objects\"},
} if {
    input.action == \"command\"
    some statement in input.command.statements
    statement.verb == \"DELETE\"
}

approval contains {
    \"rule\": \"told/insert\", \"msg\": \"it inserts\", \"approver_groups\": [\"dba\"], \"mode\": \"defer\", \"ttl_seconds\": 900,
} if {
    input.action == \"command\"
    some statement in input.command.statements
    statement.verb == \"INSERT\"
}

deny contains {\"rule\": \"told/ticket\", \"msg\": sprintf(\"not valid: %v\", [input.session.ticket_check])} if {
    input.action == \"command\"
    some statement in input.command.statements
    statement.verb == \"UPDATE\"
    not input.session.ticket_check.valid
}
";

fn desk() -> Result<Desk> {
    let folder = Scratch::new("channels")?;
    let channels = Channels::start(folder.path())?;
    std::fs::create_dir_all(folder.path().join("told"))?;
    std::fs::write(folder.path().join("told/told.rego"), PACK)?;
    let approvals = format!(
        "approvals:
  portal: https://gateway.example
  webhooks:
    - {{ name: hook, url: \"{}\", secret: \"env:WHSEC\", private: true }}
    - {{ name: moved, url: \"{}\", secret: \"env:WHSEC\", private: true, events: [approval.opened] }}
    - {{ name: inside, url: \"https://localhost:{}/hook\", secret: \"env:WHSEC\", events: [nothing], private: true }}
  callback: {{ secret: \"env:WHSEC\" }}
  slack:
    team: T1
    channel: C1
    token: \"env:SLACK_TOKEN\"
    signing_secret: \"env:SLACK_SIGNING\"
    api: {}
  mail:
    - {{ name: sre, host: 127.0.0.1, port: {}, tls: none, from: gw@example.org, to: [sre@example.org], events: [approval.opened] }}
  tickets:
    - {{ name: jira, kind: jira, url: \"{}\", prefixes: [OPS-], secret: \"env:JIRA\", fields: {{ status.name: [In Progress] }}, assignee: assignee.emailAddress }}
    - {{ name: changes, kind: servicenow, table: change_request, url: \"{}\", prefixes: [CHG], user: gw, secret: \"env:JIRA\", window: {{ from: start_date, to: end_date }} }}
",
        channels.url("/hook"),
        channels.url("/moved"),
        channels.http,
        channels.url("/slack"),
        channels.smtp,
        channels.url(""),
        channels.url(""),
    );
    let packs = format!(
        "    - builtin: access\n    - builtin: approve\n    - path: {}\n",
        folder.path().join("told").display()
    );
    let environment = [
        ("WHSEC", WHSEC),
        ("SLACK_TOKEN", "xoxb-test"),
        ("SLACK_SIGNING", "8f742231b10e8888abcd99yyyzzz85a5"),
        ("JIRA", "a-token-of-jira"),
    ];
    let world = World::start(&WorldOptions {
        more: approvals,
        packs,
        environment: environment
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .to_vec(),
        ..WorldOptions::default()
    })?;
    Ok(Desk {
        world,
        since: Instant::now(),
        channels,
        _folder: folder,
    })
}

impl Desk {
    /// Ana asks for something that is deferred; its id.
    fn ask(&self, number: u32) -> Result<String> {
        self.ask_for(&format!("DELETE FROM stale_carts WHERE id = {number}"))
    }

    fn ask_for(&self, sql: &str) -> Result<String> {
        let shown = self.world.ask(&ANA, "orders", sql)?;
        let all = shown.all();
        ensure!(shown.code == 1, "{all}");
        let detail = shown.detail()?;
        let id = detail["approval"].as_str().context("an id is told")?;
        let verb = sql.split(' ').next().unwrap_or_default();
        ensure!(
            detail["rule"] == format!("told/{}", verb.to_lowercase())
                && detail["retry_after"] == limits::DEFERRED_RETRY_SECONDS,
            "{all}"
        );
        // The id is the one that people vote on, and the one that the hint names.
        let asked = self.world.gateway.json(&["approvals", "show", id])?;
        ensure!(
            asked["id"] == id && asked["state"] == "pending" && asked.to_string().contains(verb),
            "{asked:#}"
        );
        let page = format!("It is decided at https://gateway.example/approvals/{id}");
        let again = format!("Run the same statement again once {id} is approved.");
        ensure!(all.contains(&page) && all.contains(&again), "{all}");
        Ok(id.to_owned())
    }

    fn state(&self, id: &str) -> Result<String> {
        let approval = self.world.gateway.json(&["approvals", "show", id])?;
        Ok(approval["state"].as_str().unwrap_or_default().to_owned())
    }

    /// Sends raw bytes to a hook, signed by python's own hmac.
    fn send(&self, script: &str, arguments: &[&str]) -> Result<Shown> {
        // For so long after a start nothing is taken in.
        let shut = Duration::from_secs(6).saturating_sub(self.since.elapsed());
        std::thread::sleep(shut);
        let portal = self.world.portal()?;
        let mut command = Command::new("python3");
        command
            .arg(world::workspace().join("tests/world/channels").join(script))
            .arg(portal)
            .arg(self.world.certificate())
            .args(arguments);
        Shown::by(&mut command).context("run python")
    }

    /// A code for an account in Slack.
    fn code(&self, user: &str) -> Result<String> {
        let all = self.send("slack.py", &["link", "good", user, ""])?.all();
        let at = all.find("approvals link ").context("a code is shown")? + 15;
        Ok(all[at..at + 20].to_owned())
    }

    /// Ends the gateway, and starts it again.
    fn again(&mut self) -> Result<()> {
        self.world.gateway.signal("KILL");
        self.world.gateway.wait(Duration::from_secs(60))?;
        self.world.restart()?;
        self.since = Instant::now();
        Ok(())
    }

    fn callback(&self, body: &Value, how: &str) -> Result<Shown> {
        self.send("callback.py", &[WHSEC, how, &body.to_string()])
    }
}

#[test]
fn everybody_who_is_configured_is_told_once_and_nothing_follows_a_redirect() -> Result<()> {
    let desk = desk()?;
    let id = desk.ask(1)?;
    let hook = desk.channels.about("hook", &id)?;
    ensure!(hook["signed"] == true, "{hook}");
    let data = &hook["body"]["data"];
    ensure!(
        data["link"] == format!("https://gateway.example/approvals/{id}"),
        "{data}"
    );
    let slack = desk.channels.about("slack", &id)?;
    ensure!(
        slack["authorized"] == true && slack["body"]["channel"] == "C1",
        "{slack}"
    );
    let mail = desk.channels.about("mail", &id)?;
    ensure!(mail["to"] == json!(["sre@example.org"]), "{mail}");
    let text = mail["body"].as_str().unwrap_or_default();
    ensure!(text.contains("DELETE FROM stale_carts"), "{mail}");
    desk.channels.wait_for("moved", |_| true)?;
    std::thread::sleep(Duration::from_secs(2));
    let hooks = desk.channels.got("hook");
    let about = |v: &&Value| v["body"]["data"]["id"] == id.as_str();
    ensure!(
        hooks.iter().filter(about).count() == 1,
        "a redirect was followed: {hooks:?}"
    );
    Ok(())
}

#[test]
fn a_receiver_that_was_down_hears_of_it_later() -> Result<()> {
    let desk = desk()?;
    desk.channels.down(true)?;
    let id = desk.ask(1)?;
    let first = desk.channels.about("hook", &id)?;
    ensure!(first["down"] == true, "{first}");
    ensure!(desk.state(&id)? == "pending", "a failure approves nothing");
    desk.channels.down(false)?;
    let again = desk.channels.wait_for("hook", |v| {
        v["down"] == false && v["body"]["data"]["id"] == id.as_str()
    })?;
    ensure!(
        again["id"] == first["id"],
        "the same message has the same id"
    );
    Ok(())
}

#[test]
fn a_callback_votes_with_a_token_of_the_voter_and_only_so() -> Result<()> {
    let desk = desk()?;
    let id = desk.ask(1)?;
    let vote = |who| -> Result<Value> {
        let token = desk.world.token(who)?;
        Ok(json!({"request": id, "choice": "approve", "reason": "OPS-1", "token": token}))
    };
    let old = desk
        .world
        .issuer
        .token_with(&BEA, &["--proved-ago", "1000"])?;
    for (what, body, how, status) in [
        (
            "one of a login of long ago",
            json!({"request": id, "choice": "approve", "reason": "OPS-1", "token": old}),
            "good",
            "403",
        ),
        ("forged", vote(&BEA)?, "forged", "401"),
        ("late", vote(&BEA)?, "late", "401"),
        ("the requester's own", vote(&ANA)?, "good", "403"),
        ("a stranger's", vote(&EVE)?, "good", "403"),
        (
            "no token",
            json!({"request": id, "choice": "approve", "reason": "x"}),
            "good",
            "401",
        ),
        (
            "a bad token",
            json!({"request": id, "choice": "approve", "reason": "x", "token": "x"}),
            "good",
            "401",
        ),
        (
            "another id",
            json!({"request": "ap-00000000", "choice": "approve", "reason": "x", "token": desk.world.token(&BEA)?}),
            "good",
            "404",
        ),
    ] {
        let shown = desk.callback(&body, how)?;
        ensure!(shown.shows(status), "{what}: {}", shown.all());
        ensure!(desk.state(&id)? == "pending", "{what} was a vote");
    }
    let bea = desk.world.token(&BEA)?;
    let good = json!({"request": id, "choice": "approve", "reason": "OPS-1", "token": bea});
    let twice = desk.callback(&good, "twice")?;
    ensure!(
        twice.shows("200") && twice.shows("401"),
        "good once: {}",
        twice.all()
    );
    ensure!(desk.state(&id)? == "approved", "it counts");
    let record = desk.world.gateway.admin(&["journal", "node"])?.all();
    for event in ["hook_refused", "vote_refused", "approval/vote"] {
        ensure!(record.contains(event), "{event} is not on record: {record}");
    }
    ensure!(!record.contains(&bea), "a token is on record");
    Ok(())
}

#[test]
fn a_click_in_slack_is_a_vote_of_the_person_who_has_linked_the_account() -> Result<()> {
    let desk = desk()?;
    let id = desk.ask(1)?;
    let click = |user: &str, how: &str| desk.send("slack.py", &["click", how, user, &id]);
    ensure!(click("U1", "forged")?.shows("401"), "a forged click");
    ensure!(click("U1", "late")?.shows("401"), "a late click");
    ensure!(
        click("U1", "good")?.shows("not linked"),
        "an account of nobody"
    );
    let code = desk.code("U1")?;
    let bea = desk.world.token(&BEA)?;
    let link = |more: &[&str]| {
        let arguments = [&["approvals", "link", &code], more].concat();
        desk.world.gateway.admin_as(Some(&bea), &arguments)
    };
    let shown = link(&[])?;
    ensure!(
        shown.shows("slack:T1:U1") && shown.shows("--confirm"),
        "{}",
        shown.all()
    );
    ensure!(
        click("U1", "good")?.shows("not linked"),
        "seen is not confirmed"
    );
    let shown = link(&["--confirm"])?;
    ensure!(shown.shows("votes for you"), "{}", shown.all());
    let record = desk.world.gateway.admin(&["journal", "node"])?;
    let mut lines = record.out.lines();
    let line = lines.find(|line| line.contains("account_linked"));
    let linked: Value = serde_json::from_str(line.context("it is on record")?)?;
    let linked = &linked["payload"]["detail"];
    let account = linked["account"].as_str().unwrap_or_default();
    ensure!(
        linked["by"]["subject"] == BEA.subject && account.starts_with("slack:T1:U1"),
        "{linked}"
    );
    ensure!(linked["uid"].is_u64(), "and who carried it: {linked}");
    let voted = click("U1", "good")?;
    ensure!(voted.shows("Your yes counts"), "{}", voted.all());
    ensure!(desk.state(&id)? == "approved", "it counts");
    // The same person, where the rule does not say that chat may.
    let other = desk.ask_for("INSERT INTO stale_carts DEFAULT VALUES")?;
    let clicked = desk.send("slack.py", &["click", "good", "U1", &other])?;
    ensure!(
        clicked.shows("takes no votes from chat"),
        "{}",
        clicked.all()
    );
    ensure!(desk.state(&other)? == "pending", "it does not count");
    Ok(())
}

#[test]
fn a_click_after_the_login_has_grown_old_does_not_count_and_says_what_to_do() -> Result<()> {
    let mut desk = desk()?;
    let id = desk.ask(1)?;
    let code = desk.code("U1")?;
    let bea = desk.world.token(&BEA)?;
    let link = ["approvals", "link", &code, "--confirm"];
    let linked = desk.world.gateway.admin_as(Some(&bea), &link)?;
    ensure!(linked.shows("votes for you"), "{}", linked.all());
    let config = desk.world.folder().join("portcullis.yaml");
    let text = std::fs::read_to_string(&config)?;
    let shorter = text.replace("\napprovals:\n", "\napprovals:\n  fresh_login: 1s\n");
    ensure!(shorter != text, "{text}");
    std::fs::write(&config, shorter)?;
    desk.again()?;
    let clicked = desk.send("slack.py", &["click", "good", "U1", &id])?;
    for word in [
        "Your yes does not count",
        "approval/fresh-login",
        "/portcullis link",
    ] {
        ensure!(clicked.shows(word), "{word}: {}", clicked.all());
    }
    ensure!(desk.state(&id)? == "pending", "it does not count");
    Ok(())
}

#[test]
fn a_ticket_is_valid_when_its_system_says_so_and_never_when_it_does_not_answer() -> Result<()> {
    let desk = desk()?;
    let update = |ticket: &str| -> Result<String> {
        let token = desk.world.token(&ANA)?;
        let mut command = desk.world.psql("anybody", &token, "orders");
        command.args(["-c", &format!("SET portcullis.ticket = '{ticket}'")]);
        command.args(["-c", "UPDATE stale_carts SET id = id WHERE id = 1"]);
        Ok(Shown::by(&mut command)?.all())
    };
    for (ticket, says) in [
        ("OPS-1", "UPDATE 1"),
        ("OPS-2", "its status.name is another"),
        ("OPS-3", "it is not assigned to whoever asks"),
        ("OPS-4", "the ticket is not there"),
        ("ABC-1", "no ticket system keeps such tickets"),
        ("CHG001", "UPDATE 1"),
        ("CHG002", "it is not its time"),
    ] {
        let shown = update(ticket)?;
        ensure!(shown.contains(says), "{ticket}: {shown}");
    }
    desk.channels.down(true)?;
    let shown = update("OPS-5")?;
    ensure!(
        shown.contains("the ticket system does not answer"),
        "{shown}"
    );
    Ok(())
}

#[test]
fn a_yes_for_a_class_lets_its_commands_pass_until_it_is_ended() -> Result<()> {
    let desk = desk()?;
    let id = desk.ask(1)?;
    let bea = desk.world.token(&BEA)?;
    let vote = [
        "approvals",
        "approve",
        &id,
        "--reason",
        "OPS-1",
        "--reuse",
        "5m",
    ];
    let voted = desk.world.gateway.admin_as(Some(&bea), &vote)?;
    ensure!(voted.code == 0, "{}", voted.all());
    for number in [1, 2] {
        let sql = format!("DELETE FROM stale_carts WHERE id = {number}");
        let shown = desk.world.ask(&ANA, "orders", &sql)?;
        ensure!(shown.shows("DELETE 1"), "{}", shown.all());
    }
    let other = desk
        .world
        .ask(&ANA, "orders", "DELETE FROM orders WHERE id = 1")?;
    let detail = other.detail()?;
    ensure!(
        detail["rule"] == "told/delete" && detail["approval"] != id.as_str(),
        "another table is another class: {detail:#}"
    );
    let asked = detail["approval"].as_str().context("an id")?;
    ensure!(desk.state(asked)? == "pending", "it waits");
    let grants = desk.world.gateway.json(&["access", "list"])?;
    let grant = grants[0]["id"].as_str().context("a grant is listed")?;
    let ended = desk.world.gateway.admin(&["approvals", "end", grant])?;
    ensure!(ended.code == 0, "{}", ended.all());
    desk.ask(3)?;
    Ok(())
}

#[test]
fn what_was_asked_and_granted_outlives_the_gateway() -> Result<()> {
    let mut desk = desk()?;
    let id = desk.ask(1)?;
    desk.again()?;
    ensure!(desk.state(&id)? == "pending", "it still waits");
    let bea = desk.world.token(&BEA)?;
    let voted = desk.world.gateway.admin_as(
        Some(&bea),
        &["approvals", "approve", &id, "--reason", "fine"],
    )?;
    ensure!(voted.code == 0, "{}", voted.all());
    desk.again()?;
    let shown = desk
        .world
        .ask(&ANA, "orders", "DELETE FROM stale_carts WHERE id = 1")?;
    ensure!(shown.shows("DELETE 1"), "{}", shown.all());
    let shown = desk
        .world
        .ask(&ANA, "orders", "DELETE FROM stale_carts WHERE id = 1")?;
    ensure!(shown.code == 1, "an approval is good once: {}", shown.all());
    desk.world.gateway.signal("KILL");
    desk.world.gateway.wait(Duration::from_secs(60))?;
    let file = desk.world.folder().join("state/approvals");
    let mut text = std::fs::read(&file)?;
    let at = text.len() / 2;
    text[at] ^= 1;
    std::fs::write(&file, text)?;
    ensure!(
        desk.world.restart().is_err(),
        "a gateway whose store was changed does not serve"
    );
    Ok(())
}
