//! The bytes of a message: header, blank line, parts. No value gets into a header unchecked or unencoded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use compact_str::CompactString;
use lettre::Address;
use lettre::message::header::{self, ContentTransferEncoding, ContentType, HeaderName, HeaderValue, Headers};
use lettre::message::{Body, Mailbox, Mailboxes, MultiPart, SinglePart};

use crate::domain::mailbox::{Recipient, RecipientRole};
use crate::message::attachment::Attachment;
use crate::message::compose::ComposeFault;
use crate::template::Rendered;

/// How many octets of text one encoded word carries: 45 make 60 in base64, and with its marks less than 75.
///
/// Source: RFC 2047 §2.
const ENCODED_WORD_OCTETS: usize = 45;

/// How long a line may be to go out as it is. Source: RFC 2045 §6.7, the limit of quoted-printable, met everywhere.
const LINE_OCTETS: usize = 76;

/// Who a message is from and to, and what makes it itself; every value checked.
#[derive(Debug)]
pub(crate) struct Envelope<'l> {
    pub(crate) key: &'l str,
    pub(crate) from_name: &'l str,
    pub(crate) from: CompactString,
    pub(crate) reply_to: Option<CompactString>,
    pub(crate) recipients: Vec<Recipient>,
    pub(crate) date: &'l jiff::Zoned,
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
    let domain = envelope.from.rsplit('@').next().unwrap_or_default();
    raw("Message-ID", format!("<{}@{domain}>", envelope.key));
    let name = Some(envelope.from_name).filter(|name| !name.is_empty());
    headers.set(header::From::from(Mailboxes::from(mailbox(name, &envelope.from)?)));
    if let Some(reply_to) = &envelope.reply_to {
        headers.set(header::ReplyTo::from(Mailboxes::from(mailbox(None, reply_to)?)));
    }
    if let Some(to) = mailboxes(envelope, RecipientRole::To)? {
        headers.set(header::To::from(to));
    }
    if let Some(cc) = mailboxes(envelope, RecipientRole::Cc)? {
        headers.set(header::Cc::from(cc));
    }
    headers.insert_raw(subject_header(subject));
    headers.set(header::MIME_VERSION_1_0);
    let mut raw = |name: &'static str, value: &str| headers.insert_raw(plain_header(name, value.to_owned()));
    // Source: RFC 3834 §5; keeps vacation replies from answering.
    raw("Auto-Submitted", "auto-generated");
    // The same for Exchange, which knows only its own word.
    raw("X-Auto-Response-Suppress", "All");
    // Some services replace the Message-ID; this one stays.
    raw("X-Dunlin-Key", envelope.key);
    Ok(headers)
}

/// Returns a header whose value is known to be short, printable ASCII.
fn plain_header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

fn mailboxes(envelope: &Envelope<'_>, role: RecipientRole) -> Result<Option<Mailboxes>, ComposeFault> {
    let own = envelope.recipients.iter().filter(|recipient| recipient.role == role);
    let list = own.map(|recipient| mailbox(None, &recipient.address)).collect::<Result<Vec<_>, _>>()?;
    Ok((!list.is_empty()).then(|| Mailboxes::from(list)))
}

fn mailbox(name: Option<&str>, address: &str) -> Result<Mailbox, ComposeFault> {
    let fault = || ComposeFault::AddressUnusable { address: address.to_owned() };
    let (local, domain) = address.rsplit_once('@').ok_or_else(fault)?;
    let address = Address::new(local, domain).map_err(|_| fault())?;
    Ok(Mailbox::new(name.map(str::to_owned), address))
}

/// Returns the subject's header: as it stands where it is plain, else in encoded words.
///
/// lettre leaves `=?` alone, which a reader would decode, and does not break a long word.
fn subject_header(subject: &str) -> HeaderValue {
    let name = HeaderName::new_from_ascii_str("Subject");
    let is_plain = subject.chars().all(|c| c == ' ' || c.is_ascii_graphic())
        && !subject.contains("=?")
        && subject.split(' ').all(|word| word.len() <= LINE_OCTETS);
    if is_plain {
        return HeaderValue::new(name, subject.to_owned());
    }
    let mut words: Vec<String> = vec![];
    let mut rest = subject;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(ENCODED_WORD_OCTETS));
        words.push(format!("=?utf-8?b?{}?=", STANDARD.encode(word)));
        rest = after;
    }
    HeaderValue::dangerous_new_pre_encoded(name, subject.to_owned(), words.join("\r\n "))
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
