//! Base64 as mails carry it, written as it comes: no second copy of a large file is made. Source: RFC 2045 §6.8.

// A writer into memory; nothing leaves the process.
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How many octets a line stands for; it has 76 characters.
const LINE_OCTETS: usize = 57;
/// The characters of a whole line.
const LINE_CHARACTERS: usize = 76;

/// Returns how many characters `byte_count` octets come to, line ends included; the last line is not ended.
pub(crate) fn encoded_octets(byte_count: usize) -> usize {
    let lines = byte_count.div_ceil(LINE_OCTETS);
    byte_count.div_ceil(3) * 4 + lines.saturating_sub(1) * 2
}

/// Writes base64 behind what is there, line by line, the last one not ended.
pub(crate) struct Base64Lines<'v> {
    out: &'v mut Vec<u8>,
    start: usize,
    pending: [u8; LINE_OCTETS],
    count: usize,
}

impl<'v> Base64Lines<'v> {
    pub(crate) fn new(out: &'v mut Vec<u8>) -> Self {
        Self { start: out.len(), out, pending: [0; LINE_OCTETS], count: 0 }
    }

    /// Writes what is left of a line.
    pub(crate) fn finish(mut self) {
        self.line();
    }

    fn line(&mut self) {
        if self.count == 0 {
            return;
        }
        if self.out.len() > self.start {
            self.out.extend_from_slice(b"\r\n");
        }
        let mut line = [0; LINE_CHARACTERS];
        let written = STANDARD.encode_slice(&self.pending[..self.count], &mut line).expect("57 octets come to 76 characters");
        self.out.extend_from_slice(&line[..written]);
        self.count = 0;
    }
}

impl io::Write for Base64Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(LINE_OCTETS - self.count);
        self.pending[self.count..self.count + taken].copy_from_slice(&bytes[..taken]);
        self.count += taken;
        if self.count == LINE_OCTETS {
            self.line();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_file_is_written_as_another_encoder_writes_it() {
        for byte_count in [0, 1, 2, 3, 56, 57, 58, 113, 114, 115, 1000] {
            let file: Vec<u8> = (0..byte_count).map(|place| (place * 7) as u8).collect();
            let mut expected = String::new();
            email_encoding::body::base64::encode(&file, &mut expected).unwrap();
            for piece in [1, 5, 57, 2000] {
                let mut out = b"before".to_vec();
                let mut lines = Base64Lines::new(&mut out);
                file.chunks(piece).for_each(|piece| io::Write::write_all(&mut lines, piece).unwrap());
                lines.finish();
                assert_eq!(String::from_utf8(out).unwrap(), format!("before{expected}"), "{byte_count} in pieces of {piece}");
                assert_eq!(encoded_octets(byte_count), expected.len());
            }
        }
    }
}
