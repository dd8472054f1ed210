//! A copy of a message that was sent, to be sent once more: the same letter under another key.

use crate::domain::date::Timestamp;

/// Returns the message in `bytes` with `key` as its own, dated `now`. Everything else stays as it was sent: a copy says
/// what the first one said.
///
/// An id of its own is needed: servers and mailboxes take a second mail with the same one for the first and drop it.
/// Source: RFC 5322 §3.6.4.
pub fn copy(bytes: &[u8], key: &str, now: Timestamp) -> Vec<u8> {
    let mut copied = Vec::with_capacity(bytes.len() + 2 * key.len());
    let mut rest = bytes;
    // The three lines are short (`message::mime`), so none of them is folded.
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let (line, after) = rest.split_at(end + 2);
        if line.len() == 2 {
            break;
        }
        match own_line(line, key, now) {
            Some(own) => copied.extend_from_slice(own.as_bytes()),
            None => copied.extend_from_slice(line),
        }
        rest = after;
    }
    copied.extend_from_slice(rest);
    copied
}

/// Returns what a header line becomes in the copy, if it changes.
fn own_line(line: &[u8], key: &str, now: Timestamp) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?;
    let (name, value) = line.split_once(": ")?;
    match name {
        "Date" => Some(format!("Date: {}\r\n", jiff::fmt::rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC)).ok()?)),
        "Message-ID" => Some(format!("Message-ID: <{key}@{}", value.split_once('@')?.1)),
        "X-Dunlin-Key" => Some(format!("X-Dunlin-Key: {key}\r\n")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_an_id_and_a_date_of_its_own_and_the_same_letter() {
        let sent = "X-Original-To: a@b.example\r\nDate: Tue, 10 Mar 2026 08:00:00 +0100\r\nMessage-ID: <abc@seller.example>\r\n\
            Subject: Invoice\r\n 7\r\nX-Dunlin-Key: abc\r\n\r\nMessage-ID: <abc@seller.example>\r\n\r\nabc";
        let copied = copy(sent.as_bytes(), "abc-1", "2026-03-12T09:30:00Z".parse().unwrap());
        assert_eq!(
            String::from_utf8(copied).unwrap(),
            "X-Original-To: a@b.example\r\nDate: Thu, 12 Mar 2026 09:30:00 +0000\r\nMessage-ID: <abc-1@seller.example>\r\n\
             Subject: Invoice\r\n 7\r\nX-Dunlin-Key: abc-1\r\n\r\nMessage-ID: <abc@seller.example>\r\n\r\nabc"
        );
        for odd in ["", "no end", "\r\nbody", "Date: x\r\n"] {
            copy(odd.as_bytes(), "k", "2026-03-12T09:30:00Z".parse().unwrap());
        }
    }
}
