//! Documents of config.yaml, fetched for the mails of a plan: files of a folder, and addresses of the web.
//!
//! Each is fetched once for a run, however many mails carry it. Whatever is wrong with one, the mail that needs it has the
//! reason and is blocked; the next run asks again.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::task::JoinSet;

use crate::config::{Document, DocumentOf, DocumentSource, DocumentUrl, Gap, SystemSecrets};
use crate::domain::date::ISO;
use crate::domain::document::DocumentKind;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::download::{Credential, Order, download};
use crate::engine::attach::RUN_BYTES_MAX;
use crate::engine::attach::kept::{AttachedFile, Kept, Taken, Untaken};
use crate::engine::compose::Composer;
use crate::message::{KeptBytes as _, attachment_name, document_type, ending_of};
use crate::net::address::WebAddress;
use crate::net::trust::{client_config, trusted};
use crate::plan::PlannedMessage;

/// How many bytes of addresses may be on their way at once.
const UNDER_WAY_BYTES: u64 = 64_000_000;
/// How many addresses are asked at once.
const UNDER_WAY_MAX: u64 = 8;

/// The files of a mail, or why there are none.
pub(crate) type Answer = Result<Vec<AttachedFile>, String>;

/// Where a paper is: what two mails that need the same one have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whereabouts {
    /// A path, and the folder that it must not leave.
    File {
        folder: PathBuf,
        path: PathBuf,
    },
    Web {
        address: String,
    },
}

/// A paper that a mail needs.
struct Need {
    key: String,
    /// Where it is, or why nobody can tell.
    at: Result<Whereabouts, String>,
    /// How it is called where its own place does not say.
    usual_name: String,
    customer: Option<CustomerIndex>,
    document: Option<DocumentIndex>,
}

/// Fetches the papers of one document of config.yaml for these mails, by the mails' keys.
pub(crate) async fn fetch(
    composer: &Composer<'_>,
    document: &Document,
    messages: &[&PlannedMessage],
) -> BTreeMap<String, Answer> {
    let needs: Vec<Need> = messages.iter().flat_map(|message| needs(composer, document, message)).collect();
    let mut wanted: BTreeMap<Whereabouts, String> = BTreeMap::new();
    for need in &needs {
        if let Ok(at) = &need.at {
            wanted.entry(at.clone()).or_insert_with(|| need.usual_name.clone());
        }
    }
    let found = match Kept::new() {
        Ok(kept) => found(composer, document, wanted, kept).await,
        Err(error) => {
            let fault = format!("There is no place for documents: {error}");
            wanted.into_keys().map(|at| (at, Err(fault.clone()))).collect()
        }
    };
    let mut answers: BTreeMap<String, Answer> =
        messages.iter().map(|message| (composer.key(message).to_string(), Ok(vec![]))).collect();
    let mut failed = 0;
    for Need { key, at, customer, document, .. } in needs {
        let file = at.and_then(|at| found.get(&at).cloned().unwrap_or_else(|| Err("It was not asked for".to_owned())));
        let answer = answers.entry(key).or_insert_with(|| Ok(vec![]));
        match (file, answer) {
            (Ok(file), Ok(files)) => files.push(AttachedFile { customer, document, ..file }),
            (Err(fault), answer @ Ok(_)) => {
                failed += 1;
                *answer = Err(fault);
            }
            // The first reason stands.
            (_, Err(_)) => {}
        }
    }
    if failed > 0 {
        tracing::warn!(document = document.id, failed, asked = answers.len(), "Some mails lack a document");
    }
    answers
}

/// Returns the papers that a mail needs, each once.
fn needs(composer: &Composer<'_>, document: &Document, message: &PlannedMessage) -> Vec<Need> {
    let (ledger, key) = (composer.ledger, composer.key(message).to_string());
    if document.of == DocumentOf::Mail {
        let at = whereabouts(composer, document, message.customer, None);
        return vec![Need { key, at, usual_name: document.id.clone(), customer: None, document: None }];
    }
    let items = composer.plan.items(message).iter().map(|item| item.document);
    let is_meant =
        |index: &DocumentIndex| document.of == DocumentOf::Items || ledger.document(*index).kind == DocumentKind::Invoice;
    let needs = items.filter(is_meant).map(|index| Need {
        key: key.clone(),
        at: whereabouts(composer, document, ledger.document(index).customer, Some(index)),
        usual_name: ledger.document(index).number.to_string(),
        customer: Some(ledger.document(index).customer),
        document: Some(index),
    });
    needs.collect()
}

fn whereabouts(
    composer: &Composer<'_>,
    document: &Document,
    customer: CustomerIndex,
    index: Option<DocumentIndex>,
) -> Result<Whereabouts, String> {
    let ledger = composer.ledger;
    let value = |gap: &Gap| filling(ledger, gap, customer, index);
    let about = || match index {
        Some(index) => format!("The document `{}` of {}", document.id, ledger.document(index).number),
        None => format!("The document `{}` of customer {}", document.id, ledger.customer(customer).id),
    };
    match &document.source {
        DocumentSource::Path(pattern) => {
            let path = pattern.path(value).map_err(|fault| format!("{} cannot be found: {fault}", about()))?;
            let root = &composer.workspace.root;
            Ok(Whereabouts::File { folder: root.join(pattern.folder()), path: root.join(path) })
        }
        DocumentSource::Url(url) => {
            let address = url.pattern.address(value).map_err(|fault| format!("{} cannot be found: {fault}", about()))?;
            Ok(Whereabouts::Web { address })
        }
    }
}

/// Returns what fills a gap of a pattern.
fn filling(ledger: &Ledger, gap: &Gap, customer: CustomerIndex, index: Option<DocumentIndex>) -> Option<String> {
    let document = index.map(|index| ledger.document(index));
    match gap {
        Gap::Number => document.map(|document| document.number.to_string()),
        Gap::Kind => document.map(|document| match document.kind {
            DocumentKind::Invoice => "invoice".to_owned(),
            DocumentKind::CreditNote => "credit_note".to_owned(),
        }),
        Gap::IssuedOn => document.map(|document| document.issued_on.strftime(ISO).to_string()),
        Gap::Year => document.map(|document| format!("{:04}", document.issued_on.year())),
        Gap::Month => document.map(|document| format!("{:02}", document.issued_on.month())),
        Gap::Currency => document.map(|document| document.currency.to_string()),
        Gap::Attribute(name) => ledger.document_attribute(index?, name).map(str::to_owned),
        Gap::CustomerId => Some(ledger.customer(customer).id.to_string()),
        Gap::CustomerLanguage => ledger.customer(customer).language.as_ref().map(ToString::to_string),
        Gap::CustomerAttribute(name) => ledger.customer_attribute(customer, name).map(str::to_owned),
    }
}

type Found = BTreeMap<Whereabouts, Result<AttachedFile, String>>;

async fn found(composer: &Composer<'_>, document: &Document, wanted: BTreeMap<Whereabouts, String>, kept: Kept) -> Found {
    match &document.source {
        DocumentSource::Path(_) => {
            let bytes_max = document.bytes_max;
            // A disk may be slow, or a share on the other side of the world.
            let reading = tokio::task::spawn_blocking(move || {
                let mut left = RUN_BYTES_MAX;
                wanted.into_keys().map(|at| (at.clone(), from_disk(&at, bytes_max, &kept, &mut left))).collect::<Found>()
            });
            reading.await.unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Found::new(),
            })
        }
        DocumentSource::Url(url) => from_web(composer, document, url, wanted, &kept).await,
    }
}

fn from_disk(at: &Whereabouts, bytes_max: u64, kept: &Kept, left: &mut u64) -> Result<AttachedFile, String> {
    let Whereabouts::File { folder, path } = at else { return Err("It is no file".to_owned()) };
    let shown = path.display();
    let of_it = |fault: String| format!("The file `{shown}` {fault}");
    let (file, before) = open(folder, path, bytes_max).map_err(of_it)?;
    take_room(left, before.len())?;
    let taken = read(&file, &before, kept).map_err(of_it)?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let content_type = document_type(&name, &taken.ends);
    let content_type = content_type.map_err(|fault| format!("The file `{shown}` cannot be attached: {fault}"))?;
    Ok(AttachedFile::new(attachment_name(&name), content_type.to_owned(), taken.place))
}

/// Sees to it that so many bytes have room in the run, before they take any on the disk.
fn take_room(left: &mut u64, byte_count: u64) -> Result<(), String> {
    *left = left.checked_sub(byte_count).ok_or_else(too_many)?;
    Ok(())
}

fn too_many() -> String {
    format!("The documents of this run have more than {RUN_BYTES_MAX} bytes together")
}

/// Opens a file that lies in `folder`, and returns how it stands.
fn open(folder: &Path, path: &Path, bytes_max: u64) -> Result<(File, Metadata), String> {
    let real = path.canonicalize().map_err(unreadable)?;
    let home = folder.canonicalize().map_err(unreadable)?;
    if !real.starts_with(&home) {
        return Err("leads out of its folder".to_owned());
    }
    // Asked before it is opened: to open a pipe would wait for its writer.
    if !real.metadata().map_err(unreadable)?.is_file() {
        return Err("is no file".to_owned());
    }
    let file = File::open(&real).map_err(unreadable)?;
    let before = file.metadata().map_err(unreadable)?;
    match before.len() {
        0 => Err("is empty; is it still being written?".to_owned()),
        bytes if bytes > bytes_max => Err(format!("has {bytes} bytes; at most {bytes_max} are attached")),
        _ => Ok((file, before)),
    }
}

/// Takes over an open file, whole and at rest.
fn read(file: &File, before: &Metadata, kept: &Kept) -> Result<Taken, String> {
    let growing = || "is still being written".to_owned();
    let taken = kept.take(file, before.len()).map_err(|untaken| match untaken {
        Untaken::Unreadable(error) => unreadable(error),
        Untaken::TooLarge => growing(),
        Untaken::Unkept(_) => untaken.to_string(),
    })?;
    let after = file.metadata().map_err(unreadable)?;
    let is_at_rest = taken.place.byte_count() as u64 == before.len()
        && after.len() == before.len()
        && after.modified().ok() == before.modified().ok();
    if is_at_rest { Ok(taken) } else { Err(growing()) }
}

fn unreadable(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "is not there".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

async fn from_web(
    composer: &Composer<'_>,
    document: &Document,
    url: &DocumentUrl,
    wanted: BTreeMap<Whereabouts, String>,
    kept: &Kept,
) -> Found {
    let (tls, credential) = match standing(composer, document, url) {
        Ok(standing) => standing,
        Err(fault) => return wanted.into_keys().map(|at| (at, Err(fault.clone()))).collect(),
    };
    let (mut found, mut left) = (Found::new(), RUN_BYTES_MAX);
    let (mut under_way, mut wanted) = (JoinSet::new(), wanted.into_iter());
    let together = (UNDER_WAY_BYTES / document.bytes_max.max(1)).clamp(1, UNDER_WAY_MAX) as usize;
    loop {
        while under_way.len() < together
            && let Some((at, usual_name)) = wanted.next()
        {
            let Whereabouts::Web { address } = &at else { continue };
            match WebAddress::parse(address) {
                Err(fault) => {
                    let fault = format!("The address of a document {fault}");
                    found.insert(at, Err(fault));
                }
                Ok(address) => {
                    let (bytes_max, within) = (document.bytes_max as usize, url.within);
                    let order = Order { address, credential: credential.clone(), tls: tls.clone(), bytes_max, within };
                    under_way.spawn(async move { (at, usual_name, download(&order).await) });
                }
            }
        }
        let Some(done) = under_way.join_next().await else { return found };
        let (at, usual_name, downloaded) = match done {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => continue,
            },
        };
        let file = downloaded.map_err(|fault| format!("The document {fault}")).and_then(|downloaded| {
            take_room(&mut left, downloaded.bytes.len() as u64)?;
            let Whereabouts::Web { address } = &at else { return Err("It has no address".to_owned()) };
            let name = web_name(address, downloaded.content_type.as_deref(), &usual_name);
            let shown = address.split('?').next().unwrap_or_default();
            let taken = kept.take(&downloaded.bytes[..], u64::MAX);
            let taken = taken.map_err(|untaken| format!("The document {shown} {untaken}"))?;
            let content_type = document_type(&name, &taken.ends);
            let content_type = content_type.map_err(|fault| format!("The document {shown} cannot be attached: {fault}"))?;
            Ok(AttachedFile::new(attachment_name(&name), content_type.to_owned(), taken.place))
        });
        found.insert(at, file);
    }
}

/// Returns how a document from the web is called: as its address ends, where it ends like a document, else by its type.
fn web_name(address: &str, content_type: Option<&str>, usual_name: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let known = ["pdf", "xml", "zip", "xlsx", "docx", "png", "jpg", "jpeg", "csv", "txt"];
    let ending = last.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let by_address = ending.filter(|ending| known.contains(&ending.as_str()));
    let by_type = content_type.and_then(ending_of).map(str::to_owned);
    format!("{usual_name}.{}", by_address.or(by_type).unwrap_or_else(|| "pdf".to_owned()))
}

type Standing = (Arc<ClientConfig>, Option<Credential>);

/// Returns what every order of a document has: whom it trusts, and its secret.
fn standing(composer: &Composer<'_>, document: &Document, url: &DocumentUrl) -> Result<Standing, String> {
    let of = |words: String| format!("The document `{}` cannot be fetched: {words}", document.id);
    let ca_pem = url.ca_file.as_ref().map(|file| file.read(&composer.workspace.root)).transpose();
    let ca_pem = ca_pem.map_err(|problem| of(problem.message))?;
    let roots = trusted(ca_pem.as_deref(), &document.id);
    let roots = roots.map_err(|fault| of(format!("its `ca_file` cannot be used: {fault:?}")))?;
    let secret = url.secret.as_ref().map(|secret| secret.resolve(&SystemSecrets)).transpose();
    let secret = secret.map_err(|problem| of(problem.message))?;
    let credential = secret.map(|secret| Credential { header: url.secret_header.clone(), secret });
    Ok((Arc::new(client_config(roots)), credential))
}

#[cfg(test)]
mod tests;
