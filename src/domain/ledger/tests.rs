//! What a ledger keeps exact: balances by day, references, and rows that move.

use super::*;
use crate::domain::customer::Contacts;
use crate::domain::document::DocumentKind;
use crate::domain::id::{CustomerId, DocumentNumber};
use crate::domain::ledger::order::permute;
use jiff::civil::date;
use rust_decimal::dec;

fn customer(id: &str) -> Customer {
    Customer {
        id: CustomerId::new(id),
        name: id.into(),
        language: None,
        tags: Box::default(),
        contacts: Contacts::default(),
        hold_until: None,
        row: 0,
    }
}

fn invoice(number: &str, customer: CustomerIndex, total: Decimal) -> Document {
    Document {
        number: DocumentNumber::new(number),
        customer,
        kind: DocumentKind::Invoice,
        currency: Currency::parse("EUR").unwrap(),
        issued_on: date(2026, 1, 10),
        due_on: Some(date(2026, 2, 9)),
        settled_on: None,
        total,
        open: None,
        disputed: false,
        approved: true,
        hold_until: None,
        promised_on: None,
        row: 0,
    }
}

fn payment(customer: CustomerIndex, document: Option<DocumentIndex>, amount: Decimal, on: Date) -> Payment {
    let currency = Currency::parse("EUR").unwrap();
    Payment { customer, document, amount, currency, received_on: on, reference: "".into() }
}

#[test]
fn what_was_open_is_known_for_every_day() {
    let mut builder = LedgerBuilder::default();
    let beta = builder.add_customer(customer("beta"), [].into_iter()).unwrap();
    let alpha = builder.add_customer(customer("alpha"), [].into_iter()).unwrap();
    let part_paid = builder.add_invoice(invoice("1", beta, dec!(100)), [].into_iter()).unwrap();
    builder
        .add_invoice(Document { settled_on: Some(date(2026, 2, 1)), ..invoice("2", alpha, dec!(70)) }, [].into_iter())
        .unwrap();
    let credit = Document { issued_on: date(2026, 1, 20), ..invoice("C1", beta, dec!(-30)) };
    builder.add_credit_note(credit, Some(part_paid), [].into_iter()).unwrap();
    builder.add_payment(payment(beta, Some(part_paid), dec!(25), date(2026, 1, 25))).unwrap();
    builder.add_payment(payment(beta, None, dec!(5), date(2026, 1, 26))).unwrap();
    let ledger = builder.finish();

    let (alpha, beta) = (ledger.find_customer("alpha").unwrap(), ledger.find_customer("beta").unwrap());
    assert!(alpha < beta, "customers are sorted by id");
    let eur = Currency::parse("EUR").unwrap();
    let open = |number: &str, day| ledger.open_on(ledger.find_document(number).unwrap(), day);
    for (day, expected) in [(9, dec!(0)), (10, dec!(100)), (19, dec!(100)), (20, dec!(70)), (24, dec!(70)), (25, dec!(45))] {
        assert_eq!(open("1", date(2026, 1, day)), expected, "1 on January {day}");
    }
    assert_eq!(open("2", date(2026, 1, 31)), dec!(70));
    assert_eq!(open("2", date(2026, 2, 1)), dec!(0), "settled that day");
    assert_eq!(open("C1", date(2026, 1, 20)), dec!(0), "a credit note applied in full");
    assert_eq!(ledger.balance_on(beta, eur, date(2026, 1, 26)), dec!(40));
}

#[test]
fn rows_that_contradict_the_ledger_are_refused() {
    let mut builder = LedgerBuilder::default();
    let acme = builder.add_customer(customer("acme"), [].into_iter()).unwrap();
    assert_eq!(builder.add_customer(customer("acme"), [].into_iter()), Err(LedgerError::CustomerTwice { id: "acme".into() }));
    let first = builder.add_invoice(invoice("1", acme, dec!(1)), [].into_iter()).unwrap();
    let again = builder.add_invoice(invoice("1", acme, dec!(2)), [].into_iter());
    assert_eq!(again, Err(LedgerError::DocumentTwice { number: "1".into() }));
    assert_eq!(builder.find_document("1"), Ok(first));
    assert!(builder.find_customer("nobody").is_err() && builder.find_document("9").is_err());
    let usd = Currency::parse("USD").unwrap();
    let wrong = Payment { currency: usd, ..payment(acme, Some(first), dec!(1), date(2026, 2, 1)) };
    let eur = Currency::parse("EUR").unwrap();
    assert_eq!(builder.add_payment(wrong), Err(LedgerError::CurrencyDiffers { number: "1".into(), own: eur, other: usd }));
}

#[test]
fn attributes_keep_their_row_through_sorting() {
    let mut builder = LedgerBuilder::new(vec!["city".into()], vec!["project".into(), "site".into()], vec!["why".into()]);
    let beta = builder.add_customer(customer("beta"), ["Kiel"].into_iter()).unwrap();
    let alpha = builder.add_customer(customer("alpha"), ["Ulm"].into_iter()).unwrap();
    builder.add_invoice(invoice("1", beta, dec!(1)), ["bridge", "north"].into_iter()).unwrap();
    builder.add_invoice(invoice("2", alpha, dec!(1)), ["tunnel"].into_iter()).unwrap();
    builder.add_credit_note(invoice("C", alpha, dec!(-1)), None, ["damaged"].into_iter()).unwrap();
    let ledger = builder.finish();
    let attribute = |number: &str, name| ledger.document_attribute(ledger.find_document(number).unwrap(), name);
    assert_eq!(attribute("1", "project"), Some("bridge"));
    assert_eq!(attribute("1", "site"), Some("north"));
    assert_eq!(attribute("2", "project"), Some("tunnel"));
    assert_eq!(attribute("2", "site"), Some(""), "a short row is filled up");
    assert_eq!(attribute("C", "why"), Some("damaged"));
    assert_eq!(attribute("C", "project"), None);
    assert_eq!(ledger.customer_attribute(ledger.find_customer("alpha").unwrap(), "city"), Some("Ulm"));
}

#[test]
fn documents_lie_by_customer_currency_due_date_and_arrival() {
    let (mut builder, mut state) = (LedgerBuilder::default().with_seed(7), 1_u32);
    let mut draw = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    let customers: Vec<_> =
        (0..7).map(|count| builder.add_customer(customer(&format!("{}", count * 5 % 7)), [].into_iter()).unwrap()).collect();
    builder.reserve_documents(10);
    for count in 0..500 {
        let due_on = (draw(4) > 0).then(|| date([1960, 2026][draw(2) as usize], 1 + draw(12) as i8, 1 + draw(3) as i8));
        let currency = Currency::parse(["EUR", "USD", "CHF"][draw(3) as usize]).unwrap();
        let document = invoice(&format!("{count}"), customers[draw(7) as usize], dec!(1));
        builder.add_invoice(Document { due_on, currency, ..document }, [].into_iter()).unwrap();
    }
    let paid = builder.find_document("77").unwrap();
    let (customer, currency) = (builder.document(paid).customer, builder.document(paid).currency);
    builder.add_payment(Payment { currency, ..payment(customer, Some(paid), dec!(1), date(2026, 3, 1)) }).unwrap();
    let ledger = builder.finish();

    let found: Vec<_> = ledger.documents().iter().map(|document| document.number.clone()).collect();
    let mut expected = ledger.documents().to_vec();
    expected.sort_by_key(|it| (it.customer, it.currency, it.due_on.unwrap_or(it.issued_on), it.row));
    assert_eq!(found, expected.into_iter().map(|document| document.number).collect::<Vec<_>>());
    assert!(ledger.customers().is_sorted_by_key(|customer| customer.id.clone()));
    assert_eq!(ledger.find_document("77"), ledger.payments[0].document, "a payment follows its invoice");
    for index in ledger.customer_indexes() {
        assert!(ledger.documents()[ledger.documents_of(index)].iter().all(|document| document.customer == index));
    }
}

#[test]
fn any_order_is_brought_about_in_place() {
    let mut state = 1_u64;
    for length in (0..40).chain([1000]) {
        for _ in 0..20 {
            let mut order: Vec<u32> = (0..length).collect();
            for place in (1..order.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                order.swap(place, (state >> 33) as usize % (place + 1));
            }
            let mut rows: Vec<String> = (0..length).map(|row| row.to_string()).collect();
            permute(&mut rows, order.clone());
            assert_eq!(rows, order.iter().map(u32::to_string).collect::<Vec<_>>());
        }
    }
}

#[test]
fn numbers_are_found_and_twice_is_noticed_in_any_order() {
    for numbers in [["1", "2", "3", "2"], ["3", "1", "2", "1"], ["1", "3", "2", "3"], ["1", "2", "2", "2"]] {
        let mut builder = LedgerBuilder::default();
        builder.add_customer(customer("acme"), [].into_iter()).unwrap();
        for number in numbers {
            builder.add_invoice_unchecked(invoice(number, CustomerIndex(9), dec!(1)), "acme", [].into_iter()).unwrap();
        }
        builder.add_invoice_unchecked(invoice("9", CustomerIndex(9), dec!(1)), "nobody", [].into_iter()).unwrap();
        let mut refused = builder.check_invoices(MissingCustomer::Refuse);
        let unknown = (DocumentIndex(4), LedgerError::CustomerUnknown { id: "nobody".into() });
        assert_eq!(refused.remove(0), unknown);
        assert_eq!(refused.last(), Some(&(DocumentIndex(3), LedgerError::DocumentTwice { number: numbers[3].into() })));
        for number in ["1", "2", "3"] {
            let first = numbers.iter().position(|own| *own == number).map(|place| DocumentIndex(place as u32));
            assert_eq!(builder.find_document(number).ok(), first, "{number} of {numbers:?}");
        }
        assert!(builder.find_document("4").is_err());
    }
}

#[test]
fn a_rest_of_nothing_says_nothing_about_the_days_before_it_was_settled() {
    let mut builder = LedgerBuilder::default();
    let owner = builder.add_customer(customer("a"), [].into_iter()).unwrap();
    let documents = [
        Document { open: Some(dec!(0)), settled_on: Some(date(2026, 2, 10)), ..invoice("1", owner, dec!(70)) },
        // Still open in part: what of it was open on another day nobody can know.
        Document { open: Some(dec!(20)), ..invoice("2", owner, dec!(70)) },
        Document { open: Some(dec!(0)), ..invoice("3", owner, dec!(70)) },
    ];
    for document in documents {
        builder.add_invoice(document, [].into_iter()).unwrap();
    }
    let ledger = builder.finish();
    let open = |day| ["1", "2", "3"].map(|number| ledger.open_on(ledger.find_document(number).unwrap(), day));
    assert_eq!(open(date(2026, 1, 31)), [dec!(70), dec!(20), dec!(0)]);
    assert_eq!(open(date(2026, 2, 10)), [dec!(0), dec!(20), dec!(0)]);
}

#[test]
fn what_was_open_is_told_step_by_step_by_payments_or_backwards_from_the_rest() {
    let on = |month, day| date(2026, month, day);
    // 100.00 of 10 January; 25.00 paid on 20 January, 30.00 on 5 March.
    let steps = |document: Document, paid: &[(Date, Decimal)], as_of: Date| {
        let mut builder = LedgerBuilder::default();
        let owner = builder.add_customer(customer("a"), [].into_iter()).unwrap();
        let index = builder.add_invoice(Document { customer: owner, ..document }, [].into_iter()).unwrap();
        for (day, amount) in paid {
            builder.add_payment(payment(owner, Some(index), *amount, *day)).unwrap();
        }
        let ledger = builder.finish();
        ledger.open_steps(ledger.find_document("1").unwrap(), as_of)
    };
    let plain = || invoice("1", CustomerIndex(0), dec!(100));
    let paid = [(on(1, 20), dec!(25)), (on(3, 5), dec!(30))];
    let expected = [(on(1, 10), dec!(100)), (on(1, 20), dec!(75)), (on(3, 5), dec!(45))];
    assert_eq!(steps(plain(), &paid, on(3, 31)), expected);
    assert_eq!(steps(plain(), &paid, on(3, 4)), expected[..2]);
    assert_eq!(steps(plain(), &paid, on(1, 9)), []);
    // The books say the rest, with the payments and without.
    let rest = Document { open: Some(dec!(45)), ..plain() };
    assert_eq!(steps(rest.clone(), &paid, on(3, 31)), expected);
    assert_eq!(steps(rest, &[], on(3, 31)), [(on(1, 10), dec!(45))]);
    let settled = Document { settled_on: Some(on(3, 20)), ..plain() };
    let all = [expected[0], expected[1], expected[2], (on(3, 20), dec!(0))];
    assert_eq!(steps(settled, &paid, on(3, 31)), all);
    // Paid before it was issued, and more than there is.
    assert_eq!(steps(plain(), &[(on(1, 2), dec!(40))], on(3, 31)), [(on(1, 10), dec!(100)), (on(1, 10), dec!(60))]);
    let odd = Document { open: Some(dec!(90)), ..plain() };
    assert_eq!(steps(odd, &paid, on(3, 31))[0], (on(1, 10), dec!(100)));
}
