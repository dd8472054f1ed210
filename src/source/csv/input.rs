//! The bytes of a file on their way to the record reader: counted, and turned into UTF-8 where they are not.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

use encoding_rs::{Decoder, WINDOWS_1252};

/// How a file writes its letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    Utf8,
    /// What Windows programs of Western Europe and America call ANSI.
    Windows1252,
}

impl Encoding {
    /// Reads an `encoding:` setting.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Some(Self::Utf8),
            "windows-1252" | "cp1252" => Some(Self::Windows1252),
            _ => None,
        }
    }
}

/// What a byte order mark tells against the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// None, or one that agrees.
    Fitting,
    /// The file says it is UTF-8, the settings say Windows-1252.
    Utf8,
    /// The file is UTF-16, which is not read.
    Utf16,
}

/// What tells whether a file was written to meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub bytes: u64,
    changed_at: Option<SystemTime>,
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), changed_at: metadata.modified().ok() }
    }
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Input {
    file: File,
    /// The file's size and time when it was opened.
    pub stamp: Stamp,
    /// How many bytes of the file have been read.
    pub bytes_read: u64,
    transcoding: Option<Transcoding>,
}

struct Transcoding {
    decoder: Decoder,
    block: Vec<u8>,
    start: usize,
    end: usize,
}

impl std::fmt::Debug for Transcoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transcoding").field("start", &self.start).field("end", &self.end).finish_non_exhaustive()
    }
}

impl Input {
    /// Opens a file and passes over its byte order mark.
    pub(crate) fn open(path: &Path, encoding: Encoding) -> io::Result<(Self, Mark)> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut first = Vec::with_capacity(3);
        Read::by_ref(&mut file).take(3).read_to_end(&mut first)?;
        let (mark_bytes, mark) = match (first.as_slice(), encoding) {
            ([0xef, 0xbb, 0xbf], Encoding::Utf8) => (3, Mark::Fitting),
            ([0xef, 0xbb, 0xbf], Encoding::Windows1252) => (3, Mark::Utf8),
            ([0xff, 0xfe, ..] | [0xfe, 0xff, ..], _) => (0, Mark::Utf16),
            _ => (0, Mark::Fitting),
        };
        file.seek(SeekFrom::Start(mark_bytes))?;
        let transcoding = (encoding == Encoding::Windows1252).then(|| Transcoding {
            decoder: WINDOWS_1252.new_decoder_without_bom_handling(),
            block: vec![0; 1 << 15],
            start: 0,
            end: 0,
        });
        Ok((Self { file, stamp: Stamp::of(&metadata), bytes_read: mark_bytes, transcoding }, mark))
    }
}

impl Read for Input {
    /// Reads UTF-8 into `to`, which the record reader never makes shorter than one block.
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let Some(Transcoding { decoder, block, start, end }) = &mut self.transcoding else {
            let count = self.file.read(to)?;
            self.bytes_read += count as u64;
            return Ok(count);
        };
        debug_assert!(to.len() >= 4, "a letter must have room, or nothing written would look like the end");
        if start == end {
            (*start, *end) = (0, self.file.read(block)?);
            self.bytes_read += *end as u64;
        }
        // Windows-1252 gives every byte a letter, so nothing is lost or replaced here.
        let (_, read, written, _) = decoder.decode_to_utf8(&block[*start..*end], to, false);
        *start += read;
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], encoding: Encoding) -> (Mark, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.csv");
        std::fs::write(&path, bytes).unwrap();
        let (mut input, mark) = Input::open(&path, encoding).unwrap();
        let mut text = vec![];
        let mut block = [0; 8192];
        while let count @ 1.. = input.read(&mut block).unwrap() {
            text.extend_from_slice(&block[..count]);
        }
        assert_eq!(input.bytes_read, bytes.len() as u64);
        (mark, text)
    }

    #[test]
    fn a_byte_order_mark_is_not_text() {
        assert_eq!(read(b"\xef\xbb\xbfa\xc3\xbc", Encoding::Utf8), (Mark::Fitting, "aü".into()));
        assert_eq!(read(b"\xef\xbb\xbfa", Encoding::Windows1252), (Mark::Utf8, "a".into()));
        assert_eq!(read(b"\xff\xfea\0", Encoding::Utf8).0, Mark::Utf16);
        assert_eq!(read(b"", Encoding::Utf8), (Mark::Fitting, vec![]));
    }

    #[test]
    fn windows_1252_becomes_utf_8_over_any_block() {
        assert_eq!(read(b"M\xfcller \x80 5", Encoding::Windows1252), (Mark::Fitting, "Müller € 5".into()));
        let long = vec![0xfc; 100_000];
        assert_eq!(read(&long, Encoding::Windows1252).1, "ü".repeat(100_000).into_bytes());
    }
}
