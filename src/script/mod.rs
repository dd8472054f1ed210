//! The rhai sandbox: conditions (`where`) and the closed list of functions a rule's script may define.
//!
//! A condition or script is a pure function of frozen values: it knows one day, `as_of`, and the ledger's figures on
//! it. It must not reach a clock, a file, a socket or chance; every limit is a constant of `sandbox`. Texts come
//! from the floor above together with a [`Locate`] that turns a place in the text into one in its file.

mod account;
mod branches;
mod brief;
mod business_days;
mod check;
mod condition;
mod explain;
mod fast;
mod fault;
mod functions;
mod hooks;
mod lasting;
mod late_payment;
mod library;
mod packages;
mod picker;
mod pieces;
mod reached;
mod reference;
mod results;
mod sample;
mod sandbox;
mod values;

use compact_str::CompactString;

use crate::domain::id::RecipientKey;

pub use account::Account;
pub use branches::{Branches, SeenBranch};
pub use brief::{BRIEF_BYTES_MAX, filled};
pub use business_days::{BUSINESS_DAYS_MAX, BusinessDays, WorkingWeek};
pub use check::Names;
pub use condition::{About, Condition, Topic};
pub use explain::{Branch, Joint, VALUE_SHOWN_MAX};
pub use fault::{Locate, ScriptFault};
pub use hooks::Script;
pub use library::{LIBRARY_FUNCTIONS_MAX, Library, LibraryFile, LibraryFunction};
pub use picker::{Picker, PickerKind};
pub use reached::Reached;
pub use reference::functions_page;
pub use results::{RECIPIENTS_MAX, VALUE_DEPTH_MAX, VALUES_MAX, recipient_name};
pub use sandbox::{
    CALL_LEVELS_MAX, EXPRESSION_DEPTH_MAX, FUNCTIONS_MAX, LIST_ITEMS_MAX, MAP_ENTRIES_MAX, OPERATIONS_MAX, SOURCE_BYTES_MAX,
    TEXT_BYTES_MAX, VARIABLES_MAX,
};

/// A recipient as a rule or script names it: a key to look up at the customer, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientName {
    /// A recipient key.
    Key(RecipientKey),
    /// An address as it stands.
    Address(CompactString),
    /// Whomever a plugin's picker picks, in this place.
    Picker(Picker),
}

/// What `recipients()` of a script returned; a part it left out keeps what the rule says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientChoice {
    /// Instead of the rule's `to`.
    pub to: Option<Vec<RecipientName>>,
    /// Instead of the rule's `cc`.
    pub cc: Option<Vec<RecipientName>>,
    /// Instead of the rule's `bcc`.
    pub bcc: Option<Vec<RecipientName>>,
}

/// What a script is told about the level a mail is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelFacts {
    /// The level's id.
    pub id: CompactString,
    /// Its place in the ladder, from 1.
    pub number: i64,
    /// 0 for the first mail at this level, 1 for its first repeat.
    pub repeat: i64,
}
