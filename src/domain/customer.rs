//! A customer: who owes, how to reach them, and what the books say about them.

use compact_str::CompactString;

use crate::domain::date::Date;
use crate::domain::id::{CustomerId, Language, RecipientKey};

/// Ends a role's key and each of its addresses; no key and no address holds a control character.
const UNIT_SEPARATOR: char = '\u{1f}';

/// Ends a role.
const RECORD_SEPARATOR: char = '\u{1e}';

/// The addresses of a customer by role (`billing`), as the ledger gives them, each checked to be an address.
///
/// One piece of text, role after role: a ledger holds a hundred thousand of them, and lists of lists take twice the memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contacts(Box<str>);

impl Contacts {
    /// Adds a role behind those that are there; without an address it is not listed.
    pub fn add<'a>(&mut self, key: &RecipientKey, addresses: impl Iterator<Item = &'a str> + Clone) {
        let bytes: usize = addresses.clone().map(|address| address.len() + 1).sum();
        if bytes == 0 {
            return;
        }
        let mut text = String::with_capacity(self.0.len() + key.as_str().len() + 1 + bytes + 1);
        text.push_str(&self.0);
        text.push_str(key.as_str());
        text.push(UNIT_SEPARATOR);
        for address in addresses {
            text.push_str(address);
            text.push(UNIT_SEPARATOR);
        }
        text.push(RECORD_SEPARATOR);
        self.0 = text.into_boxed_str();
    }

    /// Returns the roles in order, each with its addresses, one or more.
    pub fn iter(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &str> + Clone)> {
        self.0.split_terminator(RECORD_SEPARATOR).filter_map(|role| {
            let (key, addresses) = role.split_once(UNIT_SEPARATOR)?;
            Some((key, addresses.split_terminator(UNIT_SEPARATOR)))
        })
    }

    /// Returns the addresses under `key`; none where there is no such role.
    pub fn of(&self, key: &str) -> impl Iterator<Item = &str> + Clone {
        let role = self.iter().find(|(own, _)| *own == key);
        role.into_iter().flat_map(|(_, addresses)| addresses)
    }
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
    /// Addresses by role.
    pub contacts: Contacts,
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
            contacts: Contacts::default(),
            hold_until: None,
            row: 0,
        }
    }

    /// Returns whether the customer carries `tag`.
    pub fn is_tagged(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_are_read_back_role_by_role() {
        let mut contacts = Contacts::default();
        let roles: [(&str, &[&str]); 3] =
            [("billing", &["ap@k.example", "häns@k.example"]), ("management", &[]), ("sales", &["s@k.example"])];
        for (key, addresses) in roles {
            contacts.add(&RecipientKey::new(key), addresses.iter().copied());
        }
        let read: Vec<(&str, Vec<&str>)> = contacts.iter().map(|(key, addresses)| (key, addresses.collect())).collect();
        assert_eq!(read, [("billing", roles[0].1.to_vec()), ("sales", roles[2].1.to_vec())]);
        assert_eq!(contacts.of("billing").collect::<Vec<_>>(), roles[0].1);
        for absent in ["management", "bill", "ap@k.example", ""] {
            assert_eq!(contacts.of(absent).count(), 0, "{absent}");
        }
        assert_eq!(Contacts::default().iter().count(), 0);
    }
}
