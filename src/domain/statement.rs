//! The figures of a statement of account: line by line, by age, account by account.
//!
//! Three forms, one type. *Open item* lists everything with a balance on the last day of the period, also what was paid since.
//! *Balance forward* lists what moved in the period, between the balance before it and the balance at its end. *Activity* lists
//! the same and claims nothing. Whatever was open or moved is the ledger's own account of it (`Ledger::open_on`,
//! `Ledger::movements_of`), as of the days of the period. Nothing here rounds, so the figures add up exactly or not at all.

mod line;

use rust_decimal::Decimal;

use crate::domain::ageing::{AgeBy, Ageing, Bucket};
use crate::domain::date::shifted;
use crate::domain::ledger::{AccountScope, CustomerIndex, DocumentIndex, Ledger, PaymentIndex};
use crate::domain::money::Currency;
use crate::domain::period::Interval;
pub use crate::domain::statement::line::{LineKind, StatementLine};
use crate::domain::statement::line::{moved_lines, open_lines};

/// How a statement is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatementForm {
    /// Each item with what is open of it.
    #[default]
    OpenItem,
    /// The balance before the period, what moved in it, the balance at its end.
    BalanceForward,
    /// What moved in the period, and no balance.
    Activity,
}

impl StatementForm {
    /// Every form with the word for it.
    pub const WORDS: [(&'static str, Self); 3] =
        [("open_item", Self::OpenItem), ("balance_forward", Self::BalanceForward), ("activity", Self::Activity)];

    /// Returns the word rule files and templates use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenItem => "open_item",
            Self::BalanceForward => "balance_forward",
            Self::Activity => "activity",
        }
    }

    /// Returns whether it says what is owed.
    pub fn has_balance(self) -> bool {
        self != Self::Activity
    }
}

/// How a statement is made of a ledger: its form, whose accounts it draws together, and its age columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatementLayout {
    /// The form.
    pub form: StatementForm,
    /// Whose accounts.
    pub scope: AccountScope,
    /// The age columns; the form activity shows none.
    pub ageing: Ageing,
}

/// What a statement says is owed at the end of its period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The balance at the end of the day before the period, in the form that shows it.
    pub opening: Option<Decimal>,
    /// What is open in each age column.
    pub ages: Vec<Decimal>,
    /// Credit: credit notes, overpaid invoices and payments not yet applied, as a negative amount.
    pub unapplied: Decimal,
    /// What is past its due date; credit is not set against it.
    pub overdue: Decimal,
    /// What is owed at the end of the period, by the ledger's own account.
    pub balance: Decimal,
}

impl Claim {
    fn of(open: &[StatementLine], opening: Option<Decimal>, columns: usize, balance: Decimal) -> Self {
        let mut claim =
            Self { opening, ages: vec![Decimal::ZERO; columns], unapplied: Decimal::ZERO, overdue: Decimal::ZERO, balance };
        for line in open {
            match line.bucket {
                Some(place) => claim.ages[place] += line.amount,
                None => claim.unapplied += line.amount,
            }
            if line.days_overdue > 0 {
                claim.overdue += line.amount;
            }
        }
        claim
    }

    /// Adds the claim of another account of the same statement.
    fn add(&mut self, other: &Self) {
        self.opening = self.opening.zip(other.opening).map(|(own, other)| own + other);
        for (own, other) in self.ages.iter_mut().zip(&other.ages) {
            *own += other;
        }
        self.unapplied += other.unapplied;
        self.overdue += other.overdue;
        self.balance += other.balance;
    }
}

/// What a statement tells of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPart {
    /// Whose it is.
    pub customer: CustomerIndex,
    /// Open items: documents by due date, then payments by day. Movements: by the day they count from.
    pub lines: Vec<StatementLine>,
    /// What the lines add up to by the ledger's own account: the balance, or by how much it changed over the period.
    pub sum: Decimal,
    /// What is owed; `None` in a form that does not say it.
    pub claim: Option<Claim>,
    /// The documents with a balance at the end of the period.
    pub open_documents: Vec<DocumentIndex>,
    /// The payments that are set against nothing at the end of the period.
    pub open_payments: Vec<PaymentIndex>,
}

impl AccountPart {
    fn of(ledger: &Ledger, customer: CustomerIndex, currency: Currency, period: Interval, layout: &StatementLayout) -> Self {
        let StatementLayout { form, ageing, .. } = layout;
        let columns = ageing.buckets().len();
        let open = open_lines(ledger, customer, currency, period.to, ageing);
        let open_documents = open.iter().filter_map(|line| line.document).collect();
        let open_payments = open.iter().filter_map(|line| line.payment).collect();
        let balance = ledger.balance_on(customer, currency, period.to);
        if *form == StatementForm::OpenItem {
            let claim = Claim::of(&open, None, columns, balance);
            return Self { customer, lines: open, sum: balance, claim: Some(claim), open_documents, open_payments };
        }
        let opening = ledger.balance_on(customer, currency, shifted(period.from, -1));
        let claim = form.has_balance().then(|| Claim::of(&open, Some(opening), columns, balance));
        let lines = moved_lines(ledger, customer, currency, period);
        Self { customer, lines, sum: balance - opening, claim, open_documents, open_payments }
    }

    /// Returns whether the lines, what they start from, the age columns with the credit, and the balance agree.
    fn is_balanced(&self) -> bool {
        let lines: Decimal = self.lines.iter().map(|line| line.amount).sum();
        let agrees = |claim: &Claim| {
            let columns: Decimal = claim.ages.iter().sum();
            claim.opening.unwrap_or_default() + lines == claim.balance && columns + claim.unapplied == claim.balance
        };
        lines == self.sum && self.claim.as_ref().is_none_or(agrees)
    }

    /// Returns whether there is nothing to tell of it.
    fn is_empty(&self) -> bool {
        let is_zero = |claim: &Claim| claim.balance.is_zero() && claim.opening.unwrap_or_default().is_zero();
        self.lines.is_empty() && self.sum.is_zero() && self.claim.as_ref().is_none_or(is_zero)
    }
}

/// A statement of account in one currency: of one customer, or of a parent with its branches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementOfAccount {
    /// How it is laid out.
    pub form: StatementForm,
    /// The days it covers; what it claims is as of the end of the last one.
    pub period: Interval,
    /// The currency of all its amounts.
    pub currency: Currency,
    /// From which day ages are counted.
    pub aged_by: AgeBy,
    /// The age columns.
    pub buckets: Vec<Bucket>,
    /// Each account with something to tell: the customer's own first, then its branches by id.
    pub accounts: Vec<AccountPart>,
    /// Whose accounts it draws together: a group only where the customer has branches.
    pub scope: AccountScope,
}

impl StatementOfAccount {
    /// Returns the statement of a customer of `ledger` in `currency` over `period`, laid out so.
    pub fn of(ledger: &Ledger, customer: CustomerIndex, currency: Currency, period: Interval, layout: &StatementLayout) -> Self {
        let StatementLayout { form, scope, ageing } = layout;
        let part = |member| AccountPart::of(ledger, member, currency, period, layout);
        let accounts = ledger.members(customer, *scope).map(part).filter(|part| !part.is_empty()).collect();
        let is_alone = ledger.members(customer, *scope).nth(1).is_none();
        let scope = if is_alone { AccountScope::Customer } else { *scope };
        Self { form: *form, period, currency, aged_by: ageing.by(), buckets: ageing.buckets(), accounts, scope }
    }

    /// Returns whether there is nothing to tell: no line and no balance, or no line where the form shows no balance.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Returns whether all its figures are one and the same sum, account by account.
    pub fn is_balanced(&self) -> bool {
        self.accounts.iter().all(AccountPart::is_balanced)
    }

    /// Returns what it claims, of all accounts together; `None` in a form that claims nothing.
    pub fn claim(&self) -> Option<Claim> {
        let opening = (self.form == StatementForm::BalanceForward).then_some(Decimal::ZERO);
        let (ages, zero) = (vec![Decimal::ZERO; self.buckets.len()], Decimal::ZERO);
        let mut whole =
            self.form.has_balance().then_some(Claim { opening, ages, unapplied: zero, overdue: zero, balance: zero })?;
        self.accounts.iter().filter_map(|part| part.claim.as_ref()).for_each(|claim| whole.add(claim));
        Some(whole)
    }

    /// Returns what it comes to: the balance, or in a form without one what its lines add up to.
    pub fn total(&self) -> Decimal {
        self.claim().map_or_else(|| self.accounts.iter().map(|part| part.sum).sum(), |claim| claim.balance)
    }

    /// Returns its lines, account by account.
    pub fn lines(&self) -> impl Iterator<Item = &StatementLine> {
        self.accounts.iter().flat_map(|part| &part.lines)
    }

    /// Returns what it is about, by place in the ledger: the documents with a balance at the end of the period, or in a form that
    /// claims nothing those that its lines name.
    pub fn documents(&self) -> Vec<DocumentIndex> {
        let mut documents: Vec<DocumentIndex> = match self.form.has_balance() {
            true => self.accounts.iter().flat_map(|part| part.open_documents.iter().copied()).collect(),
            false => self.lines().filter_map(|line| line.document).collect(),
        };
        documents.sort_unstable();
        documents.dedup();
        documents
    }

    /// Returns every document and payment that its figures are made of, by place in the ledger: what is open and what its lines name.
    pub fn sources(&self) -> (Vec<DocumentIndex>, Vec<PaymentIndex>) {
        let open = self.accounts.iter().flat_map(|part| part.open_documents.iter().copied());
        let mut documents: Vec<DocumentIndex> = open.chain(self.lines().filter_map(|line| line.document)).collect();
        let open = self.accounts.iter().flat_map(|part| part.open_payments.iter().copied());
        let mut payments: Vec<PaymentIndex> = open.chain(self.lines().filter_map(|line| line.payment)).collect();
        documents.sort_unstable();
        documents.dedup();
        payments.sort_unstable();
        payments.dedup();
        (documents, payments)
    }
}

/// Returns whether anything moved on the accounts in `period`, be it that it is all settled again.
pub fn has_moved(ledger: &Ledger, customer: CustomerIndex, scope: AccountScope, currency: Currency, period: Interval) -> bool {
    ledger.members(customer, scope).any(|member| !moved_lines(ledger, member, currency, period).is_empty())
}

#[cfg(test)]
mod tests;
