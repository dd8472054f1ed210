//! Why: the closed list of reasons a decision can have.

/// Why a message is blocked: it is due, but cannot be composed or sent as things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockReason {
    /// No address under any recipient key it would go to.
    RecipientMissing,
    /// Every address it would go to is suppressed.
    Suppressed,
    /// The sender profile is not in config.yaml.
    SenderUnknown,
    /// A paper to attach is missing or not ready.
    DocumentMissing,
    /// A paper to attach is another customer's.
    DocumentForeign,
    /// Its customer has no password for a ZIP to attach, or one that is too short.
    PasswordMissing,
    /// Its template failed.
    TemplateError,
    /// Its `where` or script failed.
    ScriptError,
    /// The figures of a statement do not add up, or its mail does not show its balance.
    Unbalanced,
}

impl BlockReason {
    /// Every reason, in order.
    pub const ALL: [Self; 9] = [
        Self::RecipientMissing,
        Self::Suppressed,
        Self::SenderUnknown,
        Self::DocumentMissing,
        Self::DocumentForeign,
        Self::PasswordMissing,
        Self::TemplateError,
        Self::ScriptError,
        Self::Unbalanced,
    ];

    /// Returns the word the store and the commands use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RecipientMissing => "recipient_missing",
            Self::Suppressed => "suppressed",
            Self::SenderUnknown => "sender_unknown",
            Self::DocumentMissing => "document_missing",
            Self::DocumentForeign => "document_foreign",
            Self::PasswordMissing => "password_missing",
            Self::TemplateError => "template_error",
            Self::ScriptError => "script_error",
            Self::Unbalanced => "unbalanced",
        }
    }

    /// Returns a sentence for a person, without a final stop.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::RecipientMissing => "no address for any of the recipients",
            Self::Suppressed => "every address it would go to is suppressed",
            Self::SenderUnknown => "the sender is not in config.yaml",
            Self::DocumentMissing => "a document to attach is missing",
            Self::DocumentForeign => "a document to attach is another customer's",
            Self::PasswordMissing => "its customer has no password for the ZIP, or one that is too short",
            Self::TemplateError => "its template failed",
            Self::ScriptError => "its script failed",
            Self::Unbalanced => "its lines, age columns and balance are not the same sum, or its mail does not show it",
        }
    }
}

/// Why an item, or a subject with all its items, gets no mail today.
///
/// The order is from the farthest from a mail to the nearest: where a customer's items differ, the nearest stands
/// for the customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DeclineReason {
    /// Nothing of the customer is open on that day, or only credit: credit notes and overpaid invoices.
    #[default]
    NothingOpen,
    /// The customer is a branch, and the rule makes one statement of the group for its parent.
    ToldToParent,
    /// The rule's `where` does not hold.
    ConditionFalse,
    /// A hold on the customer or the invoice has not ended.
    Held,
    /// Payment is promised for a day that has not passed.
    Promised,
    /// The books have not approved the invoice.
    NotApproved,
    /// It has no due date, so it is never due for a level.
    DueDateMissing,
    /// Every level was sent, repeats included.
    LadderFinished,
    /// The period or event has its mail.
    AlreadySent,
    /// It was due for this level, or there, before the rule first ran, and the rule starts from now.
    Backlog,
    /// The day of its next level has not come, or it took a step on this very day.
    NotYetDue,
    /// A person closed the mail of this level.
    Cancelled,
    /// The server refused the mail of this level for good; a person must act.
    Refused,
    /// Nobody knows whether the mail of this level arrived; a person must decide.
    OutcomeUnknown,
    /// The mail of this level is in the outbox, not sent yet.
    UnderWay,
    /// The rule's script left it out.
    NotSelected,
    /// All its items together are below the rule's minimum.
    BelowMinimum,
    /// Credit notes and payments not yet matched cover all that is due, and what the mail asks for.
    CreditCovers,
    /// The day is no business day, and reminders go on business days alone.
    ClosedDay,
    /// The customer had another mail too few days ago, or gets a statement on this day.
    ContactGap,
    /// Another reminder to the customer in this currency went on this day, or is on its way.
    DayTaken,
    /// Another rule's reminder to the customer in this currency, of a higher level, goes on this day.
    Outranked,
}

impl DeclineReason {
    /// Every reason, in order.
    pub const ALL: [Self; 22] = [
        Self::NothingOpen,
        Self::ToldToParent,
        Self::ConditionFalse,
        Self::Held,
        Self::Promised,
        Self::NotApproved,
        Self::DueDateMissing,
        Self::LadderFinished,
        Self::AlreadySent,
        Self::Backlog,
        Self::NotYetDue,
        Self::Cancelled,
        Self::Refused,
        Self::OutcomeUnknown,
        Self::UnderWay,
        Self::NotSelected,
        Self::BelowMinimum,
        Self::CreditCovers,
        Self::ClosedDay,
        Self::ContactGap,
        Self::DayTaken,
        Self::Outranked,
    ];

    /// Returns the word the store and the commands use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NothingOpen => "nothing_open",
            Self::ToldToParent => "told_to_parent",
            Self::ConditionFalse => "condition_false",
            Self::Held => "held",
            Self::Promised => "promised",
            Self::NotApproved => "not_approved",
            Self::DueDateMissing => "due_date_missing",
            Self::LadderFinished => "ladder_finished",
            Self::AlreadySent => "already_sent",
            Self::Backlog => "backlog",
            Self::NotYetDue => "not_yet_due",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::UnderWay => "under_way",
            Self::NotSelected => "not_selected",
            Self::BelowMinimum => "below_minimum",
            Self::CreditCovers => "credit_covers",
            Self::ClosedDay => "closed_day",
            Self::ContactGap => "contact_gap",
            Self::DayTaken => "day_taken",
            Self::Outranked => "outranked",
        }
    }

    /// Returns a sentence for a person, without a final stop.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NothingOpen => "nothing is open",
            Self::ToldToParent => "the parent gets one statement for the group",
            Self::ConditionFalse => "the rule's `where` does not hold",
            Self::Held => "on hold",
            Self::Promised => "payment is promised for a day that has not passed",
            Self::NotApproved => "the books have not approved the invoice",
            Self::DueDateMissing => "no due date, so never due",
            Self::LadderFinished => "every level was sent",
            Self::AlreadySent => "this period or event has its mail",
            Self::Backlog => "was due, or there, before the rule first ran (start: from_now)",
            Self::NotYetDue => "the next level's day has not come",
            Self::Cancelled => "a person closed its mail",
            Self::Refused => "the server refused its mail; a person must act",
            Self::OutcomeUnknown => "nobody knows whether its mail arrived; a person must decide",
            Self::UnderWay => "its mail is in the outbox",
            Self::NotSelected => "the rule's script left it out",
            Self::BelowMinimum => "below the rule's minimum",
            Self::CreditCovers => "credit or a payment not yet matched covers what is due",
            Self::ClosedDay => "reminders go on business days (limits.reminder_days)",
            Self::ContactGap => "another mail too few days ago, or a statement today",
            Self::DayTaken => "another reminder in this currency went today, or is on its way",
            Self::Outranked => "a higher reminder of another rule goes today",
        }
    }
}
