//! From a planned message to a row of the outbox: variables, letter, bytes, or the reason why not.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::config::{Mode, Redirect};
use crate::domain::date::Timestamp;
use crate::domain::id::{Language, LevelId};
use crate::domain::ledger::{DocumentIndex, Ledger, PaymentIndex};
use crate::domain::mailbox::{Recipient, RecipientRole};
use crate::domain::statement::StatementOfAccount;
use crate::domain::variable::Variable;
use crate::engine::attach::Attachments;
use crate::engine::input::input;
use crate::engine::workspace::Workspace;
use crate::message::{Attachment, ComposeFault, Composed, ComposedFile, Content, Letter, compose_with, files, values};
use crate::outbox::state::State;
use crate::paper::PaperFault;
use crate::plan::key::{Audience, MessageKey};
use crate::plan::reason::BlockReason;
use crate::plan::{Matter, Plan, PlannedItem, PlannedMessage, Subject};
use crate::port::Outgoing;
use crate::rule::{Rule, RuleKind, RuleSet};
use crate::script::ScriptFault;
use crate::store::{Body, FileRow, ItemRow, MessageRow};

/// Why a planned message could not be composed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The reason.
    pub reason: BlockReason,
    /// The fault's own words; empty where the reason says it all.
    pub detail: String,
}

/// Composes planned messages of one plan.
pub struct Composer<'a> {
    /// Config, templates and the rest.
    pub workspace: &'a Workspace,
    /// The rules that were planned.
    pub rules: &'a RuleSet,
    /// The receivables.
    pub ledger: &'a Ledger,
    /// The decisions.
    pub plan: &'a Plan,
    /// What the Date header says.
    pub now: Timestamp,
    /// The files that go with mails, asked for before.
    pub attachments: &'a Attachments,
}

impl Composer<'_> {
    /// Returns the key of a message in this workspace's mode.
    pub fn key(&self, message: &PlannedMessage) -> MessageKey {
        let audience = match self.workspace.config.mode {
            Mode::Live => Audience::Customers,
            Mode::Redirect(_) => Audience::Redirected,
            Mode::Dry => Audience::Nobody,
        };
        message.key(self.plan, self.rules, self.ledger, audience)
    }

    /// Composes a message, whole or not at all. `thread` holds the Message-IDs of the mails it goes on from, the oldest
    /// first; nothing but two headers depends on it.
    ///
    /// # Errors
    /// Why it is blocked.
    pub fn compose(&self, message: &PlannedMessage, thread: &[String]) -> Result<Composed, Blocked> {
        self.compose_in(None, message, thread)
    }

    /// Composes a message as [`Composer::compose`] does, in a language other than the customer's where one is given.
    ///
    /// # Errors
    /// Why it is blocked.
    pub fn compose_in(
        &self,
        language: Option<&Language>,
        message: &PlannedMessage,
        thread: &[String],
    ) -> Result<Composed, Blocked> {
        let templates = &self.workspace.templates;
        let (mut composed, redirected) = self.with_letter(language, message, thread, |letter| {
            let annexes = self.attachments.of(self, message)?;
            compose_with(letter, &annexes, templates).map_err(|fault| blocked(&fault))
        })?;
        if !redirected.is_empty() {
            composed.bytes = with_original_recipients(&redirected, composed.bytes);
        }
        self.check_size(message, &composed)?;
        Ok(composed)
    }

    /// Returns the files that go with a message, to be looked at, in a language other than the customer's where one is given.
    ///
    /// # Errors
    /// Why it is blocked.
    pub fn files_in(&self, language: Option<&Language>, message: &PlannedMessage) -> Result<Vec<Attachment>, Blocked> {
        let templates = &self.workspace.templates;
        let made = self.with_letter(language, message, &[], |letter| {
            let annexes = self.attachments.of(self, message)?;
            files(letter, &annexes, templates).map_err(|fault| blocked(&fault))
        })?;
        Ok(made.0)
    }

    /// Returns what the templates of a message have, as JSON, but for passwords of ZIPs; in a language other than the customer's
    /// where one is given.
    ///
    /// # Errors
    /// Why it is blocked.
    pub(crate) fn values(&self, language: Option<&Language>, message: &PlannedMessage) -> Result<serde_json::Value, Blocked> {
        let templates = &self.workspace.templates;
        let made =
            self.with_letter(language, message, &[], |letter| values(letter, templates).map_err(|fault| blocked(&fault)))?;
        let mut values = made.0;
        if let Some(columns) = values.pointer_mut("/customer/attributes").and_then(serde_json::Value::as_object_mut) {
            self.password_columns().into_iter().for_each(|column| drop(columns.remove(column)));
        }
        Ok(values)
    }

    /// Returns the columns of the customers' file that any rule takes passwords from: a mail without a ZIP must not tell them either.
    fn password_columns(&self) -> Vec<&str> {
        self.workspace.rules.rules.iter().flat_map(Rule::password_columns).collect()
    }

    /// Makes something of a message's letter. Returns it, and whom the mail is kept from by the mode.
    fn with_letter<T>(
        &self,
        language: Option<&Language>,
        message: &PlannedMessage,
        thread: &[String],
        make: impl FnOnce(&Letter<'_>) -> Result<T, Blocked>,
    ) -> Result<(T, Vec<Recipient>), Blocked> {
        if let Some(reason) = message.blocked {
            let fault = self.plan.faults.iter().find(|(rule, _)| *rule == message.rule && reason == BlockReason::ScriptError);
            return Err(Blocked { reason, detail: fault.map_or_else(String::new, |(_, fault)| fault_words(fault)) });
        }
        let sender_id = message.sender(self.rules);
        let Some(sender) = self.workspace.config.senders.iter().find(|sender| sender.id == *sender_id) else {
            return Err(Blocked { reason: BlockReason::SenderUnknown, detail: sender_id.to_string() });
        };
        let rule = message.rule(self.rules);
        let facts = message.level_facts(self.rules);
        let as_of = message.figures_on(self.plan.as_of);
        let items: Vec<(DocumentIndex, LevelId)> =
            self.plan.items(message).iter().map(|item| (item.document, self.template_level(message, item))).collect();
        let figures = self.figures(message);
        let variables = self.variables(message, &items)?;
        let (meant, _) = self.recipients(message);
        let (recipients, redirected) = match &self.workspace.config.mode {
            Mode::Redirect(redirect) => redirected(redirect, &meant),
            Mode::Live | Mode::Dry => (meant, Vec::new()),
        };
        let subject_lead = subject_lead(&redirected);
        let key = self.key(message);
        let letter = Letter {
            ledger: self.ledger,
            as_of,
            rule_id: &rule.id,
            rule_description: &rule.description,
            customer: message.customer,
            currency: message.currency,
            items: &items,
            content: match (&figures, &message.matter) {
                (Some(statement), _) => Content::Statement(statement),
                (None, Matter::Notice { subject: Subject::Payment(payment), .. }) => Content::Notice(Some(*payment)),
                (None, Matter::Notice { .. }) => Content::Notice(None),
                (None, Matter::Reminder { .. } | Matter::Statement { .. }) => Content::Reminder,
            },
            level: &facts,
            company: self.workspace.config.company.as_ref(),
            template: message.template(self.rules),
            sender,
            recipients: &recipients,
            subject_lead: &subject_lead,
            variables: &variables,
            holds: &self.plan.holds,
            message_id: key.as_str(),
            thread,
            headers: &rule.headers,
            language,
            date: self.date(),
        };
        Ok((make(&letter)?, redirected))
    }

    /// Refuses a mail that none of its sender's servers takes, by what config.yaml says of them: better known now than when they
    /// are asked.
    fn check_size(&self, message: &PlannedMessage, composed: &Composed) -> Result<(), Blocked> {
        let id = message.sender(self.rules);
        let Some(sender) = self.workspace.config.senders.iter().find(|sender| sender.id == *id) else { return Ok(()) };
        let servers = self.workspace.config.servers.iter().filter(|server| sender.servers.contains(&server.id));
        let most = servers.map(|server| server.size).max().unwrap_or(u64::MAX);
        let byte_count = composed.bytes.len() as u64;
        if composed.files.is_empty() || byte_count <= most {
            return Ok(());
        }
        let detail = format!(
            "The mail has {byte_count} bytes with its attachments, and no server of the sender `{}` takes more than {most}; `smtp.<id>.size` says so",
            sender.id
        );
        Err(Blocked { reason: BlockReason::DocumentMissing, detail })
    }

    /// Returns whom a message goes to, and the addresses that are left out of it as suppressed. The plan blocks one that
    /// would go to nobody.
    pub(crate) fn recipients(&self, message: &PlannedMessage) -> (Vec<Recipient>, Vec<Recipient>) {
        let all = message.recipients(self.rules, self.ledger);
        all.into_iter().partition(|recipient| !self.plan.suppressions.has(&recipient.address))
    }

    /// Returns what the template of a message is given beside its figures.
    ///
    /// # Errors
    /// Why it is blocked.
    pub(crate) fn given(&self, message: &PlannedMessage) -> Result<BTreeMap<String, Variable>, Blocked> {
        let items = self.plan.items(message).iter().map(|item| (item.document, self.template_level(message, item)));
        self.variables(message, &items.collect::<Vec<_>>())
    }

    /// Returns the values for the template: those of the rule's pickers in their order, then those of its script.
    fn variables(
        &self,
        message: &PlannedMessage,
        items: &[(DocumentIndex, LevelId)],
    ) -> Result<BTreeMap<String, Variable>, Blocked> {
        let (rule, facts) = (message.rule(self.rules), message.level_facts(self.rules));
        let documents: Vec<DocumentIndex> = items.iter().map(|(document, _)| *document).collect();
        let as_of = message.figures_on(self.plan.as_of);
        let account = rule.account(self.ledger, message.customer, message.currency, as_of);
        let mut variables = BTreeMap::new();
        let mut add = |given: Result<BTreeMap<String, Variable>, ScriptFault>| {
            let blocked = |fault| Blocked { reason: BlockReason::ScriptError, detail: fault_words(&fault) };
            given.map(|given| variables.extend(given)).map_err(blocked)
        };
        for picker in &rule.variables {
            add(picker.variables(&account, &documents, &facts))?;
        }
        if let Some(script) = &rule.script {
            add(script.variables(&account, &documents, &facts))?;
        }
        Ok(variables)
    }

    /// Returns the invoices whose earlier reminders a message goes on from; none where it is no reminder.
    pub fn threaded(&self, message: &PlannedMessage) -> Vec<&str> {
        match message.matter {
            Matter::Reminder { .. } => {
                self.plan.items(message).iter().map(|item| self.ledger.document(item.document).number.as_str()).collect()
            }
            Matter::Statement { .. } | Matter::Notice { .. } => Vec::new(),
        }
    }

    /// Returns the row of a message, composed or blocked. `waits` holds why a composed one must not go yet; `thread` is as in
    /// [`Composer::compose`].
    pub fn row(&self, message: &PlannedMessage, waits: Option<&'static str>, thread: &[String]) -> MessageRow {
        let rule = message.rule(self.rules);
        let customer = self.ledger.customer(message.customer);
        let composed = self.compose(message, thread);
        let (state, reason, detail) = match &composed {
            Err(blocked) => {
                let detail = (!blocked.detail.is_empty()).then(|| blocked.detail.clone());
                (State::Blocked, Some(blocked.reason.as_str()), detail)
            }
            Ok(_) if waits.is_some() => (State::Waiting, waits, self.left_out(message)),
            Ok(_) => (State::Queued, None, self.left_out(message)),
        };
        let composed = composed.ok();
        let files = composed.as_ref().map_or_else(Vec::new, |composed| composed.files.iter().map(file_row).collect());
        let items = self.plan.items(message).iter().map(|item| ItemRow {
            document: self.ledger.document(item.document).number.to_string(),
            level_id: message.item_level(self.rules, item).to_string(),
            level_repeat: u32::from(item.step.repeat),
            open: self.ledger.open_on(item.document, message.figures_on(self.plan.as_of)).to_string(),
        });
        MessageRow {
            message_key: self.key(message).to_string(),
            rule_id: rule.id.to_string(),
            rule_revision: rule.revision.clone(),
            customer_id: customer.id.to_string(),
            customer_name: customer.name.to_string(),
            currency: message.currency.to_string(),
            total: crate::domain::money::plain(message.total, message.currency),
            level_id: message.level(self.rules).map_or_else(String::new, |level| level.id.to_string()),
            level_repeat: u32::from(message.lead().repeat),
            kind: rule.kind.as_str(),
            occasion: message.occasion().into_string(),
            state,
            reason,
            detail,
            sender_id: message.sender(self.rules).to_string(),
            envelope_from: composed.as_ref().map(|composed| composed.envelope_from.to_string()),
            header_id: composed.as_ref().map(|composed| composed.header_id.clone()),
            subject: composed.as_ref().map(|composed| composed.subject.clone()),
            recipients: composed.as_ref().map_or_else(Vec::new, |composed| composed.recipients.clone()),
            items: items.collect(),
            body: composed.map(|composed| Body::new(composed.bytes, Some(self.input(message)))),
            give_up_after: rule.give_up_after,
            files,
        }
    }

    /// Returns the rows of the ledger that a message is made from, as JSON.
    fn input(&self, message: &PlannedMessage) -> String {
        let as_of = message.figures_on(self.plan.as_of);
        let passwords = self.password_columns();
        let of = |documents: Vec<DocumentIndex>, payments: Vec<PaymentIndex>| {
            input(self.ledger, message.customer, message.currency, as_of, &documents, &payments, &passwords)
        };
        match &message.matter {
            Matter::Statement { .. } => {
                let (documents, payments) = self.figures(message).map(|figures| figures.sources()).unwrap_or_default();
                of(documents, payments)
            }
            Matter::Notice { subject: Subject::Payment(payment), .. } => {
                of(self.ledger.payment(*payment).document.into_iter().collect(), vec![*payment])
            }
            Matter::Reminder { .. } | Matter::Notice { .. } => {
                of(self.plan.items(message).iter().map(|item| item.document).collect(), Vec::new())
            }
        }
    }

    /// Says which addresses are left out of a message.
    fn left_out(&self, message: &PlannedMessage) -> Option<String> {
        let (_, left_out) = self.recipients(message);
        let addresses: Vec<&str> = left_out.iter().map(|recipient| recipient.address.as_str()).collect();
        (!addresses.is_empty()).then(|| format!("left out, since suppressed: {}", addresses.join(", ")))
    }

    /// Returns the figures of a statement.
    pub(crate) fn figures(&self, message: &PlannedMessage) -> Option<StatementOfAccount> {
        match (&message.matter, &message.rule(self.rules).kind) {
            (Matter::Statement { period }, RuleKind::Statement(statement)) => {
                Some(statement.figures(self.ledger, message.customer, message.currency, *period))
            }
            _ => None,
        }
    }

    /// Returns what a template is told of an item's level.
    fn template_level(&self, message: &PlannedMessage, item: &PlannedItem) -> LevelId {
        match message.matter {
            Matter::Reminder { .. } => message.item_level(self.rules, item),
            Matter::Statement { .. } | Matter::Notice { .. } => LevelId::new(message.level_facts(self.rules).id),
        }
    }

    fn date(&self) -> Zoned {
        let zone = TimeZone::get(self.workspace.config.time_zone.as_str()).unwrap_or(TimeZone::UTC);
        self.now.to_zoned(zone)
    }
}

fn file_row(file: &ComposedFile) -> FileRow {
    FileRow {
        name: file.name.clone(),
        packed_in: file.packed_in.clone(),
        content_type: file.content_type.clone(),
        byte_count: file.byte_count as u64,
        hash: file.hash,
        customer_id: file.customer.as_ref().map(ToString::to_string),
    }
}

fn blocked(fault: &ComposeFault) -> Blocked {
    let reason = match fault {
        ComposeFault::RecipientMissing | ComposeFault::RecipientsTooMany { .. } => BlockReason::RecipientMissing,
        ComposeFault::NameUnusable { .. } => BlockReason::SenderUnknown,
        ComposeFault::Unbalanced { .. } | ComposeFault::BalanceNotShown { .. } => BlockReason::Unbalanced,
        ComposeFault::Paper(PaperFault::Text(_)) | ComposeFault::PasswordShown { .. } => BlockReason::TemplateError,
        ComposeFault::AttachmentUnusable { .. } | ComposeFault::AttachmentsTooLarge { .. } | ComposeFault::Paper(_) => {
            BlockReason::DocumentMissing
        }
        _ => BlockReason::TemplateError,
    };
    Blocked { reason, detail: fault.to_string() }
}

/// Returns a script fault's place and words.
pub(crate) fn fault_words(fault: &ScriptFault) -> String {
    format!("{}: {}", fault.place, fault.message)
}

/// Returns to whom a mail goes in the mode `redirect`, and whom it was meant for instead: whoever is allowed gets it in their
/// own role, and one address stands for all others.
fn redirected(redirect: &Redirect, meant: &[Recipient]) -> (Vec<Recipient>, Vec<Recipient>) {
    let (mut goes, redirected): (Vec<_>, Vec<_>) =
        meant.iter().cloned().partition(|recipient| redirect.allows(&recipient.address));
    if !redirected.is_empty() {
        goes.push(Recipient { address: redirect.to.clone(), role: RecipientRole::To });
    }
    (goes, redirected)
}

/// Returns what the subject of a redirected mail begins with: `[for ap@customer.example +2] `.
fn subject_lead(redirected: &[Recipient]) -> String {
    match redirected {
        [] => String::new(),
        [only] => format!("[for {}] ", only.address),
        [first, rest @ ..] => format!("[for {} +{}] ", first.address, rest.len()),
    }
}

/// Returns a mail that does not go through the outbox as a server gets it, but for signatures.
pub(crate) fn outgoing(composed: Composed) -> Outgoing {
    let Composed { envelope_from, recipients, bytes, .. } = composed;
    Outgoing { envelope_from, recipients, signatures: Vec::new(), bytes: Arc::from(bytes) }
}

/// Puts a header line in front that says whom a redirected mail was meant for.
pub(crate) fn with_original_recipients(meant: &[Recipient], mut bytes: Vec<u8>) -> Vec<u8> {
    // One line each, so that none grows past 998 octets; an address holds no line break (domain/mailbox).
    let lines = meant.iter().map(|recipient| format!("X-Original-To: {}\r\n", recipient.address));
    bytes.splice(..0, lines.collect::<String>().into_bytes());
    bytes
}
