//! Statements over small and over random ledgers: they show what was open then, and they add up.

use proptest::prelude::*;

use super::*;
use crate::domain::customer::Customer;
use crate::domain::date::shifted;
use crate::domain::document::{Document, Payment};
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
/// words of an invoice: `settled:DAY`, `open:AMOUNT`, `disputed`.
fn ledger(text: &str) -> Ledger {
    let mut builder = LedgerBuilder::default();
    let customer = builder.add_customer(Customer::from_id("C1"), [].into_iter()).unwrap();
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
                disputed: more.contains(&"disputed"),
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
            ["credit", number, code, total, issued, ref invoice @ ..] => {
                let applies_to = invoice.first().map(|number| builder.find_document(number).unwrap());
                let kind = DocumentKind::CreditNote;
                let document = Document { kind, ..document(number, code, total, issued, &[]) };
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

fn statement(ledger: &Ledger, code: &str) -> OpenItemStatement {
    let period = Period::PreviousMonth.days(date(2026, 11, 2));
    OpenItemStatement::of(ledger, CustomerIndex(0), currency(code), period, &Ageing::default())
}

/// Tells a statement: a line an item, then the age columns, the credit and the balance.
fn told(statement: &OpenItemStatement) -> Vec<String> {
    let line = |line: &StatementLine| {
        let column = line.bucket.map_or("unapplied".to_owned(), |place| statement.ages[place].0.label());
        let disputed = if line.disputed { " disputed" } else { "" };
        let late = if line.days_overdue > 0 { format!(" {} days", line.days_overdue) } else { String::new() };
        format!("{} {} {} of {} {column}{late}{disputed}", line.kind.as_str(), line.number, line.open, line.original)
    };
    let mut told: Vec<String> = statement.lines.iter().map(line).collect();
    let ages: Vec<String> = statement.ages.iter().map(|(_, amount)| amount.to_string()).collect();
    told.push(format!("{} | {} = {}", ages.join(" "), statement.unapplied, statement.balance));
    told
}

fn check(rows: &str, code: &str, expected: &[&str]) {
    let ledger = ledger(rows);
    let statement = statement(&ledger, code);
    assert_eq!(told(&statement), expected);
    assert!(statement.is_balanced());
}

#[test]
fn a_statement_shows_what_was_open_on_its_last_day() {
    check(
        "invoice 1 EUR 100.00 -40 -31
         invoice 2 EUR 200.00 -60 -30 settled:1
         invoice 3 EUR 300.00 -60 -30 settled:0
         invoice 4 EUR 400.00 -10 4 disputed
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
            "invoice 4 400.00 of 400.00 current disputed",
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

#[test]
fn a_statement_whose_figures_differ_is_not_balanced() {
    let ledger = ledger("invoice 1 EUR 100.00 -40 -31\npayment EUR 25.00 -2");
    let right = statement(&ledger, "EUR");
    let broken: [fn(&mut OpenItemStatement); 4] = [
        |statement| statement.balance += Decimal::ONE,
        |statement| statement.unapplied += Decimal::ONE,
        |statement| statement.ages[0].1 += Decimal::ONE,
        |statement| drop(statement.lines.pop()),
    ];
    assert!(right.is_balanced());
    for (place, break_it) in broken.into_iter().enumerate() {
        let mut wrong = right.clone();
        break_it(&mut wrong);
        assert!(!wrong.is_balanced(), "{place}");
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
    let invoice = (0..2_usize, cents.clone(), -150..5_i32, prop::option::weighted(0.8, -120..40_i32), 0..6_usize);
    let credit = (0..2_usize, 1..5_000_i64, -40..5_i32);
    let payment = (0..2_usize, cents, -40..5_i32, any::<prop::sample::Index>(), prop::bool::ANY);
    let all = (prop::collection::vec(invoice, 1..12), prop::collection::vec(credit, 0..4), prop::collection::vec(payment, 0..8));
    all.prop_map(|(invoices, credits, payments)| {
        let (mut text, mut codes) = (String::new(), Vec::new());
        let code = |place: usize| ["EUR", "USD"][place];
        for (number, (place, cents, issued, due, more)) in invoices.into_iter().enumerate() {
            let due = due.map_or("-".to_owned(), |due| due.to_string());
            let more = ["", "", "disputed", "settled:0", "settled:1", "open:12.34"][more];
            text += &format!("invoice {number} {} {} {issued} {due} {more}\n", code(place), Decimal::new(cents, 2));
            codes.push(code(place));
        }
        for (number, (place, cents, issued)) in credits.into_iter().enumerate() {
            text += &format!("credit G{number} {} {} {issued}\n", code(place), Decimal::new(-cents, 2));
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
    fn every_statement_balances(rows in rows(), scheduled in -40..3_i32, by_issue in prop::bool::ANY) {
        let ledger = ledger(&rows);
        let by = if by_issue { crate::domain::ageing::AgeBy::Issued } else { crate::domain::ageing::AgeBy::Due };
        let days = [14, 30].into_iter().filter_map(crate::domain::date::Days::new).collect();
        let ageing = Ageing::new(by, days).unwrap();
        for currency in ledger.currencies_of(CustomerIndex(0)) {
            for (_, period) in Period::WORDS {
                let period = period.days(shifted(END, scheduled));
                let statement = OpenItemStatement::of(&ledger, CustomerIndex(0), currency, period, &ageing);
                prop_assert!(statement.is_balanced(), "{:?}", statement);
                let is_credit = |line: &StatementLine| line.bucket.is_none();
                let credit: Decimal = statement.lines.iter().filter(|line| is_credit(line)).map(|line| line.open).sum();
                prop_assert_eq!(credit, statement.unapplied);
                prop_assert!(statement.lines.iter().all(|line| line.date <= period.to), "nothing of later days");
                prop_assert!(statement.lines.iter().all(|line| !line.open.is_zero()), "nothing without a balance");
            }
        }
    }
}
