//! A file that goes with a mail: what it may be called, and how large all of them may be.

use compact_str::CompactString;

use crate::message::contents::Contents;

/// How many bytes the files of one mail may have together, base64 not counted. What its servers take is less in general and is
/// known to whoever sends; this is what the largest take (150 MB as sent, Exchange Online) and bounds the memory of a mail.
pub const ATTACHMENTS_BYTES_MAX: usize = 110_000_000;
/// The longest name of a file, in characters.
pub const FILE_NAME_CHARACTERS_MAX: usize = 120;
/// The longest content type, in characters. Source: RFC 6838 §4.2, 127 for each half.
const CONTENT_TYPE_CHARACTERS_MAX: usize = 255;

/// A file that goes with a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, without any folder; [`attachment_fault`] finds nothing in it.
    pub name: String,
    /// Its content type: `application/pdf`.
    pub content_type: String,
    /// Its bytes.
    pub contents: Contents,
    /// The id of the customer whose paper it is; `None`: it was made for the mail, or is shared by all.
    pub customer: Option<CompactString>,
}

/// Returns why a file may not be called so, or be of that type, if it may not.
///
/// Names are what every system can store and no header can be led astray by; types are single documents, since a mail or
/// a multipart inside would be taken apart by the reader's program. Source: RFC 6266 §4.3, RFC 6838 §4.2.
pub fn attachment_fault(name: &str, content_type: &str) -> Option<String> {
    if name.is_empty() || name.chars().count() > FILE_NAME_CHARACTERS_MAX {
        return Some(format!("its name has to have 1 to {FILE_NAME_CHARACTERS_MAX} characters"));
    }
    if !name.chars().all(is_plain) || name.starts_with(['.', ' ', '-']) || name.ends_with(['.', ' ']) {
        let shown: String = name.chars().take(80).collect();
        return Some(format!("{shown:?} is no name of a file: use letters, digits, spaces and -_.,()+"));
    }
    let is_token = |half: &str| {
        half.starts_with(|c: char| c.is_ascii_alphanumeric())
            && half.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    let halves = content_type.split_once('/').filter(|(kind, sub)| is_token(kind) && is_token(sub));
    let is_single = halves.is_some_and(|(kind, _)| !["multipart", "message"].contains(&kind.to_ascii_lowercase().as_str()));
    if !is_single || content_type.len() > CONTENT_TYPE_CHARACTERS_MAX {
        let shown: String = content_type.chars().take(80).collect();
        return Some(format!("{shown:?} is no content type of a document, such as application/pdf"));
    }
    None
}

/// Returns a name of a file with that ending, made from any text: what a name cannot hold becomes `-`.
///
/// [`attachment_fault`] finds nothing in it.
pub(crate) fn file_name(text: &str, ending: &str) -> String {
    let is_there = |stem: &str| stem.to_lowercase().ends_with(&format!(".{ending}"));
    let stem = if is_there(text) { &text[..text.len() - ending.len() - 1] } else { text };
    let room = FILE_NAME_CHARACTERS_MAX.saturating_sub(ending.chars().count() + 1);
    let plain: String = stem.chars().map(|c| if is_plain(c) { c } else { '-' }).take(room).collect();
    let plain = plain.trim_start_matches(['.', ' ', '-']).trim_end_matches(['.', ' ']);
    format!("{}.{ending}", if plain.is_empty() { "file" } else { plain })
}

/// Returns the name a fetched file goes under: its own, where it can be one, else with what cannot stand in it replaced.
pub fn attachment_name(name: &str) -> String {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, "bin"));
    let ending: String = ending.chars().filter(char::is_ascii_alphanumeric).take(10).collect();
    file_name(stem, &ending)
}

/// Returns whether a name may hold `c`.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || " -_.,()+".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_name_and_no_path_header_or_trick() {
        for name in ["INV-1.pdf", "Rechnung März (2).pdf", "請求書.pdf", "a"] {
            assert_eq!(attachment_fault(name, "application/pdf"), None, "{name}");
        }
        let long = "a".repeat(FILE_NAME_CHARACTERS_MAX + 1);
        for name in [
            "",
            "../a.pdf",
            "a/b",
            "a\\b",
            "C:a",
            ".bashrc",
            "-rf",
            "a\r\nBcc: x",
            "a\u{202e}fdp.exe",
            "a\0",
            "a.",
            " a",
            "a\"b",
            &long,
        ] {
            assert!(attachment_fault(name, "application/pdf").is_some(), "{name:?}");
        }
    }

    #[test]
    fn a_content_type_is_that_of_one_document() {
        for kind in ["application/pdf", "text/csv", "image/svg+xml", "application/vnd.oasis.opendocument.text"] {
            assert_eq!(attachment_fault("a", kind), None, "{kind}");
        }
        for kind in
            ["", "pdf", "text/plain; charset=utf-8", "a/b\r\nX: y", "multipart/mixed", "Message/RFC822", "/", "a/", "a/b/c"]
        {
            assert!(attachment_fault("a", kind).is_some(), "{kind:?}");
        }
    }
}
