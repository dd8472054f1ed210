//! The bytes of a message: header, blank line, parts. No value gets into a header unchecked or unencoded.

use std::borrow::Cow;
// Writers into memory; nothing leaves the process.
use std::io;
use std::iter;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use compact_str::CompactString;
use email_encoding::headers::rfc2231;
use email_encoding::headers::writer::EmailWriter;
use sha2::{Digest, Sha256};

use crate::domain::header::ExtraHeader;
use crate::domain::mailbox::{Recipient, RecipientRole};
use crate::message::annex::zip::{Packing, pack};
use crate::message::annex::{Piece, ZIP_TYPE};
use crate::message::base64_lines::{Base64Lines, encoded_octets};
use crate::message::compose::{ComposeFault, ComposedFile};
use crate::template::{Rendered, ShownImage};

/// How many octets of text one encoded word carries: 45 make 60 in base64, and with its marks less than 75.
///
/// Source: RFC 2047 §2.
const ENCODED_WORD_OCTETS: usize = 45;

/// The fewest octets worth an encoded word; any letter has room in them.
const ENCODED_WORD_OCTETS_MIN: usize = 6;

/// The octets of `=?utf-8?b?` and `?=`.
const ENCODED_WORD_MARKS: usize = 12;

/// How long a line may be to go out as it is. Source: RFC 2045 §6.7, the limit of quoted-printable, met everywhere; RFC 2047
/// §2, of lines with encoded words.
const LINE_OCTETS: usize = 76;

/// Who a message is from and to, and what makes it itself; every value checked.
#[derive(Debug)]
pub(crate) struct Envelope<'l> {
    pub(crate) key: &'l str,
    /// The Message-ID, without brackets.
    pub(crate) header_id: String,
    pub(crate) from_name: &'l str,
    pub(crate) from: CompactString,
    /// Where bounces go: in no header, since the last server writes it.
    pub(crate) return_path: CompactString,
    pub(crate) reply_to: Option<CompactString>,
    pub(crate) recipients: Vec<Recipient>,
    pub(crate) date: &'l jiff::Zoned,
    /// The Message-IDs of the mails before it, the oldest first, without brackets.
    pub(crate) thread: Vec<&'l str>,
    pub(crate) list_help: Option<&'l str>,
    pub(crate) headers: Vec<&'l ExtraHeader>,
}

impl Envelope<'_> {
    /// Returns every text of a header that somebody wrote.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let addresses = self.recipients.iter().map(|recipient| recipient.address.as_str());
        let headers = self.headers.iter().map(|header| header.value.as_str());
        addresses.chain(headers).chain([self.from_name, self.from.as_str()]).chain(self.list_help)
    }
}

/// Returns the whole message; lines end in CRLF, dots not yet stuffed. Beside it, the files as they were written.
///
/// There is one copy of a file in memory at a time besides the message itself: what is kept elsewhere is read, packed and encoded
/// piece by piece, right where it belongs.
pub(crate) fn message_bytes(
    envelope: &Envelope<'_>,
    rendered: &Rendered,
    pieces: &[Piece<'_>],
) -> Result<(Vec<u8>, Vec<ComposedFile>), ComposeFault> {
    let text = Part::of_text("text/plain", &rendered.text);
    let words = match &rendered.html {
        None => text,
        Some(html) => {
            let html = shown_with(envelope.key, Part::of_text("text/html", html), &rendered.images);
            Part::of_parts("alternative", &format!("=_{}", envelope.key), &[text, html])
        }
    };
    let headers = headers(envelope, &rendered.subject)?;
    let octets: usize = pieces.iter().map(|piece| encoded_octets(piece.byte_count()) + HEAD_OCTETS).sum();
    let mut bytes = Vec::with_capacity(HEAD_OCTETS + words.octets() + octets);
    headers.write(&mut bytes);
    if pieces.is_empty() {
        words.write(&mut bytes);
        return Ok((bytes, Vec::new()));
    }
    // Source: RFC 2046 §5.1; how a boundary cannot occur in a part, `Part::of_parts` says.
    let boundary = format!("=_m{}", envelope.key);
    bytes.extend(format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n").bytes());
    words.write(&mut bytes);
    let mut files = Vec::new();
    for piece in pieces {
        bytes.extend(format!("--{boundary}\r\n").bytes());
        let written = write_piece(piece, envelope, &mut bytes);
        let unreadable = |error: io::Error| ComposeFault::AttachmentUnusable { fault: format!("`{}`: {error}", piece.name()) };
        files.extend(written.map_err(unreadable)?);
    }
    bytes.extend(format!("--{boundary}--\r\n").bytes());
    Ok((bytes, files))
}

/// Writes a file as a part, always in base64: no relay may touch it. Returns it, and those it holds.
fn write_piece(piece: &Piece<'_>, envelope: &Envelope<'_>, bytes: &mut Vec<u8>) -> io::Result<Vec<ComposedFile>> {
    let content_type = match piece {
        Piece::File(file) => &file.content_type,
        Piece::Pack { .. } => ZIP_TYPE,
    };
    bytes.extend(file_head(piece.name(), content_type).bytes());
    bytes.extend(b"\r\n");
    let mut encoded = Base64Lines::new(bytes);
    let packed_in = match piece {
        Piece::File(_) => None,
        Piece::Pack { name, .. } => Some(name.clone()),
    };
    let as_written = piece.files().iter().map(|file| ComposedFile {
        name: file.name.clone(),
        packed_in: packed_in.clone(),
        content_type: file.content_type.clone(),
        byte_count: file.contents.byte_count(),
        hash: file.contents.hash(),
        customer: file.customer.clone(),
    });
    let mut files: Vec<ComposedFile> = Vec::new();
    match piece {
        Piece::File(file) => file.contents.write_to(&mut encoded)?,
        Piece::Pack { name, files: held, password } => {
            let packing = Packing { password: *password, key: envelope.key, date: envelope.date };
            let mut counted = Counted { sink: &mut encoded, hash: Sha256::new(), byte_count: 0 };
            pack(held, &packing, &mut counted)?;
            let Counted { hash, byte_count, .. } = counted;
            files.push(ComposedFile {
                name: name.clone(),
                packed_in: None,
                content_type: ZIP_TYPE.to_owned(),
                byte_count,
                hash: hash.finalize().into(),
                customer: None,
            });
        }
    }
    encoded.finish();
    bytes.extend(b"\r\n");
    files.extend(as_written);
    Ok(files)
}

/// Hands bytes on, and knows how many there were and their hash.
struct Counted<W> {
    sink: W,
    hash: Sha256,
    byte_count: usize,
}

impl<W: io::Write> io::Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.sink.write(bytes)?;
        self.hash.update(&bytes[..taken]);
        self.byte_count += taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Returns the headers of a file's part. What it is called and its type hold nothing that could break out (`attachment_fault`).
fn file_head(name: &str, content_type: &str) -> String {
    let mut head =
        format!("Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;");
    let mut writer = EmailWriter::new(&mut head, "Content-Disposition: attachment;".len(), 0, false);
    writer.space();
    rfc2231::encode("filename", name, &mut writer).expect("a string takes what is written to it");
    drop(writer);
    head.push_str("\r\n");
    head
}

/// Returns the HTML with the images it shows as one part. Source: RFC 2387 §3.
fn shown_with(key: &str, html: Part, images: &[ShownImage]) -> Part {
    if images.is_empty() {
        return html;
    }
    let parts: Vec<Part> = iter::once(html).chain(images.iter().map(Part::of_image)).collect();
    Part::of_parts("related; type=\"text/html\"", &format!("=_r{key}"), &parts)
}

/// About how many octets the headers of a mail have; only room is made by it.
const HEAD_OCTETS: usize = 1024;

/// One part of a mail: its headers, each line ended, and its body as it goes over the wire, the last line not ended.
struct Part {
    head: String,
    body: Vec<u8>,
}

impl Part {
    fn of_text(kind: &str, text: &str) -> Self {
        let text = match text.contains('\r') {
            true => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
            false => Cow::Borrowed(text),
        };
        // A part ends with a line end of its own.
        let text = text.trim_end_matches('\n').as_bytes();
        let is_plain = |byte| matches!(byte, b' '..=b'~');
        let is_plain = lines(text).all(|line| line.len() < LINE_OCTETS && is_safe(line, is_plain));
        let mut body = Vec::with_capacity(text.len() + text.len() / 16);
        for (place, line) in lines(text).enumerate() {
            if place > 0 {
                body.extend(b"\r\n");
            }
            match is_plain {
                true => body.extend(line),
                false => quoted_printable(line, &mut body),
            }
        }
        let encoding = if is_plain { "7bit" } else { "quoted-printable" };
        Self { head: format!("Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"), body }
    }

    /// An image within the HTML. Its id and name hold nothing that could break out (`Album`, `image_fault`).
    /// Source: RFC 2392 §2, RFC 2183 §2.1.
    fn of_image(shown: &ShownImage) -> Self {
        let ShownImage { content_id, image } = shown;
        let (kind, name) = (image.content_type(), &image.name);
        let head = format!(
            "Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <{content_id}>\r\n\
             Content-Disposition: inline; filename=\"{name}\"\r\n"
        );
        Self { head, body: base64_lines(&image.bytes) }
    }

    /// Several parts as one. A boundary begins with `=_`, which neither quoted-printable nor base64 can contain, and nothing that
    /// is sent as it stands begins a line with it and the mail's own key. Source: RFC 2046 §5.1.
    fn of_parts(kind: &str, boundary: &str, parts: &[Self]) -> Self {
        let head = format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n");
        let octets = parts.iter().map(|part| part.octets() + boundary.len() + 8).sum::<usize>();
        let mut body = Vec::with_capacity(octets + boundary.len());
        for part in parts {
            body.extend(format!("--{boundary}\r\n").bytes());
            part.write(&mut body);
        }
        body.extend(format!("--{boundary}--").bytes());
        Self { head, body }
    }

    fn octets(&self) -> usize {
        self.head.len() + self.body.len() + 4
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        for piece in [self.head.as_bytes(), b"\r\n", &self.body, b"\r\n"] {
            bytes.extend(piece);
        }
    }
}

/// Returns whether a line survives every relay that leaves alone what `survives`: trailing blanks and `From ` at its start do not.
fn is_safe(line: &[u8], survives: impl Fn(u8) -> bool) -> bool {
    // To the last byte whatever was found before, so that many are looked at in one step.
    let all = line.iter().fold(true, |so_far, byte| so_far & survives(*byte));
    all && !line.ends_with(b" ") && !line.ends_with(b"\t") && !line.starts_with(b"From ")
}

/// Returns whether quoted-printable leaves an octet as it is, within a line. Source: RFC 2045 §6.7.
fn stands(byte: u8) -> bool {
    matches!(byte, b' '..=b'<' | b'>'..=b'~' | b'\t')
}

/// Returns the lines of a text, without their ends; at least one.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', text).chain([text.len()]).map(move |end| &text[std::mem::replace(&mut start, end + 1)..end])
}

/// Returns bytes in base64, in lines of 76 octets. Source: RFC 2045 §6.8.
fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    let mut lines = String::with_capacity(bytes.len().div_ceil(57) * 78);
    email_encoding::body::base64::encode(bytes, &mut lines).expect("a string takes what is written to it");
    lines.into_bytes()
}

/// Writes one line in quoted-printable, no line of it longer than 76 octets. Source: RFC 2045 §6.7.
fn quoted_printable(line: &[u8], bytes: &mut Vec<u8>) {
    // As most lines do: one look instead of many.
    if line.len() <= LINE_OCTETS && is_safe(line, stands) {
        bytes.extend(line);
        return;
    }
    let (mut rest, mut octets) = (line, 0);
    while let [first, after @ ..] = rest {
        let stands = standing(rest, octets == 0);
        let ends_line = |count: usize, width: usize| count == rest.len() && octets + width <= LINE_OCTETS;
        // All but the end of a line leave room for the `=` that says that it goes on.
        let room = LINE_OCTETS - 1 - octets;
        if stands > 0 && (room > 0 || ends_line(stands, stands)) {
            let (fitting, left) = rest.split_at(if ends_line(stands, stands) { stands } else { stands.min(room) });
            bytes.extend(fitting);
            (rest, octets) = (left, octets + fitting.len());
        } else if stands == 0 && (room >= 3 || ends_line(1, 3)) {
            let digit = |half: u8| b"0123456789ABCDEF"[usize::from(half)];
            bytes.extend([b'=', digit(first >> 4), digit(first & 15)]);
            (rest, octets) = (after, octets + 3);
        } else {
            bytes.extend(b"=\r\n");
            octets = 0;
        }
    }
}

/// Returns how many octets that a line goes on with, a line's worth at most, go out as they are.
fn standing(rest: &[u8], is_at_start: bool) -> usize {
    // Relays that keep mails in files change it.
    if is_at_start && rest.starts_with(b"From ") {
        return 0;
    }
    let within = &rest[..rest.len().min(LINE_OCTETS)];
    let count = within.iter().position(|byte| !stands(*byte)).unwrap_or(within.len());
    match rest.last() {
        Some(b' ' | b'\t') if count == rest.len() => count - 1,
        _ => count,
    }
}

/// The headers of a mail, in the order they are written.
#[derive(Default)]
struct Headers(Vec<(String, String)>);

impl Headers {
    /// Adds a header whose value can be written as it stands: printable ASCII, folded where it is long.
    fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            for piece in [name, ": ", value, "\r\n"] {
                bytes.extend(piece.as_bytes());
            }
        }
    }
}

fn headers(envelope: &Envelope<'_>, subject: &str) -> Result<Headers, ComposeFault> {
    let mut headers = Headers::default();
    let date = jiff::fmt::rfc2822::to_string(envelope.date);
    headers.add("Date", date.map_err(|_| ComposeFault::DateUnusable { date: envelope.date.to_string() })?);
    headers.add("Message-ID", format!("<{}>", envelope.header_id));
    if let Some(last) = envelope.thread.last() {
        // Mail programs show it below the mails before it. Source: RFC 5322 §3.6.4; one id a line keeps lines short.
        headers.add("In-Reply-To", format!("<{last}>"));
        let ids: Vec<String> = envelope.thread.iter().map(|id| format!("<{id}>")).collect();
        headers.add("References", ids.join("\r\n "));
    }
    let list = |role: RecipientRole| -> Vec<(&str, &str)> {
        let own = envelope.recipients.iter().filter(|recipient| recipient.role == role);
        own.map(|recipient| ("", recipient.address.as_str())).collect()
    };
    let reply_to: Vec<(&str, &str)> = envelope.reply_to.iter().map(|address| ("", address.as_str())).collect();
    let from = [(envelope.from_name, envelope.from.as_str())];
    let (to, cc) = (list(RecipientRole::To), list(RecipientRole::Cc));
    for (name, addresses) in [("From", &from[..]), ("Reply-To", &reply_to), ("To", &to), ("Cc", &cc)] {
        if !addresses.is_empty() {
            headers.add(name, address_list(name, addresses));
        }
    }
    headers.add("Subject", free_text("Subject", subject));
    headers.add("MIME-Version", "1.0");
    // Source: RFC 3834 §5; keeps vacation replies from answering.
    headers.add("Auto-Submitted", "auto-generated");
    // The same for Exchange, which knows only its own word.
    headers.add("X-Auto-Response-Suppress", "All");
    // Some services replace the Message-ID; this one stays.
    headers.add("X-Dunlin-Key", envelope.key);
    if let Some(help) = envelope.list_help {
        headers.add("List-Help", format!("<{help}>"));
    }
    for ExtraHeader { name, value } in &envelope.headers {
        headers.add(name, free_text(name, value.trim()));
    }
    Ok(headers)
}

/// Returns the value of an address header, folded between the addresses.
fn address_list(name: &str, list: &[(&str, &str)]) -> String {
    let mut value = Folded::after(name);
    for (place, (display, address)) in list.iter().enumerate() {
        let end = if place + 1 < list.len() { "," } else { "" };
        if display.is_empty() {
            value.add(&format!("{address}{end}"));
            continue;
        }
        let is_plain = is_plain(display) && display.len() <= LINE_OCTETS - 2;
        if is_plain {
            value.add(&format!("\"{}\"", display.replace('\\', "\\\\").replace('"', "\\\"")));
        } else {
            value.add_encoded(display);
        }
        value.add(&format!("<{address}>{end}"));
    }
    value.text
}

/// Returns the value of a header of free text, folded between its words: as it stands where it is plain, else in encoded words.
fn free_text(name: &str, text: &str) -> String {
    let mut value = Folded::after(name);
    if is_plain(text) {
        text.split(' ').for_each(|word| value.add(word));
    } else {
        value.add_encoded(text);
    }
    value.text
}

/// Returns whether a text can stand in a header as it is: no reader would decode it, and each of its words, which single blanks
/// part, fits into a line.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !text.contains("=?")
        && text.split(' ').all(|word| (1..=LINE_OCTETS).contains(&word.len()))
}

/// A header's value on its way, folded before what would make a line too long.
struct Folded {
    text: String,
    line_octets: usize,
}

impl Folded {
    fn after(name: &str) -> Self {
        Self { text: String::new(), line_octets: name.len() + ": ".len() }
    }

    /// Adds a piece that must not be broken.
    fn add(&mut self, piece: &str) {
        if self.text.is_empty() || self.text.ends_with("\r\n ") {
            // A first line without a word is what old readers stumble over: what is too long stays in it.
        } else if self.line_octets + 1 + piece.len() > LINE_OCTETS {
            self.fold();
        } else {
            self.text.push(' ');
            self.line_octets += 1;
        }
        self.text.push_str(piece);
        self.line_octets += piece.len();
    }

    /// Adds a text in encoded words, each as long as its line has room for. Source: RFC 2047 §2.
    fn add_encoded(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let room = LINE_OCTETS.saturating_sub(self.line_octets + 1 + ENCODED_WORD_MARKS) / 4 * 3;
            if room < ENCODED_WORD_OCTETS_MIN {
                self.fold();
                continue;
            }
            let (word, after) = rest.split_at(rest.floor_char_boundary(room.min(ENCODED_WORD_OCTETS)));
            self.add(&format!("=?utf-8?b?{}?=", STANDARD.encode(word)));
            rest = after;
        }
    }

    fn fold(&mut self) {
        self.text.push_str("\r\n ");
        self.line_octets = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_quoted_printable_is_short_enough_and_says_the_same() {
        let cases: [(&str, &str); 12] = [
            ("", ""),
            ("plain", "plain"),
            ("a=b", "a=3Db"),
            ("Grüße", "Gr=C3=BC=C3=9Fe"),
            ("blank at the end ", "blank at the end=20"),
            ("two  ", "two =20"),
            (" ", "=20"),
            ("tab\t", "tab=09"),
            ("From here", "=46rom here"),
            ("Fromage", "Fromage"),
            (&"x".repeat(76), &"x".repeat(76)),
            (&"x".repeat(77), &format!("{}=\r\nxx", "x".repeat(75))),
        ];
        for (line, expected) in cases {
            assert_eq!(quoted(line), expected);
        }
        assert_eq!(quoted(&format!("{}ü", "x".repeat(71))), format!("{}=C3=\r\n=BC", "x".repeat(71)));
        assert_eq!(quoted(&format!("{}From a", "x".repeat(75))), format!("{}=\r\n=46rom a", "x".repeat(75)));
    }

    proptest::proptest! {
        #[test]
        fn any_line_comes_back(line in "([ -~]{0,90}|\\PC{0,30}|From |[= \t]{0,5}){0,4}") {
            let written = quoted(&line);
            for part in written.split("\r\n") {
                proptest::prop_assert!(part.len() <= LINE_OCTETS && !part.ends_with([' ', '\t']) && !part.starts_with("From "));
                proptest::prop_assert!(part.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')));
            }
            let read = mail_parser::decoders::quoted_printable::quoted_printable_decode(written.as_bytes()).unwrap();
            proptest::prop_assert_eq!(String::from_utf8(read).unwrap(), line);
        }
    }

    fn quoted(line: &str) -> String {
        let mut bytes = Vec::new();
        quoted_printable(line.as_bytes(), &mut bytes);
        String::from_utf8(bytes).unwrap()
    }
}
