//! Damage, made by hand in real files.

use std::io::{Seek, SeekFrom, Write};

use super::*;
use crate::domain::date::Timestamp;
use crate::store::Store;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn filled(path: &Path) {
    drop(Store::open(path, "test", at(0)).unwrap());
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "insert into run (id, as_of, mode, generation, started_at_ms) values (1, '2026-01-01', 'live', 'g', 1);
            with recursive n(i) as (select 1 union all select i + 1 from n where i < 500)
            insert into message (id, message_key, run_id, mode, rule_id, rule_revision, customer_id, customer_name, currency,
                total, level_id, level_repeat, as_of, state, sender_id, state_at_ms)
            select i, 'key-' || i, 1, 'live', 'r', 'r', 'c', 'c', 'EUR', '1', 'l', 0, '2026-01-01', 'accepted', 's', 1 from n;
            pragma wal_checkpoint(truncate)",
        )
        .unwrap();
}

#[test]
fn a_damaged_database_is_refused_before_anything_is_sent_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    filled(&path);
    assert_eq!(whole(&path).unwrap().faults, Vec::<String>::new());
    let root: i64 = Connection::open(&path)
        .unwrap()
        .query_row("select rootpage from sqlite_schema where name = 'message'", (), |row| row.get(0))
        .unwrap();
    let bytes = fs::read(&path).unwrap();
    for (place, what) in [((root as u64 - 1) * 4096, "a table's root"), (0, "the head"), (bytes.len() as u64 / 2, "the middle")] {
        fs::write(&path, &bytes).unwrap();
        let mut file = fs::File::options().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(place)).unwrap();
        file.write_all(&[0xa5; 3 * 4096]).unwrap();
        drop(file);
        let opened = Store::open(&path, "test", at(1));
        assert!(matches!(&opened, Err(StoreError::Damaged { .. })), "{what}: {opened:?}");
        assert!(opened.unwrap_err().to_string().contains("is damaged"), "{what}");
        assert_ne!(whole(&path).unwrap().faults, Vec::<String>::new(), "{what}");
    }
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(Store::open(&path, "test", at(1)), Err(StoreError::Damaged { .. })), "cut off");
}

#[test]
fn a_mail_without_bytes_and_a_row_without_its_run_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    filled(&path);
    let connection = Connection::open(&path).unwrap();
    let break_it = "pragma foreign_keys = off; update message set run_id = 77 where id = 3; update message set state = 'queued' where id = 4";
    connection.execute_batch(break_it).unwrap();
    assert_eq!(
        whole(&path).unwrap().faults,
        ["1 rows of `message` name a row of `run` that is not there", "1 mails are to be sent and have no text or no recipient"]
    );
    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("create table x (y)").unwrap();
    assert!(matches!(whole(&other), Err(StoreError::Foreign { .. })));
}
