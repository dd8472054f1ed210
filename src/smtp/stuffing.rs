//! Dot-stuffing: makes a message fit for DATA, so that no line of it can be taken for the end. Pure.

/// What ends the message, after the CRLF of its last line. Source: RFC 5321 §4.1.1.4.
pub const FINAL_DOT: &[u8] = b".\r\n";

/// A CR or an LF that is no part of a CRLF.
///
/// Some servers take it for a line's end and others do not; what lies between such two readings is how one message
/// is smuggled inside another. Source: RFC 5321 §2.3.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The message holds a lone CR or LF, which no server may be sent")]
pub struct LoneLineEnd;

/// From how many bytes on a message is sent from where it is, not from a copy: a copy of less costs less than another write.
const LARGE_BYTES: usize = 1 << 16;

/// A message as it goes over the wire after DATA: pieces of it where it is large, else a copy.
#[derive(Debug, PartialEq, Eq)]
pub struct Stuffed<'m> {
    pieces: Vec<&'m [u8]>,
    last: Vec<u8>,
}

impl Stuffed<'_> {
    /// Returns how many bytes there are.
    pub fn byte_count(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum::<usize>() + self.last.len()
    }

    /// Adds what goes with the final dot.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.last.extend_from_slice(bytes);
    }

    /// Returns the bytes, piece by piece.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().copied().chain([self.last.as_slice()])
    }
}

/// Returns `message` with every leading dot doubled, a CRLF at its end where it lacks one, and the final dot. `ahead` goes in front
/// of it as it is: whole lines of ASCII.
///
/// Source: RFC 5321 §4.5.2.
///
/// # Errors
/// [`LoneLineEnd`].
pub fn stuffed<'m>(ahead: &'m [u8], message: &'m [u8]) -> Result<Stuffed<'m>, LoneLineEnd> {
    let is_large = message.len() >= LARGE_BYTES;
    let mut stuffed = Stuffed { pieces: Vec::new(), last: Vec::new() };
    if !is_large {
        stuffed.last.reserve(ahead.len() + message.len() + message.len() / 64 + 16);
    }
    let mut add = |piece: &'m [u8]| if is_large { stuffed.pieces.push(piece) } else { stuffed.last.extend_from_slice(piece) };
    if !ahead.is_empty() {
        add(ahead);
    }
    let (mut copied, mut line_ends) = (0, 0);
    if message.first() == Some(&b'.') {
        add(b".");
    }
    for at in memchr::memchr_iter(b'\n', message) {
        if at == 0 || message[at - 1] != b'\r' {
            return Err(LoneLineEnd);
        }
        line_ends += 1;
        if message.get(at + 1) == Some(&b'.') {
            // The first dot of the line goes twice: as the end of this piece and as the start of the next.
            add(&message[copied..=at + 1]);
            copied = at + 1;
        }
    }
    // Every LF follows a CR; so, if there are no more CRs than that, every CR precedes an LF.
    if memchr::memchr_iter(b'\r', message).count() != line_ends {
        return Err(LoneLineEnd);
    }
    add(&message[copied..]);
    if !message.is_empty() && !message.ends_with(b"\r\n") {
        stuffed.extend(b"\r\n");
    }
    stuffed.extend(FINAL_DOT);
    Ok(stuffed)
}

/// Returns the message that `content` carries: the doubled dots single again. `content` has no final dot any more.
pub fn unstuffed(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    let mut copied = usize::from(content.first() == Some(&b'.'));
    for at in memchr::memmem::find_iter(content, b"\r\n.") {
        out.extend_from_slice(&content[copied..at + 2]);
        copied = at + 3;
    }
    out.extend_from_slice(&content[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(message: &[u8]) -> Vec<u8> {
        let stuffed = stuffed(b"", message).unwrap();
        let whole: Vec<u8> = stuffed.pieces().collect::<Vec<_>>().concat();
        assert_eq!(whole.len(), stuffed.byte_count());
        whole
    }

    #[test]
    fn signatures_go_ahead_of_messages_small_and_large() {
        for message in ["Subject: x\r\n\r\n.x\r\n".to_owned(), "x\r\n".repeat(LARGE_BYTES / 3)] {
            let stuffed = stuffed(b"DKIM-Signature: v=1\r\n", message.as_bytes()).unwrap();
            let whole = stuffed.pieces().collect::<Vec<_>>().concat();
            assert_eq!(unstuffed(whole.strip_suffix(FINAL_DOT).unwrap()), format!("DKIM-Signature: v=1\r\n{message}").as_bytes());
            assert_eq!(stuffed.byte_count(), whole.len());
        }
    }

    #[test]
    fn a_large_message_goes_from_where_it_is() {
        let line = format!(".{}\r\n", "x".repeat(60));
        let message = line.repeat(LARGE_BYTES / line.len() + 1);
        let expected = format!(".{}.\r\n", message.replace("\r\n.", "\r\n.."));
        assert_eq!(String::from_utf8(whole(message.as_bytes())).unwrap(), expected);
        assert!(stuffed(b"", message.as_bytes()).unwrap().last.len() < 10, "it was copied");
    }

    #[test]
    fn leading_dots_are_doubled_and_the_end_is_there() {
        for (message, expected) in [
            ("", ".\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            ("a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r\n..b\r\n.c.d\r\n", "a\r\n...b\r\n..c.d\r\n.\r\n"),
            ("\r\n\r\n.", "\r\n\r\n..\r\n.\r\n"),
        ] {
            assert_eq!(String::from_utf8(whole(message.as_bytes())).unwrap(), expected, "{message:?}");
        }
    }

    #[test]
    fn a_lone_line_end_is_refused() {
        for message in ["\n", "\r", "a\nb\r\n", "a\rb\r\n", "a\r\r\n", "a\n.\r\n", "a\r\n\n", "a\r\n\r"] {
            assert_eq!(stuffed(b"", message.as_bytes()), Err(LoneLineEnd), "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn stuffing_comes_undone_and_hides_every_end(lines in prop::collection::vec("[.a]{0,3}", 0..12)) {
            let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let sent = whole(message.as_bytes());
            let content = sent.strip_suffix(FINAL_DOT).unwrap();
            prop_assert_eq!(unstuffed(content), message.as_bytes());
            let framed = [b"\r\n", &*sent].concat();
            prop_assert_eq!(memchr::memmem::find(&framed, b"\r\n.\r\n"), Some(framed.len() - 5));
        }
    }
}
