//! What has to come of a stretch: its mails, all of them, and why others get none.

use rust_decimal::Decimal;

use crate::domain::date::Date;
use crate::domain::id::{CustomerId, DocumentNumber, RuleId};
use crate::domain::money::Currency;
use crate::domain::problem::Place;
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::rule::Rule;
use crate::ruletest::Known;
use crate::ruletest::day::Days;
use crate::ruletest::ledger::RowReader;
use crate::yaml::{self, Fields, Node, Problems, Value};

/// The word for a stretch without mails.
pub(crate) const NOTHING: &str = "nothing";

/// What has to come of a stretch. A mail that is not here fails the case.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Its mails, all of them.
    pub mails: Vec<ExpectedMail>,
    /// Why others get none.
    pub nothings: Vec<ExpectedNothing>,
}

/// A mail that has to come; `None` and empty lists are not compared.
#[derive(Clone, Debug)]
pub struct ExpectedMail {
    /// Where it stands.
    pub place: Place,
    /// On which day of the stretch.
    pub on: Option<Date>,
    /// Of which rule.
    pub rule: Option<RuleId>,
    /// To whom.
    pub customer: Option<CustomerId>,
    /// At which level: a level's id, `statement` or `notice`.
    pub level: String,
    /// Which mail at that level, from 0.
    pub repeat: u16,
    /// About which documents, each with its level where one is written.
    pub items: Option<Vec<(DocumentNumber, Option<String>)>>,
    /// About how much.
    pub total: Option<Decimal>,
    /// In which currency.
    pub currency: Option<Currency>,
    /// Under which sender.
    pub from: Option<String>,
    /// To which addresses.
    pub to: Option<Vec<String>>,
    /// Who gets a visible copy.
    pub cc: Option<Vec<String>>,
    /// Who gets an invisible copy.
    pub bcc: Option<Vec<String>>,
    /// Texts of its subject.
    pub subject: Vec<String>,
    /// Texts of its text part.
    pub text: Vec<String>,
    /// Texts that neither has.
    pub without: Vec<String>,
    /// What its template is given, by name.
    pub variables: Vec<(String, Value)>,
    /// Why it is blocked, if it has to be.
    pub blocked: Option<BlockReason>,
}

/// A decision that has to come, for nothing.
#[derive(Clone, Debug)]
pub struct ExpectedNothing {
    /// Where it stands.
    pub place: Place,
    /// On which day of the stretch.
    pub on: Option<Date>,
    /// Of which rule.
    pub rule: Option<RuleId>,
    /// For whom.
    pub customer: Option<CustomerId>,
    /// About which invoice.
    pub invoice: Option<DocumentNumber>,
    /// Why.
    pub reason: DeclineReason,
}

/// One entry of `expect`.
enum Entry {
    Mail(Box<ExpectedMail>),
    Nothing(ExpectedNothing),
    /// Plain `nothing`: no mail, whatever the reason.
    Silence,
}

/// What an `expect` is read with.
#[derive(Clone, Copy)]
pub(crate) struct ExpectReader<'r, 'k> {
    pub(crate) known: &'r Known<'k>,
    pub(crate) days: Days,
    /// The rules that are planned together.
    pub(crate) rules: &'r [&'k Rule],
    pub(crate) rows: &'r RowReader<'k>,
}

impl ExpectReader<'_, '_> {
    /// Reads a word, an entry, or a list of them.
    pub(crate) fn expected(&self, node: &Node, problems: &mut Problems<'_>) -> Option<Expected> {
        let entries = yaml::one_or_list(|node, problems| self.entry(node, problems))(node, problems)?;
        let mut expected = Expected::default();
        let mut is_silent = false;
        for entry in entries {
            match entry {
                Entry::Mail(mail) => expected.mails.push(*mail),
                Entry::Nothing(nothing) => expected.nothings.push(nothing),
                Entry::Silence => is_silent = true,
            }
        }
        if is_silent && !expected.mails.is_empty() {
            problems.error_hint(node.span, "`nothing` stands beside a mail", "remove one of the two");
        }
        Some(expected)
    }

    fn entry(&self, node: &Node, problems: &mut Problems<'_>) -> Option<Entry> {
        if matches!(node.value, Value::Scalar(_)) {
            if node.scalar().is_some_and(|scalar| scalar.text == NOTHING) {
                return Some(Entry::Silence);
            }
            let level = self.level(node, problems)?;
            let mail = ExpectedMail { level, ..bare(problems.place(node.span)) };
            return Some(Entry::Mail(Box::new(mail)));
        }
        let mut fields = Fields::open(node, "an expectation", problems)?;
        match (fields.key_span("mail").is_some(), fields.key_span(NOTHING).is_some()) {
            (true, false) => self.mail(fields, node, problems),
            (false, true) => {
                let reason = fields.required(NOTHING, problems, reason);
                let on = fields.optional("on", problems, self.days.reader());
                let rule = fields.optional("rule", problems, |node, problems| self.rule(node, problems));
                let customer = fields.optional("customer", problems, |node, problems| self.rows.customer_id(node, problems));
                let invoice = fields.optional("invoice", problems, |node, problems| self.rows.invoice(node, problems));
                fields.close(problems);
                let place = problems.place(node.span);
                Some(Entry::Nothing(ExpectedNothing { place, on, rule, customer, invoice, reason: reason? }))
            }
            _ => {
                let hint = "write `{ mail: first, … }` or `{ nothing: not_yet_due }`";
                problems.error_hint(node.span, "An expectation has either `mail` or `nothing`", hint);
                None
            }
        }
    }

    fn mail(&self, mut fields: Fields<'_>, node: &Node, problems: &mut Problems<'_>) -> Option<Entry> {
        let texts = || yaml::one_or_list(yaml::text);
        let level = fields.required("mail", problems, |node, problems| self.level(node, problems));
        let mail = ExpectedMail {
            on: fields.optional("on", problems, self.days.reader()),
            rule: fields.optional("rule", problems, |node, problems| self.rule(node, problems)),
            customer: fields.optional("customer", problems, |node, problems| self.rows.customer_id(node, problems)),
            repeat: fields.optional("repeat", problems, yaml::whole(0, 100)).and_then(|count| count.try_into().ok()).unwrap_or(0),
            items: fields.optional("items", problems, |node, problems| self.items(node, problems)),
            total: fields.optional("total", problems, yaml::decimal),
            currency: fields.optional("currency", problems, yaml::currency),
            from: fields.optional("from", problems, |node, problems| {
                let sender = yaml::text(node, problems)?;
                if !self.known.senders.contains(&sender) {
                    yaml::unknown_word(node, &sender, self.known.senders.iter().map(String::as_str), problems);
                    return None;
                }
                Some(sender)
            }),
            to: fields.optional("to", problems, texts()),
            cc: fields.optional("cc", problems, texts()),
            bcc: fields.optional("bcc", problems, texts()),
            subject: fields.optional("subject", problems, texts()).unwrap_or_default(),
            text: fields.optional("text", problems, texts()).unwrap_or_default(),
            without: fields.optional("without", problems, texts()).unwrap_or_default(),
            variables: fields
                .optional("variables", problems, yaml::map(|entry, _| Some((entry.key.clone(), entry.value.value.clone()))))
                .unwrap_or_default(),
            blocked: fields.optional("blocked", problems, |node, problems| {
                yaml::choice(&BlockReason::ALL.map(|reason| (reason.as_str(), reason)))(node, problems)
            }),
            ..bare(problems.place(node.span))
        };
        fields.close(problems);
        Some(Entry::Mail(Box::new(ExpectedMail { level: level?, ..mail })))
    }

    fn items(&self, node: &Node, problems: &mut Problems<'_>) -> Option<Vec<(DocumentNumber, Option<String>)>> {
        match &node.value {
            Value::Map(_) => yaml::map(|entry, problems| {
                let key = Node { span: entry.span, value: Value::Null };
                let number = DocumentNumber::new(&entry.key);
                if self.rows.is_known(&number) {
                    return Some((number, Some(self.level(&entry.value, problems)?)));
                }
                yaml::unknown_word(&key, &entry.key, self.rows.invoice_numbers(), problems);
                None
            })(node, problems),
            _ => yaml::one_or_list(|node, problems| Some((self.rows.document(node, problems)?, None)))(node, problems),
        }
    }

    fn rule(&self, node: &Node, problems: &mut Problems<'_>) -> Option<RuleId> {
        let id = yaml::text(node, problems)?;
        let found = self.rules.iter().find(|rule| rule.id.as_str() == id);
        if found.is_none() {
            yaml::unknown_word(node, &id, self.rules.iter().map(|rule| rule.id.as_str()), problems);
        }
        found.map(|rule| rule.id.clone())
    }

    fn level(&self, node: &Node, problems: &mut Problems<'_>) -> Option<String> {
        let word = yaml::text(node, problems)?;
        let known: Vec<&str> = self.rules.iter().flat_map(|rule| rule.level_words()).collect();
        if !known.contains(&word.as_str()) {
            yaml::unknown_word(node, &word, known.iter().copied().chain([NOTHING]), problems);
            return None;
        }
        Some(word)
    }
}

fn bare(place: Place) -> ExpectedMail {
    ExpectedMail {
        place,
        on: None,
        rule: None,
        customer: None,
        level: String::new(),
        repeat: 0,
        items: None,
        total: None,
        currency: None,
        from: None,
        to: None,
        cc: None,
        bcc: None,
        subject: Vec::new(),
        text: Vec::new(),
        without: Vec::new(),
        variables: Vec::new(),
        blocked: None,
    }
}

fn reason(node: &Node, problems: &mut Problems<'_>) -> Option<DeclineReason> {
    yaml::choice(&DeclineReason::ALL.map(|reason| (reason.as_str(), reason)))(node, problems)
}
