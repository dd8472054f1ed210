//! The one subject a person asks a run for: found in the ledger by what they typed, kept with the run, found again when
//! what it queued is re-checked.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::domain::ledger::Ledger;
use crate::plan::Scope;

/// One subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// A customer, by id.
    Customer(String),
    /// An invoice, by number.
    Invoice(String),
}

/// Why there is no such subject.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OnlyFault {
    /// Neither a customer nor an invoice.
    #[error("There is no customer and no invoice `{name}` in the ledger")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// Both a customer and an invoice of another one.
    #[error("`{name}` is a customer and an invoice of the customer `{owner}`")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// Whose invoice it is.
        owner: String,
    },
}

impl OnlyFault {
    /// Returns the way out, if one is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unknown { .. } => Some("write it as the ledger's files do"),
            Self::Ambiguous { .. } => Some("write `customer:ID` or `invoice:NUMBER`"),
        }
    }
}

impl Only {
    /// Returns what a person means by `name`: a customer's id, an invoice's number, or either with `customer:` or
    /// `invoice:` in front.
    ///
    /// # Errors
    /// Nothing of that name, or two things.
    pub fn find(ledger: &Ledger, name: &str) -> Result<Self, OnlyFault> {
        let unknown = || OnlyFault::Unknown { name: name.to_owned() };
        let customer = ledger.find_customer(name).map(|_| Self::Customer(name.to_owned()));
        let document = ledger.find_document(name);
        match (customer, document) {
            (Some(_), Some(document)) => {
                let owner = ledger.customer(ledger.document(document).customer).id.to_string();
                Err(OnlyFault::Ambiguous { name: name.to_owned(), owner })
            }
            (Some(customer), None) => Ok(customer),
            (None, Some(_)) => Ok(Self::Invoice(name.to_owned())),
            (None, None) => {
                let only = match name.split_once(':') {
                    Some(("customer", id)) => Self::Customer(id.to_owned()),
                    Some(("invoice", number)) => Self::Invoice(number.to_owned()),
                    _ => return Err(unknown()),
                };
                if only.scope(ledger).is_some() { Ok(only) } else { Err(unknown()) }
            }
        }
    }

    /// Returns where it stands in a ledger; `None` where it has gone.
    pub fn scope(&self, ledger: &Ledger) -> Option<Scope> {
        match self {
            Self::Customer(id) => ledger.find_customer(id).map(Scope::Customer),
            Self::Invoice(number) => ledger.find_document(number).map(Scope::Invoice),
        }
    }

    /// Returns it as the store keeps it.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an object of one text")
    }
}
