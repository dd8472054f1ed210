//! The bytes of a message: header, blank line, parts. No value gets into a header unchecked or unencoded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use compact_str::CompactString;
use lettre::message::header::{self, ContentTransferEncoding, ContentType, HeaderName, HeaderValue, Headers};
use lettre::message::{Body, MultiPart, SinglePart};

use crate::domain::header::ExtraHeader;
use crate::domain::mailbox::{Recipient, RecipientRole};
use crate::message::attachment::Attachment;
use crate::message::compose::ComposeFault;
use crate::template::Rendered;

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

/// Returns the whole message; lines end in CRLF, dots not yet stuffed.
///
/// lettre's own message builder is not used, since it reads the clock for a Date it does not like.
pub(crate) fn message_bytes(
    envelope: &Envelope<'_>,
    rendered: &Rendered,
    attachments: &[Attachment],
) -> Result<Vec<u8>, ComposeFault> {
    let mut bytes = headers(envelope, &rendered.subject)?.to_string().into_bytes();
    let text = part(ContentType::TEXT_PLAIN, &rendered.text);
    // Neither quoted-printable nor base64 can contain `=_`.
    let alternative = rendered.html.as_ref().map(|html| {
        let both = MultiPart::alternative().boundary(format!("=_{}", envelope.key));
        both.singlepart(text.clone()).singlepart(part(ContentType::TEXT_HTML, html))
    });
    if attachments.is_empty() {
        bytes.extend(alternative.map_or_else(|| text.formatted(), |both| both.formatted()));
        return Ok(bytes);
    }
    let mixed = MultiPart::mixed().boundary(format!("=_m{}", envelope.key));
    let mut mixed = match alternative {
        Some(both) => mixed.multipart(both),
        None => mixed.singlepart(text),
    };
    for attachment in attachments {
        mixed = mixed.singlepart(file(attachment)?);
    }
    bytes.extend(mixed.formatted());
    Ok(bytes)
}

/// Returns the part of a file, always in base64: no relay may touch it.
fn file(attachment: &Attachment) -> Result<SinglePart, ComposeFault> {
    let fault = |fault: String| ComposeFault::AttachmentUnusable { fault };
    let kind = ContentType::parse(&attachment.content_type).map_err(|error| fault(error.to_string()))?;
    let body = Body::new_with_encoding(attachment.contents.clone(), ContentTransferEncoding::Base64);
    let body = body.map_err(|_| fault(format!("{:?} cannot be written in base64", attachment.name)))?;
    Ok(lettre::message::Attachment::new(attachment.name.clone()).body(body, kind))
}

fn headers(envelope: &Envelope<'_>, subject: &str) -> Result<Headers, ComposeFault> {
    let mut headers = Headers::new();
    let date = jiff::fmt::rfc2822::to_string(envelope.date);
    let date = date.map_err(|_| ComposeFault::DateUnusable { date: envelope.date.to_string() })?;
    let mut raw = |name: &'static str, value: String| headers.insert_raw(plain_header(name, value));
    raw("Date", date);
    raw("Message-ID", format!("<{}>", envelope.header_id));
    if let Some(last) = envelope.thread.last() {
        // Mail programs show it below the mails before it. Source: RFC 5322 §3.6.4; one id a line keeps lines short.
        raw("In-Reply-To", format!("<{last}>"));
        let ids: Vec<String> = envelope.thread.iter().map(|id| format!("<{id}>")).collect();
        raw("References", ids.join("\r\n "));
    }
    let list = |role: RecipientRole| -> Vec<(&str, &str)> {
        let own = envelope.recipients.iter().filter(|recipient| recipient.role == role);
        own.map(|recipient| ("", recipient.address.as_str())).collect()
    };
    let reply_to: Vec<(&str, &str)> = envelope.reply_to.iter().map(|address| ("", address.as_str())).collect();
    let lists = [
        address_header("From", &[(envelope.from_name, &envelope.from)]),
        address_header("Reply-To", &reply_to),
        address_header("To", &list(RecipientRole::To)),
        address_header("Cc", &list(RecipientRole::Cc)),
    ];
    lists.into_iter().flatten().for_each(|header| headers.insert_raw(header));
    headers.insert_raw(text_header(HeaderName::new_from_ascii_str("Subject"), subject));
    headers.set(header::MIME_VERSION_1_0);
    let mut raw = |name: &'static str, value: &str| headers.insert_raw(plain_header(name, value.to_owned()));
    // Source: RFC 3834 §5; keeps vacation replies from answering.
    raw("Auto-Submitted", "auto-generated");
    // The same for Exchange, which knows only its own word.
    raw("X-Auto-Response-Suppress", "All");
    // Some services replace the Message-ID; this one stays.
    raw("X-Dunlin-Key", envelope.key);
    if let Some(help) = envelope.list_help {
        raw("List-Help", &format!("<{help}>"));
    }
    for ExtraHeader { name, value } in &envelope.headers {
        let fault = |_| ComposeFault::HeaderUnusable { name: name.clone(), fault: "is no name of a header".to_owned() };
        headers.insert_raw(text_header(HeaderName::new_from_ascii(name.clone()).map_err(fault)?, value.trim()));
    }
    Ok(headers)
}

/// Returns a header whose value is known to be printable ASCII, folded where it is long. It is written as it stands: an
/// encoder that meets a long id or address would take it for text.
fn plain_header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}

/// Returns the header of an address list, none where the list is empty.
///
/// lettre writes a list of long addresses in one line, however long it gets; and what may stand in an address is narrower here
/// than what it would quote (`domain::mailbox`).
fn address_header(name: &'static str, list: &[(&str, &str)]) -> Option<HeaderValue> {
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
    (!list.is_empty()).then(|| value.header(name))
}

/// Returns the header of a free text: as it stands where it is plain, else in encoded words.
///
/// lettre leaves `=?` alone, which a reader would decode, and does not break a long word.
fn text_header(name: HeaderName, text: &str) -> HeaderValue {
    if is_plain(text) {
        return HeaderValue::new(name, text.to_owned());
    }
    let mut value = Folded::after(&name);
    value.add_encoded(text);
    HeaderValue::dangerous_new_pre_encoded(name, text.to_owned(), value.text)
}

/// Returns whether a text can stand in a header as it is: no reader would decode it, and no word is longer than a line.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c == ' ' || c.is_ascii_graphic())
        && !text.contains("=?")
        && text.split(' ').all(|word| word.len() <= LINE_OCTETS)
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

    fn header(self, name: &'static str) -> HeaderValue {
        HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), self.text.clone(), self.text)
    }
}

fn part(kind: ContentType, text: &str) -> SinglePart {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    // lettre ends the part with a line end of its own.
    let text = text.trim_end_matches('\n').to_owned();
    // lettre counts the line end before a line as part of it, and refuses to send a longer one as it is.
    let is_plain = |line: &str| line.len() + 1 < LINE_OCTETS && line.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    // Trailing blanks and `From ` at the start of a line do not survive every relay.
    let is_safe = |line: &str| is_plain(line) && !line.ends_with(' ') && !line.starts_with("From ");
    let encoding = match text.lines().all(is_safe) {
        true => ContentTransferEncoding::SevenBit,
        false => ContentTransferEncoding::QuotedPrintable,
    };
    let body = Body::new_with_encoding(text, encoding).expect("plain lines are 7bit, and quoted-printable takes any text");
    SinglePart::builder().content_type(kind).body(body)
}
