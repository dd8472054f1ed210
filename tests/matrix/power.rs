//! A power cut: of what was written and not flushed, some is on the disk and some is not.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::chance::Chance;

/// What of the unflushed writes is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    All,
    /// Each write by chance.
    Some,
    /// Each sector of each write by chance.
    Torn,
}

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// One entry of the shim's journal. The types are WRITTEN, FLUSHED, CUT and GONE of shim.c.
struct Entry<'j> {
    kind: u64,
    file: u64,
    offset: u64,
    old_size: u64,
    old: &'j [u8],
    new: &'j [u8],
}

const HEAD: usize = 48;

fn entries(journal: &[u8]) -> Vec<Entry<'_>> {
    let (mut entries, mut at) = (vec![], 0);
    while let Some(head) = journal.get(at..at + HEAD) {
        let field = |index: usize| u64::from_ne_bytes(head[index * 8..index * 8 + 8].try_into().unwrap());
        let (new_length, old_length) = (field(3) as usize, field(5) as usize);
        let old_at = at + HEAD;
        let Some(bytes) = journal.get(old_at..old_at + old_length + new_length) else { break };
        let (old, new) = bytes.split_at(old_length);
        entries.push(Entry { kind: field(0), file: field(1), offset: field(2), old_size: field(4), old, new });
        at = old_at + old_length + new_length;
    }
    entries
}

/// Does to the database's files in `folder` what a power cut at this moment does, and begins a new journal. Returns how many
/// writes were in danger.
pub fn cut(folder: &Path, journal: &Path, loss: Loss, chance: &mut Chance) -> usize {
    let Ok(bytes) = fs::read(journal) else { return 0 };
    let mut unflushed: BTreeMap<u64, Vec<Entry<'_>>> = BTreeMap::new();
    for entry in entries(&bytes) {
        match entry.kind {
            1 | 3 => unflushed.entry(entry.file).or_default().clear(),
            _ => unflushed.entry(entry.file).or_default().push(entry),
        }
    }
    let mut endangered = 0;
    for (file, writes) in unflushed {
        let path = folder.join(if file == 1 { "dunlin.db" } else { "dunlin.db-wal" });
        let Ok(target) = File::options().write(true).open(&path) else { continue };
        endangered += writes.len();
        for write in writes.iter().rev() {
            target.write_all_at(write.old, write.offset).unwrap();
            target.set_len(write.old_size).unwrap();
        }
        for write in &writes {
            match loss {
                Loss::All => {}
                Loss::Some | Loss::Torn if write.kind == 2 => {
                    if chance.happens(500) {
                        target.set_len(write.offset).unwrap();
                    }
                }
                Loss::Some => {
                    if chance.happens(500) {
                        target.write_all_at(write.new, write.offset).unwrap();
                    }
                }
                Loss::Torn => {
                    for (index, sector) in write.new.chunks(SECTOR).enumerate() {
                        if chance.happens(500) {
                            target.write_all_at(sector, write.offset + (index * SECTOR) as u64).unwrap();
                        }
                    }
                }
            }
        }
    }
    // Shared memory does not outlive the power; nor does the journal of what is now as the disk has it.
    fs::remove_file(folder.join("dunlin.db-shm")).ok();
    fs::remove_file(journal).ok();
    endangered
}
