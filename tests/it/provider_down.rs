//! A provider that is down: whoever has proved who they are goes on, keys that are known still verify, and a login that
//! cannot be refreshed is not over. It comes back, and the login goes on.

use crate::company::{Company, Talk};
use anyhow::{Result, ensure};
use std::fs;

#[test]
fn a_provider_that_is_down_ends_nothing() -> Result<()> {
    // Tokens of two minutes are refreshed at each use.
    let mut company = Company::with("2m", "", Default::default())?;
    company.log_in(&["login", "--no-open"])?;
    company.provider.control("agents=data-agents")?;
    let agent = company.provider.agent()?;
    let lets_in = |company: &Company, token: &str| -> Result<()> {
        let shown = company.ask(token, "SELECT 1 AS one")?;
        let log = company.world.gateway.log();
        ensure!(
            shown.code == 0 && shown.shows("one"),
            "{}\n{log}",
            shown.all()
        );
        Ok(())
    };
    lets_in(&company, &company.token()?)?;
    lets_in(&company, &agent)?;
    // Its two minutes begin here, and are enough for what comes before the provider is up again.
    let session = company.token()?;
    let mut open = Talk::start(&company, &session)?;
    let remembered = company.home.join("login.json");
    let before = fs::read(&remembered)?;

    company.provider.down()?;
    // Nothing new is to be had: what is there is used for as long as it is good, and nothing is forgotten.
    ensure!(
        company.token()? == session,
        "a new token without the provider"
    );
    open.goes_on("while it is down")?;
    lets_in(&company, &session)?;
    lets_in(&company, &agent)?;
    ensure!(fs::read(&remembered)? == before, "the login is another one");
    let log = company.world.gateway.log();
    ensure!(log.contains("a login did not come about"), "{log}");
    let begun = company.run(&["login", "--device"])?;
    ensure!(begun.code == 1, "{}", begun.all());
    open.goes_on("after the refresh that failed")?;

    company.provider.up()?;
    let renewed = company.token()?;
    ensure!(renewed != session, "it is refreshed again");
    lets_in(&company, &renewed)?;
    open.goes_on("and when it is back")
}
