//! One round at a time, before a collector that refuses.

use super::*;
use crate::journal;
use portcullis_gate::{Entry, StreamId};
use portcullis_model::{Principal, SessionId};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Default)]
struct Far {
    refusing: AtomicBool,
    tried: Mutex<Vec<Vec<u64>>>,
}

impl Deliver for Far {
    fn deliver<'a>(&'a self, batch: &'a [Event]) -> BoxFuture<'a, Result<Taken, Untaken>> {
        Box::pin(async move {
            let leaves = batch.iter().map(|event| event.leaf).collect();
            self.tried.lock().push(leaves);
            match self.refusing.load(Ordering::SeqCst) {
                true => Err("not now".to_owned().into()),
                false => Ok(Taken::default()),
            }
        })
    }
}

fn opened(dir: &Path) -> (Arc<Journal>, tokio::runtime::Runtime) {
    let journal = journal::opened(dir);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    (journal, runtime.unwrap())
}

#[test]
fn a_sink_that_fails_does_not_read_from_the_start_again() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, runtime) = opened(dir.path());
    let bea = Principal {
        issuer: "https://id.example".to_owned(),
        subject: "bea".to_owned(),
    };
    let file = cursor_path(journal.dir(), "siem");
    let (far, mut stream) = (Far::default(), None);
    let mut one = || round(&journal.shared, &file, &far, &runtime, &mut stream);
    one().expect("it stands at the end");
    let mut record = journal.session(SessionId(1), &bea).unwrap();
    let admit = json!({"session": {"identity": {"name": "Bea", "principal": bea}, "target": {"name": "orders"}}});
    let mut say = |kind, payload: &str| {
        let entry = Entry {
            kind,
            at: Timestamp(5),
            payload: payload.to_owned().into(),
        };
        record.append(StreamId(0), &[entry]).unwrap();
    };
    say(EntryKind::Admit, &admit.to_string());

    far.refusing.store(true, Ordering::SeqCst);
    assert_eq!(one(), Err("not now".to_owned().into()));
    say(EntryKind::End, "{}");
    // Whoever began anew would begin here, and say so.
    let stood = fs::read(&file).unwrap();
    fs::write(&file, "no cursor").unwrap();
    assert_eq!(one(), Err("not now".to_owned().into()));
    assert_eq!(fs::read(&file).unwrap(), b"no cursor", "nothing was taken");

    far.refusing.store(false, Ordering::SeqCst);
    let (leaf, more, remark) = one().expect("taken");
    assert!(!more && remark.is_none(), "{remark:?}");
    let written = fs::read(&file).unwrap();
    assert!(written != stood && written != b"no cursor");
    let (end, _, _) = one().expect("taken");
    assert!(end > leaf, "what came meanwhile follows");
    let tried = far.tried.lock();
    assert_eq!(tried.len(), 4, "{tried:?}");
    assert!(!tried[0].is_empty() && tried[0] == tried[1] && tried[1] == tried[2]);
    assert!(tried[3][0] > tried[2][tried[2].len() - 1], "{tried:?}");
}

#[test]
fn a_sink_that_began_anew_says_so_also_when_it_fails_at_first() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, runtime) = opened(dir.path());
    journal.node("reloaded", &json!({"uid": 0})).unwrap();
    let file = cursor_path(journal.dir(), "siem");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "no cursor").unwrap();
    let (far, mut stream) = (Far::default(), None);
    let mut one = || round(&journal.shared, &file, &far, &runtime, &mut stream);
    far.refusing.store(true, Ordering::SeqCst);
    assert_eq!(one(), Err("not now".to_owned().into()));
    far.refusing.store(false, Ordering::SeqCst);
    let (_, _, remark) = one().expect("taken");
    assert!(remark.is_some_and(|said| said.contains("sent again")));
}

#[test]
fn a_cursor_without_room_is_said_and_nothing_is_sent_twice_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, runtime) = opened(dir.path());
    let file = cursor_path(journal.dir(), "siem");
    let (far, mut stream) = (Far::default(), None);
    let mut one = || round(&journal.shared, &file, &far, &runtime, &mut stream);
    one().expect("it stands at the end");
    journal.node("reloaded", &json!({"uid": 0})).unwrap();
    // As good as a full disk: no file can be made there.
    let full = file.with_extension("cursor.new");
    fs::create_dir(&full).unwrap();
    let stood = fs::read(&file).unwrap();
    for _ in 0..3 {
        let failed = one().expect_err("there is no room");
        assert!(failed.why.starts_with("write the cursor: "), "{failed:?}");
    }
    assert_eq!(fs::read(&file).unwrap(), stood, "a restart sends it again");
    assert_eq!(far.tried.lock().len(), 1, "this run does not");
    journal.node("reloaded", &json!({"uid": 1})).unwrap();
    fs::remove_dir(&full).unwrap();
    let (leaf, _, _) = one().expect("there is room");
    let (end, _, _) = one().expect("and it goes on");
    assert!(end > leaf);
    assert_ne!(fs::read(&file).unwrap(), stood);
    assert_eq!(far.tried.lock().len(), 2);
}
