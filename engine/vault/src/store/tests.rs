//! The store as its owner uses it, and as somebody else would alter it.

use super::*;
use std::os::unix::fs::PermissionsExt as _;

const KEY: &str = "a3f1c2d4e5968778695a4b3c2d1e0ff00f1e2d3c4b5a69788796a5b4c3d2e1f0";
const OTHER: &str = "o/HC1OWWh3hpWks8LR4P8A8eLTxLWml4h5altMPS4fQ=";

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
    store: Store,
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.store");
    let store = Store::at(&path);
    Place {
        _folder: folder,
        path,
        store,
    }
}

fn get(place: &Place, name: &str) -> Result<String, String> {
    match place.store.get(&secret(KEY), name) {
        Ok(value) => Ok(value.text().unwrap().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn set(place: &Place, name: &str, value: &str) {
    place.store.set(&secret(KEY), name, &secret(value)).unwrap();
}

/// The file as JSON, altered and written again.
fn alter(place: &Place, change: impl FnOnce(&mut serde_json::Value)) {
    let text = std::fs::read(&place.path).unwrap();
    let mut value = serde_json::from_slice(&text).unwrap();
    change(&mut value);
    std::fs::write(&place.path, value.to_string()).unwrap();
}

#[test]
fn what_is_set_is_read_back_listed_and_removed() {
    let place = place();
    assert!(
        get(&place, "pg/admin")
            .unwrap_err()
            .contains("no store yet")
    );
    set(&place, "pg/admin", "first value");
    set(&place, "other", "o");
    set(&place, "pg/admin", "second value");
    assert_eq!(get(&place, "pg/admin").unwrap(), "second value");
    let names = place.store.list(&secret(KEY)).unwrap();
    assert_eq!(names, [("other".to_owned(), 2), ("pg/admin".to_owned(), 3)]);
    place.store.remove(&secret(KEY), "other").unwrap();
    assert!(get(&place, "other").unwrap_err().contains("no entry"));
    assert!(place.store.remove(&secret(KEY), "other").is_err());
    assert_eq!(get(&place, "pg/admin").unwrap(), "second value");
}

#[test]
fn the_file_is_its_owners_alone_and_shows_no_value() {
    let place = place();
    set(&place, "pg", "hunter2-hunter2");
    let mode = std::fs::metadata(&place.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&place.path).unwrap();
    assert!(!text.contains("hunter2"));
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode("hunter2-hunter2");
    assert!(!text.contains(encoded.trim_end_matches('=')));
}

#[test]
fn the_file_belongs_to_whom_the_folder_does_whoever_writes_it() {
    use std::os::unix::fs::MetadataExt as _;
    let place = place();
    let folder = place.path.parent().unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(folder, Some(65_534), Some(65_534)).unwrap();
    }
    for value in ["first", "second"] {
        set(&place, "pg", value);
        let owner = std::fs::metadata(folder).unwrap().uid();
        assert_eq!(
            std::fs::metadata(&place.path).unwrap().uid(),
            owner,
            "{value}"
        );
    }
}

#[test]
fn another_key_opens_nothing_until_the_key_is_changed() {
    let place = place();
    set(&place, "a", "1");
    set(&place, "b", "2");
    assert!(place.store.get(&secret(OTHER), "a").is_err());
    assert!(place.store.set(&secret(OTHER), "c", &secret("3")).is_err());
    assert_eq!(place.store.rotate(&secret(KEY), &secret(OTHER)).unwrap(), 2);
    assert!(get(&place, "a").unwrap_err().contains("does not open"));
    let value = place.store.get(&secret(OTHER), "b").ok().unwrap();
    assert_eq!(value.expose(), b"2");
    for no_key in ["", "short", &KEY[..62], "correct horse battery staple"] {
        let error = place.store.get(&secret(no_key), "a").err().unwrap();
        assert!(matches!(error, StoreError::Key), "{error}");
    }
}

#[test]
fn an_older_value_put_back_is_found_out_and_named() {
    let place = place();
    set(&place, "pg", "old");
    set(&place, "other", "o");
    let mut before: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&place.path).unwrap()).unwrap();
    let old = before["entries"]["pg"].take();
    set(&place, "pg", "new");
    alter(&place, |value| value["entries"]["pg"] = old);
    let error = get(&place, "pg").unwrap_err();
    assert!(error.contains("`pg`") && error.contains("older"), "{error}");
    // Nothing else is given out of such a file either.
    assert!(get(&place, "other").is_err());
}

#[test]
fn entries_that_change_places_appear_or_vanish_are_found_out() {
    let changes: [fn(&mut serde_json::Value); 5] = [
        |v| {
            let a = v["entries"]["a"].clone();
            v["entries"]["b"] = a;
        },
        |v| {
            let a = v["entries"]["a"].clone();
            v["entries"]["c"] = a;
        },
        |v| {
            v["entries"].as_object_mut().unwrap().remove("a");
        },
        |v| v["salt"] = "00".into(),
        |v| v["portcullis_store"] = 2.into(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let place = place();
        set(&place, "a", "1");
        set(&place, "b", "2");
        alter(&place, change);
        assert!(get(&place, "b").is_err(), "{number}");
    }
}

#[test]
fn every_byte_of_a_sealed_text_counts() {
    let place = place();
    set(&place, "a", "value");
    let whole = std::fs::read(&place.path).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    let sealed = value["entries"]["a"]["sealed"].as_str().unwrap().to_owned();
    for at in 0..sealed.len() {
        let mut other = sealed.clone().into_bytes();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        alter(&place, |v| v["entries"]["a"]["sealed"] = other.into());
        assert!(get(&place, "a").is_err(), "{at}");
        std::fs::write(&place.path, &whole).unwrap();
    }
    assert_eq!(get(&place, "a").unwrap(), "value");
}

#[test]
fn what_does_not_fit_is_refused() {
    let place = place();
    let long = "x".repeat(129);
    for name in ["", "a b", "../x", "a//b", &long] {
        let refused = place.store.set(&secret(KEY), name, &secret("v"));
        assert!(matches!(refused, Err(StoreError::Bounds)), "{name}");
    }
    assert!(place.store.set(&secret(KEY), "a", &secret("")).is_err());
    std::fs::write(&place.path, "{}").unwrap();
    assert!(get(&place, "a").unwrap_err().contains("no store"));
}

#[test]
fn two_writers_at_once_lose_nothing() {
    let place = place();
    set(&place, "first", "0");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let place = &place;
            scope.spawn(move || set(place, &format!("n{number}"), "v"));
        }
    });
    assert_eq!(place.store.list(&secret(KEY)).unwrap().len(), 9);
}
