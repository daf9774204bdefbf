//! Sessions of `kubectl` as pages, in a real browser: what was asked for with what came of it and why, what was refused, and a
//! terminal in a pod, which plays. It refuses to look at less than a person would: each is reached by links from the list.

use super::{Browser, content};
use crate::kubernetes_answers::at_a_terminal;
use crate::kubernetes_evidence::{Office, PODS, session};
use anyhow::{Context, Result, ensure};
use portcullis_tests::debian::kubectl_1_20;
use portcullis_tests::issuer::{AGENT, ANA};
use portcullis_tests::world::workspace;

/// Bea, who reads the record, in a browser, at the sessions with clusters.
fn arrives(office: &Office) -> Result<Browser> {
    office.provider.control("user=bea")?;
    let bea = Browser::start()?;
    bea.go(&list(office))?;
    bea.sees("Prove who you are")?;
    bea.click("a.primary")?;
    bea.sees("Words in commands")
        .with_context(|| office.world.gateway.log())?;
    Ok(bea)
}

fn list(office: &Office) -> String {
    format!("{}/console/sessions?protocol=kubernetes", office.portal)
}

/// From the list to the session in which somebody asked for this.
fn opens(bea: &Browser, office: &Office, path: &str) -> Result<()> {
    let id = session(&office.world, path)?;
    bea.go(&list(office))?;
    bea.click(&format!("table.list tbody td a[href$='{id}']"))?;
    bea.sees("What happened")
}

/// Brings something into the view of whoever looks.
fn shows(bea: &Browser, css: &str) -> Result<()> {
    let look = format!("document.querySelector('{css}').scrollIntoView({{block: 'center'}})");
    bea.run(&look).map(drop)
}

/// The steps of the page, each in the words a person reads.
fn steps(bea: &Browser) -> Result<Vec<String>> {
    let all = bea.run(
        "return [...document.querySelectorAll('ol.steps > li .what')].map((s) => s.textContent)",
    )?;
    let all = all.as_array().context("steps")?.iter();
    Ok(all
        .filter_map(|step| step.as_str().map(str::to_owned))
        .collect())
}

/// The one step that has all of these words.
fn step<'s>(steps: &'s [String], words: &[&str]) -> Result<&'s str> {
    let mut with = steps
        .iter()
        .filter(|step| words.iter().all(|word| step.contains(word)));
    match (with.next(), with.next()) {
        (Some(step), None) => Ok(step),
        _ => anyhow::bail!("not one step with {words:?}: {steps:#?}"),
    }
}

#[test]
fn a_session_with_a_cluster_is_read_as_its_requests_and_its_terminal_plays() -> Result<()> {
    let office = Office::open()?;
    let world = &office.world;
    let shown = world.ask(&ANA, &["get", "pods", "-n", "shop"])?;
    ensure!(
        shown.code == 0 && shown.shows("cart-0"),
        "{}\n{}",
        shown.all(),
        world.gateway.log()
    );
    let delete = ["delete", "pod", "cart-0", "-n", "shop", "--wait=false"];
    let shown = world.ask(&AGENT, &delete)?;
    ensure!(
        shown.code == 1 && shown.shows("agents/read-only"),
        "{}",
        shown.all()
    );
    let shown = at_a_terminal(world, &kubectl_1_20(&workspace())?)?;
    ensure!(
        shown.code == 0 && shown.shows("size 40 120"),
        "{}\n{}",
        shown.all(),
        world.gateway.log()
    );
    let bea = arrives(&office)?;
    bea.sees(AGENT.subject)?;
    bea.picture("cluster-sessions")?;
    is_read(&bea, &office)?;
    is_refused(&bea, &office)?;
    plays(&bea, &office)?;
    content(&bea)?;
    let record = world.gateway.admin(&["journal", "node"])?;
    for event in ["recording-viewed", "decision-viewed", "recording-played"] {
        ensure!(record.shows(event), "{event}: {}", record.all());
    }
    Ok(())
}

/// A request that was let through, with what came back.
fn is_read(bea: &Browser, office: &Office) -> Result<()> {
    opens(bea, office, PODS)?;
    let steps = steps(bea)?;
    let opened = step(&steps, &["opened", &format!("GET {PODS}")])?;
    let stream = opened.rsplit_once(' ').context("its stream")?.1;
    let stream = format!("stream {stream}");
    let decided = step(&steps, &["sent", "list pods in shop"])?;
    ensure!(
        decided.contains("allow by access/binding") && decided.contains("why?"),
        "{decided}"
    );
    step(&steps, &["answer", "cart-0", &stream])?;
    step(&steps, &["closed", "200", &stream])?;
    shows(bea, "ol.steps > li:nth-last-child(4)")?;
    bea.picture("cluster-get")
}

/// One that was not, with the rule, and what to read about it.
fn is_refused(bea: &Browser, office: &Office) -> Result<()> {
    let who = AGENT.subject;
    bea.go(&format!("{}&who={who}", list(office)))?;
    bea.click("table.list tbody td a")?;
    bea.sees("What happened")?;
    let steps = steps(bea)?;
    step(&steps, &["opened", &format!("DELETE {PODS}/cart-0")])?;
    let refused = step(&steps, &["refused", "agents/read-only", "why?"])?;
    ensure!(
        refused.contains("delete pods cart-0 in shop")
            && refused.contains("deny by agents/read-only"),
        "{refused}"
    );
    step(&steps, &["closed", "403 refused"])?;
    shows(bea, "li.refused")?;
    bea.picture("cluster-refused")?;
    bea.click("li.refused a[href*='/decisions/']")?;
    bea.sees("What the policy that serves now says")?;
    bea.sees("agents/read-only")?;
    bea.picture("cluster-decision")?;
    // What it was decided on names verb and resource.
    let input = bea.run("return document.querySelector('details.card > pre').textContent")?;
    let input = input.as_str().context("an input")?;
    let input: serde_json::Value = serde_json::from_str(input)?;
    let statement = &input["command"]["statements"][0];
    let call = &statement["call"];
    ensure!(
        statement["verb"] == "DELETE" && call["resource"] == "pods" && call["name"] == "cart-0",
        "{input:#}"
    );
    Ok(())
}

/// The command in a pod, and what its terminal showed.
fn plays(bea: &Browser, office: &Office) -> Result<()> {
    opens(bea, office, &format!("{PODS}/cart-0/exec"))?;
    let steps = steps(bea)?;
    step(&steps, &["opened", &format!("{PODS}/cart-0/exec")])?;
    let decided = step(&steps, &["sent", "exec pods/exec cart-0 in shop"])?;
    ensure!(decided.contains("allow by access/binding"), "{decided}");
    bea.picture("cluster-exec")?;
    bea.click("a.button.primary[href*='/play?stream=']")?;
    bea.sees("size 40 120")?;
    bea.sees("exit 0")?;
    // What the API says of the end is beside the screen, which has shown nothing of it.
    bea.sees("status: {")?;
    let screen = bea.run("return document.getElementById('screen').innerText")?;
    let screen = screen.as_str().context("a screen")?;
    ensure!(
        screen.contains("size 40 120") && !screen.contains("Success"),
        "{screen}"
    );
    bea.picture("cluster-player")
}
