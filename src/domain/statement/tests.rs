//! Statements in all forms over small and over random ledgers: they show what was open and what moved then, and they add up.

use proptest::prelude::*;

use super::*;
use crate::domain::customer::Customer;
use compact_str::CompactString;

use crate::domain::date::{Date, Days, days_between};
use crate::domain::document::{Document, DocumentKind, Payment};
use crate::domain::id::DocumentNumber;
use crate::domain::ledger::LedgerBuilder;
use crate::domain::period::Period;
use jiff::civil::date;

/// The last day of the period of every statement here.
const END: Date = Date::constant(2026, 10, 31);

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

/// Reads `invoice NUMBER CURRENCY TOTAL ISSUED DUE`, `credit NUMBER CURRENCY TOTAL ISSUED [INVOICE]` and `payment
/// CURRENCY AMOUNT RECEIVED [INVOICE]`; days are counted from the end of the period, `-` is no due date. Further
/// words of a document: `settled:DAY`, `open:AMOUNT`. `for C2` goes on with another customer, a branch of the first.
fn ledger(text: &str) -> Ledger {
    let mut builder = LedgerBuilder::default();
    let parent = builder.add_customer(Customer::from_id("C1"), [].into_iter()).unwrap();
    let mut customer = parent;
    let day = |text: &str| shifted(END, text.parse().unwrap());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let document = |number: &str, code: &str, total: &str, issued: &str, more: &[&str]| {
            let word = |name: &str| more.iter().find_map(|word| word.strip_prefix(name));
            Document {
                number: DocumentNumber::new(number),
                customer,
                kind: DocumentKind::Invoice,
                currency: currency(code),
                issued_on: day(issued),
                due_on: None,
                settled_on: word("settled:").map(day),
                total: total.parse().unwrap(),
                open: word("open:").map(|open| open.parse().unwrap()),
                disputed: false,
                approved: true,
                hold_until: None,
                promised_on: None,
                row: 0,
            }
        };
        match words[..] {
            ["invoice", number, code, total, issued, due, ref more @ ..] => {
                let due_on = (due != "-").then(|| day(due));
                let document = Document { due_on, ..document(number, code, total, issued, more) };
                builder.add_invoice(document, [].into_iter()).unwrap();
            }
            ["for", id] => {
                customer = builder.add_customer(Customer::from_id(id), [].into_iter()).unwrap();
                builder.set_parent(customer, parent).unwrap();
            }
            ["credit", number, code, total, issued, ref more @ ..] => {
                let invoice = more.iter().find(|word| !word.contains(':'));
                let applies_to = invoice.map(|number| builder.find_document(number).unwrap());
                let kind = DocumentKind::CreditNote;
                let document = Document { kind, ..document(number, code, total, issued, more) };
                builder.add_credit_note(document, applies_to, [].into_iter()).unwrap();
            }
            ["payment", code, amount, received, ref invoice @ ..] => {
                let payment = Payment {
                    customer,
                    document: invoice.first().map(|number| builder.find_document(number).unwrap()),
                    amount: amount.parse().unwrap(),
                    currency: currency(code),
                    received_on: day(received),
                    reference: CompactString::const_new("REF"),
                };
                builder.add_payment(payment).unwrap();
            }
            _ => panic!("`{line}` is no row"),
        }
    }
    builder.finish()
}

const FORMS: [StatementForm; 3] = [StatementForm::OpenItem, StatementForm::BalanceForward, StatementForm::Activity];

fn october() -> Interval {
    Period::PreviousMonth.days(date(2026, 11, 2))
}

fn statement(ledger: &Ledger, code: &str, form: StatementForm, scope: AccountScope) -> StatementOfAccount {
    let layout = StatementLayout { form, scope, ..StatementLayout::default() };
    StatementOfAccount::of(ledger, CustomerIndex(0), currency(code), october(), &layout)
}

/// Tells a statement: the lines account by account, then what is claimed.
fn told(ledger: &Ledger, statement: &StatementOfAccount) -> Vec<String> {
    let mut told = Vec::new();
    for part in &statement.accounts {
        if statement.scope == AccountScope::Group {
            told.push(format!("for {}", ledger.customer(part.customer).id));
        }
        for line in &part.lines {
            let StatementLine { kind, number, original, amount, .. } = line;
            let (kind, column) =
                (kind.as_str(), line.bucket.map_or("unapplied".to_owned(), |own| statement.buckets[own].label()));
            let late = if line.days_overdue > 0 { format!(" {} days", line.days_overdue) } else { String::new() };
            let against = line.document.filter(|_| kind == "payment");
            let against = against.map_or_else(String::new, |own| format!(" against {}", ledger.document(own).number));
            told.push(match statement.form {
                StatementForm::OpenItem => format!("{kind} {number} {amount} of {original} {column}{late}"),
                _ => format!("{} {kind} {number} {amount}{against}", line.date.map_or(0, |day| days_between(END, day))),
            });
        }
        told.extend(
            part.claim.as_ref().filter(|_| statement.scope == AccountScope::Group).map(|own| format!("= {}", own.balance)),
        );
    }
    told.extend(statement.claim().map(|Claim { opening, ages, unapplied, balance, .. }| {
        let ages: Vec<String> = ages.iter().map(|amount| amount.to_string()).collect();
        let opening = opening.map_or_else(String::new, |opening| format!("{opening} ... "));
        format!("{opening}{} | {unapplied} = {balance}", ages.join(" "))
    }));
    told
}

fn check_form(rows: &str, code: &str, form: StatementForm, scope: AccountScope, expected: &[&str]) {
    let ledger = ledger(rows);
    let statement = statement(&ledger, code, form, scope);
    assert_eq!(told(&ledger, &statement), expected);
    assert!(statement.is_balanced());
}

fn check(rows: &str, code: &str, expected: &[&str]) {
    check_form(rows, code, StatementForm::OpenItem, AccountScope::Customer, expected);
}

#[test]
fn a_statement_shows_what_was_open_on_its_last_day() {
    check(
        "invoice 1 EUR 100.00 -40 -31
         invoice 2 EUR 200.00 -60 -30 settled:1
         invoice 3 EUR 300.00 -60 -30 settled:0
         invoice 4 EUR 400.00 -10 4
         invoice 5 EUR 500.00 1 31
         invoice 6 EUR 600.00 -200 -
         invoice 7 EUR 700.00 -200 -150
         payment EUR 650.00 0 7
         payment EUR 50.00 1 7",
        "EUR",
        &[
            // Without a due date it lies by its day of issue, and is never overdue.
            "invoice 6 600.00 of 600.00 current",
            "invoice 7 50.00 of 700.00 > 90 150 days",
            "invoice 1 100.00 of 100.00 31–60 31 days",
            // Paid since, but not on that day; the one settled on the day itself is gone.
            "invoice 2 200.00 of 200.00 1–30 30 days",
            "invoice 4 400.00 of 400.00 current",
            "1000.00 200.00 100.00 0 50.00 | 0 = 1350.00",
        ],
    );
}

#[test]
fn credit_stands_in_a_column_of_its_own_and_lowers_no_age() {
    check(
        "invoice 1 EUR 100.00 -40 -31
         invoice 2 EUR 80.00 -40 -31 open:-20.00
         credit G1 EUR -30.00 -5
         credit G2 EUR -40.00 -5 1
         payment EUR 25.00 -2
         payment EUR -5.00 -1
         payment EUR 99.00 1
         payment USD 7.00 -1",
        "EUR",
        &[
            "invoice 1 60.00 of 100.00 31–60 31 days",
            "invoice 2 -20.00 of 80.00 unapplied",
            "credit_note G1 -30.00 of -30.00 unapplied",
            "payment REF -25.00 of -25.00 unapplied",
            "payment REF 5.00 of 5.00 unapplied",
            "0 0 60.00 0 0 | -70.00 = -10.00",
        ],
    );
    check("payment USD 7.00 -1", "USD", &["payment REF -7.00 of -7.00 unapplied", "0 0 0 0 0 | -7.00 = -7.00"]);
    check("payment USD 7.00 -1", "EUR", &["0 0 0 0 0 | 0 = 0"]);
}

/// A little of everything that can move an account, and how it counts.
const MOVING: &str = "invoice 1 EUR 100.00 -60 -31
    invoice 2 EUR 200.00 -60 -30 settled:-20
    invoice 3 EUR 300.00 -10 4
    invoice 4 EUR 50.00 -9 5 open:20.00
    invoice 5 EUR 70.00 -5 9 settled:-7
    invoice 6 EUR 80.00 1 31
    invoice 7 EUR 90.00 -80 -50 settled:-40
    invoice 8 EUR 60.00 -4 10
    credit G1 EUR -30.00 -8 3
    credit G2 EUR -10.00 -8
    credit G3 EUR -5.00 -3 4
    credit G4 EUR -6.00 -6 8
    payment EUR 40.00 -25 1
    payment EUR 150.00 -22 2
    payment EUR 1.00 -2 8
    payment EUR 9.00 -6 8
    payment EUR 7.00 -1
    payment EUR 99.00 1";

#[test]
fn what_moved_stands_between_the_balance_before_and_the_balance_at_the_end() {
    let moved = [
        "-25 payment REF -40.00 against 1",
        "-22 payment REF -150.00 against 2",
        // What the books tell by a day alone is a movement of its own, of what payments leave open.
        "-20 settlement 2 -50.00",
        "-10 invoice 3 300.00",
        // Nobody knows on which day the books took away the rest.
        "-9 invoice 4 50.00",
        "0 settlement 4 -30.00",
        // It is set against an invoice on that day, so only its issue moves the balance.
        "-8 credit_note G1 -30.00",
        "-8 credit_note G2 -10.00",
        // Paid before it was issued: both count from the issue on.
        "-6 credit_note G4 -6.00",
        "-6 settlement G4 6.00",
        "-5 invoice 5 70.00",
        "-7 settlement 5 -70.00",
        "-4 invoice 8 60.00",
        "-6 payment REF -9.00 against 8",
        "-4 settlement 8 -6.00",
        // The books have counted it in the rest of its invoice already.
        "-3 credit_note G3 -5.00",
        "-3 settlement G3 5.00",
        "-2 payment REF -1.00 against 8",
        "-1 payment REF -7.00",
    ];
    let claimed = [&moved[..], &["300.00 ... 334.00 0 60.00 0 0 | -17.00 = 377.00"]].concat();
    let scope = AccountScope::Customer;
    check_form(MOVING, "EUR", StatementForm::Activity, scope, &moved);
    check_form(MOVING, "EUR", StatementForm::BalanceForward, scope, &claimed);
}

#[test]
fn a_form_tells_of_an_account_what_it_has_to_tell() {
    for (rows, is_told) in [
        // Still open, but nothing moved.
        ("invoice 1 EUR 100.00 -60 -31", [true, true, false]),
        // Settled in the period, so there is a balance before it.
        ("invoice 1 EUR 100.00 -60 -31 settled:-3", [false, true, true]),
        // Come and gone within the period.
        ("invoice 1 EUR 100.00 -9 -5 settled:-3", [false, true, true]),
        // Open, but covered.
        ("invoice 1 EUR 100.00 -60 -31\npayment EUR 100.00 -40", [true, false, false]),
        // In credit.
        ("payment EUR 100.00 -40", [true, true, false]),
        ("invoice 1 EUR 100.00 -60 -31 settled:-40", [false, false, false]),
        ("invoice 1 EUR 0.00 -9 -5\npayment EUR 0.00 -4", [false, false, false]),
        ("", [false, false, false]),
    ] {
        let ledger = ledger(rows);
        let told = FORMS.map(|form| !statement(&ledger, "EUR", form, AccountScope::Customer).is_empty());
        assert_eq!(told, is_told, "{rows}");
        let has_moved = has_moved(&ledger, CustomerIndex(0), AccountScope::Customer, currency("EUR"), october());
        assert_eq!(has_moved, is_told[2], "{rows}");
    }
}

#[test]
fn a_group_is_told_account_by_account_with_a_sum_for_each() {
    let rows = "invoice 1 EUR 100.00 -40 -31
        for C2
        invoice 2 EUR 200.00 -10 20
        payment EUR 50.00 -2 2
        for C3
        invoice 3 EUR 10.00 -90 -60 settled:-40
        for C4
        payment EUR 30.00 -60";
    let lines = [
        "for C1",
        "invoice 1 100.00 of 100.00 31–60 31 days",
        "= 100.00",
        "for C2",
        "invoice 2 150.00 of 200.00 current",
        "= 150.00",
        "for C4",
        "payment REF -30.00 of -30.00 unapplied",
        "= -30.00",
        "150.00 0 100.00 0 0 | -30.00 = 220.00",
    ];
    check_form(rows, "EUR", StatementForm::OpenItem, AccountScope::Group, &lines);
    let moved = [
        "for C1",
        "= 100.00",
        "for C2",
        "-10 invoice 2 200.00",
        "-2 payment REF -50.00 against 2",
        "= 150.00",
        "for C4",
        "= -30.00",
        "70.00 ... 150.00 0 100.00 0 0 | -30.00 = 220.00",
    ];
    check_form(rows, "EUR", StatementForm::BalanceForward, AccountScope::Group, &moved);
    let activity = ["for C2", "-10 invoice 2 200.00", "-2 payment REF -50.00 against 2"];
    check_form(rows, "EUR", StatementForm::Activity, AccountScope::Group, &activity);
    // Alone, each is as it ever was.
    check(rows, "EUR", &["invoice 1 100.00 of 100.00 31–60 31 days", "0 0 100.00 0 0 | 0 = 100.00"]);
}

#[test]
fn a_statement_whose_figures_differ_is_not_balanced() {
    let ledger = ledger("invoice 1 EUR 100.00 -40 -31\npayment EUR 25.00 -2");
    let broken: [fn(&mut AccountPart); 6] = [
        |part| part.sum += Decimal::ONE,
        |part| drop(part.lines.pop()),
        |part| part.claim.as_mut().unwrap().balance += Decimal::ONE,
        |part| part.claim.as_mut().unwrap().unapplied += Decimal::ONE,
        |part| part.claim.as_mut().unwrap().ages[0] += Decimal::ONE,
        |part| part.claim.as_mut().unwrap().opening = Some(Decimal::ONE),
    ];
    for form in FORMS {
        let right = statement(&ledger, "EUR", form, AccountScope::Customer);
        assert!(right.is_balanced());
        for (place, break_it) in broken.into_iter().enumerate().take(if form.has_balance() { 6 } else { 2 }) {
            let mut wrong = right.clone();
            break_it(&mut wrong.accounts[0]);
            assert!(!wrong.is_balanced(), "{form:?} {place}");
        }
    }
}

#[test]
fn every_currency_with_a_document_or_a_payment_counts() {
    let ledger = ledger("invoice 1 USD 1 0 0\npayment CHF 1 0\ninvoice 2 EUR 1 0 0\ninvoice 3 EUR 1 0 0\npayment EUR 1 0");
    assert_eq!(ledger.currencies_of(CustomerIndex(0)), ["CHF", "EUR", "USD"].map(currency));
}

/// A random row of a ledger; invoices are numbered from 0 and come first.
fn rows() -> impl Strategy<Value = String> {
    let cents = -5_000..20_000_i64;
    let day = -120..5_i32;
    let invoice = (0..2_usize, cents.clone(), -150..5_i32, prop::option::weighted(0.8, -120..40_i32), 0..7_usize, day.clone());
    let credit = (0..2_usize, 1..5_000_i64, day.clone(), any::<prop::sample::Index>(), 0..4_usize);
    let payment = (0..2_usize, cents, day, any::<prop::sample::Index>(), prop::bool::ANY);
    let all = (prop::collection::vec(invoice, 1..12), prop::collection::vec(credit, 0..4), prop::collection::vec(payment, 0..8));
    all.prop_map(|(invoices, credits, payments)| {
        let (mut text, mut codes) = (String::new(), Vec::new());
        let code = |place: usize| ["EUR", "USD"][place];
        for (number, (place, cents, issued, due, more, settled)) in invoices.into_iter().enumerate() {
            let due = due.map_or("-".to_owned(), |due| due.to_string());
            let more = ["", "", "settled:", "settled:", "open:12.34", "open:0", "open:12.34 settled:"][more];
            let settled = if more.ends_with("settled:") { settled.to_string() } else { String::new() };
            text += &format!("invoice {number} {} {} {issued} {due} {more}{settled}\n", code(place), Decimal::new(cents, 2));
            codes.push(code(place));
        }
        for (number, (place, cents, issued, invoice, more)) in credits.into_iter().enumerate() {
            let target = invoice.index(codes.len());
            let (code, more) = match more {
                0 => (code(place), String::new()),
                1 => (code(place), format!("settled:{}", issued + 3)),
                2 => (codes[target], format!("{target} settled:{issued}")),
                _ => (codes[target], target.to_string()),
            };
            text += &format!("credit G{number} {code} {} {issued} {more}\n", Decimal::new(-cents, 2));
        }
        for (place, cents, received, invoice, is_applied) in payments {
            let number = invoice.index(codes.len());
            let (code, applied) = if is_applied { (codes[number], number.to_string()) } else { (code(place), String::new()) };
            text += &format!("payment {code} {} {received} {applied}\n", Decimal::new(cents, 2));
        }
        text
    })
}

proptest! {
    #[test]
    fn every_statement_balances_in_every_form(rows in rows(), scheduled in -100..3_i32, by_issue in prop::bool::ANY) {
        let ledger = ledger(&rows);
        let by = if by_issue { AgeBy::Issued } else { AgeBy::Due };
        let ageing = Ageing::new(by, [14, 30].into_iter().filter_map(Days::new).collect()).unwrap();
        for currency in ledger.currencies_of(CustomerIndex(0)) {
            for ((_, period), form) in Period::WORDS.into_iter().flat_map(|period| FORMS.map(|form| (period, form))) {
                let period = period.days(shifted(END, scheduled));
                let layout = StatementLayout { form, scope: AccountScope::Customer, ageing: ageing.clone() };
                let statement = StatementOfAccount::of(&ledger, CustomerIndex(0), currency, period, &layout);
                prop_assert!(statement.is_balanced(), "{:?}", statement);
                prop_assert_eq!(statement.claim().is_some(), form.has_balance());
                if let Some(claim) = statement.claim() {
                    prop_assert_eq!(claim.balance, ledger.balance_on(CustomerIndex(0), currency, period.to));
                }
                let before = form != StatementForm::OpenItem;
                let is_within = |line: &StatementLine| line.counts_on <= period.to && (!before || period.from <= line.counts_on);
                prop_assert!(statement.lines().all(is_within), "nothing of other days");
                prop_assert!(statement.lines().all(|line| !line.amount.is_zero()), "nothing without an amount");
            }
        }
    }

    #[test]
    fn a_period_opens_with_what_the_one_before_closed_with(rows in rows(), cut in -130..0_i32, days in 0..40_i32) {
        let ledger = ledger(&rows);
        let layout = StatementLayout { form: StatementForm::BalanceForward, ..StatementLayout::default() };
        for currency in ledger.currencies_of(CustomerIndex(0)) {
            let claim = |from: i32, to: i32| {
                let period = Interval { from: shifted(END, from), to: shifted(END, to) };
                StatementOfAccount::of(&ledger, CustomerIndex(0), currency, period, &layout).claim().unwrap()
            };
            let (first, second) = (claim(cut - days, cut), claim(cut + 1, cut + 1 + days));
            prop_assert_eq!(second.opening, Some(first.balance));
            let all = claim(-200, 10);
            prop_assert_eq!(all.opening, Some(Decimal::ZERO), "before everything there is nothing");
        }
    }

    #[test]
    fn the_movements_of_a_document_up_to_a_day_are_what_is_open_of_it_then(rows in rows()) {
        let ledger = ledger(&rows);
        for index in (0..ledger.documents().len() as u32).map(DocumentIndex) {
            let movements = ledger.movements_of(index);
            for day in (-151..8).map(|day| shifted(END, day)) {
                let moved: Decimal = movements.iter().filter(|own| own.counts_on <= day).map(|own| own.amount).sum();
                prop_assert_eq!(moved, ledger.open_on(index, day), "{} on {}: {:?}", ledger.document(index).number, day, movements);
            }
        }
    }
}
