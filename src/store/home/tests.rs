//! The seal and the home, against real files.

use super::*;
use crate::store::Store;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// Opens the database, writes something, and closes it again.
fn used(path: &Path) -> Vec<Difference> {
    let store = Store::open(path, "test", at(0)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.finish_runs(at(1))).unwrap();
    store.differences()
}

fn epochs(path: &Path) -> (i64, i64) {
    let own = Connection::open(path).unwrap().query_row("select epoch from home", (), |row| row.get(0)).unwrap();
    let Beside::Seal(seal, Some(_)) = Seal::read(path) else { panic!("there is no seal") };
    (own, seal.epoch)
}

#[test]
fn the_seal_follows_what_is_written_and_an_older_state_in_place_shows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    assert_eq!(differences(&path, "test").unwrap(), [], "nothing is there yet");
    assert_eq!(used(&path), []);
    let before = fs::read(&path).unwrap();
    let (own, sealed) = epochs(&path);
    assert_eq!(own, sealed);
    assert_eq!(used(&path), []);
    assert!(epochs(&path).0 > own);

    // Written over in place: the same file, machine and path.
    fs::write(&path, &before).unwrap();
    let found = differences(&path, "test").unwrap();
    assert!(matches!(found[..], [Difference::Older { sealed_at: Some(_) }]) && found[0].is_loss(), "{found:?}");
    assert_eq!(used(&path), found, "the writer sees the same");
    assert_eq!(epochs(&path), (own, sealed + 1), "and leaves epoch and seal as they are");
}

#[test]
fn a_crash_between_commit_and_seal_is_no_older_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    used(&path);
    let seal = fs::read(Seal::path(&path)).unwrap();
    used(&path);
    fs::write(Seal::path(&path), seal).unwrap();
    assert_eq!(differences(&path, "test").unwrap(), []);

    // The very first seal may be missing, any later one not; and one that is torn is none.
    fs::write(Seal::path(&path), "dunlin 0011").unwrap();
    assert_eq!(differences(&path, "test").unwrap(), [Difference::NoSeal]);
    fs::remove_file(Seal::path(&path)).unwrap();
    assert_eq!(differences(&path, "test").unwrap(), [Difference::NoSeal]);
    let fresh = folder.path().join("b.db");
    drop(Store::open(&fresh, "test", at(0)).unwrap());
    assert_eq!(differences(&fresh, "test").unwrap(), [], "nothing was written yet, so nothing is sealed");
}

#[test]
fn a_file_that_was_copied_or_moved_shows() {
    let folder = tempfile::tempdir().unwrap();
    let (path, aside) = (folder.path().join("a.db"), folder.path().join("aside.db"));
    used(&path);
    used(&path);
    fs::copy(&path, &aside).unwrap();
    let found = differences(&aside, "test").unwrap();
    assert!(matches!(found[..], [Difference::Path { .. }, Difference::File, Difference::NoSeal]), "{found:?}");
    // The same state under its own name, but another file: as a restore makes it.
    fs::rename(&aside, &path).unwrap();
    assert_eq!(differences(&path, "test").unwrap(), [Difference::File]);
    // Another database in its place, though it is the first there.
    fs::remove_file(&path).unwrap();
    assert_eq!(differences(&path, "test").unwrap(), [Difference::OtherSeal]);
    assert_eq!(used(&path), [Difference::OtherSeal]);
    assert_eq!(differences(&path, "test").unwrap(), [Difference::OtherSeal]);
}

#[test]
fn a_machine_is_known_by_name_and_id_or_by_what_the_operator_says() {
    const ID: &str = "0123456789abcdef0123456789abcdef";
    let with_id = host_of(None, Some(&format!("{ID}\n")), "box");
    assert!(with_id.starts_with("box (") && !with_id.contains(ID), "{with_id}");
    assert_ne!(with_id, host_of(None, Some(&ID.replace('0', "1")), "box"), "a clone under the same name");
    assert_ne!(with_id, host_of(None, Some(ID), "box2"), "a clone with the same id");
    for id in [None, Some(""), Some("uninitialized\n"), Some("0123")] {
        assert_eq!(host_of(None, id, "box"), "box", "{id:?}");
    }
    assert_eq!(host_of(Some("mailer-1"), Some(ID), "3f2a9c"), "mailer-1");
    assert_eq!(host_of(Some(" "), None, "box"), "box");
}
