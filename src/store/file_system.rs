//! Whether a database may lie on a file system: on a network drive SQLite's log does not hold, and two machines could write.
//!
//! Only Linux tells the kind by a number; elsewhere nothing is refused. What is mounted through FUSE does not say whether a
//! network stands behind it, so it passes.

use std::path::Path;

use crate::store::StoreError;

/// The file systems that other machines can reach, by the number that statfs(2) gives.
/// Source: linux/magic.h, and the drivers' own headers.
#[cfg(any(target_os = "linux", test))]
const NETWORK: [(u64, &str); 13] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x564c, "NCP"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00c3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x0bd0_0bd0, "Lustre"),
];

/// Refuses a database on a network drive.
pub(crate) fn check(database: &Path) -> Result<(), StoreError> {
    #[cfg(target_os = "linux")]
    {
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let at = if database.exists() { database } else { folder };
        // Where it cannot be asked, opening the file tells what is wrong.
        if let Ok(found) = rustix::fs::statfs(at)
            && let Some(kind) = network_kind(u64::from((found.f_type as u64 & 0xffff_ffff) as u32))
        {
            return Err(StoreError::Network { path: database.to_owned(), kind });
        }
    }
    Ok(())
}

/// Returns the kind of a network file system, `None` for all others.
#[cfg(any(target_os = "linux", test))]
fn network_kind(magic: u64) -> Option<&'static str> {
    NETWORK.iter().find(|(known, _)| *known == magic).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_drive_is_known_by_its_number_and_a_local_disk_passes() {
        for (magic, kind) in [(0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0xfe53_4d42, "SMB2"), (0x0102_1997, "9P")] {
            assert_eq!(network_kind(magic), Some(kind));
        }
        // ext4, XFS, btrfs, ZFS, tmpfs, overlayfs, FUSE.
        for magic in [0xef53, 0x5846_5342, 0x9123_683e, 0x2fc1_2fc1, 0x0102_1994, 0x794c_7630, 0x6573_5546] {
            assert_eq!(network_kind(magic), None, "{magic:x}");
        }
        let folder = tempfile::tempdir().unwrap();
        check(&folder.path().join("new.db")).unwrap();
    }
}
