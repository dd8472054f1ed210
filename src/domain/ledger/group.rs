//! Groups: a parent and its branches, one step deep.
//!
//! Most ledgers have none, and most customers are in none; so they are two short lists beside the customers.

use crate::domain::ledger::{CustomerIndex, Ledger};

/// Who is a branch of whom.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    /// Branch and parent, by branch.
    parents: Vec<(CustomerIndex, CustomerIndex)>,
    /// Parent and branch, by parent, then branch.
    branches: Vec<(CustomerIndex, CustomerIndex)>,
}

impl Groups {
    /// Returns the groups of these pairs of a branch and its parent.
    pub(crate) fn new(pairs: impl Iterator<Item = (CustomerIndex, CustomerIndex)>) -> Self {
        let mut parents: Vec<_> = pairs.collect();
        parents.sort_unstable();
        let mut branches: Vec<_> = parents.iter().map(|(branch, parent)| (*parent, *branch)).collect();
        branches.sort_unstable();
        Self { parents, branches }
    }
}

/// Whose accounts one statement draws together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountScope {
    /// The customer's own alone.
    #[default]
    Customer,
    /// The customer's own, and those of its branches.
    Group,
}

impl AccountScope {
    /// Returns the word rule files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Group => "group",
        }
    }
}

impl Ledger {
    /// Returns the customer that `branch` is a branch of.
    pub fn parent_of(&self, branch: CustomerIndex) -> Option<CustomerIndex> {
        let parents = &self.groups.parents;
        let place = parents.binary_search_by_key(&branch, |(own, _)| *own).ok()?;
        Some(parents[place].1)
    }

    /// Returns the branches of a parent, by id; empty where it is none.
    pub fn branches_of(&self, parent: CustomerIndex) -> impl Iterator<Item = CustomerIndex> + '_ {
        let branches = &self.groups.branches;
        let start = branches.partition_point(|(own, _)| *own < parent);
        branches[start..].iter().take_while(move |(own, _)| *own == parent).map(|(_, branch)| *branch)
    }

    /// Returns whose accounts are drawn together for a customer: its own first, then its branches' by id.
    pub fn members(&self, customer: CustomerIndex, scope: AccountScope) -> impl Iterator<Item = CustomerIndex> + '_ {
        let branches = (scope == AccountScope::Group).then(|| self.branches_of(customer));
        std::iter::once(customer).chain(branches.into_iter().flatten())
    }
}
