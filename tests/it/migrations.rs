//! Databases of older releases: taken up with everything in them, or left as they are.

use std::fs;
use std::path::Path;

use dunlin::domain::date::Timestamp;
use dunlin::store::{Store, StoreError, open_reader};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::server::Server;
use crate::workspace::{AS_OF, Workspace, counts};

/// What every release so far has left behind, by its schema.
const RELEASED: [(i64, &str); 2] = [(1, include_str!("../fixtures/schema-1.sql")), (2, include_str!("../fixtures/schema-2.sql"))];

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn make(path: &Path, dump: &str) {
    Connection::open(path).unwrap().execute_batch(dump).unwrap();
}

/// Returns every row of these tables, as far as these columns go.
fn rows(connection: &Connection, columns: &[(String, Vec<String>)]) -> Vec<String> {
    let mut found = Vec::new();
    for (table, columns) in columns {
        let names = columns.join(", ");
        let mut statement = connection.prepare(&format!("select {names} from {table} order by {names}")).unwrap();
        let mut rows = statement.query(()).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<Value> = (0..columns.len()).map(|place| row.get(place).unwrap()).collect();
            found.push(format!("{table} {values:?}"));
        }
    }
    found
}

/// Returns the tables with their columns.
fn columns(connection: &Connection) -> Vec<(String, Vec<String>)> {
    let names = |sql: &str| -> Vec<String> {
        connection.prepare(sql).unwrap().query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let tables = names("select name from sqlite_schema where type = 'table' order by name");
    tables.into_iter().map(|table| (table.clone(), names(&format!("select name from pragma_table_info('{table}')")))).collect()
}

#[test]
fn a_database_of_every_release_is_taken_up_with_all_that_is_in_it() {
    for (version, dump) in RELEASED {
        let server = Server::willing();
        // The four customers of the dump, one of them with a mail of a rehearsal; and a fifth.
        let workspace = Workspace::new(server.port, 5);
        let path = workspace.path().join("dunlin.db");
        make(&path, dump);
        let old = Connection::open(&path).unwrap();
        let columns = columns(&old);
        let early = workspace.dunlin(&["verify"]);
        assert!(early.code == Some(1) && early.err.contains("of an earlier release"), "schema {version}: {early:?}");
        let before = rows(&old, &columns);
        assert!(before.len() > 30, "{}", before.len());
        drop(old);

        drop(Store::open(&path, "test", now()).unwrap());
        let taken = open_reader(&path).unwrap().unwrap();
        assert_eq!(rows(&taken, &columns), before, "schema {version}");
        let checked = dunlin::store::check::whole(&path).unwrap();
        assert_eq!(checked.faults, Vec::<String>::new(), "schema {version}");
        drop(taken);

        // And it goes on: nobody is written to twice, and who was not gets a mail.
        assert_eq!(counts(&workspace.run()), "accepted=1");
        assert_eq!(server.taken()[0].recipients, ["ap5@customer5.example"]);
        // What was there before the chain is said, and what such a mail lacks is named.
        let verified = workspace.dunlin(&["verify"]);
        assert!(verified.code == Some(0) && verified.out.contains("older than the chain"), "schema {version}: {verified:?}");
        let pack = workspace.path().join("old.zip");
        let evidence = workspace.dunlin(&["evidence", "1", "--out", pack.to_str().unwrap()]);
        assert!(evidence.code == Some(0) && evidence.out.contains("older than the chain"), "schema {version}: {evidence:?}");
        let again = workspace.dunlin(&["run", "--as-of", AS_OF, "--json"]);
        assert!(!again.err.contains("not at home"), "{}", again.err);
    }
}

#[test]
fn a_migration_that_fails_or_is_killed_leaves_the_old_database() {
    for (version, dump) in RELEASED {
        let folder = tempfile::tempdir().unwrap();
        // A table in the way of one of a newer schema.
        let path = folder.path().join("dunlin.db");
        make(&path, dump);
        Connection::open(&path).unwrap().execute_batch("create table archive (x)").unwrap();
        let before = fs::read(&path).unwrap();
        assert!(matches!(Store::open(&path, "test", now()), Err(StoreError::Sql(_))));
        let left = Connection::open(&path).unwrap();
        let user_version: i64 = left.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(user_version, version, "as it was");
        assert_eq!(left.query_row("select count(*) from message", (), |row| row.get::<_, i64>(0)).unwrap(), 5);
        left.execute_batch("drop table archive; pragma journal_mode = delete").unwrap();
        drop(left);
        assert!(fs::read(&path).unwrap().len() >= before.len());

        // Killed in the middle: pages of the transaction are in the log already, and no commit is.
        let killed = folder.path().join("killed.db");
        let dying = Connection::open(&path).unwrap();
        dying.execute_batch("pragma journal_mode = wal; pragma cache_size = 1; pragma cache_spill = 1; begin immediate").unwrap();
        let half = "create table home (x); alter table run add column decisions_archived integer not null default 0;
            create table spilled as with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
                select i, randomblob(200) from n; pragma user_version = 4";
        dying.execute_batch(half).unwrap();
        for ending in ["", "-wal"] {
            fs::copy(folder.path().join(format!("dunlin.db{ending}")), folder.path().join(format!("killed.db{ending}"))).unwrap();
        }
        assert!(fs::metadata(folder.path().join("killed.db-wal")).unwrap().len() > 100_000, "nothing had reached the log");
        drop(Store::open(&killed, "test", now()).unwrap());
        let taken = open_reader(&killed).unwrap().unwrap();
        assert_eq!(taken.query_row("select count(*) from message", (), |row| row.get::<_, i64>(0)).unwrap(), 5);
        assert_eq!(dunlin::store::check::whole(&killed).unwrap().faults, Vec::<String>::new());
    }
}
