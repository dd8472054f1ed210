//! What kind of file a document is: by the ending of its name, held against its first and last bytes.
//!
//! A page that says "not found" under the name of a PDF, and a PDF that its writer has not finished, are the two that reach
//! customers. Kinds without a mark of their own (text, CSV) are taken as they are.

/// A kind of file.
struct FileKind {
    ending: &'static str,
    content_type: &'static str,
    mark: Mark,
}

/// By what a file of a kind is known.
enum Mark {
    /// `%PDF-` among its first 1024 bytes and `%%EOF` among its last. Source: ISO 32000-1 annex H.3, implementation notes 13 and 18.
    Pdf,
    /// A ZIP with its directory at the end. Source: APPNOTE.TXT 4.3.16.
    Zip,
    /// `<` first, `>` last.
    Markup,
    /// These bytes first.
    Start(&'static [u8]),
    /// Any bytes.
    None,
}

/// Every kind that is known.
const KINDS: [FileKind; 16] = [
    kind("pdf", "application/pdf", Mark::Pdf),
    kind("xml", "application/xml", Mark::Markup),
    kind("zip", "application/zip", Mark::Zip),
    kind("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Mark::Zip),
    kind("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", Mark::Zip),
    kind("ods", "application/vnd.oasis.opendocument.spreadsheet", Mark::Zip),
    kind("odt", "application/vnd.oasis.opendocument.text", Mark::Zip),
    kind("png", "image/png", Mark::Start(b"\x89PNG\r\n\x1a\n")),
    kind("jpg", "image/jpeg", Mark::Start(b"\xff\xd8\xff")),
    kind("jpeg", "image/jpeg", Mark::Start(b"\xff\xd8\xff")),
    kind("tif", "image/tiff", Mark::None),
    kind("tiff", "image/tiff", Mark::None),
    kind("csv", "text/csv", Mark::None),
    kind("txt", "text/plain", Mark::None),
    kind("edi", "application/edifact", Mark::None),
    kind("p7m", "application/pkcs7-mime", Mark::None),
];

const fn kind(ending: &'static str, content_type: &'static str, mark: Mark) -> FileKind {
    FileKind { ending, content_type, mark }
}

/// How many bytes at either end hold the marks.
const MARK_BYTES: usize = 1024;
/// How far from the end the directory of a ZIP may begin: a comment may follow it.
const ZIP_END_BYTES: usize = 65_557;

/// Returns the ending that a content type asks for, where it is one of a known kind.
pub fn ending_of(content_type: &str) -> Option<&'static str> {
    let bare = content_type.split(';').next().unwrap_or_default().trim();
    let bare = if bare.eq_ignore_ascii_case("text/xml") { "application/xml" } else { bare };
    KINDS.iter().find(|kind| kind.content_type.eq_ignore_ascii_case(bare)).map(|kind| kind.ending)
}

/// The first and the last bytes of a document, which may be too large to be held whole.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Ends {
    /// Returns those of a whole document.
    pub fn of(contents: &[u8]) -> Self {
        let mut ends = Self::default();
        ends.add(contents);
        ends
    }

    /// Takes in the next part of it.
    pub fn add(&mut self, part: &[u8]) {
        let missing = MARK_BYTES - self.head.len();
        self.head.extend(part.iter().take(missing));
        self.tail.extend(&part[part.len() - part.len().min(ZIP_END_BYTES)..]);
        self.tail.drain(..self.tail.len().saturating_sub(ZIP_END_BYTES));
    }
}

/// Returns the content type of a document with that name.
///
/// # Errors
/// The kind is not known, or the contents are none of that kind, or not whole.
pub fn document_type(name: &str, contents: &Ends) -> Result<&'static str, String> {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let Some(kind) = KINDS.iter().find(|kind| kind.ending.eq_ignore_ascii_case(ending)) else {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.ending).collect();
        return Err(format!("its name does not end like a document: {}", known.join(", ")));
    };
    let Ends { head, tail } = contents;
    if head.is_empty() {
        return Err("it is empty".to_owned());
    }
    let tail = |bytes: usize| &tail[tail.len() - tail.len().min(bytes)..];
    let has = |part: &[u8], mark: &[u8]| memchr::memmem::find(part, mark).is_some();
    let cut =
        || Err(format!("it is no whole {} file: its end is missing; is it still being written?", kind.ending.to_uppercase()));
    let (starts, ends) = match kind.mark {
        Mark::Pdf => (has(head, b"%PDF-"), has(tail(MARK_BYTES), b"%%EOF")),
        Mark::Zip => (head.starts_with(b"PK\x03\x04"), has(tail(ZIP_END_BYTES), b"PK\x05\x06")),
        Mark::Markup => {
            let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
            // UTF-16 has a mark of its own and is taken as it is.
            let is_utf_16 = text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff");
            (
                is_utf_16 || text.trim_ascii_start().starts_with(b"<"),
                is_utf_16 || tail(MARK_BYTES).trim_ascii_end().ends_with(b">"),
            )
        }
        Mark::Start(mark) => (head.starts_with(mark), true),
        Mark::None => (true, true),
    };
    if !starts {
        let shown: String =
            String::from_utf8_lossy(&head[..head.len().min(20)]).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        return Err(format!("it is no {} file: it begins with {shown:?}", kind.ending.to_uppercase()));
    }
    if !ends { cut() } else { Ok(kind.content_type) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_what_its_name_says_and_whole() {
        let pdf = b"%PDF-1.7\n1 0 obj\n%%EOF\n";
        for (name, contents, expected) in [
            ("a.pdf", &pdf[..], Ok("application/pdf")),
            ("A.PDF", &pdf[..], Ok("application/pdf")),
            ("a.xml", b"\xef\xbb\xbf<?xml version=\"1.0\"?><a/>\n", Ok("application/xml")),
            ("a.csv", b"a;b", Ok("text/csv")),
            ("a.pdf", b"", Err("it is empty")),
            ("a.pdf", b"%PDF-1.7\n1 0 obj", Err("it is no whole PDF file: its end is missing; is it still being written?")),
            ("a.pdf", b"<html>Not found", Err("it is no PDF file: it begins with \"<html>Not found\"")),
            ("a.zip", b"PK\x03\x04...", Err("it is no whole ZIP file: its end is missing; is it still being written?")),
            ("a.png", b"\x89PNG\r\n\x1a\n..", Ok("image/png")),
            ("a.jpg", b"\x89PNG\r\n\x1a\n..", Err("it is no JPG file: it begins with \"\u{fffd}PNG    ..\"")),
            ("a.xml", b"<a><b", Err("it is no whole XML file: its end is missing; is it still being written?")),
        ] {
            assert_eq!(document_type(name, &Ends::of(contents)), expected.map_err(str::to_owned), "{name}");
        }
        assert!(
            document_type("a.exe", &Ends::of(b"MZ")).unwrap_err().starts_with("its name does not end like a document: pdf, xml,")
        );
        assert!(document_type("a", &Ends::of(b"x")).is_err());
    }

    #[test]
    fn the_ends_of_a_document_are_the_same_in_whatever_parts_it_comes() {
        let contents: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        let whole = Ends::of(&contents);
        assert_eq!((&whole.head[..], &whole.tail[..]), (&contents[..1024], &contents[contents.len() - 65_557..]));
        for together in [1, 1023, 1025, 65_536, 65_558] {
            let mut ends = Ends::default();
            contents.chunks(together).for_each(|part| ends.add(part));
            assert!(ends.head == whole.head && ends.tail == whole.tail, "in parts of {together}");
        }
    }

    #[test]
    fn a_content_type_names_its_ending() {
        for (content_type, ending) in [
            ("application/pdf", Some("pdf")),
            ("Application/PDF; charset=binary", Some("pdf")),
            ("text/xml", Some("xml")),
            ("text/html", None),
            ("", None),
        ] {
            assert_eq!(ending_of(content_type), ending);
        }
    }
}
