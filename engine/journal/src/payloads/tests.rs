//! What damage to the file of keys does, and what it must not do: a key that cannot be read is one session's, never
//! another's, and nothing is called destroyed that may still be there.

use super::*;

const LEN: u64 = (HEAD + 60 + TAIL) as u64;

fn session(number: u128) -> SessionId {
    SessionId(number)
}

/// A file with the keys of sessions 1, 2 and 3.
fn three(dir: &Path) -> Sealing {
    let sealing = Sealing::Node(dir.join("wrapping"));
    let smith = Locksmith::open(dir, &sealing).unwrap().unwrap();
    for number in 1..=3 {
        smith.key(session(number)).unwrap();
    }
    sealing
}

fn write_at(dir: &Path, bytes: &[u8], offset: u64) {
    let file = OpenOptions::new().write(true).open(path_of(dir)).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

fn records(dir: &Path) -> Records {
    Records::read(&File::open(path_of(dir)).unwrap()).unwrap()
}

fn wanted(numbers: &[u128]) -> HashSet<SessionId> {
    numbers.iter().copied().map(session).collect()
}

#[test]
fn one_bad_record_costs_one_key_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let sealing = three(dir.path());
    write_at(dir.path(), b"rot", LEN + HEAD as u64);
    let smith = Locksmith::open(dir.path(), &sealing).unwrap().unwrap();
    smith.key(session(4)).unwrap();
    let records = records(dir.path());
    let mut left: Vec<u128> = records.found.keys().map(|id| id.0).collect();
    left.sort_unstable();
    assert_eq!(left, [1, 3, 4]);
    assert_eq!(records.damaged[0].session, session(2));
}

#[test]
fn half_a_record_is_cut_and_a_length_that_lies_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let sealing = three(dir.path());
    let file = OpenOptions::new().write(true).open(path_of(dir.path()));
    file.unwrap().set_len(3 * LEN - 7).unwrap();
    drop(Locksmith::open(dir.path(), &sealing).unwrap());
    assert_eq!(fs::metadata(path_of(dir.path())).unwrap().len(), 2 * LEN);

    // The first record swallows the second by what it says, or all there is and more.
    for lie in [1000_u32, u32::MAX] {
        write_at(dir.path(), &lie.to_be_bytes(), 0);
        let refused = Locksmith::open(dir.path(), &sealing).err();
        assert!(
            matches!(refused, Some(Error::PayloadKeysDamaged(0))),
            "{refused:?}"
        );
        assert_eq!(fs::metadata(path_of(dir.path())).unwrap().len(), 2 * LEN);
    }
}

#[test]
fn a_key_is_never_written_behind_half_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let sealing = Sealing::Node(dir.path().join("wrapping"));
    let smith = Locksmith::open(dir.path(), &sealing).unwrap().unwrap();
    smith.key(session(1)).unwrap();
    write_at(dir.path(), b"half of one", LEN);
    smith.key(session(2)).unwrap();
    let records = records(dir.path());
    assert_eq!((records.found.len(), records.whole), (2, 2 * LEN));
    assert!(records.damaged.is_empty() && !records.lost);
}

#[test]
fn zeros_that_a_crash_left_are_cut() {
    let dir = tempfile::tempdir().unwrap();
    let sealing = three(dir.path());
    write_at(dir.path(), &[0; LEN as usize], 3 * LEN);
    drop(Locksmith::open(dir.path(), &sealing).unwrap());
    assert_eq!(fs::metadata(path_of(dir.path())).unwrap().len(), 3 * LEN);
}

#[test]
fn a_torn_overwriting_is_made_good_and_what_may_still_stand_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    three(dir.path());
    write_at(dir.path(), &[0; 20], LEN + HEAD as u64);
    assert_eq!(destroy(dir.path(), &wanted(&[1, 2])).unwrap(), 2);
    let after = records(dir.path());
    assert!(after.damaged.is_empty());
    assert!(after.found[&session(2)].how == How::Shredded);

    // The session that the third record is for cannot be read there.
    write_at(dir.path(), b"!", 2 * LEN + 10);
    let refused = destroy(dir.path(), &wanted(&[1, 3]));
    assert!(
        matches!(refused, Err(Error::PayloadKeysDamaged(at)) if at == 2 * LEN),
        "{refused:?}"
    );
    assert_eq!(destroy(dir.path(), &wanted(&[1])).unwrap(), 0);
}
