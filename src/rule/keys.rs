//! The one list of keys that a rule file may have: the reader is tested against it, the reference page made from it.

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// At the top of a rule.
    Rule,
    /// In a member of `levels`.
    Level,
    /// In `repeat`.
    Repeat,
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
        "What the rule sends. Statements and notices are read, but not run by this release.",
    ),
    key(Owner::Rule, "description", ALL, "a text", "empty", "What the rule is for, in a sentence."),
    key(Owner::Rule, "schedule", ALL, "`{ cron, time_zone, missed, on, shift }`", "only by hand", "When it runs."),
    key(
        Owner::Rule,
        "for_each",
        &[REMINDER, NOTICE],
        "`customer`, `invoice`; a notice also `payment`",
        "`customer`",
        "One mail per customer and currency with all its items, or one per invoice.",
    ),
    key(Owner::Rule, "where", ALL, "a condition", "every open item", "Which items the rule concerns; see script-functions.md."),
    key(
        Owner::Rule,
        "minimum",
        ALL,
        "`{ EUR: 20.00 }`",
        "none",
        "The least a mail must be about, per currency, over all its items.",
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
        &[REMINDER],
        "`terms()`, or a list",
        "none",
        "Pickers of plugins that compute variables for the template. A later one wins, and the script over all.",
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
        "What the statement covers.",
    ),
    key(Owner::Rule, "form", &[STATEMENT], "`open_item`, `balance_forward`, `activity`", "`open_item`", "How it is laid out."),
    key(Owner::Rule, "ageing", &[STATEMENT], "`{ by: due, days: [30, 60, 90] }`", "30, 60, 90 days", "Its age columns."),
    key(
        Owner::Rule,
        "attach",
        ALL,
        "`[{ plugin: name }]`",
        "nothing",
        "What is attached, made by plugins' programs; see plugins.md. A mail whose document is missing is blocked, never sent bare.",
    ),
    key(Owner::Rule, "approve", ALL, "`true`, `false`", "`false`", "Whether a run waits for a person before anything is sent."),
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
        "`3 days before due`, `7 days after due`",
        REQUIRED,
        "From which day on the level is due.",
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
];

/// Returns the keys that a rule of `kind` may have at its top.
pub(crate) fn rule_keys(kind: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.owner == Owner::Rule && key.kinds.contains(&kind))
}
