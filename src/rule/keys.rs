//! The one list of keys that a rule file may have: the reader is tested against it, the reference page made from it.

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// At the top of a rule.
    Rule,
    /// In `schedule`.
    Schedule,
    /// In a member of `levels`.
    Level,
    /// In `repeat`.
    Repeat,
    /// In `ageing`.
    Ageing,
    /// In a member of `attach`.
    Attach,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) owner: Owner,
    pub(crate) name: &'static str,
    /// The kinds of rules that have it.
    pub(crate) kinds: &'static [&'static str],
    /// What is written there.
    pub(crate) value: &'static str,
    /// What holds without it.
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
}

/// The kinds of rules.
pub(crate) const KINDS: [&str; 3] = [REMINDER, STATEMENT, NOTICE];
/// Payment reminders.
pub(crate) const REMINDER: &str = "reminder";
/// Statements of account.
pub(crate) const STATEMENT: &str = "statement";
/// Mails about single events.
pub(crate) const NOTICE: &str = "notice";

const ALL: &[&str] = &KINDS;

const fn key(
    owner: Owner,
    name: &'static str,
    kinds: &'static [&'static str],
    value: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key { owner, name, kinds, value, default, meaning }
}

/// What a key without a default says.
pub(crate) const REQUIRED: &str = "must be given";

/// Every key, in the order a rule is best written.
pub(crate) const KEYS: &[Key] = &[
    key(
        Owner::Rule,
        "id",
        ALL,
        "small letters, digits, `-`, `_`",
        REQUIRED,
        "The permanent name. The database knows the rule by it for ever, so renaming the file never sends anything twice.",
    ),
    key(
        Owner::Rule,
        "formerly",
        ALL,
        "a list of ids",
        "none",
        "Ids the rule had before; what was sent under them counts as sent by this rule.",
    ),
    key(
        Owner::Rule,
        "kind",
        ALL,
        "`reminder`, `statement`, `notice`",
        REQUIRED,
        "What the rule sends: reminders ask for money, statements tell a whole account, notices tell of one event.",
    ),
    key(Owner::Rule, "description", ALL, "a text", "empty", "What the rule is for, in a sentence."),
    key(Owner::Rule, "schedule", ALL, "keys, below", "only by hand", "When it runs."),
    key(
        Owner::Rule,
        "for_each",
        &[REMINDER],
        "`customer`, `invoice`",
        "`customer`",
        "One mail per customer and currency with all its items, or one per invoice.",
    ),
    key(
        Owner::Rule,
        "for_each",
        &[NOTICE],
        "`invoice`, `payment`, `customer`",
        REQUIRED,
        "What gets a mail when it is new. Credit notes are no invoices, and money paid back is no payment.",
    ),
    key(
        Owner::Rule,
        "for_each",
        &[STATEMENT],
        "`customer`, `group`",
        "`customer`",
        "One statement per customer and currency, or one for a parent with all its branches, addressed to the parent, its lines \
         by branch. Who has neither parent nor branches gets their own.",
    ),
    key(
        Owner::Rule,
        "where",
        ALL,
        "a condition",
        "everything",
        "Which items, accounts or events the rule concerns; see script-functions.md for what each kind can ask.",
    ),
    key(
        Owner::Rule,
        "minimum",
        &[REMINDER, STATEMENT],
        "`{ EUR: 20.00 }`",
        "none",
        "The least a mail must be about, per currency: over all items of a reminder, or the balance at the end of a statement's period, be it owed or credit.",
    ),
    key(Owner::Rule, "levels", &[REMINDER], "a list of levels", REQUIRED, "The ladder, from the earliest to the latest."),
    key(
        Owner::Rule,
        "climb",
        &[REMINDER],
        "`one_at_a_time`, `to_age`",
        "`one_at_a_time`",
        "The next level is the one after the last accepted, or the one that the item's age asks for.",
    ),
    key(
        Owner::Rule,
        "start",
        &[REMINDER],
        "`from_now`, `first_level`, `to_age`",
        "`from_now`",
        "What happens to items already overdue when the rule first runs: only new levels count, or they start at the first level, or at the level of their age.",
    ),
    key(
        Owner::Rule,
        "start",
        &[NOTICE],
        "`from_now`, `all`",
        "`from_now`",
        "What happens to what was there when the rule first ran: it is not new and gets no mail, or it counts like the rest; then let `where` keep the old ones away.",
    ),
    key(Owner::Rule, "from", ALL, "a sender", REQUIRED, "The sender profile of config.yaml."),
    key(
        Owner::Rule,
        "to",
        ALL,
        "recipients",
        REQUIRED,
        "Recipient keys of config.yaml, addresses, or pickers of plugins: `[billing, escalation()]`.",
    ),
    key(Owner::Rule, "cc", ALL, "recipients", "none", "Who gets a visible copy."),
    key(Owner::Rule, "bcc", ALL, "recipients", "none", "Who gets an invisible copy."),
    key(
        Owner::Rule,
        "variables",
        ALL,
        "`terms()` or `{ terms: { setting: value } }`, or a list",
        "none",
        "Pickers of plugins that compute variables for the template, with what they are to know. A later one wins, and the script over all.",
    ),
    key(
        Owner::Rule,
        "script",
        ALL,
        "a file beside the rule",
        "none",
        "A .rhai file that chooses items, recipients and variables; see script-functions.md.",
    ),
    key(Owner::Rule, "template", &[STATEMENT, NOTICE], "a template", REQUIRED, "The template of the mail."),
    key(
        Owner::Rule,
        "period",
        &[STATEMENT],
        "`previous month`, `previous week`, `month to date`, `30 days`",
        "`previous month`",
        "Which days it covers, counted from the day it was scheduled for; its figures are those at the end of the last one.",
    ),
    key(
        Owner::Rule,
        "form",
        &[STATEMENT],
        "`open_item`, `balance_forward`, `activity`",
        "`open_item`",
        "How it is laid out. `open_item`: everything with a balance on the last day of the period. `balance_forward`: the balance \
         before the period, what moved in it, the balance at its end. `activity`: what moved, and no balance, so it claims nothing.",
    ),
    key(
        Owner::Rule,
        "empty",
        &[STATEMENT],
        "`leave_out`, `moved`, `send`",
        "`leave_out`",
        "What becomes of a statement with no line and no balance: none is sent; or one where something moved in the period and is \
         settled again; or one in any case. Accounts with lines that cancel out, or with a balance in their favour, get one: \
         `where: customer.balance > 0` leaves them out.",
    ),
    key(
        Owner::Rule,
        "ageing",
        &[STATEMENT],
        "`{ by: due, days: [30, 60, 90] }`",
        "`{ by: due, days: [30, 60, 90] }`",
        "Its age columns; the form `activity` has none.",
    ),
    key(
        Owner::Ageing,
        "by",
        &[STATEMENT],
        "`due`, `issued`",
        "`due`",
        "From which day ages are counted. By due date, an item without one stands in the column of what is not overdue.",
    ),
    key(
        Owner::Ageing,
        "days",
        &[STATEMENT],
        "up to 6 whole numbers, ascending",
        REQUIRED,
        "The last day of each column; a column for what is not overdue stands before them, one for the oldest after them.",
    ),
    key(
        Owner::Rule,
        "attach",
        ALL,
        "attachments, or one",
        "nothing",
        "What is attached, each with the keys of \"An attachment\" below. A mail whose document is missing is blocked, never sent bare.",
    ),
    key(
        Owner::Rule,
        "headers",
        ALL,
        "`{ X-Name: text }`",
        "none",
        "Further headers of its mails, each a fixed text. They win over the sender's of the same name; those that make a mail \
         what it is (From, Date, Message-ID, Content-Type …) cannot be set.",
    ),
    key(Owner::Rule, "approve", ALL, "`true`, `false`", "`false`", "Whether a run waits for a person before anything is sent."),
    key(
        Owner::Rule,
        "give_up_after",
        ALL,
        "`6 h`, `2 days`",
        "`retry.give_up_after` of config.yaml",
        "How long a mail may be tried that servers put off. After it the mail is `exhausted`, and a later run may plan it anew.",
    ),
    key(
        Owner::Schedule,
        "cron",
        ALL,
        "five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`",
        REQUIRED,
        "At which local times: minute, hour, day of month, month, day of week. Each local time is one firing: one that the clocks \
         bring twice fires the first time, one that they leave out fires at the first moment after the gap.",
    ),
    key(Owner::Schedule, "time_zone", ALL, "a place: `Europe/Berlin`", "`time_zone` of config.yaml", "By whose clock."),
    key(
        Owner::Schedule,
        "on",
        ALL,
        "`first business day`, `last business day`, `2nd business day` to `23rd business day`",
        "every day that `cron` names",
        "Only on this business day of each month; a month without so many has none. Needs `calendar` in config.yaml.",
    ),
    key(
        Owner::Schedule,
        "shift",
        ALL,
        "`before`, `after`, `skip`",
        "no shift",
        "Where to a firing goes from a day that is no business day: to the business day before or after, at the same time of \
         day, or it is left out. Two that meet are one. Needs `calendar` in config.yaml; not beside `on`.",
    ),
    key(
        Owner::Schedule,
        "missed",
        ALL,
        "`skip`, `latest`, `all`",
        "`latest`",
        "What becomes of runs that fell due while the daemon was down: none, the last, or each is made up for. Up to five \
         minutes late is on time.",
    ),
    key(Owner::Schedule, "missed_within", ALL, "`24 h`, `3 days`", "`7 days`", "How old a missed run may be to be made up for."),
    key(
        Owner::Level,
        "id",
        &[REMINDER],
        "small letters, digits, `-`, `_`",
        REQUIRED,
        "The permanent name of the level. No item is ever reminded twice at one level of one rule.",
    ),
    key(Owner::Level, "formerly", &[REMINDER], "a list of ids", "none", "Ids the level had before."),
    key(
        Owner::Level,
        "when",
        &[REMINDER],
        "`3 days before due`, `7 days after due`, `5 business days after due`",
        REQUIRED,
        "From which day on the level is due. Business days need `calendar` in config.yaml; levels on one side of the due date are \
         counted all in days or all in business days.",
    ),
    key(Owner::Level, "template", &[REMINDER], "a template", REQUIRED, "The template of its mail."),
    key(Owner::Level, "to", &[REMINDER], "recipients", "as the rule", "Instead of the rule's `to`."),
    key(Owner::Level, "cc", &[REMINDER], "recipients", "as the rule", "Instead of the rule's `cc`."),
    key(Owner::Level, "bcc", &[REMINDER], "recipients", "as the rule", "Instead of the rule's `bcc`."),
    key(Owner::Level, "from", &[REMINDER], "a sender", "as the rule", "Instead of the rule's `from`."),
    key(
        Owner::Level,
        "repeat",
        &[REMINDER],
        "`{ every: 14 days, at_most: 3 }`",
        "no repeat",
        "Sending the level again while the item stays open.",
    ),
    key(Owner::Repeat, "every", &[REMINDER], "`14 days`", REQUIRED, "Days since the mail before."),
    key(Owner::Repeat, "at_most", &[REMINDER], "a whole number from 1", REQUIRED, "How many repeats beyond the first mail."),
    key(
        Owner::Attach,
        "plugin",
        ALL,
        "a plugin",
        "one of the first keys must be given",
        "The files that the plugin's program makes for the mail; see plugins.md.",
    ),
    key(
        Owner::Attach,
        "settings",
        ALL,
        "`{ setting: value }`",
        "none",
        "Of a `plugin`: what its program is told besides, as its README says: `{ layout: statement.typ }`.",
    ),
    key(
        Owner::Attach,
        "document",
        ALL,
        "a document",
        "one of the first keys must be given",
        "A document of config.yaml (`documents`), such as the invoice's own PDF: of each item, or one for the mail. One that is missing, empty, not \
         whole, too large or another customer's blocks the mail.",
    ),
    key(
        Owner::Attach,
        "items",
        ALL,
        "`csv`, `plain_csv`, `xlsx` or `pdf`",
        "one of the first keys must be given",
        "A list of what the mail is about: its items, or the lines of a statement. `csv` opens with a double click in the reader's Excel, with headings in \
         the mail's language and the sum; `plain_csv` is for programs: fields' names, commas and points; `xlsx` is a workbook with real numbers and dates. Texts that a spreadsheet would take for a formula \
         get a `'` in front. `pdf` is a paper; see ../papers.md.",
    ),
    key(Owner::Attach, "statement", &[STATEMENT], "`pdf`", "one of the first keys must be given", "The statement as a paper."),
    key(Owner::Attach, "reminder", &[REMINDER], "`pdf`", "one of the first keys must be given", "The reminder as a paper."),
    key(
        Owner::Attach,
        "layout",
        ALL,
        "a layout of papers",
        "`statement`, `reminder` or `items`, as what is attached",
        "Of a paper: its layout, `rules/papers/<name>.yaml`; see papers.md.",
    ),
    key(Owner::Attach, "zip", ALL, "attachments, or one", "one of the first keys must be given", "Others, packed into one ZIP."),
    key(
        Owner::Attach,
        "password",
        ALL,
        "`customer.attributes.zip_password`",
        "not encrypted",
        "Of a `zip`: the column of the customers' file that holds the password it is encrypted with (AES-256), of at least 8 characters. A customer \
         without one gets no mail, and so does one in whose mail it could be read.",
    ),
    key(
        Owner::Attach,
        "shared",
        ALL,
        "`true` or `false`",
        "`false`",
        "Of a `document` or `plugin`: whether the same file may go to several customers, as terms and conditions do. Otherwise a file that another \
         customer's mail carries or has carried blocks the mail (`document_foreign`).",
    ),
    key(
        Owner::Attach,
        "name",
        ALL,
        "a pattern: `\"{{ customer.id }} {{ as_of.iso }}\"`",
        "a name in the mail's language with its day",
        "How the file is called, with the variables of templates. What a name cannot hold becomes `-`, and the ending is added. A `document` has \
         its fields in `document` besides: `{{ document.number }}`. The program of a plugin names its files itself.",
    ),
];

/// Returns the keys that a rule of `kind` may have at its top.
pub(crate) fn rule_keys(kind: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.owner == Owner::Rule && key.kinds.contains(&kind))
}
