//! What a creditor may ask for besides an overdue invoice: interest, a fixed sum for each invoice, and a reminder's fee.
//!
//! The claim is computed anew for each mail from the invoice's dates alone, so that nothing is added twice: the fixed sum comes
//! once for an invoice however often it is reminded, and the fee is that of the mail's level. No law is known here.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use thiserror::Error;

use crate::domain::date::{Date, shifted};
use crate::domain::interest::{Interest, InterestFault, Principal, Terms};
use crate::domain::money::{Currency, half_up};

/// What bears interest where a part has been paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// What is still open on each day.
    Remaining,
    /// The whole sum of the invoice, as long as any of it is open.
    Original,
}

/// Whether the mail asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimMode {
    /// It is part of the amount that is asked for.
    Claim,
    /// It is shown and not asked for.
    Mention,
}

impl ClaimMode {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Mention => "mention",
        }
    }
}

/// Amounts by the size of a debt: from how much on, and the amount. In the order of sizes.
pub type Steps = Vec<(Decimal, Decimal)>;

/// What may be asked for, and how it is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimTerms {
    /// Rate, days and rounding.
    pub interest: Terms,
    /// What bears interest.
    pub base: Base,
    /// The most interest on an invoice, in percent of its whole sum.
    pub interest_at_most: Option<Decimal>,
    /// The fixed sum for an invoice by the size of the debt when the delay began, in each currency; `None`: there is none.
    pub fixed_sums: Option<BTreeMap<Currency, Steps>>,
    /// The fee of a mail at each level of the rule, in each currency; the last stands for all further levels.
    pub fees: Option<BTreeMap<Currency, Vec<Decimal>>>,
    /// The first level with anything.
    pub from_level: i64,
    /// Whether the mail asks for it.
    pub mode: ClaimMode,
}

/// An invoice that a mail is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateItem {
    /// Its number.
    pub number: String,
    /// The whole sum.
    pub total: Decimal,
    /// What is open of it now.
    pub open: Decimal,
    /// What was open at the end of a day, and from then on.
    pub open_steps: Vec<(Date, Decimal)>,
    /// The last day on which payment is in time.
    pub due_on: Option<Date>,
    /// The first day of interest, where it is not the day after `due_on`; never before that.
    pub starts_on: Option<Date>,
}

/// What is claimed on one invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemClaim {
    /// The invoice's number.
    pub number: String,
    /// The first day of interest.
    pub starts_on: Date,
    /// Interest with its lines.
    pub interest: Interest,
    /// The fixed sum.
    pub fixed_sum: Decimal,
}

/// What is claimed in one mail. All amounts are in `currency`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatePayment {
    /// The currency.
    pub currency: Currency,
    /// The last day of interest.
    pub as_of: Date,
    /// Whether the mail asks for it.
    pub mode: ClaimMode,
    /// Invoice by invoice, those that are late.
    pub items: Vec<ItemClaim>,
    /// The interest on all of them.
    pub interest: Decimal,
    /// The fixed sums of all of them.
    pub fixed_sums: Decimal,
    /// The fee of the mail.
    pub fee: Decimal,
    /// All three together.
    pub total: Decimal,
    /// What is due of the invoices themselves; of all of them, where none is due.
    pub open: Decimal,
    /// What the mail asks for: `open`, and the total where it is a claim.
    pub amount_asked: Decimal,
}

/// Why nothing can be claimed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClaimFault {
    /// The interest cannot be computed.
    #[error("{fault} (invoice `{number}`)")]
    Interest {
        /// The invoice.
        number: String,
        /// Why.
        fault: InterestFault,
    },
    /// The terms have amounts, and none in this currency.
    #[error("`{key}` has no amount in {currency}: add one, 0 for none")]
    CurrencyMissing {
        /// The term.
        key: &'static str,
        /// The currency of the invoices.
        currency: Currency,
    },
    /// The sums leave the range of exact decimals.
    #[error("The sum of the claim is too large")]
    TooLarge,
}

impl ClaimTerms {
    /// Returns what is claimed in a mail at a level about `items`, all in `currency`; `None` below the first level that has
    /// anything, and where no item is late.
    ///
    /// # Errors
    /// A rate or an amount is missing, or the figures leave their bounds.
    pub fn claim(
        &self,
        items: &[LateItem],
        currency: Currency,
        level: i64,
        as_of: Date,
    ) -> Result<Option<LatePayment>, ClaimFault> {
        if level < self.from_level {
            return Ok(None);
        }
        let claims = items.iter().filter_map(|item| self.item_claim(item, currency, as_of).transpose());
        let claims: Vec<ItemClaim> = claims.collect::<Result<_, _>>()?;
        if claims.is_empty() {
            return Ok(None);
        }
        let interest = sum(claims.iter().map(|claim| claim.interest.amount))?;
        let fixed_sums = sum(claims.iter().map(|claim| claim.fixed_sum))?;
        let fee = self.fee(currency, level)?;
        let total = sum([interest, fixed_sums, fee].into_iter())?;
        let is_due = |item: &&LateItem| item.due_on.is_some_and(|due_on| due_on <= as_of);
        let open = match items.iter().any(|item| is_due(&item)) {
            true => sum(items.iter().filter(is_due).map(|item| item.open))?,
            false => sum(items.iter().map(|item| item.open))?,
        };
        let amount_asked = match self.mode {
            ClaimMode::Claim => sum([open, total].into_iter())?,
            ClaimMode::Mention => open,
        };
        let mode = self.mode;
        Ok(Some(LatePayment { currency, as_of, mode, items: claims, interest, fixed_sums, fee, total, open, amount_asked }))
    }

    /// Returns what is claimed on one invoice; `None` where it is not late, or is a credit note.
    fn item_claim(&self, item: &LateItem, currency: Currency, as_of: Date) -> Result<Option<ItemClaim>, ClaimFault> {
        let late_from = item.due_on.map(|due_on| shifted(due_on, 1));
        let Some(starts_on) = late_from.max(item.starts_on).filter(|day| *day <= as_of) else { return Ok(None) };
        // What comes in on a day still bears interest on that day.
        let mut principals: Vec<Principal> =
            item.open_steps.iter().map(|(on, open)| Principal { from: shifted(*on, 1), amount: *open }).collect();
        if let Some(first) = principals.first_mut() {
            first.from = first.from.min(starts_on);
        }
        let place = principals.partition_point(|principal| principal.from <= starts_on);
        let debt = place.checked_sub(1).map_or(Decimal::ZERO, |place| principals[place].amount);
        if debt <= Decimal::ZERO {
            return Ok(None);
        }
        if self.base == Base::Original {
            for principal in principals.iter_mut().filter(|principal| principal.amount > Decimal::ZERO) {
                principal.amount = item.total;
            }
        }
        let interest = self.interest.interest(&principals, starts_on, as_of, currency);
        let mut interest = interest.map_err(|fault| ClaimFault::Interest { number: item.number.clone(), fault })?;
        if let Some(percent) = self.interest_at_most {
            let most = item.total.checked_mul(percent).and_then(|product| product.checked_div(Decimal::ONE_HUNDRED));
            interest = interest.at_most(half_up(most.ok_or(ClaimFault::TooLarge)?, currency.minor_digits()));
        }
        let fixed_sum = match &self.fixed_sums {
            None => Decimal::ZERO,
            Some(sums) => {
                let steps = sums.get(&currency).ok_or(ClaimFault::CurrencyMissing { key: "fixed_sum", currency })?;
                steps.iter().rev().find(|(from, _)| *from <= debt).map_or(Decimal::ZERO, |(_, amount)| *amount)
            }
        };
        Ok(Some(ItemClaim { number: item.number.clone(), starts_on, interest, fixed_sum }))
    }

    fn fee(&self, currency: Currency, level: i64) -> Result<Decimal, ClaimFault> {
        let Some(fees) = &self.fees else { return Ok(Decimal::ZERO) };
        let fees = fees.get(&currency).ok_or(ClaimFault::CurrencyMissing { key: "fees", currency })?;
        let place = usize::try_from(level - 1).unwrap_or(0);
        Ok(fees.get(place).or(fees.last()).copied().unwrap_or_default())
    }
}

fn sum(mut amounts: impl Iterator<Item = Decimal>) -> Result<Decimal, ClaimFault> {
    amounts.try_fold(Decimal::ZERO, Decimal::checked_add).ok_or(ClaimFault::TooLarge)
}

/// Returns what paying by card costs on an amount: a percentage and a fixed part, together no more than `at_most`; rounded to
/// the currency's minor unit. `None` where it leaves the range of exact decimals.
pub fn surcharge(
    amount: Decimal,
    currency: Currency,
    percent: Decimal,
    fixed: Decimal,
    at_most: Option<Decimal>,
) -> Option<Decimal> {
    let part = amount.checked_mul(percent)?.checked_div(Decimal::ONE_HUNDRED)?;
    let whole = half_up(part.checked_add(fixed)?, currency.minor_digits());
    Some(at_most.map_or(whole, |most| whole.min(most)))
}

#[cfg(test)]
mod tests;
