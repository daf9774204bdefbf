//! What stands longer than one run, in a real browser: access is asked for, approved, used and ended; a glass is broken
//! and reviewed; somebody stands in.

use super::{Browser, Company, ROLES, content, logged_in, proves_and_votes, token_of_ana};
use anyhow::{Context, Result, ensure};
use portcullis_tests::{Shown, WorldOptions, world};
use std::io::Write as _;
use std::process::Stdio;

pub(super) fn company() -> Result<Company> {
    let options = WorldOptions {
        data: format!("{}{ROLES}", world::data_with_requests("", 3600)),
        packs: format!("{}    - builtin: access_requests\n", world::PACKS),
        more: "console: {}\n".to_owned(),
        ..WorldOptions::default()
    };
    Company::with("5m", "", options)
}

#[test]
fn access_is_asked_for_approved_used_and_ended_in_a_browser() -> Result<()> {
    let company = company()?;
    let token = token_of_ana(&company)?;
    let (browser, portal) = logged_in(&company, "ana")?;
    ask(&browser, &portal)?;
    drop(browser);
    let (bea, portal) = logged_in(&company, "bea")?;
    approve(&bea, &portal)?;
    stand_in(&bea, &portal)?;
    content(&bea)?;
    drop(bea);
    let mut session = company.world.psql("anybody", &token, "orders");
    let mut child = session
        .args(["-v", "ON_ERROR_STOP=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut typed = child.stdin.take().context("a pipe")?;
    writeln!(typed, "SELECT 'opened by the grant';")?;
    let (browser, portal) = logged_in(&company, "ana")?;
    browser.go(&format!("{portal}/console/live"))?;
    browser.sees_again("human")?;
    end(&browser, &portal)?;
    content(&browser)?;
    // Whoever guesses what there may be is on record.
    browser.go(&format!("{portal}/console/grants/gr-aaaaaaaa"))?;
    browser.sees("there is no such grant")?;
    writeln!(typed, "SELECT 1;").ok();
    drop(typed);
    let shown = Shown::from_output(&child.wait_with_output()?);
    ensure!(
        shown.code != 0 && shown.out.contains("opened by the grant"),
        "the session ends with the grant: {}",
        shown.all()
    );
    let record = company.world.gateway.admin(&["journal", "node"])?;
    for text in [
        "approval/granted",
        "approval/grant-ended",
        "approval/delegated",
        "\"console\"",
        "desk_refused",
        "look at a grant",
    ] {
        ensure!(record.shows(text), "{text} is on record: {}", record.all());
    }
    Ok(())
}

fn ask(ana: &Browser, portal: &str) -> Result<()> {
    ana.sees("Nothing is open to you for a time.")?;
    ana.go(&format!("{portal}/console/access"))?;
    ana.write("input[name=target]", "orders")?;
    ana.write("input[name=lasts]", "2h")?;
    ana.write("textarea[name=reason]", "OPS-12, the import <b>failed</b>")?;
    ana.picture("access")?;
    // Without a script, as with one.
    ana.scripts(false)?;
    ana.click("form.form button.primary")?;
    ana.scripts(true)?;
    ana.sees("asks for access to orders for 2 h 00 m")?;
    ana.sees("OPS-12, the import <b>failed</b>")?;
    ana.picture("request")?;
    ana.go(&format!("{portal}/console/grants"))?;
    ana.sees("No grant is in force.")?;
    ana.picture("grants-none")?;
    // What is refused is said, and what was typed is still there.
    ana.go(&format!("{portal}/console/access"))?;
    ana.write("input[name=target]", "payroll")?;
    ana.write("textarea[name=reason]", "curious")?;
    ana.click("form.form button.primary")?;
    ana.sees("no connection of that name")?;
    let kept = ana.run("return document.querySelector('input[name=target]').value")?;
    ensure!(kept.as_str() == Some("payroll"), "{kept}");
    ana.picture("access-refused")
}

fn approve(bea: &Browser, portal: &str) -> Result<()> {
    bea.go(&format!("{portal}/console/approvals"))?;
    bea.click("table.list tbody td a")?;
    bea.sees("asks for access to orders for 2 h 00 m")?;
    proves_and_votes(bea, "access-approval", "the import has to run")?;
    bea.sees("It has become a grant")
}

fn stand_in(bea: &Browser, portal: &str) -> Result<()> {
    bea.go(&format!("{portal}/console/delegations"))?;
    bea.sees("Nobody stands in for anybody.")?;
    bea.write("input[name=subject]", "cleo")?;
    bea.write("input[name=lasts]", "14d")?;
    bea.write("textarea[name=reason]", "on leave")?;
    bea.click("form.form button.primary")?;
    bea.sees("cleo at")?;
    bea.picture("delegations")?;
    bea.click("td button.danger")?;
    bea.sees("Nobody stands in for anybody.")
}

fn end(ana: &Browser, portal: &str) -> Result<()> {
    ana.go(&format!("{portal}/console"))?;
    ana.sees("for another")?;
    ana.picture("home-requester")?;
    ana.go(&format!("{portal}/console/grants"))?;
    ana.sees("Your grants")?;
    ana.picture("grants")?;
    ana.click("table.list tbody td a")?;
    ana.sees("Ask for more time")?;
    ana.sees("bea at")?;
    ana.picture("grant")?;
    ana.write("form[action$='/end'] textarea", "done early")?;
    ana.click("form[action$='/end'] button.danger")?;
    ana.sees("No grant is in force.")
}

#[test]
fn a_broken_glass_is_reviewed_in_a_browser() -> Result<()> {
    let company = company()?;
    let (ana, portal) = logged_in(&company, "ana")?;
    ana.go(&format!("{portal}/console/access"))?;
    ana.click("details summary")?;
    ana.click("details a.button.primary")?;
    // Back at the same form, at its glass.
    ana.sees("Go ahead without an approval, where policy lets me.")?;
    let asked = ana.run("return document.querySelector('input[name=break_glass]').checked")?;
    // Somebody else can have written that link: it ticks nothing.
    ensure!(asked.as_bool() == Some(false), "{asked}");
    ana.click("input[name=break_glass]")?;
    ana.write("input[name=target]", "orders")?;
    ana.write("textarea[name=reason]", "INC-7, orders is down at night")?;
    ana.picture("break-glass")?;
    ana.click("form.form button.primary")?;
    ana.sees("nobody: the glass was broken")?;
    ana.picture("grant-glass")?;
    // Whoever broke it sees the review, and does not close it.
    ana.go(&format!("{portal}/console/reviews"))?;
    ana.click("table.list tbody td a")?;
    ana.sees("INC-7, orders is down at night")?;
    ensure!(!ana.text()?.contains("What you found"));
    content(&ana)?;
    drop(ana);
    let (bea, portal) = logged_in(&company, "bea")?;
    bea.sees("1 broken glass waits for your review")?;
    bea.go(&format!("{portal}/console/reviews"))?;
    bea.sees("yours to review")?;
    bea.picture("reviews")?;
    bea.click("table.list tbody td a")?;
    bea.click("p.notice a.button.primary")?;
    bea.sees("What you found")?;
    bea.picture("review")?;
    bea.click("input[value=concern]")?;
    bea.write(
        "textarea[name=text]",
        "the alarm was known, somebody could have asked",
    )?;
    bea.click("form.form button.primary")?;
    bea.sees("somebody could have asked")?;
    bea.picture("review-closed")?;
    content(&bea)?;
    let record = company.world.gateway.admin(&["journal", "node"])?;
    ensure!(record.shows("glass/reviewed"), "{}", record.all());
    Ok(())
}
