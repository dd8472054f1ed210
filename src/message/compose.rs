//! One letter, composed: templates filled, addresses checked, bytes made.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use compact_str::CompactString;
use thiserror::Error;

use crate::domain::company::Company;
use crate::domain::date::Date;
use crate::domain::header::{ExtraHeader, HEADERS_MAX, header_name_fault, header_value_fault, is_help_address};
use crate::domain::hold::Holds;
use crate::domain::id::{Language, LevelId, RuleId, TemplateName};
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger, PaymentIndex};
use crate::domain::mailbox::{Recipient, RecipientRole, Sender, is_address};
use crate::domain::money::{Currency, Money, plain};
use crate::domain::statement::StatementOfAccount;
use crate::domain::variable::Variable;
use crate::message::annex::zip::Packing;
use crate::message::annex::{Annex, Maker, Piece, is_shown};
use crate::message::attachment::{ATTACHMENTS_BYTES_MAX, Attachment, attachment_fault};
use crate::message::context::context;
use crate::message::figure::{stands_in, visible_words};
use crate::message::mime::{Envelope, message_bytes};
use crate::paper::PaperFault;
use crate::script::LevelFacts;
use crate::template::{Choice, Rendered, ShownImage, TemplateFault, Templates};

/// How many recipients one mail may have. Source: RFC 5321 §4.5.3.1.8, every server takes at least 100.
pub const RECIPIENTS_MAX: usize = 100;

/// How many characters a sender's name may have, so that its header line stays far below 998 octets.
pub const NAME_CHARACTERS_MAX: usize = 200;

/// How many characters a message key may have: a SHA-256 in hex.
pub const KEY_CHARACTERS_MAX: usize = 64;

/// How many earlier mails `References` names at most: the first, and those before this one.
pub const REFERENCES_MAX: usize = 10;

/// The longest Message-ID that is referred to, in octets: a key, `@` and a domain.
const REFERENCE_OCTETS_MAX: usize = 320;

/// What a mail tells beside its items.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// A reminder: its items say it all.
    Reminder,
    /// A statement of account.
    Statement(&'a StatementOfAccount),
    /// A notice; of a payment where there is one.
    Notice(Option<PaymentIndex>),
}

/// Everything a mail is made from.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// Where customer and documents are looked up.
    pub ledger: &'a Ledger,
    /// The day the figures are of.
    pub as_of: Date,
    /// The rule that asked for the mail.
    pub rule_id: &'a RuleId,
    /// What the rule's author says of it.
    pub rule_description: &'a str,
    /// Who it is for.
    pub customer: CustomerIndex,
    /// The currency of all amounts.
    pub currency: Currency,
    /// What the mail is about, each with the level it reaches; all of `customer` and in `currency`.
    pub items: &'a [(DocumentIndex, LevelId)],
    /// What it tells beside them.
    pub content: Content<'a>,
    /// What people have put on hold: disputes and promises are marked.
    pub holds: &'a Holds,
    /// The level of the mail.
    pub level: &'a LevelFacts,
    /// Who is owed, where it is known.
    pub company: Option<&'a Company>,
    /// The template to fill.
    pub template: &'a TemplateName,
    /// Who it comes from.
    pub sender: &'a Sender,
    /// Who it goes to; at least one with the role `To`.
    pub recipients: &'a [Recipient],
    /// What stands before the subject: empty, but where the mail does not go to whom it is for.
    pub subject_lead: &'a str,
    /// What the rule's script returned from `variables()`.
    pub variables: &'a BTreeMap<String, Variable>,
    /// The message key: letters, digits, `-`, `_` and `.`; the left part of the Message-ID.
    pub message_id: &'a str,
    /// The Message-IDs of the earlier mails that this one goes on from, the oldest first, without brackets.
    pub thread: &'a [String],
    /// The rule's own headers; they win over the sender's.
    pub headers: &'a [ExtraHeader],
    /// The language to write in instead of the customer's.
    pub language: Option<&'a Language>,
    /// What the Date header says.
    pub date: jiff::Zoned,
}

/// A mail, ready to be queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// The subject, decoded.
    pub subject: String,
    /// The sender's address in the envelope, where bounces go; its domain in ASCII.
    pub envelope_from: CompactString,
    /// The Message-ID, without brackets.
    pub header_id: String,
    /// Everybody it goes to, once each, their domains in ASCII; those of the role `Bcc` are in no header.
    pub recipients: Vec<Recipient>,
    /// The whole message; lines end in CRLF, dots not yet stuffed.
    pub bytes: Vec<u8>,
    /// The text part, decoded.
    pub text: String,
    /// The HTML part, decoded.
    pub html: Option<String>,
    /// The images that the HTML shows.
    pub images: Vec<ShownImage>,
    /// The language of its words.
    pub language: Language,
    /// The files that go with it, those in a ZIP right behind it.
    pub files: Vec<ComposedFile>,
}

/// A file that goes with a mail, as it was written into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComposedFile {
    /// Its name.
    pub name: String,
    /// The name of the ZIP it is in.
    pub packed_in: Option<String>,
    /// Its content type.
    pub content_type: String,
    /// How many bytes it has.
    pub byte_count: usize,
    /// Their SHA-256.
    pub hash: [u8; 32],
    /// The id of the customer whose paper it is; `None`: made for the mail, or shared by all.
    pub customer: Option<CompactString>,
}

/// Why a letter could not be composed; its mail is blocked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ComposeFault {
    /// The template is at fault.
    #[error(transparent)]
    Template(#[from] TemplateFault),
    /// A paper that goes with the mail could not be made.
    #[error(transparent)]
    Paper(#[from] PaperFault),
    /// Nobody to address.
    #[error("The mail has nobody to be addressed to")]
    RecipientMissing,
    /// A statement that does not add up.
    #[error("The lines of the statement, its age columns and its balance {balance} are not the same sum")]
    Unbalanced {
        /// The balance by the ledger's account.
        balance: String,
    },
    /// A statement whose words do not say what its figures do.
    #[error("The {part} of the mail does not show the balance of the statement, {balance}")]
    BalanceNotShown {
        /// `text` or `HTML`.
        part: &'static str,
        /// The balance, as its reader writes it.
        balance: String,
    },
    /// Nothing to read.
    #[error("The template `{template}` gives a mail without a word in it")]
    BodyEmpty {
        /// The template.
        template: String,
    },
    /// Too many recipients.
    #[error("The mail has {count} recipients, more than {RECIPIENTS_MAX}")]
    RecipientsTooMany {
        /// How many there are.
        count: usize,
    },
    /// An address that cannot stand in a mail.
    #[error("The address {address:?} cannot be used in a mail")]
    AddressUnusable {
        /// The address.
        address: String,
    },
    /// A sender's name that cannot stand in a mail.
    #[error("The sender's name {name:?} cannot be used in a mail: it {reason}")]
    NameUnusable {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A date before the year 0, which no mail can have.
    #[error("The date {date} cannot be used in a mail")]
    DateUnusable {
        /// The date.
        date: String,
    },
    /// A file that cannot be attached.
    #[error("A file cannot be attached: {fault}")]
    AttachmentUnusable {
        /// Why.
        fault: String,
    },
    /// A password that stands in the mail whose files it protects.
    #[error("The password of the ZIP can be read in {place} of the same mail")]
    PasswordShown {
        /// Where.
        place: &'static str,
    },
    /// Files that no server would take.
    #[error("The attachments have {byte_count} bytes, more than {ATTACHMENTS_BYTES_MAX}")]
    AttachmentsTooLarge {
        /// How many they have.
        byte_count: usize,
    },
    /// A header of the operator's own that cannot stand in a mail.
    #[error("The header `{name}` {fault}")]
    HeaderUnusable {
        /// Its name.
        name: String,
        /// What is wrong with it.
        fault: String,
    },
    /// A message key that cannot stand in a header.
    #[error("The message key {key:?} cannot be used in a mail")]
    KeyUnusable {
        /// The key.
        key: String,
    },
}

/// Composes a letter without attachments. The same letter and templates always give the same bytes.
///
/// # Errors
/// The first thing that stands in the way; nothing of the mail exists then.
pub fn compose(letter: &Letter<'_>, templates: &Templates) -> Result<Composed, ComposeFault> {
    compose_with(letter, &[], templates)
}

/// Composes a letter with what goes with it. The same letter, annexes and templates always give the same bytes.
///
/// # Errors
/// The first thing that stands in the way; nothing of the mail exists then.
pub fn compose_with(letter: &Letter<'_>, annexes: &[Annex<'_>], templates: &Templates) -> Result<Composed, ComposeFault> {
    let envelope = envelope(letter)?;
    check_balance(letter)?;
    let language = letter.language.or(letter.ledger.customer(letter.customer).language.as_ref());
    let choice = templates.choose(letter.template, language)?;
    let album = choice.album(&envelope.header_id);
    let context = context(letter, choice.reader(), choice.language(), Some(&album));
    let mut rendered = choice.render(&context, &album)?;
    rendered.subject.insert_str(0, letter.subject_lead);
    if rendered.text.trim().is_empty() {
        return Err(ComposeFault::BodyEmpty { template: letter.template.to_string() });
    }
    if let Content::Statement(statement) = letter.content {
        check_figure(statement, &rendered, &choice)?;
    }
    let pieces = Maker { letter, choice: &choice, context: &context, templates }.pieces(annexes)?;
    check_pieces(&pieces)?;
    check_passwords(&pieces, &envelope, &rendered)?;
    let (bytes, files) = message_bytes(&envelope, &rendered, &pieces)?;
    Ok(Composed { files, ..Composed::new(envelope, rendered, bytes) })
}

/// Returns the files that [`compose_with`] puts into the mail, for somebody to look at.
///
/// # Errors
/// One of them cannot be made.
pub fn files(letter: &Letter<'_>, annexes: &[Annex<'_>], templates: &Templates) -> Result<Vec<Attachment>, ComposeFault> {
    let language = letter.language.or(letter.ledger.customer(letter.customer).language.as_ref());
    let choice = templates.choose(letter.template, language)?;
    let context = context(letter, choice.reader(), choice.language(), None);
    let pieces = Maker { letter, choice: &choice, context: &context, templates }.pieces(annexes)?;
    let packing = |password| Packing { password, key: letter.message_id, date: &letter.date };
    let files = pieces.into_iter().map(|piece| piece.file(&packing));
    files.map(|file| file.map_err(|error| ComposeFault::AttachmentUnusable { fault: error.to_string() })).collect()
}

impl Composed {
    /// Returns the HTML with its images written into it, for a browser, which knows nothing of the mail's other parts.
    pub fn page(&self) -> Option<String> {
        let mut page = self.html.clone()?;
        for ShownImage { content_id, image } in &self.images {
            let data = format!("data:{};base64,{}", image.content_type(), STANDARD.encode(&image.bytes));
            page = page.replace(&format!("cid:{content_id}"), &data);
        }
        Some(page)
    }

    pub(crate) fn new(envelope: Envelope<'_>, rendered: Rendered, bytes: Vec<u8>) -> Self {
        Self {
            subject: rendered.subject,
            envelope_from: envelope.return_path,
            header_id: envelope.header_id,
            recipients: envelope.recipients,
            bytes,
            text: rendered.text,
            html: rendered.html,
            images: rendered.images,
            language: rendered.language,
            files: Vec::new(),
        }
    }
}

/// Refuses a statement that does not add up.
pub(crate) fn check_balance(letter: &Letter<'_>) -> Result<(), ComposeFault> {
    match letter.content {
        Content::Statement(statement) if !statement.is_balanced() => {
            Err(ComposeFault::Unbalanced { balance: plain(statement.total(), statement.currency) })
        }
        _ => Ok(()),
    }
}

/// A statement whose mail names another figure than its balance, or none, is as wrong as one that does not add up.
fn check_figure(statement: &StatementOfAccount, rendered: &Rendered, choice: &Choice<'_>) -> Result<(), ComposeFault> {
    let Some(claim) = statement.claim() else { return Ok(()) };
    let balance = Money { amount: claim.balance, currency: statement.currency };
    let size = choice.reader().amount(Money { amount: balance.amount.abs(), ..balance });
    let fault = |part| ComposeFault::BalanceNotShown { part, balance: choice.reader().money(balance) };
    if rendered.html.as_deref().is_some_and(|html| !stands_in(&visible_words(html), &size)) {
        return Err(fault("HTML"));
    }
    // A text made from the HTML has its words, but may break one at the end of a line.
    if choice.has_own_text() && !stands_in(&rendered.text, &size) {
        return Err(fault("text"));
    }
    Ok(())
}

/// Refuses a mail in which a password of its own files could be read: in a header, its words or the name of a file.
fn check_passwords(pieces: &[Piece<'_>], envelope: &Envelope<'_>, rendered: &Rendered) -> Result<(), ComposeFault> {
    let names = pieces.iter().flat_map(|piece| piece.files().iter().map(|file| file.name.as_str()).chain([piece.name()]));
    let names: Vec<&str> = names.collect();
    let headers: Vec<&str> = envelope.texts().collect();
    for password in pieces.iter().filter_map(Piece::password) {
        let places = [
            ("the subject", std::slice::from_ref(&rendered.subject.as_str())),
            ("the text", std::slice::from_ref(&rendered.text.as_str())),
            ("the HTML", std::slice::from_ref(&rendered.html.as_deref().unwrap_or_default())),
            ("the name of a file", names.as_slice()),
            ("a header", headers.as_slice()),
        ]
        .into_iter()
        .find(|(_, texts)| texts.iter().any(|text| is_shown(password, text)))
        .map(|(place, _)| place);
        if let Some(place) = places {
            return Err(ComposeFault::PasswordShown { place });
        }
    }
    Ok(())
}

fn check_pieces(pieces: &[Piece<'_>]) -> Result<(), ComposeFault> {
    let files = || pieces.iter().flat_map(Piece::files);
    let byte_count: usize = files().map(|file| file.contents.byte_count()).sum();
    if byte_count > ATTACHMENTS_BYTES_MAX {
        return Err(ComposeFault::AttachmentsTooLarge { byte_count });
    }
    let mut faults = files().filter_map(|file| attachment_fault(&file.name, &file.content_type));
    faults.next().map_or(Ok(()), |fault| Err(ComposeFault::AttachmentUnusable { fault }))
}

fn envelope<'l>(letter: &'l Letter<'_>) -> Result<Envelope<'l>, ComposeFault> {
    let sender = letter.sender;
    Ok(Envelope {
        return_path: match &sender.return_path {
            Some(path) => wire_address(&path.of(letter.message_id))?,
            None => wire_address(&sender.address)?,
        },
        thread: thread(letter.thread)?,
        list_help: list_help(sender)?,
        headers: extra_headers(sender, letter.headers)?,
        ..addressed(letter.message_id, sender, letter.recipients, &letter.date)?
    })
}

/// Returns the envelope of a mail, who it is from and to checked; bounces go to the sender, and no header is there that
/// not every mail has.
pub(crate) fn addressed<'l>(
    key: &'l str,
    sender: &'l Sender,
    to: &[Recipient],
    date: &'l jiff::Zoned,
) -> Result<Envelope<'l>, ComposeFault> {
    let is_key_character = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_dotted = key.starts_with('.') || key.ends_with('.') || key.contains("..");
    if key.is_empty() || key.len() > KEY_CHARACTERS_MAX || is_dotted || !key.chars().all(is_key_character) {
        return Err(ComposeFault::KeyUnusable { key: key.to_owned() });
    }
    let mut recipients: Vec<Recipient> = Vec::with_capacity(to.len());
    let mut by_role: Vec<&Recipient> = to.iter().collect();
    // Whoever is named twice keeps the most visible role.
    by_role.sort_by_key(|recipient| recipient.role);
    for recipient in by_role {
        let address = wire_address(&recipient.address)?;
        if recipients.iter().all(|own| own.address != address) {
            recipients.push(Recipient { address, role: recipient.role });
        }
    }
    if !recipients.iter().any(|recipient| recipient.role == RecipientRole::To) {
        return Err(ComposeFault::RecipientMissing);
    }
    if recipients.len() > RECIPIENTS_MAX {
        return Err(ComposeFault::RecipientsTooMany { count: recipients.len() });
    }
    let from = wire_address(&sender.address)?;
    let domain = from.rsplit('@').next().unwrap_or_default();
    Ok(Envelope {
        key,
        header_id: format!("{key}@{domain}"),
        from_name: checked_name(&sender.name)?,
        return_path: from.clone(),
        from,
        reply_to: sender.reply_to.as_deref().map(wire_address).transpose()?,
        recipients,
        date,
        thread: Vec::new(),
        list_help: None,
        headers: Vec::new(),
    })
}

/// Returns the ids that `References` names: the first mail, and the last ones where there are many.
fn thread(ids: &[String]) -> Result<Vec<&str>, ComposeFault> {
    // What a server or a mail program would read as an id: one `@`, nothing that could end it or its line.
    let is_id = |id: &&String| {
        id.len() <= REFERENCE_OCTETS_MAX
            && id.matches('@').count() == 1
            && id.chars().all(|c| c.is_ascii_graphic() && !"<>".contains(c))
    };
    if let Some(id) = ids.iter().find(|id| !is_id(id)) {
        return Err(ComposeFault::KeyUnusable { key: id.clone() });
    }
    let skipped = 1..ids.len().saturating_sub(REFERENCES_MAX - 1).max(1);
    let shown = ids.iter().enumerate().filter(|(place, _)| !skipped.contains(place));
    Ok(shown.map(|(_, id)| id.as_str()).collect())
}

fn list_help(sender: &Sender) -> Result<Option<&str>, ComposeFault> {
    match sender.list_help.as_deref() {
        Some(help) if !is_help_address(help) => Err(ComposeFault::HeaderUnusable {
            name: "List-Help".to_owned(),
            fault: "is neither `mailto:` with an address nor a page at `https://`".to_owned(),
        }),
        help => Ok(help),
    }
}

/// Returns the sender's and the rule's own headers; of two with one name the rule's.
pub(crate) fn extra_headers<'l>(sender: &'l Sender, of_rule: &'l [ExtraHeader]) -> Result<Vec<&'l ExtraHeader>, ComposeFault> {
    let of_sender = sender.headers.iter().filter(|own| !of_rule.iter().any(|rules| rules.is_called(&own.name)));
    let headers: Vec<&ExtraHeader> = of_sender.chain(of_rule).collect();
    for (place, header) in headers.iter().enumerate() {
        let fault = header_name_fault(&header.name).or_else(|| header_value_fault(&header.value));
        let twice = headers[..place].iter().any(|other| other.is_called(&header.name)).then(|| "stands there twice".to_owned());
        if let Some(fault) = fault.or(twice) {
            return Err(ComposeFault::HeaderUnusable { name: header.name.clone(), fault });
        }
    }
    if headers.len() > 2 * HEADERS_MAX {
        let fault = format!("is one of {} of the sender and the rule, more than {}", headers.len(), 2 * HEADERS_MAX);
        return Err(ComposeFault::HeaderUnusable { name: headers[2 * HEADERS_MAX].name.clone(), fault });
    }
    Ok(headers)
}

fn checked_name(name: &str) -> Result<&str, ComposeFault> {
    let name = name.trim();
    let fault = |reason| Err(ComposeFault::NameUnusable { name: name.to_owned(), reason });
    if name.chars().any(char::is_control) {
        return fault("has a control character");
    }
    if name.contains("=?") {
        return fault("looks encoded already");
    }
    if name.chars().count() > NAME_CHARACTERS_MAX {
        return fault("is longer than 200 characters");
    }
    Ok(name)
}

/// Returns the address with its domain in ASCII. Source: RFC 5891 §4.4.
fn wire_address(address: &str) -> Result<CompactString, ComposeFault> {
    let fault = || ComposeFault::AddressUnusable { address: address.to_owned() };
    if !is_address(address) {
        return Err(fault());
    }
    let (local, domain) = address.rsplit_once('@').ok_or_else(fault)?;
    if domain.is_ascii() {
        return Ok(address.into());
    }
    let domain = idna::domain_to_ascii(domain).map_err(|_| fault())?;
    let ascii = compact_str::format_compact!("{local}@{domain}");
    is_address(&ascii).then_some(ascii).ok_or_else(fault)
}
