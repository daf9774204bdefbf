//! The console for whoever has no scripts, no mouse, or a dark screen: in a real browser, with scripts switched off, by keys
//! alone, in both colour schemes. Refuses to take a page for shown because its address is there: what it says is looked for.

use super::{Browser, Company, arrives, company, content, proves_and_votes, token_of_ana};
use anyhow::{Context, Result, ensure};
use portcullis_tests::Shown;
use std::thread::JoinHandle;
use std::time::Duration;

/// A statement of ana's that waits for a vote, and the request's id.
fn held(company: &Company, statement: &str) -> Result<(JoinHandle<Result<Shown>>, String)> {
    let token = token_of_ana(company)?;
    let mut session = company.world.psql("anybody", &token, "orders");
    session.args(["-c", statement]);
    let waiting = std::thread::spawn(move || Ok(Shown::by(&mut session)?));
    let id = company.world.gateway.pending(Duration::from_secs(60))?;
    Ok((waiting, id))
}

fn ended(waiting: JoinHandle<Result<Shown>>) -> Result<Shown> {
    waiting.join().ok().context("psql ends")?
}

/// Where the typing goes: the tag, and the name of a field.
fn focus(browser: &Browser) -> Result<String> {
    let script =
        "return `${document.activeElement.tagName} ${document.activeElement.name ?? ''}`.trim()";
    let said = browser.run(script)?;
    Ok(said.as_str().unwrap_or_default().to_owned())
}

#[test]
fn without_scripts_people_log_in_search_and_approve() -> Result<()> {
    let company = company()?;
    let statement = "DELETE FROM stale_carts WHERE id = 7 -- <script>alert(1)</script>";
    let (waiting, id) = held(&company, statement)?;
    let bea = Browser::start()?;
    bea.scripts(false)?;
    let portal = arrives(&company, "bea", &bea)?;
    bea.sees("bea@example.com")?;
    // The page's own script is not run: its key does nothing.
    bea.go(&format!("{portal}/console/sessions"))?;
    bea.press(&["/"])?;
    ensure!(focus(&bea)? == "BODY", "{}", focus(&bea)?);
    bea.go(&format!("{portal}/console/approvals"))?;
    bea.click(&format!("a[href$='{id}']"))?;
    bea.sees(statement)?;
    proves_and_votes(&bea, "approval-plain", "the cart is stale")?;
    bea.sees("the cart is stale")?;
    let shown = ended(waiting)?;
    ensure!(
        shown.code == 0 && shown.shows("DELETE 1"),
        "{}",
        shown.all()
    );
    drop(bea);
    let cleo = Browser::start()?;
    cleo.scripts(false)?;
    let portal = arrives(&company, "cleo", &cleo)?;
    cleo.go(&format!("{portal}/console/sessions"))?;
    cleo.write("input[name=q]", "stale_carts")?;
    cleo.click("form.search button.primary")?;
    ensure!(cleo.at()?.contains("q=stale_carts"), "{}", cleo.at()?);
    // The index follows the record.
    cleo.sees_again(statement)?;
    cleo.click("table.list tbody td a")?;
    cleo.sees("What happened")?;
    cleo.sees("DELETE 1")?;
    cleo.go(&format!("{portal}/console/sessions?q=nowhere"))?;
    cleo.sees("Nothing fits")?;
    cleo.click("button.quiet")?;
    cleo.sees("Prove who you are")?;
    content(&cleo)
}

#[test]
fn keys_do_what_the_documentation_says() -> Result<()> {
    let company = company()?;
    let cleo = Browser::start()?;
    let portal = arrives(&company, "cleo", &cleo)?;
    cleo.go(&format!("{portal}/console/sessions"))?;
    ensure!(focus(&cleo)? == "BODY");
    cleo.press(&["/"])?;
    ensure!(focus(&cleo)? == "INPUT q", "`/` goes to the search");
    // In a field it is a letter like any other.
    cleo.press(&["a", "/", "b"])?;
    let typed = cleo.run("return document.activeElement.value")?;
    ensure!(typed.as_str() == Some("a/b"), "{typed}");
    cleo.press(&[ESCAPE])?;
    ensure!(focus(&cleo)? == "BODY", "Esc leaves it");
    for (key, page) in [
        ("v", "live"),
        ("s", "sessions"),
        ("a", "approvals"),
        ("c", "connections"),
        ("p", "policies"),
        ("g", "plugins"),
        ("e", "events"),
    ] {
        cleo.press_with_alt(key)?;
        cleo.arrives_at(&format!("/console/{page}"))?;
    }
    cleo.press_with_alt("o")?;
    cleo.sees("Prove who you are")?;
    drop(cleo);
    // From the list to the vote, and no mouse.
    let statement = "DELETE FROM stale_carts WHERE id = 7";
    let (waiting, id) = held(&company, statement)?;
    let bea = Browser::start()?;
    let portal = arrives(&company, "bea", &bea)?;
    bea.go(&format!("{portal}/console/approvals/{id}"))?;
    bea.sees("A vote needs a fresh login")?;
    bea.press_with_alt("l")?;
    bea.sees("Why; recorded and shown to whoever asked")?;
    bea.focus_on("textarea[name=reason]")?;
    bea.press(&["s", "t", "a", "l", "e"])?;
    bea.press_with_alt("y")?;
    bea.sees("approved")?;
    let shown = ended(waiting)?;
    ensure!(
        shown.code == 0 && shown.shows("DELETE 1"),
        "{}",
        shown.all()
    );
    content(&bea)
}

/// `\u{e00c}` in WebDriver's table of keys (section 17.4.2).
const ESCAPE: &str = "\u{e00c}";

/// The colour of the page and of its text, and how far they are apart (WCAG 2.2, contrast ratio).
const COLOURS: &str = "
    const parts = (text) => text.match(/[0-9.]+/g).slice(0, 3).map(Number);
    const light = (text) => {
        const [r, g, b] = parts(text).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const style = getComputedStyle(document.documentElement);
    const ground = style.backgroundColor;
    const [a, b] = [light(ground), light(style.color)];
    return [ground, a, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];";

#[test]
fn the_page_is_dark_where_somebody_wants_it_dark_and_can_be_read_in_both() -> Result<()> {
    let company = company()?;
    let cleo = Browser::start()?;
    arrives(&company, "cleo", &cleo)?;
    let mut seen = Vec::new();
    for scheme in ["light", "dark"] {
        cleo.prefers(scheme)?;
        let colours = cleo.run(COLOURS)?;
        let ground = colours[0].as_str().context("a colour")?.to_owned();
        let light = colours[1].as_f64().context("a number")?;
        let contrast = colours[2].as_f64().context("a number")?;
        // WCAG 2.2, 1.4.6: enhanced.
        ensure!(contrast >= 7.0, "{scheme}: {colours}");
        ensure!((light > 0.5) == (scheme == "light"), "{scheme}: {colours}");
        seen.push(ground);
    }
    ensure!(seen[0] != seen[1], "{seen:?}");
    content(&cleo)
}
