//! A customer: who owes, how to reach them, and what the books say about them.

use compact_str::CompactString;

use crate::domain::date::Date;
use crate::domain::id::{CustomerId, Language, RecipientKey};

/// The addresses a customer has under one recipient key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The role: `billing`.
    pub key: RecipientKey,
    /// One or more addresses, as the ledger gives them, each checked to be an address.
    pub addresses: Box<[CompactString]>,
}

/// One customer of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The number in the books.
    pub id: CustomerId,
    /// The name to address; the id where the ledger has none.
    pub name: CompactString,
    /// The language to write in, if known.
    pub language: Option<Language>,
    /// Free labels: `vip`, `do-not-chase`.
    pub tags: Box<[CompactString]>,
    /// Addresses by role; a key without an address is not listed.
    pub contacts: Box<[Contact]>,
    /// No reminder goes out up to and including this day.
    pub hold_until: Option<Date>,
    /// The row of this customer in `Ledger::customer_attributes`.
    pub row: u32,
}

impl Customer {
    /// Returns a customer of whom only the id is known.
    pub fn from_id(id: &str) -> Self {
        Self {
            id: CustomerId::new(id),
            name: id.into(),
            language: None,
            tags: Box::default(),
            contacts: Box::default(),
            hold_until: None,
            row: 0,
        }
    }

    /// Returns the addresses under `key`, empty where the customer has none.
    pub fn addresses(&self, key: &RecipientKey) -> &[CompactString] {
        self.contacts.iter().find(|contact| contact.key == *key).map_or(&[], |contact| &contact.addresses)
    }

    /// Returns whether the customer carries `tag`.
    pub fn is_tagged(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }
}
