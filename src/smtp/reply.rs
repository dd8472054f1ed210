//! Reads a server's replies from a stream of bytes. Pure: bytes go in, a reply or a fault comes out.
//!
//! It must not trust the peer: every length is limited, and what is not a reply is refused rather than guessed at.

use crate::outbox::attempt::Reply;

/// The longest line taken, its ending included. RFC 5321 §4.5.3.1.5 allows 512; some servers write long texts.
pub const LINE_BYTES_MAX: usize = 4096;

/// The most lines one reply may have; an EHLO reply has about twenty.
pub const LINES_MAX: usize = 128;

/// The most bytes one reply may have in all.
pub const REPLY_BYTES_MAX: usize = 64 * 1024;

/// The most of a bad line that a fault quotes, in characters.
const QUOTED_CHARS_MAX: usize = 80;

/// Why bytes are not a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// A line does not begin with a code from 200 to 599 and a blank, a hyphen or nothing.
    #[error("The server's line {line:?} is not an SMTP reply")]
    NotAReply {
        /// The start of the line.
        line: String,
    },
    /// The lines of one reply carry different codes. Source: RFC 5321 §4.2.1.
    #[error("One reply of the server carries the codes {first} and {then}")]
    CodesDiffer {
        /// The code of its first line.
        first: u16,
        /// The other one.
        then: u16,
    },
    /// A line without end.
    #[error("The server sent a line of more than {LINE_BYTES_MAX} bytes")]
    LineTooLong,
    /// Continuation lines without end.
    #[error("The server sent a reply of more than {LINES_MAX} lines or {REPLY_BYTES_MAX} bytes")]
    ReplyTooLong,
}

/// What class a reply's code belongs to. Source: RFC 5321 §4.2.1, first digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 2yz: done.
    Done,
    /// 3yz: go on.
    GoOn,
    /// 4yz: not now.
    NotNow,
    /// 5yz: no.
    No,
}

/// Returns the class of `reply`.
pub fn class(reply: &Reply) -> Class {
    match reply.code / 100 {
        2 => Class::Done,
        3 => Class::GoOn,
        4 => Class::NotNow,
        _ => Class::No,
    }
}

/// A reply in the making: takes bytes as they come, in pieces of any size.
#[derive(Debug, Default)]
pub struct ReplyReader {
    code: Option<u16>,
    text: String,
    lines: usize,
    bytes: usize,
}

impl ReplyReader {
    /// Takes whole lines from `bytes` until a reply is complete; returns how many bytes were taken, and the reply.
    ///
    /// Bytes of an unfinished line are not taken: the caller offers them again with what follows, and so never has
    /// to keep more than [`LINE_BYTES_MAX`] of them.
    ///
    /// # Errors
    /// [`ReplyFault`]; the stream is then of no more use.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(usize, Option<Reply>), ReplyFault> {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            let Some(end) = memchr::memchr(b'\n', &rest[..rest.len().min(LINE_BYTES_MAX)]) else {
                return if rest.len() >= LINE_BYTES_MAX { Err(ReplyFault::LineTooLong) } else { Ok((taken, None)) };
            };
            taken += end + 1;
            self.bytes += end + 1;
            self.lines += 1;
            if self.lines > LINES_MAX || self.bytes > REPLY_BYTES_MAX {
                return Err(ReplyFault::ReplyTooLong);
            }
            // A lone LF is taken for a line's end: no reply means anything else by it.
            let line = &rest[..end];
            if let LineKind::Last = self.line(line.strip_suffix(b"\r").unwrap_or(line))? {
                return Ok((taken, Some(self.finish())));
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<LineKind, ReplyFault> {
        let (code, kind, text) = split_line(line).ok_or_else(|| ReplyFault::NotAReply { line: quoted(line) })?;
        match self.code {
            None => self.code = Some(code),
            Some(first) if first != code => return Err(ReplyFault::CodesDiffer { first, then: code }),
            Some(_) => self.text.push('\n'),
        }
        // Control characters end here, so that no log or terminal meets them.
        self.text.extend(String::from_utf8_lossy(text).trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }));
        Ok(kind)
    }

    fn finish(&mut self) -> Reply {
        let Self { code, text, .. } = std::mem::take(self);
        let code = code.expect("a finished reply has had a line, and every line has a code");
        Reply { code, enhanced: enhanced(code, &text), text }
    }
}

enum LineKind {
    Last,
    Continued,
}

fn split_line(line: &[u8]) -> Option<(u16, LineKind, &[u8])> {
    let digits = line.get(..3)?;
    if !(matches!(digits[0], b'2'..=b'5') && digits[1..].iter().all(u8::is_ascii_digit)) {
        return None;
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match &line[3..] {
        [] => Some((code, LineKind::Last, &[])),
        [b' ', text @ ..] => Some((code, LineKind::Last, text)),
        [b'-', text @ ..] => Some((code, LineKind::Continued, text)),
        _ => None,
    }
}

/// Returns the enhanced code at the start of `text`, where its class agrees with `code`. Source: RFC 2034 §4, RFC 3463 §2.
fn enhanced(code: u16, text: &str) -> Option<(u8, u16, u16)> {
    let word = text.split([' ', '\n']).next()?;
    let mut parts = word.split('.');
    let mut number = |digits_max: usize| {
        let part = parts.next()?;
        let is_number = (1..=digits_max).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse::<u16>().ok())?
    };
    let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
    (parts.next().is_none() && class == code / 100).then_some((class as u8, subject, detail))
}

fn quoted(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().take(QUOTED_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<(usize, Option<Reply>), ReplyFault> {
        ReplyReader::default().read(bytes)
    }

    fn reply(code: u16, enhanced: Option<(u8, u16, u16)>, text: &str) -> Reply {
        Reply { code, enhanced, text: text.to_owned() }
    }

    #[test]
    fn replies_of_every_form_are_read() {
        for (bytes, expected) in [
            ("250 ok\r\n", reply(250, None, "ok")),
            ("250\r\n", reply(250, None, "")),
            ("250 ok\n", reply(250, None, "ok")),
            ("250 2.1.0 Sender ok\r\n", reply(250, Some((2, 1, 0)), "2.1.0 Sender ok")),
            ("250-mx.example\r\n250-SIZE 10\r\n250 HELP\r\n", reply(250, None, "mx.example\nSIZE 10\nHELP")),
            ("550-5.1.1 no such\r\n550 5.1.1 user\r\n", reply(550, Some((5, 1, 1)), "5.1.1 no such\n5.1.1 user")),
            ("535 5.7.139 off\r\n", reply(535, Some((5, 7, 139)), "5.7.139 off")),
            ("550 5.7.1\r\n", reply(550, Some((5, 7, 1)), "5.7.1")),
            ("550 2.0.0 a class that lies\r\n", reply(550, None, "2.0.0 a class that lies")),
            ("550 5.1 short\r\n", reply(550, None, "5.1 short")),
            ("550 5.1.1.1 long\r\n", reply(550, None, "5.1.1.1 long")),
            ("550 5.+1.1 sign\r\n", reply(550, None, "5.+1.1 sign")),
            ("250 a\0b\x1b[31m\r\n", reply(250, None, "a b [31m")),
        ] {
            assert_eq!(read(bytes.as_bytes()), Ok((bytes.len(), Some(expected))), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_a_reply_is_refused() {
        for bad in [
            "",
            "25",
            "garbage",
            "150 no such class",
            "650 x",
            "2x0 ok",
            "250ok",
            "250+ok",
            "\u{16}\u{3}\u{1}",
            " 250 ok",
            "²50 a",
        ] {
            let fault = read(format!("{bad}\r\n").as_bytes());
            assert_eq!(fault, Err(ReplyFault::NotAReply { line: bad.to_owned() }), "{bad:?}");
        }
        assert_eq!(read(b"250-a\r\n550 b\r\n"), Err(ReplyFault::CodesDiffer { first: 250, then: 550 }));
    }

    #[test]
    fn nothing_grows_without_end() {
        let line = |length: usize| format!("250 {}\r\n", "x".repeat(length - 6)).into_bytes();
        assert!(matches!(read(&line(LINE_BYTES_MAX)), Ok((LINE_BYTES_MAX, Some(_)))));
        assert_eq!(read(&line(LINE_BYTES_MAX + 1)), Err(ReplyFault::LineTooLong));
        assert_eq!(read(&vec![b'2'; LINE_BYTES_MAX]), Err(ReplyFault::LineTooLong));
        assert_eq!(read(&b"250-x\r\n".repeat(LINES_MAX + 1)), Err(ReplyFault::ReplyTooLong));
        let long = [b"250-", &*vec![b'x'; 4000], b"\r\n"].concat();
        assert_eq!(read(&long.repeat(LINES_MAX)), Err(ReplyFault::ReplyTooLong));
    }

    #[test]
    fn glued_replies_are_told_apart() {
        let bytes = b"250 one\r\n421 4.4.2 two\r\n";
        let mut reader = ReplyReader::default();
        assert_eq!(reader.read(bytes), Ok((9, Some(reply(250, None, "one")))));
        assert_eq!(reader.read(&bytes[9..]), Ok((15, Some(reply(421, Some((4, 4, 2)), "4.4.2 two")))));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_reply(bytes in prop::collection::vec(prop::sample::select(b"250-4.1 \r\nxy".to_vec()), 0..60), cut in 0usize..60) {
            let whole = read(&bytes);
            let mut reader = ReplyReader::default();
            let first = &bytes[..cut.min(bytes.len())];
            let pieces = match reader.read(first) {
                Ok((taken, None)) => reader.read(&bytes[taken..]).map(|(more, reply)| (taken + more, reply)),
                other => other,
            };
            prop_assert_eq!(pieces, whole);
        }

        #[test]
        fn no_bytes_can_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(read(&bytes));
        }
    }
}
