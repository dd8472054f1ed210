//! Bank lines and what they pay, for faces: a file read, proposals made, and what was applied laid over the ledger.
//!
//! Applying and undoing are acts (`engine::act`). Every reading of the ledger goes through `with_matches`, so that what a
//! person applied counts wherever a mail is decided, explained or composed.

use std::collections::HashMap;
use std::path::Path;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::domain::date::Date;
use crate::domain::ledger::Ledger;
use crate::domain::problem::{Place, Problem};
use crate::engine::workspace::Workspace;
use crate::matching::books::standing;
use crate::matching::{Candidate, Doubt, Ground, Receivables, propose};
use crate::source::bank;
use crate::store::matches::{applied_lines, known_accounts, matches, standing_matches};
use crate::store::{StoreError, open_reader};

pub use crate::domain::bank::{BankLine, LINE_ID_CHARACTERS_MIN};
pub use crate::matching::Class;
pub use crate::source::bank::BankFile;
pub use crate::store::matches::{MatchOutcome, MatchView};

/// Reads a bank's file.
///
/// # Errors
/// Every problem of it.
pub fn read_bank(workspace: &Workspace, path: &Path, today: Date) -> Result<BankFile, Vec<Problem>> {
    let config = &workspace.config;
    bank::read(path, &config.bank.format, config.ledger.currency, today)
}

/// Lays what was applied and the books do not show yet over a ledger.
///
/// # Errors
/// The database cannot be read.
pub(crate) fn with_matches(workspace: &Workspace, ledger: Ledger) -> Result<Ledger, Vec<Problem>> {
    let read = open_reader(&workspace.database_path());
    let applied = read.and_then(|reader| reader.map_or(Ok(Vec::new()), |reader| standing_matches(&reader)));
    match applied {
        Ok(applied) => {
            let missing = standing(&ledger, &applied).missing;
            Ok(ledger.with_matched(missing))
        }
        Err(error) => {
            let place = Place::file(workspace.config.database.as_str());
            Err(vec![Problem::error(format!("What was matched cannot be read: {error}")).at(place)])
        }
    }
}

/// Returns the matches that stand, or all there ever were; none where there is no database yet.
///
/// # Errors
/// The database cannot be read.
pub fn list(workspace: &Workspace, all: bool) -> Result<Vec<MatchView>, StoreError> {
    open_reader(&workspace.database_path())?.map_or(Ok(Vec::new()), |reader| matches(&reader, all))
}

/// A bank line with what is proposed for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineView {
    /// The line.
    pub line: BankLine,
    /// How sure the first candidate is; `None` where the line is applied already.
    pub class: Option<Class>,
    /// The match it is in.
    pub match_id: Option<i64>,
    /// What it may pay, the likeliest first.
    pub candidates: Vec<CandidateView>,
    /// How many more there are than are listed.
    pub more_count: usize,
}

/// What a line may pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CandidateView {
    /// The customer's id.
    pub customer: String,
    /// The customer's name.
    pub name: String,
    /// The invoices.
    pub invoices: Vec<InvoicePart>,
    /// What is left of the line.
    pub rest: Decimal,
    /// What speaks for it.
    pub grounds: Vec<Ground>,
    /// What speaks against it.
    pub doubts: Vec<Doubt>,
}

/// An invoice of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvoicePart {
    /// Its number.
    pub number: String,
    /// Its currency.
    pub currency: String,
    /// What is open of it.
    pub open: Decimal,
    /// What of the line goes to it.
    pub amount: Decimal,
}

/// Returns what is proposed for each line of a file, those applied already left alone.
///
/// # Errors
/// The database cannot be read.
pub fn proposals(workspace: &Workspace, ledger: &Ledger, lines: Vec<BankLine>, as_of: Date) -> Result<Vec<LineView>, StoreError> {
    let reader = open_reader(&workspace.database_path())?;
    let (applied, accounts) = match &reader {
        Some(reader) => (applied_lines(reader)?, known_accounts(reader)?),
        None => (Vec::new(), Vec::new()),
    };
    let applied: HashMap<String, i64> = applied.into_iter().collect();
    let receivables = Receivables::of(ledger, as_of, workspace.config.bank.customer_account.as_deref(), &accounts);
    let open: Vec<BankLine> = lines.iter().filter(|line| !applied.contains_key(&line.id)).cloned().collect();
    let mut proposed = propose(&receivables, &open).into_iter();
    let view = |line: BankLine| match applied.get(&line.id) {
        Some(id) => LineView { line, class: None, match_id: Some(*id), candidates: Vec::new(), more_count: 0 },
        None => {
            let proposal = proposed.next().expect("there is one for each line that is not applied");
            let candidates = proposal.candidates.iter().map(|candidate| candidate_view(ledger, candidate, as_of)).collect();
            LineView { line, class: Some(proposal.class), match_id: None, candidates, more_count: proposal.more_count }
        }
    };
    Ok(lines.into_iter().map(view).collect())
}

fn candidate_view(ledger: &Ledger, candidate: &Candidate, as_of: Date) -> CandidateView {
    let customer = ledger.customer(candidate.customer);
    let invoice = |(index, amount): &(_, Decimal)| {
        let document = ledger.document(*index);
        InvoicePart {
            number: document.number.as_str().to_owned(),
            currency: document.currency.to_string(),
            open: ledger.open_on(*index, as_of),
            amount: *amount,
        }
    };
    CandidateView {
        customer: customer.id.as_str().to_owned(),
        name: customer.name.to_string(),
        invoices: candidate.parts.iter().map(invoice).collect(),
        rest: candidate.rest,
        grounds: candidate.grounds.clone(),
        doubts: candidate.doubts.clone(),
    }
}
