//! Who a person is, as far as the system tells: the name they go by, and the user number that vouches for it.

use std::path::Path;

/// The most characters of a name that is recorded.
const NAME_CHARS_MAX: usize = 64;

/// The most bytes of the system's list of users that are read.
const PASSWD_BYTES_MAX: u64 = 4 << 20;

/// Returns who is to be recorded for somebody who calls themselves `said`, at a process of user `uid`: `alice`, or
/// `alice (uid 1001)` where the system does not know that user by that name.
pub fn recorded_name(said: &str, uid: u32) -> String {
    recorded(said, uid, &users())
}

/// Returns who uses this process: who started it by the environment, held against the process's own user.
pub fn own_name() -> String {
    let said =
        ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok().filter(|said| !said.is_empty()));
    match own_uid() {
        Some(uid) => recorded_name(said.as_deref().unwrap_or_default(), uid),
        None => said.map_or_else(|| "unknown".to_owned(), |said| tidy(&said)),
    }
}

fn recorded(said: &str, uid: u32, users: &str) -> String {
    let said = tidy(said);
    let is_of_uid = |line: &&str| line.split(':').nth(2).and_then(|text| text.parse().ok()) == Some(uid);
    let known = users.lines().filter(is_of_uid).filter_map(|line| line.split(':').next());
    let names: Vec<&str> = known.collect();
    match names.first() {
        Some(first) if said.is_empty() => (*first).to_owned(),
        _ if names.contains(&&*said) => said,
        _ if said.is_empty() => format!("uid {uid}"),
        _ => format!("{said} (uid {uid})"),
    }
}

/// Returns a name that can stand in a line: what a caller says is not trusted to be one.
fn tidy(said: &str) -> String {
    let is_fit = |letter: &char| !letter.is_control() && !matches!(letter, '(' | ')');
    said.trim().chars().filter(is_fit).take(NAME_CHARS_MAX).collect()
}

fn users() -> String {
    use std::io::Read;
    let mut text = Vec::new();
    let read = std::fs::File::open(Path::new("/etc/passwd")).and_then(|file| file.take(PASSWD_BYTES_MAX).read_to_end(&mut text));
    match read {
        Ok(_) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => String::new(), // Users kept elsewhere are known by their number.
    }
}

/// Returns the user of this process, where the system tells without being asked in its own tongue.
#[cfg(unix)]
fn own_uid() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").ok().map(|own| own.uid())
}

#[cfg(not(unix))]
fn own_uid() -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_alone_only_where_the_system_vouches_for_it() {
        let users = "root:x:0:0::/root:/bin/sh\nalice:x:1001:1001:Alice:/home/alice:/bin/sh\nbroken line\n";
        for (said, uid, recorded_as) in [
            ("alice", 1001, "alice"),
            ("root", 1001, "root (uid 1001)"),
            ("alice", 0, "alice (uid 0)"),
            ("alice", 4711, "alice (uid 4711)"),
            ("", 1001, "alice"),
            ("", 4711, "uid 4711"),
            ("  alice\n", 1001, "alice"),
            ("root (uid 0)", 1001, "root uid 0 (uid 1001)"),
        ] {
            assert_eq!(recorded(said, uid, users), recorded_as, "{said:?} {uid}");
        }
        assert_eq!(recorded(&"a".repeat(1000), 0, users).len(), NAME_CHARS_MAX + " (uid 0)".len());
    }
}
