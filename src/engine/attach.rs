//! Attachments: fetched before anything is stored, and kept on the disk until the mails are made.
//!
//! Plugins' programs are asked (`program`) and documents are read (`documents`). Whatever comes of it, each mail has its files or
//! a reason; and a file that two customers' mails would carry goes with neither, since a paper that reaches the wrong customer is
//! worse than none.

mod documents;
mod kept;
mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::domain::hex::hexadecimal;
use crate::domain::id::Language;
use crate::domain::ledger::{CustomerIndex, Ledger};
use crate::engine::compose::{Blocked, Composer};
use crate::message::{Annex, Attachment};
use crate::plan::PlannedMessage;
use crate::plan::reason::BlockReason;
use crate::rule::{Enclosed, Enclosure, Rule};

pub(crate) use crate::engine::attach::documents::Answer;
pub(crate) use crate::engine::attach::kept::AttachedFile;
use crate::engine::attach::program::Asking;
pub(crate) use crate::engine::attach::program::{Files, answered};

/// The most that the attachments of one run may have together from one source, in bytes: they lie on the disk until it is stored.
pub const RUN_BYTES_MAX: u64 = 2 << 30;

/// The fewest characters of a ZIP's password: a shorter one is guessed, and stands in many a text by chance.
pub const PASSWORD_CHARACTERS_MIN: usize = 8;

/// Who makes or has a file that is fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// A plugin with what a rule says to it, as JSON.
    Plugin {
        name: String,
        settings: String,
    },
    Document(String),
}

impl Source {
    fn of(enclosed: &Enclosed) -> Option<Self> {
        match enclosed {
            Enclosed::Plugin { name, settings } => {
                Some(Self::Plugin { name: name.clone(), settings: program::settings_json(settings).to_string() })
            }
            Enclosed::Document(document) => Some(Self::Document(document.clone())),
            Enclosed::Items(_) | Enclosed::Paper(_) | Enclosed::Zip { .. } => None,
        }
    }
}

/// A file of one customer: how it is called, and the messages that would carry it.
struct Carried {
    name: String,
    keys: BTreeSet<String>,
}

/// The attachments of a plan's messages.
#[derive(Debug, Default)]
pub struct Attachments {
    /// Keeps the files where they are.
    folders: Vec<Files>,
    /// By who has them and the message's key.
    answers: BTreeMap<(Source, String), Answer>,
    /// Messages that would carry a file that another customer's message would carry too, by key, with the reason.
    foreign: BTreeMap<String, String>,
    left_out: LeftOut,
}

/// What mails are composed without, to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LeftOut {
    #[default]
    Nothing,
    /// Documents of config.yaml.
    Documents,
    /// All that is fetched; what is made from the letter is there.
    Fetched,
    All,
}

/// What is fetched to look at a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All that goes with it.
    All,
    /// What plugins' programs make; documents are for the run to find, and may not be there yet.
    Plugins,
}

impl Attachments {
    /// Returns no attachments: mails that ask for some are composed without. For looking at mails, never for sending.
    pub fn left_out() -> Self {
        Self { left_out: LeftOut::All, ..Self::default() }
    }

    /// Returns attachments without those that are fetched: only what is made from the letter is there. For looking at mails,
    /// never for sending.
    pub fn made_alone() -> Self {
        Self { left_out: LeftOut::Fetched, ..Self::default() }
    }

    /// Returns what goes with a message: the files that were fetched for it, and what is made with it.
    pub(crate) fn of<'c>(&self, composer: &'c Composer<'_>, message: &PlannedMessage) -> Result<Vec<Annex<'c>>, Blocked> {
        let rule = message.rule(composer.rules);
        // Nothing is fetched for it, so it is told also where no file is asked for.
        for column in rule.password_columns() {
            password(composer.ledger, message.customer, column)
                .map_err(|detail| Blocked { reason: BlockReason::PasswordMissing, detail })?;
        }
        if self.left_out == LeftOut::All || rule.attach.is_empty() {
            return Ok(Vec::new());
        }
        let key = composer.key(message).to_string();
        if let Some(detail) = self.foreign.get(&key) {
            return Err(Blocked { reason: BlockReason::DocumentForeign, detail: detail.clone() });
        }
        let missing = |detail| Blocked { reason: BlockReason::DocumentMissing, detail };
        let annexes = rule.attach.iter().map(|enclosure| self.annexes(composer, message.customer, &key, enclosure));
        let annexes = annexes.collect::<Result<Vec<_>, _>>().map_err(missing)?;
        Ok(annexes.into_iter().flatten().collect())
    }

    fn annexes<'c>(
        &self,
        composer: &'c Composer<'_>,
        customer: CustomerIndex,
        key: &str,
        enclosure: &'c Enclosure,
    ) -> Result<Vec<Annex<'c>>, String> {
        let name = enclosure.name.as_deref();
        match &enclosure.what {
            Enclosed::Items(form) => Ok(vec![Annex::Items { form: *form, name }]),
            Enclosed::Paper(id) => {
                let layout = composer.workspace.layouts.find(id);
                let layout = layout.ok_or_else(|| format!("There is no layout of papers `{id}`"))?;
                Ok(vec![Annex::Paper { layout, name }])
            }
            Enclosed::Zip { holds, password } => {
                let password = password.as_deref().map(|column| self::password(composer.ledger, customer, column)).transpose()?;
                let held = holds.iter().map(|enclosure| self.annexes(composer, customer, key, enclosure));
                let holds: Vec<Annex<'c>> = held.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
                // A mail about credit notes alone may have no invoice's document.
                Ok(if holds.is_empty() { Vec::new() } else { vec![Annex::Zip { holds, name, password }] })
            }
            Enclosed::Plugin { .. } | Enclosed::Document(_) => {
                let files = self.fetched(&enclosure.what, key)?;
                let annex = |file: &AttachedFile| {
                    let owner = file.customer.unwrap_or(customer);
                    let tied = (!enclosure.is_shared).then(|| composer.ledger.customer(owner).id.as_str().into());
                    let (named, content_type) = (file.name.clone(), file.content_type.clone());
                    let made = Attachment { name: named, content_type, contents: file.contents(), customer: tied };
                    Annex::Document { file: made, name, document: file.document }
                };
                Ok(files.iter().map(annex).collect())
            }
        }
    }

    fn fetched(&self, what: &Enclosed, key: &str) -> Result<&[AttachedFile], String> {
        let Some(source) = Source::of(what) else { return Ok(&[]) };
        match (self.left_out, &source) {
            (LeftOut::Nothing, _) | (LeftOut::Documents, Source::Plugin { .. }) => {}
            (LeftOut::Documents, Source::Document(_)) | (LeftOut::Fetched | LeftOut::All, _) => return Ok(&[]),
        }
        let asked = (source, key.to_owned());
        match (self.answers.get(&asked), asked.0) {
            (Some(answer), _) => answer.as_ref().map(Vec::as_slice).map_err(Clone::clone),
            (None, Source::Plugin { name, .. }) => Err(format!("The plugin `{name}` was not asked")),
            (None, Source::Document(document)) => Err(format!("The document `{document}` was not fetched")),
        }
    }

    /// Finds the files that would go to two customers.
    fn compare(&mut self, composer: &Composer<'_>, going: &[&PlannedMessage]) {
        let mut carried: BTreeMap<[u8; 32], BTreeMap<CustomerIndex, Carried>> = BTreeMap::new();
        for message in going.iter().filter(|message| !message.rule(composer.rules).attach.is_empty()) {
            let key = composer.key(message).to_string();
            let enclosures = message.rule(composer.rules).attach.iter().flat_map(Enclosure::members);
            for enclosure in enclosures.filter(|enclosure| !enclosure.is_shared) {
                for file in self.fetched(&enclosure.what, &key).unwrap_or_default() {
                    let of_hash = carried.entry(file.hash()).or_default();
                    let owner = file.customer.unwrap_or(message.customer);
                    let carried =
                        of_hash.entry(owner).or_insert_with(|| Carried { name: file.name.clone(), keys: BTreeSet::new() });
                    carried.keys.insert(key.clone());
                }
            }
        }
        for (hash, owners) in carried.into_iter().filter(|(_, owners)| owners.len() > 1) {
            let names: Vec<String> = owners.keys().map(|owner| named(composer, *owner)).collect();
            let name = owners.values().next().map_or_else(String::new, |carried| carried.name.clone());
            let detail = foreign_words(&name, &hash, &names);
            tracing::error!(
                hash = hexadecimal(&hash),
                customers = owners.len(),
                "The same document is attached for several customers"
            );
            for key in owners.into_values().flat_map(|carried| carried.keys) {
                self.foreign.entry(key).or_insert_with(|| detail.clone());
            }
        }
    }
}

/// Says that a file is carried for several customers.
pub(crate) fn foreign_words(name: &str, hash: &[u8; 32], customers: &[String]) -> String {
    let hash = &hexadecimal(hash)[..16];
    format!(
        "The file `{name}` (SHA-256 {hash}…) is attached for {}; put the right file in its place, or write `shared: true` if it is for \
         everybody",
        customers.join(" and for ")
    )
}

/// Returns how a customer is called where two are told apart.
pub(crate) fn named(composer: &Composer<'_>, customer: CustomerIndex) -> String {
    let customer = composer.ledger.customer(customer);
    format!("{} ({})", customer.id, customer.name)
}

/// Returns the password of a customer.
///
/// # Errors
/// There is none, or it is too short, in words without it.
pub(crate) fn password<'l>(ledger: &'l Ledger, customer: CustomerIndex, column: &str) -> Result<&'l str, String> {
    let found = ledger.customer_attribute(customer, column).map(str::trim).filter(|password| !password.is_empty());
    let id = &ledger.customer(customer).id;
    let password = found.ok_or_else(|| format!("Customer {id} has no `{column}`, the password of the ZIP"))?;
    if password.chars().count() < PASSWORD_CHARACTERS_MIN {
        return Err(format!(
            "`{column}` of customer {id}, the password of the ZIP, has less than {PASSWORD_CHARACTERS_MIN} characters"
        ));
    }
    Ok(password)
}

/// Fetches the attachments of every message that can go; what programs make is in a language other than the customers' where one
/// is given.
pub async fn fetch(composer: &Composer<'_>, reach: Reach, language: Option<&Language>) -> Attachments {
    let mut attachments = Attachments {
        left_out: if reach == Reach::Plugins { LeftOut::Documents } else { LeftOut::Nothing },
        ..Attachments::default()
    };
    let going: Vec<&PlannedMessage> = composer.plan.messages.iter().filter(|message| message.blocked.is_none()).collect();
    let asked: BTreeSet<Source> = going.iter().flat_map(|message| sources(message.rule(composer.rules))).collect();
    for source in asked {
        let asking: Vec<&PlannedMessage> =
            going.iter().filter(|message| sources(message.rule(composer.rules)).any(|own| own == source)).copied().collect();
        let answers = match &source {
            Source::Plugin { name, settings } => {
                let asking = Asking { composer, messages: &asking, settings, language };
                program::of_plugin(&asking, name, &mut attachments.folders).await
            }
            Source::Document(_) if reach == Reach::Plugins => BTreeMap::new(),
            Source::Document(id) => match composer.workspace.config.documents.iter().find(|document| document.id == *id) {
                Some(document) => documents::fetch(composer, document, &asking).await,
                None => BTreeMap::new(),
            },
        };
        attachments.answers.extend(answers.into_iter().map(|(key, answer)| ((source.clone(), key), answer)));
    }
    attachments.compare(composer, &going);
    attachments
}

/// Returns where the attachments of a rule are fetched from.
fn sources(rule: &Rule) -> impl Iterator<Item = Source> {
    rule.attach.iter().flat_map(Enclosure::members).filter_map(|enclosure| Source::of(&enclosure.what))
}

/// Does what [`fetch`] does, and waits for it, with or without a runtime around.
pub fn fetch_blocking(composer: &Composer<'_>, reach: Reach, language: Option<&Language>) -> Attachments {
    if composer.rules.rules.iter().all(|rule| sources(rule).next().is_none()) {
        return Attachments::default();
    }
    let fetched = std::thread::scope(|scope| {
        let own = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            io::Result::Ok(runtime.block_on(fetch(composer, reach, language)))
        });
        own.join()
    });
    match fetched {
        Ok(Ok(attachments)) => attachments,
        // Every mail that asks for attachments is blocked then.
        Ok(Err(error)) => {
            tracing::error!(%error, "Attachments could not be asked for");
            Attachments::default()
        }
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
