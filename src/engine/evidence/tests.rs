//! The ZIP itself; what goes into it is tested with the whole program.

use std::io::Read;

use super::*;

#[test]
fn the_same_files_give_the_same_bytes_and_come_back_whole() {
    let files: Vec<(String, Vec<u8>)> = vec![("a.txt".into(), b"A".to_vec()), ("texts/ä.yaml".into(), vec![0; 70_000])];
    for (at, year) in [("2026-11-28T12:00:01Z", 2026), ("1970-01-01T00:00:00Z", 1980)] {
        let at: Timestamp = at.parse().unwrap();
        let bytes = zipped(&files, at);
        assert_eq!(bytes, zipped(&files, at));
        let mut read = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        assert_eq!(read.len(), 2);
        for (name, expected) in &files {
            let mut file = read.by_name(name).unwrap();
            let mut found = Vec::new();
            file.read_to_end(&mut found).unwrap();
            assert_eq!((&found, file.last_modified().unwrap().year()), (expected, year));
        }
    }
}
