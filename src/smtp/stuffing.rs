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

/// Returns `message` with every leading dot doubled, a CRLF at its end where it lacks one, and the final dot.
///
/// Source: RFC 5321 §4.5.2.
///
/// # Errors
/// [`LoneLineEnd`].
pub fn stuffed(message: &[u8]) -> Result<Vec<u8>, LoneLineEnd> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 64 + 16);
    let (mut copied, mut line_ends) = (0, 0);
    if message.first() == Some(&b'.') {
        out.push(b'.');
    }
    for at in memchr::memchr_iter(b'\n', message) {
        if at == 0 || message[at - 1] != b'\r' {
            return Err(LoneLineEnd);
        }
        line_ends += 1;
        if message.get(at + 1) == Some(&b'.') {
            out.extend_from_slice(&message[copied..=at]);
            out.push(b'.');
            copied = at + 1;
        }
    }
    // Every LF follows a CR; so, if there are no more CRs than that, every CR precedes an LF.
    if memchr::memchr_iter(b'\r', message).count() != line_ends {
        return Err(LoneLineEnd);
    }
    out.extend_from_slice(&message[copied..]);
    if !message.is_empty() && !message.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(FINAL_DOT);
    Ok(out)
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
            assert_eq!(String::from_utf8(stuffed(message.as_bytes()).unwrap()).unwrap(), expected, "{message:?}");
        }
    }

    #[test]
    fn a_lone_line_end_is_refused() {
        for message in ["\n", "\r", "a\nb\r\n", "a\rb\r\n", "a\r\r\n", "a\n.\r\n", "a\r\n\n", "a\r\n\r"] {
            assert_eq!(stuffed(message.as_bytes()), Err(LoneLineEnd), "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn stuffing_comes_undone_and_hides_every_end(lines in prop::collection::vec("[.a]{0,3}", 0..12)) {
            let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let sent = stuffed(message.as_bytes()).unwrap();
            let content = sent.strip_suffix(FINAL_DOT).unwrap();
            prop_assert_eq!(unstuffed(content), message.as_bytes());
            let framed = [b"\r\n", &*sent].concat();
            prop_assert_eq!(memchr::memmem::find(&framed, b"\r\n.\r\n"), Some(framed.len() - 5));
        }
    }
}
