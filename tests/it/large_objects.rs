//! Large objects as psql moves them: by FunctionCall, a number and bytes without a text to judge. Denied unless
//! policy grants it by name, and then whole.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::{Shown, World, WorldOptions, cluster};

/// A world in which one pack allows everything, and says this besides.
fn world(obligation: &str) -> Result<World> {
    let folder =
        std::env::temp_dir().join(format!("portcullis-{}/open", &cluster::random_word()[..12]));
    std::fs::create_dir_all(&folder)?;
    let pack = format!(
        "package portcullis.packs.open\n\nimport rego.v1\n\n\
         grant contains {{\"rule\": \"test/open\"}} if input.version == \"portcullis/v1\"\n\n{obligation}\n"
    );
    std::fs::write(folder.join("open.rego"), pack)?;
    World::start(&WorldOptions {
        packs: format!("    - path: {}\n", folder.display()),
        ..WorldOptions::default()
    })
}

/// Puts a file in and takes it out again, as a person would.
fn round_trip(world: &World) -> Result<(Shown, Option<Vec<u8>>)> {
    let (put, got) = (
        world.folder().join("in.bin"),
        world.folder().join("out.bin"),
    );
    std::fs::write(&put, content())?;
    let token = world.token(&ANA)?;
    let mut command = world.psql("anybody", &token, "orders");
    command
        .args(["-v", "ON_ERROR_STOP=1", "-c"])
        .arg(format!("\\lo_import '{}'", put.display()))
        .arg("-c")
        .arg(format!("\\lo_export :LASTOID '{}'", got.display()));
    let shown = Shown::by(&mut command).context("run psql")?;
    Ok((shown, std::fs::read(&got).ok()))
}

/// More than one message's worth.
fn content() -> Vec<u8> {
    (0..50_000_u32).flat_map(u32::to_be_bytes).collect()
}

#[test]
fn the_shipped_policies_refuse_them() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let (shown, got) = round_trip(&world)?;
    ensure!(shown.code != 0 && got.is_none(), "{}", shown.all());
    ensure!(shown.shows("portcullis:"), "{}", shown.all());
    let left = world
        .cluster
        .sql("orders", "SELECT count(*) FROM pg_largeobject_metadata")?;
    ensure!(left.trim() == "0", "{left} were made");
    Ok(())
}

#[test]
fn a_grant_of_everything_does_not_include_them() -> Result<()> {
    let world = world("")?;
    let (shown, got) = round_trip(&world)?;
    ensure!(shown.code != 0 && got.is_none(), "{}", shown.all());
    ensure!(
        shown.shows("functions are not called by number through the gateway"),
        "{}",
        shown.all()
    );
    Ok(())
}

#[test]
fn policy_can_grant_them_by_name() -> Result<()> {
    let world = world("obligation contains {\"type\": \"function_call\", \"allow\": true}")?;
    let (shown, got) = round_trip(&world)?;
    ensure!(
        shown.code == 0 && got.as_deref() == Some(content().as_slice()),
        "{} bytes came back: {}\n{}",
        got.map_or(0, |g| g.len()),
        shown.all(),
        world.gateway.log()
    );
    let verified = world.gateway.admin(&["journal", "verify"])?;
    ensure!(verified.code == 0, "{}", verified.all());
    Ok(())
}
