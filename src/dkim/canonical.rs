//! The relaxed form of a message: what a signature is over, whatever servers do to folds, blanks and the case of names.
//!
//! Source: RFC 6376 §3.4.2 (header), §3.4.4 (body).

use ring::digest::{Context, Digest, SHA256};

/// Returns the header's fields, each with its folds and without its last line end, and the body.
pub(crate) fn parts(message: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut fields = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        if let Some(body) = rest.strip_prefix(b"\r\n") {
            return (fields, body);
        }
        let end = field_end(rest);
        fields.push(rest[..end].strip_suffix(b"\r\n").unwrap_or(&rest[..end]));
        rest = &rest[end..];
    }
    (fields, rest)
}

/// Returns where the field ends that `text` begins with: after the first line end that no blank follows.
fn field_end(text: &[u8]) -> usize {
    let ends = memchr::memmem::find_iter(text, b"\r\n").map(|at| at + 2);
    ends.into_iter().find(|end| !matches!(text.get(*end), Some(b' ' | b'\t'))).unwrap_or(text.len())
}

/// Returns the name of a field.
pub(crate) fn field_name(field: &[u8]) -> &[u8] {
    let end = memchr::memchr(b':', field).unwrap_or(field.len());
    field[..end].trim_ascii_end()
}

/// Appends the relaxed form of a field, its line end left out.
pub(crate) fn relaxed_field(field: &[u8], out: &mut Vec<u8>) {
    let colon = memchr::memchr(b':', field).unwrap_or(field.len());
    out.extend(field_name(field).iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let value = field.get(colon + 1..).unwrap_or_default().iter().copied();
    let unfolded: Vec<u8> = value.filter(|byte| !b"\r\n".contains(byte)).skip_while(|byte| b" \t".contains(byte)).collect();
    relaxed_line(&unfolded, out);
}

/// Appends a line with one blank for every run of them and none at its end.
fn relaxed_line(line: &[u8], out: &mut Vec<u8>) {
    let mut has_gap = false;
    for byte in line {
        match byte {
            b' ' | b'\t' => has_gap = true,
            other => {
                if std::mem::take(&mut has_gap) {
                    out.push(b' ');
                }
                out.push(*other);
            }
        }
    }
}

/// Returns the hash of the relaxed form of a body.
pub(crate) fn body_hash(body: &[u8]) -> Digest {
    let mut hash = Context::new(&SHA256);
    let (mut empty_count, mut line) = (0, Vec::new());
    let mut rest = body;
    while !rest.is_empty() {
        let end = memchr::memmem::find(rest, b"\r\n");
        line.clear();
        relaxed_line(&rest[..end.unwrap_or(rest.len())], &mut line);
        rest = end.map_or(&[][..], |end| &rest[end + 2..]);
        // Empty lines count only if another line follows.
        if line.is_empty() {
            empty_count += 1;
            continue;
        }
        (0..std::mem::take(&mut empty_count)).for_each(|_| hash.update(b"\r\n"));
        line.extend_from_slice(b"\r\n");
        hash.update(&line);
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_message_comes_apart_at_its_first_empty_line() {
        for (message, fields, body) in [
            ("A: b\r\nC: d\r\n\te\r\n\r\nx\r\n\r\ny", vec!["A: b", "C: d\r\n\te"], "x\r\n\r\ny"),
            ("A: b\r\n", vec!["A: b"], ""),
            ("A: b", vec!["A: b"], ""),
            ("\r\nbody", vec![], "body"),
            ("", vec![], ""),
        ] {
            let (found, rest) = parts(message.as_bytes());
            let found: Vec<&str> = found.into_iter().map(|field| std::str::from_utf8(field).unwrap()).collect();
            assert_eq!((found, std::str::from_utf8(rest).unwrap()), (fields, body), "{message:?}");
        }
    }

    #[test]
    fn a_field_loses_its_folds_its_case_and_its_blanks() {
        // The first two are of RFC 6376 §3.4.5.
        for (field, expected) in [
            ("A: X", "a:X"),
            ("B : Y\t\r\n\tZ  ", "b:Y Z"),
            ("SUBJECT:\r\n a  b", "subject:a b"),
            ("X:", "x:"),
            ("no colon", "no colon:"),
        ] {
            let mut out = Vec::new();
            relaxed_field(field.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{field:?}");
        }
    }

    #[test]
    fn a_body_loses_blanks_at_line_ends_and_empty_lines_at_its_end() {
        let hash = |body: &str| STANDARD.encode(body_hash(body.as_bytes()));
        // Of an empty body. Source: RFC 6376 §3.4.4.
        let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        for body in ["", "\r\n", "\r\n\r\n", " \t\r\n", " "] {
            assert_eq!(hash(body), empty, "{body:?}");
        }
        for (body, same) in [
            (" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"),
            ("x", "x\r\n"),
            ("a\r\n\r\n\r\nb", "a\r\n \r\n\t\r\nb\r\n"),
            (".\r\n", ".\r\n\r\n"),
        ] {
            assert_eq!(hash(body), hash(same), "{body:?}");
        }
        for (body, other) in [("a b", "ab"), (" a", "a"), ("a\r\n\r\nb", "a\r\nb"), ("A", "a")] {
            assert_ne!(hash(body), hash(other), "{body:?}");
        }
    }
}
