//! What is proposed for bank lines over a small ledger, and that nothing is certain without number and amount.

use proptest::prelude::*;
use rust_decimal::{Decimal, dec};

use super::*;
use crate::domain::bank::BankLine;
use crate::domain::customer::Customer;
use crate::domain::date::Date;
use crate::domain::document::{Document, DocumentKind};
use crate::domain::id::DocumentNumber;
use crate::domain::ledger::{Ledger, LedgerBuilder};
use crate::domain::money::Currency;

const TODAY: Date = jiff::civil::date(2026, 3, 10);

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

/// Invoices as (number, customer, open, currency); customers C1 to C4 with names and accounts.
const INVOICES: &[(&str, &str, Decimal, &str)] = &[
    ("R-2001", "C1", dec!(100.00), "EUR"),
    ("R-2002", "C1", dec!(250.00), "EUR"),
    ("R-2003", "C1", dec!(70.00), "EUR"),
    ("R-3001", "C2", dec!(100.00), "EUR"),
    ("R-3002", "C2", dec!(99.00), "USD"),
    ("12", "C3", dec!(40.00), "EUR"),
    ("2026/00077", "C3", dec!(60.00), "EUR"),
    ("K-2001", "C4", dec!(500.00), "EUR"),
    ("R-9000", "C4", dec!(0.00), "EUR"),
];

fn ledger() -> Ledger {
    let mut builder = LedgerBuilder::new(vec!["IBAN".into()], vec![], vec![]);
    let customers = [
        ("C1", "Kranwerk Nord GmbH", "DE02 1203 0000 0000 2020 51"),
        ("C2", "Meadow & Mill Bakery", ""),
        ("C3", "Pebble Lane Nursery", ""),
        ("C4", "Weingut Sonnenleite", ""),
    ];
    let customers: Vec<_> = customers
        .into_iter()
        .map(|(id, name, account)| {
            let customer = Customer { name: name.into(), ..Customer::from_id(id) };
            (id, builder.add_customer(customer, [account].into_iter()).unwrap())
        })
        .collect();
    for (number, customer, open, currency) in INVOICES {
        let (_, customer) = customers.iter().find(|(id, _)| id == customer).unwrap();
        let document = Document {
            number: DocumentNumber::new(number),
            customer: *customer,
            kind: DocumentKind::Invoice,
            currency: Currency::parse(currency).unwrap(),
            issued_on: jiff::civil::date(2026, 2, 1),
            due_on: Some(jiff::civil::date(2026, 3, 1)),
            settled_on: None,
            total: if open.is_zero() { dec!(10) } else { *open },
            open: Some(*open),
            disputed: false,
            approved: true,
            hold_until: None,
            promised_on: None,
            row: 0,
        };
        builder.add_invoice(document, [].into_iter()).unwrap();
    }
    builder.finish()
}

fn line(amount: Decimal, payer: &str, reference: &str) -> BankLine {
    let (id, booked_on) = (format!("{payer}{reference}"), TODAY);
    let (payer, reference) = (payer.to_owned(), reference.to_owned());
    BankLine { id, booked_on, amount, currency: eur(), payer, account: String::new(), reference }
}

/// Returns `class: invoice=amount+… rest | grounds | doubts`, a candidate a part.
fn told(ledger: &Ledger, proposal: &Proposal) -> String {
    let candidate = |candidate: &Candidate| {
        let parts: Vec<String> =
            candidate.parts.iter().map(|(index, amount)| format!("{}={amount}", ledger.document(*index).number)).collect();
        let rest = if candidate.rest.is_zero() { String::new() } else { format!(" rest {}", candidate.rest) };
        format!("{}{rest} {:?} {:?}", parts.join("+"), candidate.grounds, candidate.doubts)
    };
    let all: Vec<String> = proposal.candidates.iter().map(candidate).collect();
    format!("{:?}: {}", proposal.class, all.join(" / "))
}

fn check(line: BankLine, expected: &str) {
    let ledger = ledger();
    let receivables = Receivables::of(&ledger, TODAY, Some("IBAN"), &[("GB33BUKB20201555555555".into(), "C2".into())]);
    let words = format!("{} {} {}", line.payer, line.reference, line.account);
    let proposals = propose(&receivables, &[line]);
    assert_eq!(told(&ledger, &proposals[0]), expected, "{words}");
}

#[test]
fn certain_is_what_number_and_amount_agree_on() {
    check(line(dec!(100), "Kranwerk Nord", "Rechnung R-2001"), "Certain: R-2001=100.00 [Number, Amount, Name] []");
    check(line(dec!(100.00), "", "r 2001"), "Certain: R-2001=100.00 [Number, Amount] []");
    check(line(dec!(350), "", "R-2001, R-2002"), "Certain: R-2001=100.00+R-2002=250.00 [Number, Sum] []");
    check(line(dec!(60), "", "RF18 2026"), "Doubtful: 2026/00077=60 [Amount] [AmountOnly]");
    check(line(dec!(60), "", "2026-77"), "Certain: 2026/00077=60.00 [Number, Amount] []");
    // A number of a foreign customer beside it that is only a short one by chance does not count.
    check(line(dec!(100), "", "R-2001 12 pieces"), "Certain: R-2001=100.00 [Number, Amount] []");
}

#[test]
fn everything_else_is_doubtful_and_says_why() {
    check(line(dec!(60), "", "R-2001"), "Doubtful: R-2001=60 [Number] [Partial]");
    check(line(dec!(130), "", "R-2001"), "Doubtful: R-2001=100.00 rest 30.00 [Number] [Overpaid]");
    check(line(dec!(250), "", "R-2001 R-2002"), "Doubtful: R-2002=250.00 [Number, Amount] [FurtherNumbers]");
    check(
        line(dec!(100), "Meadow Mill Bakery", "R-2001"),
        "Doubtful: R-2001=100.00 [Number, Amount] [OtherPayer] / R-3001=100.00 [Amount, Name] [NoNumber]",
    );
    check(
        line(dec!(100), "", "R-2001 and R-3001"),
        "Doubtful: R-2001=100.00 [Number, Amount] [SeveralCustomers] / R-3001=100.00 [Number, Amount] [SeveralCustomers]",
    );
    check(line(dec!(99), "", "R-3002"), "Doubtful: R-3002=0 rest 99 [Number] [OtherCurrency]");
    check(line(dec!(10), "", "R-9000"), "Doubtful: R-9000=0 rest 10 [Number] [NothingOpen]");
    // Two numbers read as 2001 without their letters; the amount tells which, and is not enough alone.
    check(
        line(dec!(500), "", "Invoice 2001"),
        "Doubtful: K-2001=500.00 [Number, Amount] [NumberShared, NumberShort] \
         / R-2001=100.00 rest 400.00 [Number] [Overpaid, NumberShared, NumberShort]",
    );
    check(line(dec!(40), "", "for 12"), "Doubtful: 12=40.00 [Number, Amount] [NumberShort]");
    check(line(dec!(40), "Pebble Lane Nursery", "for 12"), "Certain: 12=40.00 [Number, Amount, Name] []");
}

#[test]
fn without_a_number_the_payer_or_the_amount_alone_leads_to_doubtful_ones() {
    check(line(dec!(250), "KRANWERK NORD", "thanks"), "Doubtful: R-2002=250.00 [Amount, Name] [NoNumber]");
    check(line(dec!(420), "KRANWERK NORD", ""), "Doubtful: R-2001=100.00+R-2002=250.00+R-2003=70.00 [Sum, Name] [NoNumber]");
    check(line(dec!(170), "KRANWERK NORD", ""), "Doubtful: R-2001=100.00+R-2003=70.00 [Sum, Name] [NoNumber]");
    check(line(dec!(80), "KRANWERK NORD", ""), "Doubtful: R-2001=80 [Name] [NoNumber, Partial]");
    check(line(dec!(999), "Weingut Sonnenleite", ""), "Doubtful: K-2001=500.00 rest 499.00 [Name] [NoNumber, Overpaid]");
    let by_account = BankLine { account: "DE02120300000000202051".into(), ..line(dec!(70), "Unknown", "") };
    check(by_account, "Doubtful: R-2003=70.00 [Amount, Account] [NoNumber]");
    let learned = BankLine { account: "GB33BUKB20201555555555".into(), ..line(dec!(100), "", "") };
    check(learned, "Doubtful: R-3001=100.00 [Amount, Account] [NoNumber]");
    check(
        line(dec!(100), "", ""),
        "Doubtful: R-2001=100 [Amount] [AmountOnly, SeveralFit] / R-3001=100 [Amount] [AmountOnly, SeveralFit]",
    );
    check(line(dec!(123.45), "Somebody Else", "hello"), "Unmatched: ");
}

#[test]
fn an_invoice_that_two_lines_fit_is_certain_for_none() {
    let ledger = ledger();
    let receivables = Receivables::of(&ledger, TODAY, None, &[]);
    let lines = [line(dec!(100), "a", "R-2001"), line(dec!(250), "b", "R-2002"), line(dec!(100), "c", "R-2001")];
    let told: Vec<String> = propose(&receivables, &lines).iter().map(|proposal| told(&ledger, proposal)).collect();
    assert_eq!(
        told,
        [
            "Doubtful: R-2001=100.00 [Number, Amount] [ClaimedTwice]",
            "Certain: R-2002=250.00 [Number, Amount] []",
            "Doubtful: R-2001=100.00 [Number, Amount] [ClaimedTwice]",
        ]
    );
}

proptest! {
    /// Whatever a line says, it is certain only with the number in its text and the open amount to the cent, and parts never
    /// take more than is open or than came in.
    #[test]
    fn nothing_is_certain_without_number_and_amount(
        cents in 1_i64..60_000,
        words in proptest::collection::vec(prop_oneof![
            Just("R-2001"), Just("R-2002"), Just("2003"), Just("R3001"), Just("12"), Just("K-2001"), Just("2026 00077"), Just("thanks"),
        ], 0..4),
        payer in prop_oneof![Just(""), Just("Kranwerk Nord"), Just("Meadow Mill Bakery"), Just("Nobody Known")],
    ) {
        let ledger = ledger();
        let receivables = Receivables::of(&ledger, TODAY, None, &[]);
        let line = line(Decimal::new(cents, 2), payer, &words.join(" "));
        let proposal = propose(&receivables, std::slice::from_ref(&line)).remove(0);
        for candidate in &proposal.candidates {
            let given: Decimal = candidate.parts.iter().map(|(_, amount)| *amount).sum();
            prop_assert_eq!(given + candidate.rest, line.amount);
            for (index, amount) in &candidate.parts {
                prop_assert!(*amount <= ledger.open_on(*index, TODAY).max(Decimal::ZERO));
            }
        }
        if proposal.class == Class::Certain {
            let [candidate] = proposal.candidates.as_slice() else { panic!("one alone is certain") };
            let open: Decimal = candidate.parts.iter().map(|(index, _)| ledger.open_on(*index, TODAY)).sum();
            prop_assert_eq!(open, line.amount);
            prop_assert!(candidate.rest.is_zero() && !words.is_empty());
            for (index, _) in &candidate.parts {
                let digits: String = ledger.document(*index).number.as_str().chars().filter(char::is_ascii_digit).collect();
                let text: String = line.reference.chars().filter(char::is_ascii_digit).collect();
                prop_assert!(text.contains(&digits), "{} in {}", digits, line.reference);
            }
        }
    }
}

/// A month's work of a large company, for whoever wants to know how long it takes: `cargo test --release --lib
/// matching -- --ignored --nocapture`.
#[test]
#[ignore = "measures; run it with --release and --nocapture"]
#[expect(clippy::print_stdout, reason = "what it measures is for whoever asks")]
fn ten_thousand_lines_over_a_hundred_thousand_invoices() {
    let mut builder = LedgerBuilder::default();
    let customers: Vec<_> = (0..20_000)
        .map(|number| {
            let customer =
                Customer { name: format!("Company {number} Trading").into(), ..Customer::from_id(&format!("C{number}")) };
            builder.add_customer(customer, [].into_iter()).unwrap()
        })
        .collect();
    for number in 0..100_000_u32 {
        let document = Document {
            number: DocumentNumber::new(format!("INV-2026-{number:06}")),
            customer: customers[number as usize % customers.len()],
            kind: DocumentKind::Invoice,
            currency: eur(),
            issued_on: jiff::civil::date(2026, 2, 1),
            due_on: Some(jiff::civil::date(2026, 3, 1)),
            settled_on: None,
            total: Decimal::new(i64::from(number % 9_973) * 7 + 100, 2),
            open: None,
            disputed: false,
            approved: true,
            hold_until: None,
            promised_on: None,
            row: 0,
        };
        builder.add_invoice(document, [].into_iter()).unwrap();
    }
    let ledger = builder.finish();
    let lines: Vec<BankLine> = (0..10_000_u32)
        .map(|place| {
            let number = place * 7 % 100_000;
            let amount = Decimal::new(i64::from(number % 9_973) * 7 + 100, 2);
            let payer = format!("COMPANY {} TRADING", number % 20_000);
            match place % 3 {
                0 => line(amount, &payer, &format!("SVWZ+Rechnung INV 2026 {number} vielen Dank")),
                1 => line(amount * dec!(3), &payer, "several invoices as agreed"),
                _ => line(amount, "", "no reference at all"),
            }
        })
        .collect();
    let begun_at = std::time::Instant::now();
    let receivables = Receivables::of(&ledger, TODAY, None, &[]);
    let ready_at = std::time::Instant::now();
    let proposals = propose(&receivables, &lines);
    let certain = proposals.iter().filter(|proposal| proposal.class == Class::Certain).count();
    println!("ready in {:?}, {} lines in {:?}, {certain} certain", ready_at - begun_at, lines.len(), ready_at.elapsed());
    assert!(certain > 3_000);
}
