//! The store over restarts, crashes and somebody else's hands.

use super::*;
use serde_json::json;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("portcullis-desk-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("desk")
    }

    fn open(&self) -> Result<(FileStore, Kept), StoreError> {
        FileStore::open(&self.file(), &self.0.join("key"))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut text = fs::read(self.file()).unwrap();
        change(&mut text);
        fs::write(self.file(), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn filled(name: &str) -> Folder {
    let folder = Folder::new(name);
    let (store, _) = folder.open().unwrap();
    for (id, at) in [("gr-1", 5), ("gr-2", 9), ("gr-3", 7)] {
        store
            .put(Shelf::Grant, id, json!({"id": id}), Timestamp(at))
            .unwrap();
    }
    store.remove(Shelf::Grant, "gr-2", Timestamp(8)).unwrap();
    folder
}

#[test]
fn what_was_put_is_there_after_a_restart_and_what_was_removed_is_not() {
    let folder = filled("restart");
    for _ in 0..2 {
        let (_, kept) = folder.open().unwrap();
        let ids: Vec<_> = kept.things.keys().map(|(_, id)| id.as_str()).collect();
        assert_eq!(ids, ["gr-1", "gr-3"]);
        assert_eq!(kept.seen, Timestamp(9));
    }
}

#[test]
fn a_line_that_a_crash_has_cut_off_was_never_said() {
    let folder = filled("crash");
    let (store, _) = folder.open().unwrap();
    store
        .put(Shelf::Grant, "gr-9", json!({}), Timestamp(10))
        .unwrap();
    folder.change(|text| text.truncate(text.len() - 5));
    let (_, kept) = folder.open().unwrap();
    assert_eq!(kept.things.len(), 2);
}

#[test]
fn what_somebody_else_has_written_stops_the_gateway() {
    type Hand = fn(&mut Vec<u8>);
    let hands: [(&str, Hand); 4] = [
        ("edited", |text| {
            let at = text.windows(4).position(|w| w == b"gr-1").unwrap();
            text[at + 3] = b'7';
        }),
        ("doubled", |text| {
            let first: Vec<_> = text
                .split_inclusive(|b| *b == b'\n')
                .next()
                .unwrap()
                .to_vec();
            text.extend(first);
        }),
        ("swapped", |text| {
            let mut lines: Vec<_> = text
                .split_inclusive(|b| *b == b'\n')
                .map(<[u8]>::to_vec)
                .collect();
            lines.swap(1, 2);
            *text = lines.concat();
        }),
        ("forged", |text| text.extend_from_slice(b"{}\tabcd\n")),
    ];
    for (name, hand) in hands {
        let folder = filled(name);
        folder.change(hand);
        assert!(
            matches!(folder.open(), Err(StoreError::Changed { .. })),
            "{name}"
        );
    }
}

#[test]
fn a_file_without_its_key_is_not_read_and_none_is_made_for_it() {
    let folder = filled("key");
    fs::remove_file(folder.0.join("key")).unwrap();
    assert!(matches!(folder.open(), Err(StoreError::NoKey(_))));
    let put = |bytes: &[u8], mode: u32| {
        fs::write(folder.0.join("key"), bytes).unwrap();
        fs::set_permissions(folder.0.join("key"), fs::Permissions::from_mode(mode)).unwrap();
    };
    put(b"short", 0o600);
    assert!(matches!(folder.open(), Err(StoreError::Key(_))));
    put(&[7; 32], 0o600);
    assert!(matches!(folder.open(), Err(StoreError::Changed { .. })));
}

#[test]
fn a_key_is_made_whole_and_not_read_where_others_can() {
    let folder = Folder::new("mode");
    // A crash has left it.
    fs::write(folder.0.join("key.new"), b"ha").unwrap();
    folder.open().unwrap();
    let key = folder.0.join("key");
    assert_eq!(fs::read(&key).unwrap().len(), KEY_BYTES);
    assert!(!folder.0.join("key.new").exists());
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for mode in [0o640, 0o604] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(folder.open(), Err(StoreError::KeyMode(_))));
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    folder.open().unwrap();
}

#[test]
fn what_is_too_long_is_not_kept() {
    let folder = Folder::new("long");
    let (store, _) = folder.open().unwrap();
    let long = json!("x".repeat(limits::DESK_LINE_BYTES_MAX));
    assert!(store.put(Shelf::Grant, "gr-1", long, Timestamp(1)).is_err());
    store
        .put(Shelf::Grant, "gr-2", json!(1), Timestamp(2))
        .unwrap();
    assert_eq!(folder.open().unwrap().1.things.len(), 1);
}

#[test]
fn who_asks_for_much_keeps_nobody_from_ending_or_granting_anything() {
    let folder = Folder::new("full");
    let (mut store, _) = folder.open().unwrap();
    store.most = 32 * 1024;
    let put = |shelf, at: usize| {
        let id = format!("x-{at}");
        store.put(shelf, &id, json!("x".repeat(500)), Timestamp(1))
    };
    let fits = (0..100).take_while(|at| put(Shelf::Request, *at).is_ok());
    let fits = fits.count();
    assert!((20..100).contains(&fits), "{fits}");
    put(Shelf::Grant, 200).expect("room for a grant");
    let full = (201..300).find(|at| put(Shelf::Grant, *at).is_err());
    assert!(full.is_some(), "that room ends too");
    for at in 0..fits {
        let id = format!("x-{at}");
        store.remove(Shelf::Request, &id, Timestamp(2)).unwrap();
    }
    put(Shelf::Request, 0).expect("what is gone makes room");
    assert!(fs::metadata(folder.file()).unwrap().len() <= store.most);
    assert!(folder.open().is_ok());
}

#[test]
fn a_thing_that_changes_for_ever_fits_for_ever() {
    let folder = Folder::new("change");
    let (mut store, _) = folder.open().unwrap();
    store.most = 8 * 1024;
    for at in 0..200 {
        store
            .put(Shelf::Grant, "gr-1", json!(at), Timestamp(at))
            .unwrap();
    }
    drop(store);
    let (_, kept) = folder.open().unwrap();
    assert_eq!(kept.things.into_values().collect::<Vec<_>>(), [json!(199)]);
}

#[test]
fn the_folder_of_a_bare_name_is_the_one_we_are_in() {
    sync_folder(Path::new("key")).unwrap();
    assert!(sync_folder(Path::new("no such folder/key")).is_err());
}
