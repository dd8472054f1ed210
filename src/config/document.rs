//! Documents of config.yaml: where the papers are that rules attach with `{ document: name }`.

use std::time::Duration;

use crate::config::pattern::{Gap, Pattern};
use crate::config::read::file_path;
use crate::config::secret::{Literal, SecretRef, secret};
use crate::config::settings::CaFile;
use crate::net::address::WebAddress;
use crate::plugin::size;
use crate::yaml::{Entry, Fields, Node, Problems, choice, duration, map, text};

/// The most documents that can be named.
pub const DOCUMENTS_MAX: usize = 50;
/// The most bytes that one file may be allowed to have.
pub const DOCUMENT_BYTES_MAX: u64 = 100_000_000;
/// The most bytes of one file where config.yaml does not say.
const BYTES: u64 = 10_000_000;
/// How long an address may take where config.yaml does not say, redirects and a second try included.
const WITHIN: Duration = Duration::from_secs(30);
/// The longest time that it may be allowed.
const WITHIN_MAX: Duration = Duration::from_secs(300);

/// A kind of paper and where it is.
#[derive(Clone, Debug)]
pub struct Document {
    /// How rules name it: `invoice`.
    pub id: String,
    /// Of what a mail has one.
    pub of: DocumentOf,
    /// Where it is.
    pub source: DocumentSource,
    /// The most bytes of one file.
    pub bytes_max: u64,
}

impl Document {
    /// Returns the address it is fetched from, where it is none of this machine's files.
    pub(crate) fn url(&self) -> Option<&DocumentUrl> {
        match &self.source {
            DocumentSource::Path(_) => None,
            DocumentSource::Url(url) => Some(url),
        }
    }
}

/// Of what a mail has one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentOf {
    /// Of each of its items, invoices and credit notes.
    Items,
    /// Of each of its invoices.
    Invoices,
    /// Of the mail as a whole.
    Mail,
}

impl DocumentOf {
    const WORDS: [(&str, Self); 3] = [("items", Self::Items), ("invoices", Self::Invoices), ("mail", Self::Mail)];
}

/// Where a document is.
#[derive(Clone, Debug)]
pub enum DocumentSource {
    /// A file; the pattern's folder is never left. Relative to the workspace unless absolute.
    Path(Pattern),
    /// An address of the web.
    Url(Box<DocumentUrl>),
}

/// An address that documents are fetched from.
#[derive(Clone, Debug)]
pub struct DocumentUrl {
    /// The address; what stands before the first gap names the server whole.
    pub pattern: Pattern,
    /// What is shown to the server.
    pub secret: Option<SecretRef>,
    /// The header that it is shown in as it is; `None`: in `Authorization`, as a bearer's.
    pub secret_header: Option<String>,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<CaFile>,
    /// How long it may take.
    pub within: Duration,
}

/// Reads `documents`.
pub(crate) fn documents(node: &Node, problems: &mut Problems<'_>) -> Option<Vec<Document>> {
    let found = map(document)(node, problems)?;
    if found.len() > DOCUMENTS_MAX {
        problems.error(node.span, format!("{} documents are named; at most {DOCUMENTS_MAX} are read", found.len()));
    }
    Some(found)
}

fn document(entry: &Entry, problems: &mut Problems<'_>) -> Option<Document> {
    let mut fields = Fields::open(&entry.value, "a document", problems)?;
    let of = fields.optional("of", problems, choice(&DocumentOf::WORDS)).unwrap_or(DocumentOf::Items);
    let path = fields.optional("path", problems, |node, problems| pattern(node, of, problems));
    let url = fields.optional("url", problems, |node, problems| url_pattern(node, of, problems));
    let secret = fields.optional("secret", problems, secret(Literal::Never));
    let secret_header = fields.optional("secret_header", problems, header);
    let ca_file = fields.optional("ca_file", problems, |node, problems| {
        Some(CaFile { path: file_path(node, problems)?, place: problems.place(node.span) })
    });
    let within = fields.optional("timeout", problems, within);
    let bytes_max = fields.optional("bytes_max", problems, bytes).unwrap_or(BYTES);
    let written = ["path", "url"].into_iter().filter(|key| fields.key_span(key).is_some()).count();
    for key in ["secret", "secret_header", "ca_file", "timeout"] {
        if let Some(span) = fields.key_span(key).filter(|_| fields.key_span("url").is_none()) {
            problems.error_hint(span, format!("`{key}` goes with `url`"), "a file of this machine needs none");
        }
    }
    if secret.is_none()
        && let Some(span) = fields.key_span("secret_header").filter(|_| fields.key_span("secret").is_none())
    {
        problems.error_hint(span, "`secret_header` needs `secret`", "add `secret: \"${env:NAME}\"`");
    }
    fields.close(problems);
    if written != 1 {
        let message = format!("The document `{}` has either `path` or `url`", entry.key);
        problems.error_hint(entry.span, message, "write `path: documents/{number}.pdf`");
        return None;
    }
    let source = match url {
        Some(pattern) => {
            let url = DocumentUrl { pattern, secret, secret_header, ca_file, within: within.unwrap_or(WITHIN) };
            DocumentSource::Url(Box::new(url))
        }
        None => DocumentSource::Path(path?),
    };
    Some(Document { id: entry.key.clone(), of, source, bytes_max })
}

/// Reads a pattern whose gaps can be filled where there is one for each of `of`.
fn pattern(node: &Node, of: DocumentOf, problems: &mut Problems<'_>) -> Option<Pattern> {
    let written = text(node, problems)?;
    let found = Pattern::parse(&written);
    let fault = match &found {
        Err(fault) => Some(fault.clone()),
        Ok(pattern) => {
            let is_named = |gap: &Gap| gap.is_of_document();
            match (of, pattern.gaps().any(is_named)) {
                (DocumentOf::Mail, true) => {
                    Some("it asks for fields of a document, and there is one for the whole mail".to_owned())
                }
                (DocumentOf::Items | DocumentOf::Invoices, false) => Some(
                    "it is the same for every invoice: it needs a field of the document, such as `{number}`, or `of: mail`"
                        .to_owned(),
                ),
                _ if written.is_empty() => Some("it is empty".to_owned()),
                _ if written.contains('\0') || written.chars().any(char::is_control) => {
                    Some("it holds a control character".to_owned())
                }
                _ => None,
            }
        }
    };
    match fault {
        None => found.ok(),
        Some(fault) => {
            problems.error(node.span, format!("`{written}` cannot be used: {fault}"));
            None
        }
    }
}

/// Reads an address whose server has no gap.
fn url_pattern(node: &Node, of: DocumentOf, problems: &mut Problems<'_>) -> Option<Pattern> {
    let pattern = pattern(node, of, problems)?;
    let lead = pattern.lead();
    let host_ends = lead.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?']));
    if pattern.gaps().next().is_some() && !host_ends {
        problems.error_hint(
            node.span,
            "The server of a document cannot come from the books",
            "write `https://dms.example.com/{number}`",
        );
        return None;
    }
    let sample = pattern.address(|_| Some("x".to_owned()));
    let fault = match sample.map(|address| WebAddress::parse(&address)) {
        Ok(Ok(_)) => return Some(pattern),
        Ok(Err(fault)) => fault.to_string(),
        Err(fault) => fault,
    };
    problems.error_hint(node.span, format!("This address {fault}"), "write `https://dms.example.com/{number}.pdf`");
    None
}

fn header(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let name = text(node, problems)?;
    let is_token = !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_token {
        problems.error_hint(node.span, format!("`{name}` is no name of a header"), "write `X-Api-Key`");
        return None;
    }
    Some(name)
}

fn within(node: &Node, problems: &mut Problems<'_>) -> Option<Duration> {
    let span = duration(node, problems)?;
    if span.is_zero() || span > WITHIN_MAX {
        problems.error_hint(node.span, "A document may take 1 to 300 s", "write `30 s`");
        return None;
    }
    Some(span)
}

fn bytes(node: &Node, problems: &mut Problems<'_>) -> Option<u64> {
    let written = text(node, problems)?;
    let found = size(&written).filter(|bytes| (1..=DOCUMENT_BYTES_MAX).contains(bytes));
    if found.is_none() {
        let most = DOCUMENT_BYTES_MAX / 1_000_000;
        problems.error_hint(
            node.span,
            format!("`{written}` is not a size of a file"),
            format!("write `10 MB`, at most {most} MB"),
        );
    }
    found
}
