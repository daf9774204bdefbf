//! What stands longer than one run, through a gateway: access for a time at psql's door, more time, somebody who stands in,
//! whoever waits for an answer, other groups once it takes too long, and the glass, which pages and records whatever policy
//! says. It refuses to take a command's word alone where the record or a receiver tells.

use anyhow::{Context, Result, ensure};
use portcullis_tests::channels::{Channels, WHSEC};
use portcullis_tests::issuer::{ANA, BEA, DORA, EVE};
use portcullis_tests::process::until;
use portcullis_tests::{Person, Scratch, Shown, World, WorldOptions, world};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Another database administrator.
const FINN: Person = Person {
    subject: "finn@example.com",
    kind: "human",
    groups: &["dba"],
};

/// Of what people do nothing but the statements is recorded.
pub(super) const SHORT: &str = "obligation contains {\"type\": \"record\", \"level\": \"metadata\"} if input.identity.kind == \"human\"";

/// Two that other groups may answer: one after a second, one much later.
const LATE: &str = "\
late := {\"DELETE\": 600, \"UPDATE\": 1}

approval contains {
    \"rule\": sprintf(\"night/%v\", [lower(statement.verb)]), \"msg\": \"it changes something\", \"approver_groups\": [\"dba\"],
    \"mode\": \"defer\", \"ttl_seconds\": 900, \"escalate\": {\"after_seconds\": late[statement.verb], \"groups\": [\"dpo\"]},
} if {
    input.action == \"command\"
    some statement in input.command.statements
}";

/// A company at night: who is paged, and what the pack `night` says.
pub(super) struct Night {
    pub(super) world: World,
    channels: Channels,
    _folder: Scratch,
}

impl Night {
    fn new(events: &str, packs: &str, rules: &str) -> Result<Self> {
        // A review of broken glass is due at once.
        let data = world::data_with_requests("access_ttl_seconds: 7200, ", 1).replace(
            "approver_groups: [dba]}\n  mask",
            "approver_groups: [dba], mode: defer}\n  mask",
        );
        let options = WorldOptions {
            packs: packs.to_owned(),
            data,
            ..WorldOptions::default()
        };
        Self::of(events, rules, options)
    }

    /// The same in another world, with its packs and its data.
    pub(super) fn of(events: &str, rules: &str, options: WorldOptions) -> Result<Self> {
        let folder = Scratch::new("night")?;
        let at = folder.path();
        let channels = Channels::start(at)?;
        fs::create_dir(at.join("night"))?;
        fs::write(
            at.join("night/night.rego"),
            format!("package portcullis.packs.night\n\nimport rego.v1\n\n{rules}\n"),
        )?;
        let hook = channels.url("/hook");
        let mut environment = options.environment.clone();
        environment.push(("WHSEC".to_owned(), WHSEC.to_owned()));
        let world = World::start(&WorldOptions {
            more: format!(
                "approvals:\n  webhooks:\n    - {{ name: pager, url: \"{hook}\", secret: \"env:WHSEC\", private: true, events: [{events}] }}\n"
            ),
            packs: format!(
                "{}    - path: {}\n",
                options.packs,
                at.join("night").display()
            ),
            environment,
            ..options
        })?;
        Ok(Self {
            world,
            channels,
            _folder: folder,
        })
    }

    pub(super) fn by(&self, who: &Person, words: &[&str]) -> Result<Shown> {
        let token = self.world.token(who)?;
        self.world.gateway.admin_as(Some(&token), words)
    }

    pub(super) fn well(&self, who: &Person, words: &[&str]) -> Result<Shown> {
        let shown = self.by(who, words)?;
        ensure!(shown.code == 0, "{words:?}: {}", shown.all());
        Ok(shown)
    }

    pub(super) fn vote(&self, who: &Person, verb: &str, id: &str) -> Result<Shown> {
        self.by(who, &["approvals", verb, id, "--reason", "looked at it"])
    }

    /// Ana asks for something that is deferred; its id.
    fn deferred(&self, sql: &str) -> Result<String> {
        let detail = self.world.ask(&ANA, "orders", sql)?.detail()?;
        let id = detail["approval"].as_str();
        Ok(id.with_context(|| format!("{detail:#}"))?.to_owned())
    }

    /// The message of that kind, signed.
    pub(super) fn told(&self, event: &str, id: &str) -> Result<Value> {
        let is = |m: &Value| m["body"]["type"] == event && m.to_string().contains(id);
        let message = self.channels.wait_for("hook", is);
        let message = message.with_context(|| format!("{event}\n{}", self.world.gateway.log()))?;
        ensure!(message["signed"] == true, "{message:#}");
        Ok(message["body"]["data"].clone())
    }

    /// Everything that the receiver is told of, in order of the alphabet, once nothing waits to be told any more. What
    /// came twice counts once.
    fn events(&self) -> Result<Vec<String>> {
        until("all is told", || {
            let page = self.world.gateway.page("/metrics")?;
            Ok(page.contains("portcullis_approvals{state=\"undelivered\"} 0\n"))
        })?;
        let all = self.channels.got("hook").into_iter();
        let text = |part: &Value| part.as_str().unwrap_or_default().to_owned();
        let all = all.map(|m| (text(&m["id"]), text(&m["body"]["type"])));
        let once: BTreeMap<_, _> = all.collect();
        let mut events: Vec<_> = once.into_values().collect();
        events.sort();
        Ok(events)
    }

    /// The one grant there is.
    pub(super) fn grant(&self) -> Result<Value> {
        let grants = self.world.gateway.json(&["access", "list"])?;
        ensure!(
            grants.as_array().is_some_and(|g| g.len() == 1),
            "{grants:#}"
        );
        Ok(grants[0].clone())
    }

    /// `approvals wait`, as a program would run it.
    fn waits(&self, id: &str) -> Result<Child> {
        let mut wait = self.world.gateway.command(&["approvals", "wait", id]);
        let wait = wait.stdout(Stdio::piped()).stderr(Stdio::piped());
        wait.spawn().context("wait")
    }

    /// The last session of somebody, as it is replayed.
    fn replayed(&self, who: &Person) -> Result<String> {
        let sessions = self
            .world
            .gateway
            .json(&["sessions", "list", "--recorded"])?;
        let all = sessions.as_array().context("sessions")?;
        let theirs = all.iter().filter(|s| s.to_string().contains(who.subject));
        let last = theirs.max_by_key(|s| s["started"].as_i64());
        let id = last.and_then(|s| s["id"].as_str()).context("a session")?;
        Ok(self.world.gateway.admin(&["sessions", "replay", id])?.all())
    }
}

pub(super) fn id_of(thing: &Value) -> Result<&str> {
    thing["id"].as_str().with_context(|| format!("{thing:#}"))
}

fn with_requests() -> String {
    format!("{}    - builtin: access_requests\n", world::PACKS)
}

#[test]
fn broken_glass_pages_who_did_not_ask_and_records_what_policy_leaves_out() -> Result<()> {
    let night = Night::new("glass.review_overdue", &with_requests(), SHORT)?;
    let glass = ["access", "break-glass", "orders", "--reason"];
    night.well(&ANA, &[&glass[..], &["INC-7, orders is down"]].concat())?;
    let page = night.told("glass.broken", "INC-7, orders is down")?;
    ensure!(
        page["urgent"] == true && page["detail"]["target"] == "orders",
        "{page:#}"
    );
    // Policy leaves rows out of the record of people, but for the one who went ahead.
    let sql = "SELECT name FROM customers WHERE id = 1";
    for (who, rows) in [(&ANA, true), (&BEA, false)] {
        let shown = night.world.ask(who, "orders", sql)?;
        ensure!(shown.shows("Ada Lovelace"), "{}", shown.all());
        let replayed = night.replayed(who)?;
        ensure!(
            replayed.contains(sql) && replayed.contains("Ada Lovelace") == rows,
            "rows of {} on record: {replayed}",
            who.subject
        );
    }
    let id = id_of(&page)?;
    let late = night.told("glass.review_overdue", id)?;
    ensure!(late["detail"]["state"] == "overdue", "{late:#}");
    let listed = night.world.gateway.admin(&["approvals", "reviews"])?;
    ensure!(listed.shows("OVERDUE"), "{}", listed.all());
    let record = night.world.gateway.admin(&["journal", "node"])?;
    ensure!(record.shows("glass/review-overdue"), "{}", record.all());
    let review = ["approvals", "review", id, "--finding", "justified"];
    night.well(&BEA, &[&review[..], &["--reason", "it was down"]].concat())?;
    // Whatever was said of that review is said before what comes after it.
    night.well(&DORA, &[&glass[..], &["INC-8, orders is down"]].concat())?;
    let page = night.told("glass.broken", "INC-8, orders is down")?;
    night.told("glass.review_overdue", id_of(&page)?)?;
    let events = night.events()?;
    let (broken, overdue) = ("glass.broken", "glass.review_overdue");
    ensure!(
        events == [broken, broken, overdue, overdue],
        "it is told of the glass and of what it has chosen: {events:?}"
    );
    Ok(())
}

#[test]
fn other_groups_answer_what_took_too_long_and_nothing_else() -> Result<()> {
    let packs = "    - builtin: access\n    - builtin: approve\n";
    let night = Night::new("", packs, LATE)?;
    let early = night.deferred("DELETE FROM stale_carts WHERE id = 7")?;
    let update = "UPDATE stale_carts SET id = id WHERE id = 3";
    let late = night.deferred(update)?;
    let told = night.told("approval.escalated", &late)?;
    ensure!(told["groups"].to_string().contains("dpo"), "{told:#}");
    let refused = night.vote(&DORA, "approve", &early)?;
    ensure!(refused.code != 0, "before its time: {}", refused.all());
    let refused = night.vote(&EVE, "approve", &late)?;
    ensure!(refused.code != 0, "of no group: {}", refused.all());
    let voted = night.vote(&DORA, "approve", &late)?;
    ensure!(voted.code == 0, "{}", voted.all());
    let shown = night.world.ask(&ANA, "orders", update)?;
    ensure!(shown.shows("UPDATE 1"), "{}", shown.all());
    let record = night.world.gateway.admin(&["journal", "node"])?;
    let escalated = record
        .out
        .lines()
        .filter(|l| l.contains("approval/escalated"));
    let about: Vec<&str> = escalated.collect();
    ensure!(
        about.len() == 1 && about[0].contains(&late),
        "one was, once: {about:?}"
    );
    Ok(())
}

#[test]
fn access_that_was_asked_for_at_the_door_ends_the_session_with_its_time() -> Result<()> {
    let night = Night::new("", &with_requests(), SHORT)?;
    let token = night.world.token(&ANA)?;
    let psql = |lasts: &str, sql: &[&str]| {
        let mut psql = night.world.psql("anybody", &token, "orders");
        let options = format!("-c portcullis.access_for={lasts} -c portcullis.reason=OPS-12");
        psql.env("PGOPTIONS", options);
        psql.args(sql.iter().flat_map(|sql| ["-c", sql]));
        psql
    };
    let shown = Shown::by(&mut psql("soon", &["SELECT 1"]))?;
    ensure!(
        shown.code != 0 && shown.shows("access_for is no duration"),
        "{}",
        shown.all()
    );
    let mut session = psql("60s", &["SELECT 'inside'", "SELECT pg_sleep(900)"]);
    let waiting = std::thread::spawn(move || (Shown::by(&mut session), Instant::now()));
    let id = night.world.gateway.pending(Duration::from_secs(60))?;
    let before = Instant::now();
    let voted = night.vote(&BEA, "approve", &id)?;
    ensure!(voted.code == 0, "{}", voted.all());
    let (shown, ended) = waiting.join().ok().context("psql ends")?;
    let shown = shown?;
    ensure!(shown.code != 0 && shown.shows("inside"), "{}", shown.all());
    // What was asked for sleeps far longer, on a machine that is busy too.
    let lasted = ended.duration_since(before);
    let fits = Duration::from_secs(60)..Duration::from_secs(300);
    ensure!(fits.contains(&lasted), "{lasted:?}: {}", shown.all());
    ensure!(shown.shows("access"), "it says why: {}", shown.all());
    let told = night.told("grant.ended", "its time is over")?;
    ensure!(told["detail"]["request"] == id.as_str(), "{told:#}");
    let listed = night.world.gateway.json(&["access", "list"])?;
    ensure!(listed.as_array().is_some_and(Vec::is_empty), "{listed:#}");
    Ok(())
}

#[test]
fn whoever_waits_is_told_and_people_give_more_time_and_stand_in() -> Result<()> {
    let night = Night::new("", &with_requests(), SHORT)?;
    more_time(&night)?;
    stands_in(&night)
}

fn more_time(night: &Night) -> Result<()> {
    let ask = ["access", "request", "orders", "--for", "30m", "--reason"];
    let asked = night.well(&ANA, &[&ask[..], &["the month ends", "--json"]].concat())?;
    let asked: Value = serde_json::from_str(&asked.out)?;
    let id = id_of(&asked["request"])?;
    let gateway = &night.world.gateway;
    let shown = gateway.admin(&["approvals", "wait", id, "--within", "1s"])?;
    ensure!(
        shown.code == 5 && shown.shows("is pending"),
        "nobody has voted: {}",
        shown.all()
    );
    let waits = night.waits(id)?;
    let voted = night.vote(&BEA, "approve", id)?;
    ensure!(voted.code == 0, "{}", voted.all());
    let shown = Shown::from_output(&waits.wait_with_output()?);
    ensure!(shown.code == 0, "a yes: {}", shown.all());

    let first = night.grant()?;
    let left = |grant: &Value| grant["remaining_seconds"].as_u64().unwrap_or_default();
    ensure!((1..=1800).contains(&left(&first)), "{first:#}");
    let grant = id_of(&first)?;
    let extend = ["approvals", "extend", grant, "--for", "2h", "--reason"];
    night.well(&ANA, &[&extend[..], &["not done yet"]].concat())?;
    ensure!(left(&night.grant()?) <= 1800, "nobody has voted");
    let id = gateway.pending(Duration::from_secs(60))?;
    let voted = night.vote(&BEA, "approve", &id)?;
    ensure!(voted.code == 0, "{}", voted.all());
    let longer = night.grant()?;
    ensure!(id_of(&longer)? == grant, "the same: {longer:#}");
    ensure!((1801..=7200).contains(&left(&longer)), "{longer:#}");
    night.told("grant.extended", grant)?;
    let shown = night.world.ask(&ANA, "orders", "SELECT 'inside'")?;
    ensure!(shown.shows("inside"), "{}", shown.all());
    Ok(())
}

fn stands_in(night: &Night) -> Result<()> {
    let away = |to: &Person| -> Result<String> {
        let words = ["approvals", "delegate", "--for", "14d", "--reason", "away"];
        let made = night.well(
            &BEA,
            &[&words[..], &["--to", to.subject, "--json"]].concat(),
        )?;
        let made: Value = serde_json::from_str(&made.out)?;
        Ok(id_of(&made)?.to_owned())
    };
    let made = [away(&FINN)?, away(&EVE)?];
    night.told("delegation.opened", FINN.subject)?;
    let listing = ["approvals", "delegations"];
    let listed = night.world.gateway.admin(&listing)?;
    ensure!(
        listed.shows(BEA.subject) && listed.shows(FINN.subject),
        "{}",
        listed.all()
    );

    let id = night.deferred("DELETE FROM stale_carts WHERE id = 7")?;
    let waits = night.waits(&id)?;
    let refused = night.vote(&EVE, "approve", &id)?;
    ensure!(refused.code != 0, "it gives no right: {}", refused.all());
    let voted = night.vote(&FINN, "deny", &id)?;
    ensure!(voted.code == 0, "{}", voted.all());
    let shown = Shown::from_output(&waits.wait_with_output()?);
    ensure!(
        shown.code == 1 && shown.shows("is denied"),
        "a no: {}",
        shown.all()
    );
    let record = night.world.gateway.admin(&["journal", "node"])?;
    let mut votes = record
        .out
        .lines()
        .filter(|l| l.contains("\"approval/vote\""));
    let theirs = votes.rfind(|l| l.contains(&id)).context("a vote")?;
    let vote: Value = serde_json::from_str(theirs)?;
    let for_whom = vote["payload"]["detail"]["stands_in_for"].to_string();
    ensure!(for_whom.contains(BEA.subject), "{vote:#}");

    let refused = night.by(&FINN, &["approvals", "return", &made[0]])?;
    ensure!(refused.code != 0, "it is hers: {}", refused.all());
    for id in &made {
        night.well(&BEA, &["approvals", "return", id])?;
    }
    let listed = night.world.gateway.admin(&listing)?;
    ensure!(listed.shows("nobody stands in"), "{}", listed.all());
    Ok(())
}
