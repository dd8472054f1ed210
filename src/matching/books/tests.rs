//! A match and the books that catch up with it: whatever they do and in whatever order, no balance has the money twice.

use proptest::prelude::*;
use rust_decimal::{Decimal, dec};

use super::*;
use crate::domain::bank::BankLine;
use crate::domain::customer::Customer;
use crate::domain::document::{Document, DocumentKind};
use crate::domain::id::DocumentNumber;
use crate::domain::ledger::LedgerBuilder;

const BOOKED_ON: Date = jiff::civil::date(2026, 3, 10);
const TODAY: Date = jiff::civil::date(2026, 3, 20);

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

/// An invoice of the books: number, total, what is open by their own account, whether it is settled.
type Invoice = (&'static str, Decimal, Option<Decimal>, bool);
/// A payment of the books: the invoice or nothing, amount, day of March, reference.
type Paid = (Option<&'static str>, Decimal, i8, &'static str);

fn books(invoices: &[Invoice], payments: &[Paid]) -> Ledger {
    let mut builder = LedgerBuilder::default();
    let customer = builder.add_customer(Customer::from_id("C1"), [].into_iter()).unwrap();
    for (number, total, open, is_settled) in invoices {
        let document = Document {
            number: DocumentNumber::new(number),
            customer,
            kind: DocumentKind::Invoice,
            currency: eur(),
            issued_on: jiff::civil::date(2026, 2, 1),
            due_on: None,
            settled_on: is_settled.then(|| jiff::civil::date(2026, 3, 12)),
            total: *total,
            open: *open,
            disputed: false,
            approved: true,
            hold_until: None,
            promised_on: None,
            row: 0,
        };
        builder.add_invoice(document, [].into_iter()).unwrap();
    }
    for (invoice, amount, day, reference) in payments {
        let document = invoice.map(|number| builder.find_document(number).unwrap());
        let received_on = jiff::civil::date(2026, 3, *day);
        let payment =
            Payment { customer, document, amount: *amount, currency: eur(), received_on, reference: (*reference).into() };
        builder.add_payment(payment).unwrap();
    }
    builder.finish()
}

/// Applies a bank line to invoices over the books of that moment.
fn applied(id: i64, ledger: &Ledger, amount: Decimal, parts: &[(&str, Decimal)]) -> AppliedMatch {
    let line = BankLine {
        id: format!("{id:032}"),
        booked_on: BOOKED_ON,
        amount,
        currency: eur(),
        payer: String::new(),
        account: String::new(),
        reference: "R-1".into(),
    };
    let part = |(invoice, amount): &(&str, Decimal)| MatchPart {
        invoice: (*invoice).to_owned(),
        amount: *amount,
        settled_before: settled_by_open(ledger, ledger.find_document(invoice).unwrap()),
    };
    AppliedMatch {
        id,
        line,
        customer: "C1".into(),
        parts: parts.iter().map(part).collect(),
        known: known_payments(ledger, CustomerIndex(0), eur(), BOOKED_ON),
        applied_at: crate::domain::date::Timestamp::UNIX_EPOCH,
        is_booked: false,
    }
}

fn balance(ledger: Ledger, matches: &[AppliedMatch]) -> (Decimal, Vec<i64>) {
    let Standing { missing, shown, .. } = standing(&ledger, matches);
    let laid_over = ledger.with_matched(missing);
    // Asked of a ledger that has it laid over, the answer is the same.
    assert_eq!(standing(&laid_over, matches).shown, shown);
    (laid_over.balance_on(CustomerIndex(0), eur(), TODAY), shown)
}

#[test]
fn each_way_in_which_books_show_a_payment_ends_its_match() {
    let whole = dec!(100);
    let no_open = || books(&[("R-1", whole, None, false), ("R-2", dec!(50), None, false)], &[]);
    let with_open = |open| books(&[("R-1", whole, Some(open), false), ("R-2", dec!(50), Some(dec!(50)), false)], &[]);
    let paid = |payments: &[Paid]| books(&[("R-1", whole, None, false), ("R-2", dec!(50), None, false)], payments);
    // Before, what is applied, what the books say then, the balance then, and whether the match has ended.
    let cases: Vec<(&str, Ledger, Decimal, Ledger, Decimal, bool)> = vec![
        ("nothing yet", no_open(), whole, no_open(), dec!(50), false),
        ("settled", no_open(), whole, books(&[("R-1", whole, None, true), ("R-2", dec!(50), None, false)], &[]), dec!(50), true),
        ("gone from the export", no_open(), whole, books(&[("R-2", dec!(50), None, false)], &[]), dec!(50), true),
        ("open lowered", with_open(whole), whole, with_open(dec!(0)), dec!(50), true),
        ("open not lowered yet", with_open(whole), whole, with_open(whole), dec!(50), false),
        ("open lowered by a part", with_open(whole), whole, with_open(dec!(70)), dec!(50), false),
        ("a part matched, open lowered by more", with_open(whole), dec!(40), with_open(dec!(10)), dec!(60), true),
        ("a payment on the invoice", no_open(), whole, paid(&[(Some("R-1"), whole, 11, "x")]), dec!(50), true),
        ("dated before the bank", no_open(), whole, paid(&[(Some("R-1"), whole, 8, "x")]), dec!(50), true),
        (
            "in two payments",
            no_open(),
            whole,
            paid(&[(Some("R-1"), dec!(30), 11, "x"), (Some("R-1"), dec!(70), 12, "y")]),
            dec!(50),
            true,
        ),
        ("the first of two", no_open(), whole, paid(&[(Some("R-1"), dec!(30), 11, "x")]), dec!(50), false),
        ("not set against anything", no_open(), whole, paid(&[(None, whole, 11, "x")]), dec!(50), true),
        (
            "not set against anything, in two",
            no_open(),
            whole,
            paid(&[(None, dec!(30), 11, "x"), (None, dec!(70), 12, "y")]),
            dec!(50),
            true,
        ),
        ("a part not set against anything", no_open(), whole, paid(&[(None, dec!(30), 11, "x")]), dec!(50), false),
        ("set against another invoice", no_open(), dec!(50), paid(&[(Some("R-2"), dec!(50), 11, "x")]), dec!(100), true),
        (
            "split over others by one booking",
            no_open(),
            dec!(45),
            paid(&[(Some("R-2"), dec!(25), 11, "x"), (Some("R-2"), dec!(20), 11, "x")]),
            dec!(105),
            true,
        ),
        ("another payment of another sum", no_open(), whole, paid(&[(Some("R-2"), dec!(50), 11, "x")]), dec!(0), false),
    ];
    for (what, before, amount, after, expected, has_ended) in cases {
        let matches = [applied(1, &before, amount, &[("R-1", amount)])];
        let (balance, shown) = balance(after, &matches);
        assert_eq!((balance, !shown.is_empty()), (expected, has_ended), "{what}");
    }
}

#[test]
fn what_was_there_when_a_match_was_applied_does_not_show_it() {
    let invoices: &[Invoice] = &[("R-1", dec!(100), None, false)];
    let old: Paid = (None, dec!(40), 9, "before");
    let before = books(invoices, &[old]);
    let matches = [applied(1, &before, dec!(40), &[("R-1", dec!(40))])];
    assert_eq!(balance(before, &matches), (dec!(20), vec![]));
    // The old one is set against the invoice now; it is no new money.
    assert_eq!(balance(books(invoices, &[(Some("R-1"), dec!(40), 9, "before")]), &matches), (dec!(20), vec![]));
    // A second that looks the same is.
    assert_eq!(balance(books(invoices, &[old, old]), &matches), (dec!(20), vec![1]));
}

#[test]
fn a_payment_shows_one_match_and_no_second_one() {
    let invoices: &[Invoice] = &[("R-1", dec!(100), None, false), ("R-2", dec!(100), None, false)];
    let before = books(invoices, &[]);
    let matches = [applied(1, &before, dec!(100), &[("R-1", dec!(100))]), applied(2, &before, dec!(100), &[("R-2", dec!(100))])];
    let one = || books(invoices, &[(Some("R-2"), dec!(100), 11, "x")]);
    assert_eq!(balance(one(), &matches), (dec!(0), vec![2]));
    // Once the books have shown the second, its payment still shows no other.
    let later = [matches[0].clone(), AppliedMatch { is_booked: true, ..matches[1].clone() }];
    assert_eq!(balance(one(), &later), (dec!(0), vec![]));
}

#[test]
fn what_is_over_counts_until_the_books_have_the_line() {
    let invoices: &[Invoice] = &[("R-1", dec!(100), None, false)];
    let before = books(invoices, &[]);
    let matches = [applied(1, &before, dec!(130), &[("R-1", dec!(100))])];
    assert_eq!(balance(before, &matches), (dec!(-30), vec![]));
    assert_eq!(balance(books(invoices, &[(Some("R-1"), dec!(130), 11, "x")]), &matches), (dec!(-30), vec![1]));
    assert_eq!(balance(books(invoices, &[(None, dec!(130), 11, "x")]), &matches), (dec!(-30), vec![1]));
}

#[test]
fn what_the_books_take_back_is_open_again_and_the_match_still_counts_once() {
    let open = |open| books(&[("R-1", dec!(100), Some(open), false)], &[]);
    let mut matches = [applied(1, &open(dec!(70)), dec!(40), &[("R-1", dec!(40))])];
    assert_eq!(balance(open(dec!(70)), &matches), (dec!(30), vec![]));
    // A payment from before is taken back: 100 are open, and 40 of them paid.
    let back = standing(&open(dec!(100)), &matches);
    assert_eq!(back.lowered, [(1, "R-1".to_owned(), dec!(0))]);
    assert_eq!(balance(open(dec!(100)), &matches), (dec!(60), vec![]));
    matches[0].parts[0].settled_before = Some(dec!(0));
    assert_eq!(balance(open(dec!(60)), &matches), (dec!(60), vec![1]));
}

/// How books come to show a payment of which a part goes to each of two invoices.
#[derive(Clone, Copy, Debug)]
enum Booking {
    OnInvoices,
    Unapplied,
    UnappliedThenInvoices,
}

proptest! {
    /// Two bank lines, other money besides, books that say what is open or list payments: after every step of the books the
    /// balance is never lower than with each amount counted once, and in the end it is exactly that.
    #[test]
    fn no_balance_has_a_match_twice(
        says_open in any::<bool>(),
        amounts in proptest::collection::vec(1_i64..100, 2..5),
        others in proptest::collection::vec((1_i64..60, any::<bool>()), 0..3),
        order in proptest::collection::vec(any::<u8>(), 8),
        booking in prop_oneof![Just(Booking::OnInvoices), Just(Booking::Unapplied), Just(Booking::UnappliedThenInvoices)],
    ) {
        let total = dec!(1000);
        let amounts: Vec<Decimal> = amounts.into_iter().map(Decimal::from).collect();
        let number = |place: usize| if place.is_multiple_of(2) { "R-1" } else { "R-2" };
        // What the books will come to have: every line's payment, and others'.
        let mut events: Vec<(Option<&'static str>, Decimal, i8, &'static str, bool)> = Vec::new();
        for (place, amount) in amounts.iter().enumerate() {
            let day = 10 + place as i8;
            if matches!(booking, Booking::OnInvoices) || says_open {
                events.push((Some(number(place)), *amount, day, "line", true));
            } else {
                // In two bookings, none of which is the line by its sum.
                events.push((None, *amount - dec!(0.5), day, "line", true));
                events.push((None, dec!(0.5), day, number(place), true));
            }
        }
        for (amount, is_first) in &others {
            events.push((Some(if *is_first { "R-1" } else { "R-2" }), Decimal::from(*amount), 15, "other", false));
        }
        let mut places: Vec<usize> = (0..events.len()).collect();
        places.sort_by_key(|place| order[place % order.len()].wrapping_mul(31).wrapping_add(*place as u8));
        let state = |shown: &[usize]| {
            let rows: Vec<Paid> = shown.iter().map(|place| { let (invoice, amount, day, reference, _) = events[*place]; (invoice, amount, day, reference) }).collect();
            if says_open {
                let open = |number: &str| total - rows.iter().filter(|row| row.0 == Some(number)).map(|row| row.1).sum::<Decimal>();
                books(&[("R-1", total, Some(open("R-1")), false), ("R-2", total, Some(open("R-2")), false)], &[])
            } else {
                books(&[("R-1", total, None, false), ("R-2", total, None, false)], &rows)
            }
        };
        let before = state(&[]);
        let matches: Vec<AppliedMatch> =
            amounts.iter().enumerate().map(|(place, amount)| applied(place as i64, &before, *amount, &[(number(place), *amount)])).collect();
        for count in 0..=places.len() {
            let shown = &places[..count];
            // Every line once, and of the others what the books have.
            let others_shown: Decimal = shown.iter().filter(|place| !events[**place].4).map(|place| events[*place].1).sum();
            let least = dec!(2000) - amounts.iter().sum::<Decimal>() - others_shown;
            let (balance, ended) = balance(state(shown), &matches);
            prop_assert!(balance >= least, "{balance} < {least} after {shown:?}");
            if count == places.len() {
                prop_assert_eq!(balance, least);
                prop_assert_eq!(ended.len(), matches.len());
            }
        }
        if matches!(booking, Booking::UnappliedThenInvoices) && !says_open {
            // What was booked against nothing is set against its invoices later: the same rows, no new money.
            let rows: Vec<Paid> = events.iter().enumerate().map(|(place, event)| (event.0.or(Some(number(place / 2))), event.1, event.2, event.3)).collect();
            let after = books(&[("R-1", total, None, false), ("R-2", total, None, false)], &rows);
            let all: Decimal = events.iter().map(|event| event.1).sum();
            prop_assert_eq!(balance(after, &matches).0, dec!(2000) - all);
        }
    }
}
