//! A bank line held against what is open: candidates by number, by payer and by amount, ranked, each with its reasons.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use rust_decimal::Decimal;

use crate::domain::bank::BankLine;
use crate::domain::date::Date;
use crate::domain::document::DocumentKind;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::domain::money::Currency;
use crate::matching::name::Names;
use crate::matching::number::{Form, Found, named_in, number_keys};
use crate::matching::subset::ways;
use crate::matching::{Candidate, Class, Doubt, Ground, Proposal, account};

/// The most candidates that a proposal lists.
pub const CANDIDATES_MAX: usize = 5;

/// The most customers that a payer is taken for.
const PAYERS_MAX: usize = 5;

/// An account from which more customers are paid for tells nothing.
const ACCOUNT_CUSTOMERS_MAX: usize = 3;

/// The most invoices of one amount that are looked at where nothing but the amount fits.
const SAME_AMOUNT_MAX: usize = 100;

/// What is open, ready to be asked.
#[derive(Debug)]
pub struct Receivables<'l> {
    ledger: &'l Ledger,
    /// By document; not there where nothing is open.
    open: HashMap<DocumentIndex, Decimal>,
    open_of: HashMap<CustomerIndex, Vec<DocumentIndex>>,
    by_amount: HashMap<(Currency, Decimal), Vec<DocumentIndex>>,
    /// Hashes of the forms of all numbers, sorted: whole ones and bare ones.
    numbers: [Vec<(u64, DocumentIndex)>; 2],
    hasher: FixedState,
    accounts: HashMap<String, Vec<CustomerIndex>>,
    names: Names,
}

impl<'l> Receivables<'l> {
    /// Takes what is open at the end of `as_of`. `account_attribute` names the column of the customers' file with their accounts;
    /// `known_accounts` are accounts and customers' ids of what was applied before.
    pub fn of(ledger: &'l Ledger, as_of: Date, account_attribute: Option<&str>, known_accounts: &[(String, String)]) -> Self {
        let hasher = FixedState::with_seed(0);
        let (mut open, mut open_of, mut by_amount) = (HashMap::new(), HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        let mut numbers = [Vec::new(), Vec::new()];
        for (place, document) in ledger.documents().iter().enumerate() {
            if document.kind != DocumentKind::Invoice || document.issued_on > as_of {
                continue;
            }
            let index = DocumentIndex(place as u32);
            let keys = number_keys(document.number.as_str());
            for (forms, own) in numbers.iter_mut().zip([&keys.whole, &keys.bare]) {
                forms.extend(own.iter().map(|key| (hasher.hash_one(key.as_str()), index)));
            }
            let amount = ledger.open_on(index, as_of);
            if amount > Decimal::ZERO {
                open.insert(index, amount);
                open_of.entry(document.customer).or_default().push(index);
                by_amount.entry((document.currency, amount)).or_default().push(index);
            }
        }
        numbers.iter_mut().for_each(|forms| forms.sort_unstable());
        let mut accounts: HashMap<String, Vec<CustomerIndex>> = HashMap::new();
        let stated = ledger.customer_indexes().filter_map(|index| {
            let text = ledger.customer_attribute(index, account_attribute?)?;
            Some((account(text), index))
        });
        let learned = known_accounts.iter().filter_map(|(text, id)| Some((account(text), ledger.find_customer(id)?)));
        for (account, index) in stated.chain(learned).filter(|(account, _)| !account.is_empty()) {
            let own = accounts.entry(account).or_default();
            if !own.contains(&index) {
                own.push(index);
            }
        }
        // What pays for many is a clearing house, or our own account in the wrong column.
        accounts.retain(|_, customers| customers.len() <= ACCOUNT_CUSTOMERS_MAX);
        Self { ledger, open, open_of, by_amount, numbers, hasher, accounts, names: Names::of(ledger) }
    }

    fn open(&self, index: DocumentIndex) -> Decimal {
        self.open.get(&index).copied().unwrap_or_default()
    }

    /// Returns the invoices with a number of this form.
    fn with_number(&self, key: &str, form: Form) -> Vec<DocumentIndex> {
        let forms = &self.numbers[if form == Form::Whole { 0 } else { 1 }];
        let hash = self.hasher.hash_one(key);
        let first = forms.partition_point(|(own, _)| *own < hash);
        let same = forms[first..].iter().take_while(|(own, _)| *own == hash).map(|(_, index)| *index);
        let has_it = |index: &DocumentIndex| {
            let keys = number_keys(self.ledger.document(*index).number.as_str());
            let own = if form == Form::Whole { keys.whole } else { keys.bare };
            own.iter().any(|own| own == key)
        };
        same.filter(has_it).collect()
    }

    /// Returns the open invoices of a customer in a currency, the oldest first.
    fn open_in(&self, customer: CustomerIndex, currency: Currency) -> Vec<DocumentIndex> {
        let all = self.open_of.get(&customer).into_iter().flatten().copied();
        let mut own: Vec<DocumentIndex> = all.filter(|index| self.ledger.document(*index).currency == currency).collect();
        self.sort(&mut own);
        own
    }

    fn sort(&self, documents: &mut [DocumentIndex]) {
        documents.sort_by_key(|index| {
            let document = self.ledger.document(*index);
            (document.due_on.unwrap_or(document.issued_on), document.number.clone())
        });
    }
}

/// An invoice that a text names.
#[derive(Clone, Copy)]
struct Named {
    index: DocumentIndex,
    found: Found,
    /// Whether others have a number that reads like it.
    is_shared: bool,
}

/// Returns what is proposed for each line, in their order. Lines of one file are weighed against each other: an invoice that
/// two of them fit is certain for none.
pub fn propose(receivables: &Receivables<'_>, lines: &[BankLine]) -> Vec<Proposal> {
    let mut proposals: Vec<Proposal> = lines.iter().map(|line| propose_one(receivables, line)).collect();
    let mut claims: HashMap<DocumentIndex, usize> = HashMap::new();
    for proposal in proposals.iter().filter(|proposal| proposal.class == Class::Certain) {
        for (index, _) in &proposal.candidates[0].parts {
            *claims.entry(*index).or_default() += 1;
        }
    }
    for proposal in proposals.iter_mut().filter(|proposal| proposal.class == Class::Certain) {
        if proposal.candidates[0].parts.iter().any(|(index, _)| claims[index] > 1) {
            proposal.candidates[0].doubts.push(Doubt::ClaimedTwice);
            proposal.class = Class::Doubtful;
        }
    }
    proposals
}

fn propose_one(receivables: &Receivables<'_>, line: &BankLine) -> Proposal {
    let named = named(receivables, line);
    let by_account = receivables.accounts.get(&account(&line.account)).cloned().unwrap_or_default();
    let by_name = receivables.names.find(&line.payer);
    let payer = Payer { by_account, by_name };
    let mut candidates = by_number(receivables, line, &named, &payer);
    if !candidates.iter().any(Candidate::is_certain) {
        let named: Vec<(CustomerIndex, Vec<DocumentIndex>)> =
            candidates.iter().map(|candidate| (candidate.customer, candidate.documents())).collect();
        for customer in payer.customers() {
            let mut found = by_payer(receivables, line, customer, &payer);
            // What is named of a customer tells more than the customer alone.
            let is_named = named.iter().any(|(own, _)| *own == customer);
            found.retain(|found| !is_named || found.fits_amount() && named.iter().all(|(_, own)| *own != found.documents()));
            candidates.extend(found);
        }
    }
    if candidates.is_empty() {
        candidates = by_amount(receivables, line);
    }
    candidates
        .sort_by_key(|candidate| (-candidate.weight(), candidate.customer, candidate.parts.first().map(|(index, _)| *index)));
    let certain_count = candidates.iter().filter(|candidate| candidate.is_certain()).count();
    let class = match candidates.first() {
        None => Class::Unmatched,
        Some(first) if first.is_certain() && certain_count == 1 => Class::Certain,
        Some(_) => Class::Doubtful,
    };
    if class == Class::Certain {
        candidates.truncate(1);
    } else if certain_count > 1 {
        candidates
            .iter_mut()
            .filter(|candidate| candidate.is_certain())
            .for_each(|candidate| candidate.doubts.push(Doubt::SeveralFit));
    }
    let more_count = candidates.len().saturating_sub(CANDIDATES_MAX);
    candidates.truncate(CANDIDATES_MAX);
    Proposal { class, candidates, more_count }
}

/// Whom a payer is known as.
struct Payer {
    by_account: Vec<CustomerIndex>,
    by_name: Vec<CustomerIndex>,
}

impl Payer {
    fn customers(&self) -> Vec<CustomerIndex> {
        let mut all = self.by_account.clone();
        all.extend(self.by_name.iter().filter(|customer| !self.by_account.contains(customer)));
        all.truncate(PAYERS_MAX);
        all
    }

    /// Returns what speaks for a customer.
    fn grounds(&self, customer: CustomerIndex) -> Vec<Ground> {
        let account = self.by_account.contains(&customer).then_some(Ground::Account);
        account.into_iter().chain(self.by_name.contains(&customer).then_some(Ground::Name)).collect()
    }

    /// Returns whether the payer is known, and as somebody else.
    fn is_other(&self, customer: CustomerIndex) -> bool {
        let is_known = !self.by_account.is_empty() || !self.by_name.is_empty();
        is_known && self.grounds(customer).is_empty()
    }
}

/// Returns the invoices that a line's text names, each once.
fn named(receivables: &Receivables<'_>, line: &BankLine) -> Vec<Named> {
    let mut all: BTreeMap<DocumentIndex, Named> = BTreeMap::new();
    named_in(&line.reference, |key, form, found| {
        let documents = receivables.with_number(key, form);
        let is_shared = documents.len() > 1;
        for index in &documents {
            let own = Named { index: *index, found, is_shared };
            let known = all.entry(*index).or_insert(own);
            if (found, !is_shared) > (known.found, !known.is_shared) {
                *known = own;
            }
        }
        !documents.is_empty()
    });
    all.into_values().collect()
}

/// Returns a candidate for each customer whose invoices are named.
fn by_number(receivables: &Receivables<'_>, line: &BankLine, named: &[Named], payer: &Payer) -> Vec<Candidate> {
    let ledger = receivables.ledger;
    let mut by_customer: BTreeMap<CustomerIndex, Vec<Named>> = BTreeMap::new();
    for own in named {
        by_customer.entry(ledger.document(own.index).customer).or_default().push(*own);
    }
    let is_payable =
        |own: &&Named| receivables.open.contains_key(&own.index) && ledger.document(own.index).currency == line.currency;
    let is_sure = |own: &&Named| own.found > Found::Short && !own.is_shared;
    let sure_customers = by_customer.values().filter(|all| all.iter().filter(is_payable).any(|own| is_sure(&own))).count();
    let candidate = |(customer, all): (&CustomerIndex, &Vec<Named>)| {
        let customer = *customer;
        let payable: Vec<Named> = all.iter().filter(is_payable).copied().collect();
        if payable.is_empty() {
            return unpayable(receivables, line, customer, all, payer);
        }
        let (chosen, mut doubts) = choose(receivables, line.amount, &payable);
        let mut documents: Vec<DocumentIndex> = chosen.iter().map(|own| own.index).collect();
        receivables.sort(&mut documents);
        let sum: Decimal = documents.iter().map(|index| receivables.open(*index)).sum();
        let is_reference = chosen.iter().any(|own| own.found == Found::Reference);
        let mut grounds = vec![if is_reference { Ground::Reference } else { Ground::Number }];
        if sum == line.amount {
            grounds.push(if documents.len() == 1 { Ground::Amount } else { Ground::Sum });
        } else {
            doubts.push(if line.amount < sum { Doubt::Partial } else { Doubt::Overpaid });
        }
        let by_payer = payer.grounds(customer);
        if by_payer.is_empty() {
            // Who is known to pay here does not name another's invoice by chance.
            if chosen.iter().any(|own| own.is_shared) {
                doubts.push(Doubt::NumberShared);
            }
            if chosen.iter().any(|own| own.found == Found::Short) {
                doubts.push(Doubt::NumberShort);
            }
        } else if chosen.iter().any(|own| own.is_shared && all.len() > 1) {
            doubts.push(Doubt::NumberShared);
        }
        grounds.extend(by_payer);
        let sure_here = usize::from(payable.iter().any(|own| is_sure(&own)));
        if sure_customers > sure_here {
            doubts.push(Doubt::SeveralCustomers);
        }
        if payer.is_other(customer) {
            doubts.push(Doubt::OtherPayer);
        }
        let (parts, rest) = allot(receivables, &documents, line.amount);
        Candidate { customer, parts, rest, grounds, doubts }
    };
    by_customer.iter().map(candidate).collect()
}

/// Returns which of the invoices named an amount pays, and the doubts about it.
fn choose(receivables: &Receivables<'_>, amount: Decimal, payable: &[Named]) -> (Vec<Named>, Vec<Doubt>) {
    let open: Vec<Decimal> = payable.iter().map(|own| receivables.open(own.index)).collect();
    if open.iter().sum::<Decimal>() == amount {
        return (payable.to_vec(), Vec::new());
    }
    let sure: Vec<Named> = payable.iter().filter(|own| own.found > Found::Short && !own.is_shared).copied().collect();
    if !sure.is_empty() && sure.iter().map(|own| receivables.open(own.index)).sum::<Decimal>() == amount {
        return (sure, Vec::new());
    }
    match ways(&open, amount).as_slice() {
        [way] => (way.iter().map(|place| payable[*place]).collect(), vec![Doubt::FurtherNumbers]),
        [way, _, ..] => (way.iter().map(|place| payable[*place]).collect(), vec![Doubt::FurtherNumbers, Doubt::SeveralFit]),
        [] if sure.is_empty() => (payable.to_vec(), Vec::new()),
        [] => (sure, Vec::new()),
    }
}

/// Returns the candidate of a customer of whom only invoices are named that this money cannot pay.
fn unpayable(receivables: &Receivables<'_>, line: &BankLine, customer: CustomerIndex, all: &[Named], payer: &Payer) -> Candidate {
    let is_open = |own: &&Named| receivables.open.contains_key(&own.index);
    let mut grounds = vec![if all.iter().any(|own| own.found == Found::Reference) { Ground::Reference } else { Ground::Number }];
    grounds.extend(payer.grounds(customer));
    let mut doubts = vec![if all.iter().any(|own| is_open(&own)) { Doubt::OtherCurrency } else { Doubt::NothingOpen }];
    if all.iter().all(|own| own.found == Found::Short) {
        doubts.push(Doubt::NumberShort);
    }
    let parts = all.iter().map(|own| (own.index, Decimal::ZERO)).collect();
    Candidate { customer, parts, rest: line.amount, grounds, doubts }
}

/// Returns what a customer who pays without naming an invoice may mean.
fn by_payer(receivables: &Receivables<'_>, line: &BankLine, customer: CustomerIndex, payer: &Payer) -> Vec<Candidate> {
    let documents = receivables.open_in(customer, line.currency);
    let grounds = payer.grounds(customer);
    let candidate = |chosen: &[DocumentIndex], ground: Option<Ground>, doubts: &[Doubt]| {
        let (parts, rest) = allot(receivables, chosen, line.amount);
        let grounds = ground.into_iter().chain(grounds.iter().copied()).collect();
        Candidate { customer, parts, rest, grounds, doubts: [&[Doubt::NoNumber], doubts].concat() }
    };
    if documents.is_empty() {
        return vec![candidate(&[], None, &[Doubt::NothingOpen])];
    }
    let open: Vec<Decimal> = documents.iter().map(|index| receivables.open(*index)).collect();
    let exact: Vec<DocumentIndex> = documents.iter().copied().filter(|index| receivables.open(*index) == line.amount).collect();
    if let [first, rest @ ..] = exact.as_slice() {
        let doubts: &[Doubt] = if rest.is_empty() { &[] } else { &[Doubt::SeveralFit] };
        let others = rest.iter().map(|index| candidate(&[*index], Some(Ground::Amount), doubts));
        return std::iter::once(candidate(&[*first], Some(Ground::Amount), doubts)).chain(others).collect();
    }
    let sum: Decimal = open.iter().sum();
    if sum == line.amount {
        return vec![candidate(&documents, Some(Ground::Sum), &[])];
    }
    let found = ways(&open, line.amount);
    let doubts: &[Doubt] = if found.len() > 1 { &[Doubt::SeveralFit] } else { &[] };
    if !found.is_empty() {
        let chosen = |way: &Vec<usize>| way.iter().map(|place| documents[*place]).collect::<Vec<_>>();
        return found.iter().map(|way| candidate(&chosen(way), Some(Ground::Sum), doubts)).collect();
    }
    vec![candidate(&documents, None, &[if line.amount < sum { Doubt::Partial } else { Doubt::Overpaid }])]
}

/// Returns the invoices of which just this amount is open.
fn by_amount(receivables: &Receivables<'_>, line: &BankLine) -> Vec<Candidate> {
    let same = receivables.by_amount.get(&(line.currency, line.amount)).map_or(&[][..], Vec::as_slice);
    let doubts = if same.len() > 1 { vec![Doubt::AmountOnly, Doubt::SeveralFit] } else { vec![Doubt::AmountOnly] };
    let candidate = |index: &DocumentIndex| Candidate {
        customer: receivables.ledger.document(*index).customer,
        parts: vec![(*index, line.amount)],
        rest: Decimal::ZERO,
        grounds: vec![Ground::Amount],
        doubts: doubts.clone(),
    };
    same.iter().take(SAME_AMOUNT_MAX).map(candidate).collect()
}

/// Gives an amount to invoices, each what is open of it as long as it lasts; returns what is left.
fn allot(
    receivables: &Receivables<'_>,
    documents: &[DocumentIndex],
    amount: Decimal,
) -> (Vec<(DocumentIndex, Decimal)>, Decimal) {
    let mut left = amount;
    let mut parts = Vec::new();
    for index in documents {
        let part = receivables.open(*index).min(left);
        if part.is_zero() {
            break;
        }
        left -= part;
        parts.push((*index, part));
    }
    (parts, left)
}
