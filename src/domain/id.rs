//! Identifiers as types of their own, so that a `CustomerId` cannot stand where a `RuleId` should.

use std::fmt;

use compact_str::CompactString;

macro_rules! identifier {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(CompactString);

        impl $name {
            /// Wraps `text` as it stands; doors to the outside check the form before they call this.
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(CompactString::new(text.as_ref()))
            }

            /// Returns the identifier's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }
    )+};
}

identifier! {
    /// A customer's number in the books (`customers.id`).
    CustomerId;
    /// The number printed on an invoice or credit note; unique in a ledger.
    DocumentNumber;
    /// A rule's permanent `id`; message keys are built from it.
    RuleId;
    /// A level's permanent `id` within its rule.
    LevelId;
    /// The key of a sender profile in config.yaml.
    SenderId;
    /// The key of an SMTP server in config.yaml.
    ServerId;
    /// A role an address can have at a customer: `billing`, `management`.
    RecipientKey;
    /// The name of a template without language and file ending.
    TemplateName;
    /// A language tag in lower case: `en`, `de`, `pt-br` (BCP 47).
    Language;
}
