//! What names stand for, and how long: nothing is judged, described or masked by what a name stood for
//! once.

use crate::stage::{Raw, Stage, bind, close, execute, frame, parse, query, sync};

async fn asked(client: &mut Raw, frames: &[Vec<u8>]) -> String {
    client.send(frames).await;
    client.until_ready().await.0
}

/// Describes that went upstream, by kind.
fn described(stage: &Stage) -> String {
    let seen = stage.seen.lock().unwrap();
    let kinds = seen.iter().filter(|(tag, _)| *tag == 'D');
    kinds.map(|(_, body)| char::from(body[0])).collect()
}

#[tokio::test]
async fn a_statement_that_runs_another_by_name_is_unknown_by_its_own() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    let outer = [
        query("PREPARE x AS select 1"),
        parse("outer", "EXECUTE x"),
        sync(),
    ];
    assert_eq!(asked(&mut client, &outer).await, "TDCZ(I)");
    assert_eq!(client.until_ready().await.0, "1Z(I)");
    assert_eq!(asked(&mut client, &[query("EXECUTE outer")]).await, "EZ(I)");
    let direct = [bind("", "outer"), execute(""), sync()];
    assert_eq!(asked(&mut client, &direct).await, "2DCZ(I)");
    assert_eq!(asked(&mut client, &[query("BEGIN")]).await, "CZ(T)");
    let portal = [bind("P", "outer"), sync()];
    assert_eq!(asked(&mut client, &portal).await, "2Z(T)");
    let fetch = [query("FETCH ALL FROM \"P\"")];
    assert_eq!(asked(&mut client, &fetch).await, "EZ(E)");
}

#[tokio::test]
async fn what_runs_by_name_does_not_pass_a_hold() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    // Nothing runs at Parse, so nothing is held there; whatever runs it by name is refused, since an
    // approver would not see it.
    let prepared = [parse("x", "select approval"), sync()];
    assert_eq!(asked(&mut client, &prepared).await, "1Z(I)");
    let outer = [parse("outer", "EXECUTE x"), sync()];
    assert_eq!(asked(&mut client, &outer).await, "1Z(I)");
    for (frames, rule) in [
        (vec![query("EXECUTE x")], "approval/not-shown"),
        (vec![query("EXECUTE outer")], "test/forbidden"),
        (
            vec![bind("", "outer"), execute(""), sync()],
            "approval/not-shown",
        ),
    ] {
        client.send(&frames).await;
        let (tags, strings) = client.until_ready().await;
        assert_eq!(tags, "EZ(I)");
        assert!(strings.contains(rule), "{strings}");
    }
}

#[tokio::test]
async fn a_portal_goes_on_with_what_its_names_stood_for_when_it_began() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    let begun = [
        query("BEGIN"),
        query("PREPARE x AS select 1"),
        parse("outer", "EXECUTE x"),
        bind("P", "outer"),
        execute("P"),
        sync(),
    ];
    assert_eq!(asked(&mut client, &begun).await, "CZ(T)");
    assert_eq!(client.until_ready().await.0, "TDCZ(T)");
    assert_eq!(client.until_ready().await.0, "12DCZ(T)");
    let again = [execute("P"), sync()];
    assert_eq!(asked(&mut client, &again).await, "DCZ(T)");
    let renamed = [query("DEALLOCATE x"), query("PREPARE x AS select 2")];
    assert_eq!(asked(&mut client, &renamed).await, "TDCZ(T)");
    assert_eq!(client.until_ready().await.0, "TDCZ(T)");
    assert_eq!(asked(&mut client, &again).await, "EZ(E)");
}

#[tokio::test]
async fn names_within_a_text_are_followed_or_unknown() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    let prepared = [parse("remake", "PREPARE x AS select 2"), sync()];
    for (text, passes) in [
        ("EXECUTE x", true),
        ("PREPARE y AS select 1; EXECUTE y; EXECUTE x", true),
        ("BEGIN; EXECUTE x; COMMIT; EXECUTE x", true),
        ("DEALLOCATE x; PREPARE x AS select 3; EXECUTE x", true),
        ("DEALLOCATE x; EXECUTE remake; EXECUTE x", false),
        ("EXECUTE remake; EXECUTE x", false),
        ("select opaque(); EXECUTE x", false),
        ("select opaque(); PREPARE x AS select 3; EXECUTE x", true),
        ("DECLARE c CURSOR FOR select 1; FETCH c", true),
        (
            "DECLARE c CURSOR FOR select 1; ROLLBACK TO a; FETCH c",
            false,
        ),
        ("DECLARE c CURSOR FOR select 1; CLOSE c; FETCH c", false),
    ] {
        // A session each: the scripted server cannot say what its names stand for.
        client.send(&[query("PREPARE x AS select 1")]).await;
        assert_eq!(client.until_ready().await.0, "TDCZ(I)");
        assert_eq!(asked(&mut client, &prepared).await, "1Z(I)");
        let (tags, strings) = {
            client.send(&[query(text)]).await;
            client.until_ready().await
        };
        assert_eq!(!tags.starts_with('E'), passes, "{text}: {strings}");
        client = stage.client().await;
    }
}

#[tokio::test]
async fn after_rollback_to_no_portal_or_cursor_counts_unasked() {
    for name in ["c", "P"] {
        let stage = Stage::set(|_| ()).await;
        let mut client = stage.client().await;
        let opened = [
            query("BEGIN"),
            query("SAVEPOINT a"),
            query("DECLARE c CURSOR FOR select 1"),
            parse("s", "select 1"),
            bind("P", "s"),
            sync(),
        ];
        client.send(&opened).await;
        for tags in ["CZ(T)", "TDCZ(T)", "TDCZ(T)", "12Z(T)"] {
            assert_eq!(client.until_ready().await.0, tags);
        }
        let fetch = format!("FETCH ALL FROM {name}");
        assert_eq!(asked(&mut client, &[query(&fetch)]).await, "TDCZ(T)");
        for (text, fetched) in [("RELEASE a", "TDCZ(T)"), ("ROLLBACK TO a", "EZ(E)")] {
            assert_eq!(asked(&mut client, &[query(text)]).await, "TDCZ(T)");
            assert_eq!(
                asked(&mut client, &[query(&fetch)]).await,
                fetched,
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn a_description_is_kept_until_something_may_have_moved() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    let run = [bind("", "s"), execute(""), sync()];
    let prepared = [parse("s", "select 1"), sync()];
    assert_eq!(asked(&mut client, &prepared).await, "1Z(I)");
    let mut expected = String::new();
    for (text, again) in [
        ("select 1", "S"),
        ("select 2", ""),
        ("SET search_path = b", "S"),
        ("SET work_mem = 1", ""),
        ("SET role = b", "S"),
        ("ROLLBACK", "S"),
        ("COMMIT", ""),
        ("ROLLBACK TO a", "S"),
    ] {
        assert_eq!(asked(&mut client, &[query(text)]).await, "TDCZ(I)");
        for again in [again, ""] {
            expected.push_str(again);
            assert_eq!(asked(&mut client, &run).await, "2DCZ(I)", "{text}");
            assert_eq!(described(&stage), expected, "{text}");
        }
    }
}

#[tokio::test]
async fn a_portal_is_described_itself_when_something_moved_after_it_was_bound() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    let bound = [
        query("BEGIN"),
        parse("s", "select 1"),
        bind("P", "s"),
        sync(),
        query("SET search_path = b"),
        bind("", "s"),
        execute(""),
        execute("P"),
        sync(),
    ];
    client.send(&bound).await;
    for tags in ["CZ(T)", "12Z(T)", "TDCZ(T)", "2DCDCZ(T)"] {
        assert_eq!(client.until_ready().await.0, tags);
    }
    assert_eq!(described(&stage), "SP");
}

#[tokio::test]
async fn a_name_on_its_way_to_another_statement_describes_neither() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    let bound = [
        query("BEGIN"),
        parse("s", "select 1"),
        bind("P", "s"),
        sync(),
    ];
    client.send(&bound).await;
    for tags in ["CZ(T)", "12Z(T)"] {
        assert_eq!(client.until_ready().await.0, tags);
    }
    let renamed = [
        close("s"),
        parse("s", "select 2"),
        frame(b'D', b"Ss\0"),
        execute("P"),
        sync(),
    ];
    assert_eq!(asked(&mut client, &renamed).await, "31TDCZ(T)");
    // The client's own Describe, then the gateway's of the portal.
    assert_eq!(described(&stage), "SP");
}

#[tokio::test]
async fn a_statement_that_does_not_exist_is_refused_as_the_server_would() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    for (name, says) in [
        ("s\"1", "prepared statement \"s\"1\" does not exist"),
        ("", "unnamed prepared statement does not exist"),
    ] {
        client.send(&[bind("", name), execute(""), sync()]).await;
        let (tags, strings) = client.until_ready().await;
        assert_eq!(tags, "EZ(I)");
        assert!(
            strings.contains("C26000") && strings.contains(says),
            "{strings}"
        );
    }
    assert_eq!(stage.sent(), "SS");
    let in_transaction = [query("BEGIN"), bind("", "s"), execute(""), sync()];
    assert_eq!(asked(&mut client, &in_transaction).await, "CZ(T)");
    assert_eq!(client.until_ready().await.0, "EZ(E)");
}
