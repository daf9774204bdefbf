//! Startup packets: what is accepted, what is refused, and that nothing loops.

use super::*;
use proptest::prelude::*;

fn packet(minor: u8, pairs: &[(&str, &str)]) -> BytesMut {
    let mut body = vec![0, 3, 0, minor];
    for (name, value) in pairs {
        body.extend_from_slice(name.as_bytes());
        body.push(0);
        body.extend_from_slice(value.as_bytes());
        body.push(0);
    }
    body.push(0);
    let mut packet = BytesMut::from(&u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..]);
    packet.extend_from_slice(&body);
    packet
}

fn taken(pairs: &[(&str, &str)]) -> Result<Startup, Unfit> {
    let mut all = vec![("user", "ana"), ("database", "orders")];
    all.extend_from_slice(pairs);
    match take(&mut packet(0, &all))? {
        Some(Packet::Startup(startup)) => Ok(startup),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_psql_sends_is_accepted() {
    let startup = taken(&[
        ("application_name", "psql"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        (
            "options",
            "-c portcullis.reason=fix\\ the\\ order --timezone=UTC -cextra-float-digits=3",
        ),
        ("_pq_.command_tag", "on"),
    ])
    .unwrap();
    assert_eq!(
        (startup.user.as_str(), startup.database.as_str()),
        ("ana", "orders")
    );
    assert_eq!(startup.settings["portcullis.reason"], "fix the order");
    assert_eq!(startup.settings["timezone"], "UTC");
    assert_eq!(startup.settings["extra_float_digits"], "3");
    assert_eq!(startup.unknown_options, ["_pq_.command_tag"]);
    assert_eq!(startup.replication, None);
}

#[test]
fn what_changes_role_path_or_meaning_is_refused() {
    for (name, value) in [
        ("user", "root"),
        ("database", "other"),
        ("role", "postgres"),
        ("search_path", "evil"),
        ("session_authorization", "postgres"),
        ("session_replication_role", "replica"),
        ("standard_conforming_strings", "off"),
        ("client_encoding", "SJIS"),
        ("extra_float_digits", "3; drop"),
        ("datestyle", "ISO'"),
        ("options", "-c role=postgres"),
        ("options", "-c search_path=evil"),
        ("options", "--search-path=evil"),
        ("options", "-c client_encoding=sjis"),
        ("options", "-c="),
        ("options", "-c"),
        ("options", "--="),
        ("options", "--"),
        ("options", "-c name"),
        ("options", "-d 5"),
        ("options", "-c\\ role=postgres"),
        ("replication", "perhaps"),
    ] {
        assert!(taken(&[(name, value)]).is_err(), "{name}={value}");
    }
}

#[test]
fn lengths_are_those_of_the_server() {
    for length in [0u32, 7, 10_001, u32::MAX, 0x8000_0000] {
        let mut bytes = BytesMut::from(&length.to_be_bytes()[..]);
        bytes.extend_from_slice(&[0; 16]);
        assert_eq!(take(&mut bytes), Err(Unfit::Malformed), "{length}");
    }
    assert_eq!(take(&mut BytesMut::from(&b"\0\0\0"[..])), Ok(None));
}

#[test]
fn requests_are_told_apart() {
    let request = |code: u32, more: &[u8]| {
        let mut bytes = BytesMut::from(&(8 + more.len() as u32).to_be_bytes()[..]);
        bytes.extend_from_slice(&code.to_be_bytes());
        bytes.extend_from_slice(more);
        take(&mut bytes)
    };
    assert_eq!(request(80_877_103, b""), Ok(Some(Packet::Ssl)));
    assert_eq!(request(80_877_104, b""), Ok(Some(Packet::Gss)));
    assert_eq!(request(80_877_103, b"x"), Err(Unfit::Malformed));
    assert_eq!(
        request(80_877_102, b"\0\0\0\x07keyk"),
        Ok(Some(Packet::Cancel(7, b"keyk".to_vec())))
    );
    assert_eq!(request(80_877_102, b"\0\0\0\x07key"), Err(Unfit::Malformed));
    assert_eq!(request(0x0002_0000, b""), Err(Unfit::Version(2, 0)));
}

#[test]
fn replication_is_seen_in_every_spelling() {
    let asked = |value| taken(&[("replication", value)]).unwrap().replication;
    for yes in ["true", "on", "YES", "1"] {
        assert_eq!(asked(yes), Some(Walsender::Physical), "{yes}");
    }
    assert_eq!(asked("database"), Some(Walsender::Logical));
    assert_eq!(asked("off"), None);
    let twice = [("replication", "off"), ("replication", "true")];
    assert_eq!(taken(&twice), Err(Unfit::Twice("replication".to_owned())));
}

#[test]
fn physical_replication_names_its_target_behind_the_user() {
    let named = |user: &str, replication: &str| {
        let pairs = [
            ("user", user),
            ("database", "replication"),
            ("replication", replication),
        ];
        match take(&mut packet(0, &pairs)) {
            Ok(Some(Packet::Startup(startup))) => (startup.user, startup.database),
            other => panic!("{other:?}"),
        }
    };
    let pair = |user: &str, database: &str| (user.to_owned(), database.to_owned());
    assert_eq!(named("ana@orders", "true"), pair("ana", "orders"));
    assert_eq!(
        named("ana@x.org@orders", "true"),
        pair("ana@x.org", "orders")
    );
    assert_eq!(named("ana", "true"), pair("ana", "replication"));
    assert_eq!(named("@orders", "true"), pair("@orders", "replication"));
    // A database may be called so.
    assert_eq!(
        named("ana@orders", "database"),
        pair("ana@orders", "replication")
    );
    assert_eq!(
        named("ana@orders", "false"),
        pair("ana@orders", "replication")
    );
}

proptest! {
    #[test]
    fn no_packet_breaks_it(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = BytesMut::from(&u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..]);
        bytes.extend_from_slice(&body);
        let _any = take(&mut bytes);
    }

    #[test]
    fn no_options_loop(text in "[-c= \\\\a.\"']{0,60}") {
        let _any = options(&mut BTreeMap::new(), &text);
    }
}
