//! When a secret is looked up, and when it is not.

use super::*;
use portcullis_gate::Tripwire as _;
use std::path::Path;

const FIRST: &str = "K7vQ9wZ2xR4tB8nM3pL6sJ1h";
const SECOND: &str = "h6Jd0gF4tR8eK1uN3xV9aM5b";

/// A command that prints what stands in a file.
fn printing(file: &Path, ttl: Duration) -> Backends {
    let command = SecretCommand {
        program: "/bin/cat".into(),
        arguments: vec![file.display().to_string()],
        environment: BTreeMap::new(),
        timeout: Duration::from_secs(5),
    };
    Backends {
        ttl,
        commands: BTreeMap::from([("cat".to_owned(), command)]),
        ..Backends::none()
    }
}

fn write(file: &Path, value: &str) {
    std::fs::write(file, format!("{{\"value\":\"{value}\"}}")).unwrap();
}

async fn read(source: &Source) -> Result<String, String> {
    match source.read().await {
        Ok(held) => Ok(held.text().unwrap().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn a_fetched_value_is_used_within_its_time_and_not_beyond_when_the_store_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("value");
    let ttl = Duration::from_millis(700);
    let tripwires = Tripwires::new();
    let secrets = Secrets::new(printing(&file, ttl), tripwires.clone());
    let source = secrets.at("command:cat".parse().unwrap());
    assert!(read(&source).await.is_err(), "there is no file");
    write(&file, FIRST);
    assert_eq!(read(&source).await.unwrap(), FIRST);
    write(&file, SECOND);
    assert_eq!(read(&source).await.unwrap(), FIRST, "within its time");
    assert_eq!(tripwires.hits(FIRST.as_bytes()).len(), 1);
    tokio::time::sleep(ttl * 2).await;
    assert!(
        tripwires.hits(FIRST.as_bytes()).is_empty(),
        "it is not kept"
    );
    assert_eq!(read(&source).await.unwrap(), SECOND);
    std::fs::remove_file(&file).unwrap();
    tokio::time::sleep(ttl * 2).await;
    let error = read(&source).await.unwrap_err();
    assert!(
        error.contains("command:cat") && error.contains("exit status 1"),
        "{error}"
    );
}

#[tokio::test]
async fn an_open_session_keeps_the_value_it_was_opened_with() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("value");
    write(&file, FIRST);
    let tripwires = Tripwires::new();
    let secrets = Secrets::new(printing(&file, Duration::ZERO), tripwires.clone());
    let source = secrets.at("command:cat".parse().unwrap());
    let session = source.read().await.ok().unwrap();
    write(&file, SECOND);
    assert_eq!(read(&source).await.unwrap(), SECOND);
    assert_eq!(session.expose(), FIRST.as_bytes());
    assert_eq!(tripwires.hits(FIRST.as_bytes()).len(), 1);
    drop(session);
    assert!(tripwires.hits(FIRST.as_bytes()).is_empty());
}

#[tokio::test]
async fn a_file_is_read_at_every_use() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let source = Source::of_file(&file);
    for value in [FIRST, SECOND] {
        std::fs::write(&file, value).unwrap();
        assert_eq!(read(&source).await.unwrap(), value);
    }
    std::fs::remove_file(&file).unwrap();
    assert!(read(&source).await.is_err());
}

#[tokio::test]
async fn a_hundred_sessions_at_once_run_the_command_once() {
    let folder = tempfile::tempdir().unwrap();
    let (count, script) = (folder.path().join("count"), folder.path().join("run.sh"));
    let text = format!(
        "echo x >> {}; echo '{{\"value\":\"{FIRST}\"}}'",
        count.display()
    );
    std::fs::write(&script, text).unwrap();
    let mut backends = printing(&script, Duration::from_secs(60));
    backends.commands.get_mut("cat").unwrap().program = "/bin/sh".into();
    let secrets = Secrets::new(backends, Tripwires::new());
    let source = secrets.at("command:cat".parse().unwrap());
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let source = source.clone();
        all.spawn(async move { source.read().await.is_ok() });
    }
    assert!(all.join_all().await.into_iter().all(|good| good));
    assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\n");
}

#[tokio::test]
async fn the_stores_key_may_come_from_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let (key, path) = (folder.path().join("key"), folder.path().join("store"));
    let hex = "a3f1c2d4e5968778695a4b3c2d1e0ff00f1e2d3c4b5a69788796a5b4c3d2e1f0";
    write(&key, hex);
    let bytes = |text: &str| Secret::new(text.as_bytes().to_vec());
    Store::at(&path)
        .set(&bytes(hex), "pg/admin", &bytes(FIRST))
        .unwrap();
    let tripwires = Tripwires::new();
    let ground = Secrets::new(printing(&key, Duration::from_secs(60)), tripwires.clone());
    let backends = Backends {
        store: Some((path, ground.at("command:cat".parse().unwrap()))),
        ..Backends::none()
    };
    let secrets = Secrets::new(backends, tripwires);
    assert_eq!(
        read(&secrets.at("store:pg/admin".parse().unwrap()))
            .await
            .unwrap(),
        FIRST
    );
    let error = read(&secrets.at("store:other".parse().unwrap()))
        .await
        .unwrap_err();
    assert!(error.contains("no entry of that name"), "{error}");
}

#[tokio::test]
async fn what_is_not_configured_is_said() {
    let secrets = Secrets::new(Backends::none(), Tripwires::new());
    for (reference, section) in [
        ("store:pg", "secrets.store"),
        ("command:op", "secrets.commands.op"),
        ("vault:main/a#b", "secrets.vault.main"),
        ("aws:prod/a", "secrets.aws.prod"),
        ("kubernetes:default/a#b", "secrets.kubernetes"),
    ] {
        let error = read(&secrets.at(reference.parse().unwrap()))
            .await
            .unwrap_err();
        assert!(error.contains(&format!("`{section}` is not")), "{error}");
    }
}

#[tokio::test]
async fn whoever_waited_for_an_attempt_that_failed_does_not_wait_again() {
    let folder = tempfile::tempdir().unwrap();
    let (count, script) = (folder.path().join("count"), folder.path().join("run.sh"));
    let text = format!("echo x >> {}; sleep 0.5; exit 1", count.display());
    std::fs::write(&script, text).unwrap();
    let mut backends = printing(&script, Duration::from_secs(60));
    backends.commands.get_mut("cat").unwrap().program = "/bin/sh".into();
    let secrets = Secrets::new(backends, Tripwires::new());
    let source = secrets.at("command:cat".parse().unwrap());
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let source = source.clone();
        all.spawn(async move { source.read().await.is_err() });
    }
    assert!(all.join_all().await.into_iter().all(|refused| refused));
    assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\n");
    // The next one tries.
    assert!(source.read().await.is_err());
    assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\nx\n");
}
