//! Files that are there, and all those that are not: what is read, and what is refused with its reason.

use super::*;

#[test]
fn a_file_is_read_whole_and_never_outside_its_folder() {
    let (home, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = home.path().join("documents");
    std::fs::create_dir(&folder).unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    put("whole.pdf", b"%PDF");
    put("empty.pdf", b"");
    put("large.pdf", &[b'x'; 11]);
    std::fs::write(outside.path().join("other.pdf"), b"other").unwrap();
    std::fs::write(home.path().join("above.pdf"), b"above").unwrap();
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, folder.join(name)).unwrap();
    link(&outside.path().join("other.pdf"), "leads-out.pdf");
    link(&folder.join("whole.pdf"), "stays.pdf");
    link(outside.path(), "folder");
    std::fs::create_dir(folder.join("folder.pdf")).unwrap();
    let kept = Kept::new().unwrap();
    let of = |name: &str| {
        let (file, before) = open(&folder, &folder.join(name), 10)?;
        read(&file, &before, &kept).map(|taken| taken.bytes())
    };
    assert_eq!((of("whole.pdf"), of("stays.pdf")), (Ok(b"%PDF".to_vec()), Ok(b"%PDF".to_vec())));
    for (name, fault) in [
        ("none.pdf", "is not there"),
        ("empty.pdf", "is empty; is it still being written?"),
        ("large.pdf", "has 11 bytes; at most 10 are attached"),
        ("leads-out.pdf", "leads out of its folder"),
        ("folder/other.pdf", "leads out of its folder"),
        ("../above.pdf", "leads out of its folder"),
        ("folder.pdf", "is no file"),
    ] {
        assert_eq!(of(name), Err(fault.to_owned()), "{name}");
    }
}

#[test]
fn what_has_no_room_in_the_run_takes_none_on_the_disk() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a.txt");
    std::fs::write(&path, b"four").unwrap();
    let (kept, at) = (Kept::new().unwrap(), Whereabouts::File { folder: home.path().to_owned(), path });
    let mut left = 7;
    assert_eq!(from_disk(&at, 10, &kept, &mut left).unwrap().bytes(), Ok(b"four".to_vec()));
    assert_eq!(from_disk(&at, 10, &kept, &mut left).unwrap_err(), too_many());
    assert_eq!((left, kept.byte_count()), (3, 4));
}

#[test]
fn a_document_from_the_web_is_called_by_its_address_or_its_type() {
    for (address, content_type, name) in [
        ("https://a.example/x/R-1.PDF?key=1", None, "7.pdf"),
        ("https://a.example/x/R-1", Some("application/xml; charset=utf-8"), "7.xml"),
        ("https://a.example/x.php", Some("application/pdf"), "7.pdf"),
        ("https://a.example/x", None, "7.pdf"),
        ("https://a.example/x", Some("text/html"), "7.pdf"),
    ] {
        assert_eq!(web_name(address, content_type, "7"), name, "{address}");
    }
}
