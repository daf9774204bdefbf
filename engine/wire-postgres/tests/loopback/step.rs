//! Refusals, holds, budgets, cancels and broken peers: both sides stay in step, or the session ends.

use crate::stage::{Raw, Stage, bind, describe, execute, frame, parse, query, sync};
use portcullis_gate::EntryKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_select_passes_and_is_recorded_first() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client.send(&[query("select 1")]).await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "TDCZ(I)");
    assert!(strings.contains("select 1/0"), "{strings}");
    let kinds = stage.world.kinds();
    let at = |kind| kinds.iter().position(|k| *k == kind).unwrap();
    assert!(at(EntryKind::Decision) < at(EntryKind::Request));
    client.send(&[frame(b'X', b"")]).await;
    assert_eq!(client.next().await, None);
    assert_eq!(stage.world.kinds().last(), Some(&EntryKind::End));
}

#[tokio::test]
async fn a_denied_query_is_answered_here_and_the_session_goes_on() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client.send(&[query("forbidden"), query("select 2")]).await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "EZ(I)");
    assert!(
        strings.contains("C42501|Mportcullis: it is forbidden|D{\"rule\":\"test/forbidden\""),
        "{strings}"
    );
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    assert_eq!(stage.sent(), "Q");
}

#[tokio::test]
async fn a_denial_in_a_transaction_makes_the_server_abort_it() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[query("BEGIN"), query("forbidden"), query("select 3")])
        .await;
    assert_eq!(client.until_ready().await.0, "CZ(T)");
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "EZ(E)");
    assert!(strings.contains("it is forbidden") && !strings.contains("syntax error"));
    assert_eq!(client.until_ready().await.0, "TDCZ(E)");
    let seen = stage.seen.lock().unwrap();
    assert!(!seen.iter().any(|(_, body)| body.starts_with(b"forbidden")));
}

#[tokio::test]
async fn a_denied_pipeline_answers_in_order_and_applies_nothing_after_it() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[
            parse("", "select 1"),
            bind("", ""),
            describe(""),
            execute(""),
            parse("", "forbidden"),
            bind("", ""),
            execute(""),
            sync(),
            query("select 4"),
        ])
        .await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "12TDCEZ(I)");
    assert!(strings.contains("it is forbidden"), "{strings}");
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    // The abort stands where the denied Parse stood, and the client's own Sync follows.
    assert_eq!(stage.sent(), "PBDEPSQ");
}

#[tokio::test]
async fn rows_nobody_described_are_described_by_the_gateway() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[parse("", "select 1"), bind("", ""), execute(""), sync()])
        .await;
    assert_eq!(client.until_ready().await.0, "12DCZ(I)");
    assert_eq!(stage.sent(), "PBDES");
}

#[tokio::test]
async fn a_name_keeps_its_statement_until_the_server_says_otherwise() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    // Prepared in SQL; EXECUTE is judged by what it runs.
    client
        .send(&[query("PREPARE x AS select 1"), query("EXECUTE x")])
        .await;
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    client.send(&[query("EXECUTE y")]).await;
    assert_eq!(client.until_ready().await.0, "EZ(I)");
    client
        .send(&[query("DEALLOCATE x"), query("EXECUTE x")])
        .await;
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    assert_eq!(client.until_ready().await.0, "EZ(I)");
}

#[tokio::test]
async fn a_held_query_waits_and_runs_once_approved() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[query("select approval"), query("select 5")])
        .await;
    let (tag, notice) = client.next().await.unwrap();
    assert_eq!(tag, b'N');
    assert!(String::from_utf8_lossy(&notice).contains("approval AP-1"));
    assert!(!stage.sent().contains('Q'));
    let held = stage.world.held.lock().unwrap()[0].clone();
    assert_eq!(held.context.role.as_deref(), Some("ana"));
    assert_eq!(held.context.search_path.as_deref(), Some("public"));
    stage.world.approve();
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    assert_eq!(stage.sent(), "PBECCSPBECCSQQ");
}

#[tokio::test]
async fn a_hold_stands_before_bind_and_a_no_keeps_step() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[
            parse("s", "select approval"),
            bind("", "s"),
            execute(""),
            sync(),
        ])
        .await;
    assert_eq!(client.next().await.unwrap().0, b'1');
    assert_eq!(client.next().await.unwrap().0, b'N');
    stage.world.refuse();
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "EZ(I)");
    assert!(strings.contains("bea said no"), "{strings}");
    client.send(&[query("select 6")]).await;
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
}

#[tokio::test]
async fn a_hold_in_a_transaction_is_refused() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[query("BEGIN"), query("select approval")])
        .await;
    assert_eq!(client.until_ready().await.0, "CZ(T)");
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "EZ(E)");
    assert!(strings.contains("locks"), "{strings}");
}

#[tokio::test]
async fn defer_mode_refuses_with_the_approval() {
    let stage = Stage::set(|world| world.defer = true).await;
    let mut client = stage.client().await;
    client.send(&[query("select approval")]).await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "EZ(I)");
    assert!(strings.contains("\"approval\":\"AP-1\""), "{strings}");
}

#[tokio::test]
async fn hanging_up_ends_the_hold() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client.send(&[query("select approval")]).await;
    assert_eq!(client.next().await.unwrap().0, b'N');
    drop(client);
    for _ in 0..200 {
        if stage.world.kinds().last() == Some(&EntryKind::End) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        stage
            .world
            .withdrawn
            .load(std::sync::atomic::Ordering::Relaxed),
        1
    );
    assert!(!stage.sent().contains('Q'));
}

#[tokio::test]
async fn a_dead_journal_stops_everything_with_one_constant() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    stage
        .world
        .journal_dead
        .store(true, std::sync::atomic::Ordering::Relaxed);
    client.send(&[query("select 1")]).await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "E.");
    assert!(strings.contains("C58030"), "{strings}");
    assert!(!stage.sent().contains('Q'));
}

#[tokio::test]
async fn a_budget_ends_the_result_and_not_the_session() {
    let stage = Stage::set(|world| world.row_limit = Some(3)).await;
    let mut client = stage.client().await;
    client.send(&[query("many"), query("select 7")]).await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "TEZ(I)");
    assert!(strings.contains("obligation/row-limit"), "{strings}");
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
}

#[tokio::test]
async fn a_severed_admission_ends_at_once() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client.send(&[query("sleep")]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    stage.world.sever.notify_one();
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "E.");
    assert!(
        strings.contains("C57P01") && strings.contains("session/killed"),
        "{strings}"
    );
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_session_and_is_recorded() {
    let stage = Stage::set(|_| ()).await;
    for bytes in [
        &b"z\0\0\0\x04"[..],
        b"Q\0\0\0\x03",
        b"Q\x7f\xff\xff\xff",
        b"Q\0\0\0\x06\xff\0",
        b"Q\0\0\0\x07a\0b",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
    ] {
        let mut client = stage.client().await;
        client.send(&[bytes.to_vec()]).await;
        let (tags, strings) = client.until_ready().await;
        assert_eq!(tags, "E.", "{bytes:?}");
        assert!(strings.contains("C08P01"), "{strings}");
        assert!(stage.world.kinds().contains(&EntryKind::Security));
    }
    assert_eq!(stage.sent().replace('X', ""), "");
}

#[tokio::test]
async fn an_upstream_that_breaks_the_protocol_leaks_nothing() {
    for sql in ["garbage", "undescribed", "encoding"] {
        let stage = Stage::set(|_| ()).await;
        let mut client = stage.client().await;
        client.send(&[query(sql)]).await;
        let (tags, strings) = client.until_ready().await;
        assert_eq!(tags, "E.", "{sql}");
        assert!(strings.contains("C08P01"), "{strings}");
        assert!(!strings.contains("leak"));
    }
}

#[tokio::test]
async fn a_second_startup_packet_is_no_proof() {
    let stage = Stage::set(|_| ()).await;
    let mut raw = Raw(TcpStream::connect(stage.gateway).await.unwrap());
    raw.startup().await;
    assert_eq!(raw.next().await.unwrap().0, b'R');
    raw.startup().await;
    let (tags, strings) = raw.until_ready().await;
    assert_eq!(tags, "E.");
    assert!(strings.contains("unexpected message"), "{strings}");
    assert_eq!(stage.sent(), "");
}

#[tokio::test]
async fn an_access_request_is_shown_as_a_notice_while_it_waits() {
    let stage = Stage::set(|world| *world.slow_admission.get_mut() = true).await;
    let mut raw = stage.connect().await;
    let (tags, strings) = raw.until_ready().await;
    assert_eq!(tags, "RNSKZ(I)");
    assert!(strings.contains("AR-1"), "{strings}");
}

#[tokio::test]
async fn a_cancel_reaches_the_statement_of_its_own_key_only() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.connect().await;
    let mut key = Vec::new();
    while let Some((tag, body)) = client.next().await {
        if tag == b'K' {
            key = body;
        } else if tag == b'Z' {
            break;
        }
    }
    assert_ne!(
        key[..4],
        [0, 0, 0, 9],
        "the upstream's number must not show"
    );
    client.send(&[query("sleep")]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut wrong = key.clone();
    wrong[4] ^= 1;
    for (key, expected) in [(wrong, false), (key, true)] {
        let mut raw = TcpStream::connect(stage.gateway).await.unwrap();
        raw.write_all(&[&[0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e][..], &key].concat())
            .await
            .unwrap();
        assert_eq!(raw.read(&mut [0; 1]).await.unwrap(), 0);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(stage.sent().contains('!'), expected);
    }
    let seen = stage.seen.lock().unwrap();
    assert!(
        seen.iter()
            .any(|(tag, body)| *tag == '!' && body[..] == [0, 0, 0, 9, 1, 2, 3, 4])
    );
}

#[tokio::test]
async fn code_that_may_change_names_makes_the_server_say_what_they_stand_for() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[
            query("PREPARE x AS select 1"),
            query("EXECUTE x"),
            query("select opaque()"),
        ])
        .await;
    for _ in 0..3 {
        assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    }
    // The scripted server names another statement, so x is nothing that is known.
    client.send(&[query("EXECUTE x"), query("select 1")]).await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "EZ(I)");
    assert!(strings.contains("it is forbidden"), "{strings}");
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    assert_eq!(stage.sent(), "QQQPBECCSQ");
}

#[tokio::test]
async fn a_client_that_sends_byte_by_byte_gets_the_same_answers() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    let all = [
        parse("", "select 1"),
        bind("", ""),
        execute(""),
        sync(),
        query("forbidden"),
        query("select 2"),
    ]
    .concat();
    for byte in all {
        client.0.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(client.until_ready().await.0, "12DCZ(I)");
    assert_eq!(client.until_ready().await.0, "EZ(I)");
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
}

#[tokio::test]
async fn a_function_is_not_called_by_number_unless_policy_says_so() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[
            frame(b'F', &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
            query("select 1"),
        ])
        .await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "EZ(I)");
    assert!(strings.contains("portcullis/function-call"), "{strings}");
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    assert_eq!(stage.sent(), "Q");
}
