//! `dunlin outbox`: every mail with its state, and one mail with its items, bytes and attempts. What a person decides
//! about mails is in `intervene`.

use clap::{Args, Subcommand};
use serde_json::json as object;

use crate::cli::intervene::{ChosenArgs, intervene};
use crate::cli::plan::{about, block_sentence, customer};
use crate::cli::print::{counted, fail, few, json, keep_whole, number, out, out_bytes, role_word, table};
use crate::cli::session::Session;
use crate::cli::{Common, Exit, day, wrong_use};
use crate::domain::date::Date;
use crate::engine::outbox::{ActView, MessageFile, MessageFilter, MessageView, Outbox, StoreError};
use crate::engine::workspace::StartFault;
use crate::outbox::diagnosis::Diagnosis;
use crate::outbox::intervention::{Intervention, RESENT};
use crate::outbox::state::State;
use crate::plan::reason::DeclineReason;

#[derive(Args, Debug)]
pub(crate) struct OutboxArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// At most so many, the newest first; --json has no limit of its own
    #[arg(long, value_name = "COUNT")]
    limit: Option<u32>,
    #[command(subcommand)]
    verb: Option<OutboxVerb>,
}

/// Which mails are meant.
#[derive(Args, Clone, Debug)]
pub(crate) struct FilterArgs {
    /// Only this customer's mails
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Only this rule's mails
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Only mails in this state; may be given several times
    #[arg(id = "state", long = "state", value_name = "STATE", value_parser = state)]
    states: Vec<State>,
    /// Only this run's mails
    #[arg(long, value_name = "RUN")]
    run: Option<i64>,
    /// Only mails decided for this day or a later one
    #[arg(long, value_name = "DATE", value_parser = day)]
    from: Option<Date>,
    /// Only mails decided for this day or an earlier one
    #[arg(long, value_name = "DATE", value_parser = day)]
    until: Option<Date>,
    /// Only mails with this text in an invoice's number, the subject, the customer's id or name, an address, or the mail's key
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
}

impl FilterArgs {
    /// Returns the mails that these arguments mean.
    pub(crate) fn chosen(&self) -> MessageFilter {
        MessageFilter {
            ids: Vec::new(),
            run_id: self.run,
            customer_id: self.customer.clone(),
            rule_id: self.rule.clone(),
            states: self.states.clone(),
            from: self.from,
            until: self.until,
            text: self.text.clone(),
        }
    }
}

#[derive(Debug, Subcommand)]
enum OutboxVerb {
    /// Show one mail: its items, recipients, attempts and text
    Show {
        /// The mail's id, as the list shows it
        id: i64,
        /// Print its exact bytes and nothing else
        #[arg(long)]
        eml: bool,
    },
    /// Give mails back to the next run, which decides and composes anew with the figures and addresses of its day; of an
    /// `unknown` mail you vouch that it did not arrive
    Renew(ChosenArgs),
    /// Close mails that are not wanted; their invoices go on to the next level when its day comes
    Cancel(ChosenArgs),
    /// Say of `unknown` mails that they arrived: you vouch for it, and their level counts as reached
    Accept(ChosenArgs),
    /// Send a copy of mails that were accepted, as they were sent then, whatever the ledger says now
    Resend(ChosenArgs),
}

/// The reasons of mails that are not blocked, with their sentences.
pub(crate) const REASONS: &[(&str, &str)] = &[
    ("approval", "its rule asks for a person (approve: true)"),
    ("run_guard", "its run was larger than `run_guard` allows"),
    ("unusual", "its rule has far more mails than it usually has (`run_guard.times_usual`)"),
    ("refusals", "its run was stopped, since too many of its mails were refused (`run_guard.refused_percent`)"),
    ("dry", "the mode `dry` only composes"),
    ("interrupted", "its run ended while it was on its way"),
    ("restored", "it may have gone before the database was restored"),
    ("not_adopted", "its database was away from home, and whom it goes to was decided elsewhere"),
    (
        "no_longer_due",
        "looked at again before it was sent, it was no longer due as it had been composed: `dunlin explain` tells why",
    ),
    ("renewed", "a person gave it back to the next run"),
    ("by_person", "on a person's word"),
    ("held", "its customer or invoice is on hold"),
    ("suppressed", "an address of it was suppressed while it waited"),
    ("stopped", "a person stopped its run"),
    (RESENT, "a copy, sent once more on a person's word"),
];

/// How many mails a list for people shows where nothing else is asked for.
const LIST_DEFAULT: u32 = 100;

pub(crate) fn outbox(common: &Common, args: &OutboxArgs) -> Exit {
    if let Some(verb) = &args.verb
        && (args.filter.chosen() != MessageFilter::default() || args.limit.is_some())
    {
        // Left without effect, a filter before the verb would let it act on more than was meant.
        let name = match verb {
            OutboxVerb::Show { .. } => "show",
            OutboxVerb::Renew(_) => Intervention::Renew.as_str(),
            OutboxVerb::Cancel(_) => Intervention::Cancel.as_str(),
            OutboxVerb::Accept(_) => Intervention::Accept.as_str(),
            OutboxVerb::Resend(_) => Intervention::Resend.as_str(),
        };
        wrong_use(&format!("filters of the list cannot stand before `{name}`; write what belongs to it behind it"));
    }
    done(common, args).unwrap_or_else(|exit| exit)
}

fn done(common: &Common, args: &OutboxArgs) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    match &args.verb {
        None => look(common, &session, |outbox| list(common, outbox, args).map_err(failed)),
        Some(OutboxVerb::Show { id, eml }) => look(common, &session, |outbox| show(common, outbox, *id, *eml)),
        Some(OutboxVerb::Renew(chosen)) => intervene(common, session, Intervention::Renew, chosen),
        Some(OutboxVerb::Cancel(chosen)) => intervene(common, session, Intervention::Cancel, chosen),
        Some(OutboxVerb::Accept(chosen)) => intervene(common, session, Intervention::Accept, chosen),
        Some(OutboxVerb::Resend(chosen)) => intervene(common, session, Intervention::Resend, chosen),
    }
}

/// Lets `at` look at the outbox, if there is one.
fn look(common: &Common, session: &Session, at: impl FnOnce(&Outbox) -> Result<Exit, Exit>) -> Result<Exit, Exit> {
    look_at(common, Outbox::open(&session.workspace).map_err(failed)?, at)
}

/// Lets `at` look at what is kept, or says that nothing is.
pub(crate) fn look_at<V>(common: &Common, view: Option<V>, at: impl FnOnce(&V) -> Result<Exit, Exit>) -> Result<Exit, Exit> {
    if let Some(view) = view {
        return at(&view);
    }
    if !common.json {
        out("Nothing has been sent yet");
    }
    Ok(Exit::Done)
}

fn list(common: &Common, outbox: &Outbox, args: &OutboxArgs) -> Result<Exit, StoreError> {
    let limit = if common.json { args.limit } else { Some(args.limit.unwrap_or(LIST_DEFAULT)) };
    let filter = args.filter.chosen();
    if common.json {
        outbox.list(&filter, limit, |message| json(&message))?;
        return Ok(Exit::Done);
    }
    let mut rows = table(&["Id", "Run", "Rule", "Customer", "Level", "Invoices", "Open", "To", "State", "Tries"]);
    let mut count: usize = 0;
    outbox.list(&filter, limit, |message| {
        count += 1;
        rows.add_row([
            number(message.id),
            number(message.run),
            message.rule.clone().into(),
            customer(&message.customer, &message.customer_name).into(),
            about(&message.level, &message.occasion).into(),
            few(&message.items, 2).into(),
            number(format!("{} {}", message.total, message.currency)),
            message.to.join("\n").into(),
            state_words(&message).into(),
            number(message.attempts),
        ]);
    })?;
    if count == 0 {
        out("No mail matches");
        return Ok(Exit::Done);
    }
    keep_whole(&mut rows, &[4, 6, 7]);
    out(rows.to_string());
    let more = if limit.is_some_and(|limit| count as u32 == limit) { "; --limit shows more" } else { "" };
    out(format!("{}{more}", counted(count, "mail", "mails")));
    Ok(Exit::Done)
}

fn show(common: &Common, outbox: &Outbox, id: i64, eml: bool) -> Result<Exit, Exit> {
    let Some(file) = outbox.find(id).map_err(failed)? else {
        fail(format!("There is no mail {id}"), Some("`dunlin outbox` lists them"));
        return Err(Exit::Failed);
    };
    let MessageFile { message, items, recipients, attempts, bytes, acts } = file;
    if eml {
        let Some(bytes) = bytes else {
            fail(format!("Mail {id} is {} and has no bytes", message.state), None);
            return Err(Exit::Failed);
        };
        out_bytes(&bytes);
        return Ok(Exit::Done);
    }
    if common.json {
        let eml = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        json(&object!({
            "message": message, "items": items, "recipients": recipients, "attempts": attempts, "acts": acts, "eml": eml
        }));
        return Ok(Exit::Done);
    }
    out(format!("Mail {id} of run {}: {}", message.run, state_words(&message)));
    let step = match message.level.as_str() {
        "" => format!("{} {}", message.kind, message.occasion),
        level => format!("level {level}"),
    };
    out(format!("  rule {}, {step}, for {}", message.rule, message.as_of));
    out(format!("  customer {}", customer(&message.customer, &message.customer_name)));
    if let Some(detail) = &message.detail {
        out(format!("  {detail}"));
    }
    if let Some(subject) = &message.subject {
        out(format!("  subject {subject}"));
    }
    out(format!("  key {}", message.message_key));
    for recipient in &recipients {
        out(format!("  {} {}", role_word(recipient.role), recipient.address));
    }
    for item in &items {
        let level = if message.level.is_empty() { String::new() } else { format!(", level {}", item.level) };
        out(format!("  invoice {}: {} {} open{level}", item.document, item.open, message.currency));
    }
    for attempt in &attempts {
        let words = attempt.reply.clone().or(attempt.fault.clone()).unwrap_or_default();
        let code = attempt.code.map_or_else(String::new, |code| format!(" {code}"));
        out(format!(
            "  {} through {}: {} at {}{code} {words} ({} ms)",
            attempt.started_at, attempt.server, attempt.outcome, attempt.stage, attempt.duration_ms
        ));
        if let Some(Diagnosis { meaning, next_step }) = attempt.diagnosis {
            out(format!("    {meaning} {next_step}"));
        }
    }
    act_lines(&acts);
    if bytes.is_some() {
        out(format!("`dunlin outbox show {id} --eml` prints its exact bytes"));
    }
    let state = State::parse(&message.state);
    let may = |verb: &Intervention| state.is_some_and(|state| verb.states().contains(&state));
    let verbs: Vec<&str> = Intervention::ALL.iter().filter(|verb| may(verb)).map(|verb| verb.as_str()).collect();
    if !verbs.is_empty() {
        out(format!("What you may decide about it (`dunlin outbox VERB {id}`): {}", verbs.join(", ")));
    }
    Ok(Exit::Done)
}

/// Tells what people did, a line each.
pub(crate) fn act_lines(acts: &[ActView]) {
    for act in acts {
        let detail = act.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
        out(format!("  {} {} by {}{detail}", act.at, act.act, act.person));
    }
}

fn state_words(message: &MessageView) -> String {
    match (&message.reason, message.next_attempt_at) {
        (Some(reason), _) => format!("{}: {}", message.state, reason_sentence(reason)),
        (None, Some(next)) if message.attempts > 0 => {
            format!("{}, next try {}", message.state, next.strftime("%Y-%m-%d %H:%M UTC"))
        }
        _ => message.state.clone(),
    }
}

/// Returns the sentence behind a reason's word, whatever the state.
pub(crate) fn reason_sentence(word: &str) -> &str {
    let known = REASONS.iter().find(|(reason, _)| *reason == word);
    let declined = || DeclineReason::ALL.iter().find(|reason| reason.as_str() == word).map(|reason| reason.sentence());
    known.map(|(_, sentence)| *sentence).or_else(declined).unwrap_or_else(|| block_sentence(word))
}

fn state(word: &str) -> Result<State, String> {
    State::parse(word).ok_or_else(|| {
        let words: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
        format!("the states are: {}", words.join(", "))
    })
}

/// Tells why the store could not do it, with the way out.
pub(crate) fn failed(error: StoreError) -> Exit {
    let fault = StartFault::from(error);
    fail(fault.to_string(), fault.hint());
    Exit::Failed
}
