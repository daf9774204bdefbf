//! People who log in at a real SAML provider, SimpleSAMLphp: what it says counts, once, for the login that has asked,
//! as it was signed.

use crate::company::Company;
use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_tests::WorldOptions;
use portcullis_tests::process::free_port;
use portcullis_tests::saml::{Answer, SamlProvider};
use std::path::Path;
use std::process::Command;

const LOGIN: [&str; 4] = ["login", "--no-open", "--provider", "campus"];

fn campus() -> Result<(Company, SamlProvider)> {
    let portal = free_port()?;
    let provider = SamlProvider::start(&format!("https://localhost:{portal}"))?;
    let login = format!(
        "  saml:
    - name: campus
      entity: {}
      metadata: {}
      groups_attribute: groups
",
        provider.entity(),
        provider.metadata()?.display()
    );
    let options = WorldOptions {
        portal,
        more: "console: {}\n".into(),
        ..WorldOptions::default()
    };
    let company = Company::with("1h", &login, options)?;
    Ok((company, provider))
}

#[test]
fn a_person_logs_in_at_a_saml_provider_and_works() -> Result<()> {
    let (company, provider) = campus()?;
    let begun = company.begin_login(&LOGIN)?;
    let answer = provider.visit(&begun.url)?;
    let page = answer.deliver(&company.world.certificate())?;
    ensure!(
        page.contains("You are logged in"),
        "{page}\n{}",
        company.world.gateway.log()
    );
    let (good, said) = begun.end()?;
    ensure!(good && said.contains("engineers"), "{said}");
    let who = company.run(&["whoami", "--json"])?;
    let who: serde_json::Value = serde_json::from_str(&who.out)?;
    ensure!(
        who["subject"] == "ana" && who["issuer"] == provider.entity(),
        "{who}"
    );
    let rows = company.ask(&company.token()?, "SELECT name FROM customers WHERE id = 1")?;
    ensure!(
        rows.code == 0 && rows.shows("Ada Lovelace"),
        "{}",
        rows.all()
    );
    // The same answer again, and for another login.
    let page = answer.deliver(&company.world.certificate())?;
    ensure!(page.contains("not begun here"), "{page}");
    let other = company.begin_login(&LOGIN)?;
    let theirs = provider.visit(&other.url)?;
    let stolen = Answer {
        response: answer.response,
        ..theirs
    };
    let page = stolen.deliver(&company.world.certificate())?;
    ensure!(!page.contains("You are logged in"), "{page}");
    other.give_up()
}

/// The status of an answer with its head.
fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// What a browser with these cookies is shown, and sends it on to.
fn browse(ca: &Path, cookies: &Path, url: &str) -> Result<(String, String)> {
    let shown = Command::new("curl")
        .args(["-sS", "-D", "-", "--cacert"])
        .arg(ca)
        .arg("-b")
        .arg(cookies)
        .arg("-c")
        .arg(cookies)
        .arg(url)
        .output()
        .context("run curl")?;
    let shown = String::from_utf8(shown.stdout)?;
    let onwards = shown
        .lines()
        .find_map(|line| line.strip_prefix("location: "))
        .unwrap_or_default();
    Ok((shown.clone(), onwards.trim().to_owned()))
}

#[test]
fn a_browser_gets_into_the_console_by_saml_and_only_where_it_began() -> Result<()> {
    let (company, provider) = campus()?;
    let (ca, portal) = (company.world.certificate(), company.world.portal()?);
    let cookies = company.home.with_extension("cookies");
    let me = format!("{portal}/api/v1/me");
    let (stranger, _) = browse(&ca, &cookies, &me)?;
    ensure!(status(&stranger) == "401", "{stranger}");

    let begin = format!("{portal}/console/login/begin?provider=campus&next=/console");
    let (page, to) = browse(&ca, &cookies, &begin)?;
    ensure!(to.starts_with("http://127.0.0.1:"), "{page}");
    let answer = provider.visit(&to)?;
    // Whoever is made to bring somebody else's answer is not logged in as them.
    let elsewhere = company.home.with_extension("elsewhere");
    let page = answer.deliver_with(&ca, &elsewhere)?;
    ensure!(page.contains("not begun in this browser"), "{page}");
    let (nobody, _) = browse(&ca, &elsewhere, &me)?;
    ensure!(status(&nobody) == "401", "{nobody}");

    // An old login at the provider is good to read, and not for a vote. Where the proof was asked for anew, an old one
    // and one of the future are nothing.
    for (more, ago, refused, fresh) in [
        ("", 7200, None, false),
        (
            "&fresh=true",
            7200,
            Some("answered with an old login"),
            false,
        ),
        ("&fresh=true", -7200, Some("only later"), false),
        ("&fresh=true", 0, None, true),
        ("", 0, None, true),
    ] {
        provider.says_proved(ago)?;
        let (page, to) = browse(&ca, &cookies, &format!("{begin}{more}"))?;
        ensure!(to.starts_with("http://127.0.0.1:"), "{page}");
        let page = provider.visit(&to)?.deliver_with(&ca, &cookies)?;
        if let Some(why) = refused {
            ensure!(page.contains(why), "{why}: {page}");
        }
        let (shown, _) = browse(&ca, &cookies, &me)?;
        ensure!(status(&shown) == "200", "{page}\n{shown}");
        let (_, body) = shown.split_once("\r\n\r\n").context("a body")?;
        let who: serde_json::Value = serde_json::from_str(body)?;
        ensure!(
            who["subject"] == "ana" && who["issuer"] == provider.entity() && who["fresh"] == fresh,
            "{who}"
        );
    }
    // What was used is used.
    let page = answer.deliver_with(&ca, &elsewhere)?;
    ensure!(page.contains("not begun here"), "{page}");
    Ok(())
}

#[test]
fn what_a_saml_provider_has_not_signed_is_nothing() -> Result<()> {
    let (company, provider) = campus()?;
    let ca = company.world.certificate();
    let changed = |answer: &Answer, from: &str, to: &str| -> Result<Answer> {
        let text = String::from_utf8(STANDARD.decode(&answer.response)?)?;
        ensure!(text.contains(from), "`{from}` is not in {text}");
        Ok(Answer {
            response: STANDARD.encode(text.replace(from, to)),
            ..answer.clone()
        })
    };
    for (from, to) in [
        (">engineers<", ">dba<"),
        (">ana<", ">bea<"),
        (">ana<", ">a<!-- -->na<"),
        ("https://localhost", "https://elsewhere"),
        ("<samlp:Response", "<!DOCTYPE x><samlp:Response"),
    ] {
        let begun = company.begin_login(&LOGIN)?;
        let answer = provider.visit(&begun.url)?;
        let page = changed(&answer, from, to)?.deliver(&ca)?;
        ensure!(!page.contains("You are logged in"), "{from} {to}: {page}");
        begun.give_up()?;
    }
    // The response is signed, and the assertion in it is not.
    provider.leaves_assertions_unsigned()?;
    let begun = company.begin_login(&LOGIN)?;
    let answer = provider.visit(&begun.url)?;
    let text = String::from_utf8(STANDARD.decode(&answer.response)?)?;
    let assertion = text
        .split_once("<saml:Assertion")
        .context("an assertion")?
        .1;
    ensure!(!assertion.contains("<ds:Signature"), "{text}");
    let page = answer.deliver(&ca)?;
    ensure!(!page.contains("You are logged in"), "{page}");
    begun.give_up()
}
