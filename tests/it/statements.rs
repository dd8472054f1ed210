//! Statements told a second time, by SQL: the rows of the books go into tables by this file's own reading, and queries that know
//! nothing of the program say what was open and what moved on a day. Both must agree, line by line and sum by sum.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dunlin::domain::ageing::Ageing;
use dunlin::domain::date::{Date, shifted};
use dunlin::domain::ledger::{AccountScope, Ledger};
use dunlin::domain::money::Currency;
use dunlin::domain::period::Interval;
use dunlin::domain::statement::{StatementForm, StatementLayout, StatementOfAccount};
use dunlin::port::LedgerSource;
use dunlin::source::csv::{ColumnName, CsvLedger, CsvSource, CsvTable, DateFormat};
use rusqlite::{Connection, params};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// The books as SQL sees them; amounts in cents. What is open of a document on a day, and the movements that lead there, are two
/// accounts of the same rows that share nothing.
const TABLES: &str = "
    create table document (number text primary key, customer text, kind text, issued text, due text, total integer, rest integer, settled text);
    create table application (document text, source text, day text, amount integer);
    create table unapplied (customer text, day text, amount integer);
    create index by_document on application (document);
    create view movement (customer, day, kind, amount) as
    select customer, issued, kind, total from document
    union all select customer, issued, 'settlement', rest - total from document where settled is null and rest is not null
    union all select document.customer, max(day, issued), 'payment', -amount from application join document on document = number
        where source = '' and (settled is null or day <= max(settled, issued)) and (settled is not null or rest is null)
    union all select document.customer, max(day, issued), 'settlement', -amount from application
        join document on document = number
        join (select number as other, issued as other_issued, settled as other_settled, rest as other_rest from document)
            on other = source
        where source != '' and (settled is null or day <= max(settled, issued)) and (settled is not null or rest is null)
        and not (max(day, issued) = max(day, other_issued)
            and (other_settled is null or day <= max(other_settled, other_issued))
            and (other_settled is not null or other_rest is null))
    union all select customer, max(settled, issued), 'settlement', -total + coalesce((select sum(amount) from application
        where document = number and day <= max(settled, issued)), 0) from document where settled is not null
    union all select customer, day, 'payment', -amount from unapplied;";

/// What is open of each document at the end of `?1`.
const OPEN: &str = "with open as (
    select customer, due, 0 as is_money, case
        when issued > ?1 or settled <= ?1 then 0
        when settled is null and rest is not null then rest
        else total - coalesce((select sum(amount) from application where document = number and day <= ?1), 0)
    end as amount from document
    union all select customer, null, 1, -amount from unapplied where day <= ?1)";

/// The figures of one account, in cents: its age columns from the youngest, its credit, and its balance.
type Figures = ([i64; 5], i64, i64);

/// The lines of one account: the day they count from, their kind and their cents.
type Lines = Vec<(String, String, i64)>;

struct Books {
    sql: Connection,
    ledger: Ledger,
}

impl Books {
    fn figures(&self, day: Date) -> BTreeMap<String, Figures> {
        let late = "julianday(?1) - julianday(due)";
        let ages =
            ["coalesce(LATE, 0) <= 0", "LATE between 1 and 30", "LATE between 31 and 60", "LATE between 61 and 90", "LATE > 90"]
                .map(|age| format!("sum(iif(amount > 0 and not is_money and {}, amount, 0))", age.replace("LATE", late)));
        let query = format!(
            "{OPEN} select customer, {}, sum(iif(amount < 0 or is_money, amount, 0)), sum(amount) from open group by customer",
            ages.join(", ")
        );
        let mut query = self.sql.prepare_cached(&query).unwrap();
        let rows = query.query_map([day.to_string()], |row| {
            let ages = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
            Ok((row.get(0)?, (ages, row.get(6)?, row.get(7)?)))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    fn moved(&self, period: Interval) -> BTreeMap<String, Lines> {
        let query = "select customer, day, kind, amount from movement where day between ?1 and ?2 and amount != 0";
        let mut query = self.sql.prepare_cached(query).unwrap();
        let rows = query.query_map([period.from.to_string(), period.to.to_string()], |row| {
            Ok((row.get::<_, String>(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))
        });
        let mut moved: BTreeMap<String, Lines> = BTreeMap::new();
        rows.unwrap().map(Result::unwrap).for_each(|(customer, line)| moved.entry(customer).or_default().push(line));
        moved.values_mut().for_each(|lines| lines.sort());
        moved
    }

    /// Compares all statements of a period, in all forms; returns how many there were.
    fn compare(&self, period: Interval) -> usize {
        let euro = Currency::parse("EUR").unwrap();
        let (before, after, moved) = (self.figures(shifted(period.from, -1)), self.figures(period.to), self.moved(period));
        let none = ([0; 5], 0, 0);
        let mut count = 0;
        for customer in self.ledger.customer_indexes() {
            let id = self.ledger.customer(customer).id.to_string();
            let at = |figures: &BTreeMap<String, Figures>| figures.get(&id).copied().unwrap_or(none);
            let statement = |form| {
                let layout = StatementLayout { form, scope: AccountScope::Customer, ageing: Ageing::default() };
                let statement = StatementOfAccount::of(&self.ledger, customer, euro, period, &layout);
                assert!(statement.is_balanced(), "{id} {period}: {statement:?}");
                statement
            };
            let claimed = |statement: &StatementOfAccount| {
                let claim = statement.claim().unwrap();
                let ages: Vec<i64> = claim.ages.iter().copied().map(cents).collect();
                (claim.opening.map(cents), (ages.try_into().unwrap(), cents(claim.unapplied), cents(claim.balance)))
            };
            let lines = |statement: &StatementOfAccount| {
                let line = |line: &dunlin::domain::statement::StatementLine| {
                    (line.counts_on.to_string(), line.kind.as_str().to_owned(), cents(line.amount))
                };
                let mut lines: Lines = statement.lines().map(line).collect();
                lines.sort();
                lines
            };
            let expected = moved.get(&id).cloned().unwrap_or_default();

            let open_item = statement(StatementForm::OpenItem);
            assert_eq!(claimed(&open_item), (None, at(&after)), "{id} {period}: open items");
            let forward = statement(StatementForm::BalanceForward);
            assert_eq!(claimed(&forward), (Some(at(&before).2), at(&after)), "{id} {period}: balance forward");
            assert_eq!(lines(&forward), expected, "{id} {period}: balance forward");
            let activity = statement(StatementForm::Activity);
            assert_eq!(lines(&activity), expected, "{id} {period}: activity");
            assert_eq!(activity.claim(), None);
            // What SQL says moved leads from the balance before to the one after, by SQL's own account.
            let sum: i64 = expected.iter().map(|(.., amount)| amount).sum();
            assert_eq!(at(&before).2 + sum, at(&after).2, "{id} {period}: SQL disagrees with itself");
            count += 3;
        }
        count
    }
}

fn cents(amount: Decimal) -> i64 {
    (amount * Decimal::ONE_HUNDRED).to_i64().unwrap()
}

/// Returns `12.5` as 1250.
fn parsed_cents(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    let cents: i64 = format!("{part:0<2}").parse().ok()?;
    Some(whole.parse::<i64>().ok()? * 100 + sign * cents)
}

/// Reads a file without quotes, row by row: the cells under these headings.
fn rows<const COUNT: usize>(text: &str, headings: [&str; COUNT]) -> Vec<[String; COUNT]> {
    let mut lines = text.lines().map(|line| line.trim_end_matches('\r'));
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let places = headings.map(|heading| head.iter().position(|own| *own == heading));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        places.map(|place| place.map_or(String::new(), |place| cells[place].to_owned()))
    };
    lines.filter(|line| !line.is_empty()).map(row).collect()
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Returns invented books of five months: invoices paid in whole and part, before and after, by rows and by a day alone; credit notes
/// set against invoices and not; money that is set against nothing; and invoices of which only the rest is known.
fn invented(folder: &Path, first: Date) -> Books {
    let mut random = Random(11);
    let mut customers = String::from("id\n");
    (1..=12).for_each(|number| customers += &format!("C{number:02}\n"));
    let mut invoices = String::from("number,customer,issued_on,due_on,total,open,settled_on\n");
    let mut owners = Vec::new();
    for number in 0..260 {
        let (owner, issued) = (1 + random.below(12), shifted(first, random.below(150) as i32));
        let due = if random.below(9) == 0 { String::new() } else { shifted(issued, random.below(60) as i32).to_string() };
        let total = 1_000 + random.below(90_000);
        let settled = shifted(issued, random.below(90) as i32 - 4);
        let (open, settled) = match random.below(12) {
            0 => (format!("{}.00", random.below(total / 100)), String::new()),
            1..=5 => (String::new(), settled.to_string()),
            _ => (String::new(), String::new()),
        };
        invoices += &format!("R{number:03},C{owner:02},{issued},{due},{}.{:02},{open},{settled}\n", total / 100, total % 100);
        owners.push((owner, issued, total));
    }
    let mut credit_notes = String::from("number,customer,issued_on,total,invoice\n");
    for number in 0..40 {
        let place = random.below(260) as usize;
        let (owner, issued, total) = owners[place];
        let (day, amount) = (shifted(issued, random.below(50) as i32 - 8), 1 + random.below(total));
        let invoice = if random.below(3) == 0 { String::new() } else { format!("R{place:03}") };
        credit_notes += &format!("G{number:03},C{owner:02},{day},{}.{:02},{invoice}\n", amount / 100, amount % 100);
    }
    let mut payments = String::from("customer,invoice,amount,received_on\n");
    for _ in 0..200 {
        let place = random.below(260) as usize;
        let (owner, issued, total) = owners[place];
        let (day, amount) = (shifted(issued, random.below(80) as i32 - 10), 1 + random.below(total));
        let invoice = if random.below(5) == 0 { String::new() } else { format!("R{place:03}") };
        let sign = if random.below(12) == 0 { "-" } else { "" };
        payments += &format!("C{owner:02},{invoice},{sign}{}.{:02},{day}\n", amount / 100, amount % 100);
    }

    let sql = Connection::open_in_memory().unwrap();
    sql.execute_batch(TABLES).unwrap();
    let insert = "insert into document values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    for [number, customer, issued, due, total, open, settled] in
        rows(&invoices, ["number", "customer", "issued_on", "due_on", "total", "open", "settled_on"])
    {
        let (total, open) = (parsed_cents(&total), parsed_cents(&open));
        sql.execute(insert, params![number, customer, "invoice", issued, some(&due), total, open, some(&settled)]).unwrap();
    }
    let apply = "insert into application values (?1, ?2, ?3, ?4)";
    for [number, customer, issued, total, invoice] in rows(&credit_notes, ["number", "customer", "issued_on", "total", "invoice"])
    {
        let (total, none) = (parsed_cents(&total).unwrap(), None::<String>);
        sql.execute(insert, params![number, customer, "credit_note", issued, none, -total, none, none]).unwrap();
        if !invoice.is_empty() {
            sql.execute(apply, params![invoice, number, issued, total]).unwrap();
            sql.execute(apply, params![number, invoice, issued, -total]).unwrap();
        }
    }
    for [customer, invoice, amount, day] in rows(&payments, ["customer", "invoice", "amount", "received_on"]) {
        match some(&invoice) {
            Some(invoice) => sql.execute(apply, params![invoice, "", day, parsed_cents(&amount)]),
            None => sql.execute("insert into unapplied values (?1, ?2, ?3)", params![customer, day, parsed_cents(&amount)]),
        }
        .unwrap();
    }
    let table = |name: &str, text: &str| {
        fs::write(folder.join(name), text).unwrap();
        CsvTable::new(folder.join(name))
    };
    let files = CsvLedger {
        currency: Currency::parse("EUR").unwrap(),
        customers: Some(table("customers.csv", &customers)),
        invoices: table("invoices.csv", &invoices),
        credit_notes: Some(table("credit_notes.csv", &credit_notes)),
        payments: Some(table("payments.csv", &payments)),
    };
    Books { sql, ledger: CsvSource::new(files, shifted(first, 200)).read(&mut |_, _| {}).unwrap() }
}

#[test]
fn statements_agree_with_sql_on_every_day() {
    let folder = tempfile::tempdir().unwrap();
    let first: Date = "2025-11-03".parse().unwrap();
    let books = invented(folder.path(), first);
    let mut count = 0;
    for day in (-2..230).map(|days| shifted(first, days)) {
        let from = if day.day() % 2 == 0 { day.first_of_month() } else { shifted(day, -20) };
        count += books.compare(Interval { from, to: day });
    }
    assert_eq!(count, 232 * 12 * 3);
}

/// The same over receivables that lie in the folder named by DUNLIN_RECEIVABLES, every day of two years, for a maintainer:
/// `cargo test --test it statements -- --ignored --nocapture`.
#[test]
#[ignore = "needs the receivables in the folder DUNLIN_RECEIVABLES"]
#[allow(clippy::print_stdout, reason = "says how much it compared")]
fn statements_of_real_receivables_agree_with_sql_on_every_day_of_two_years() {
    let folder = std::env::var("DUNLIN_RECEIVABLES").expect("name the folder with DUNLIN_RECEIVABLES");
    let path = Path::new(&folder).join("invoices.csv");
    let text = fs::read_to_string(&path).unwrap();
    let began = std::time::Instant::now();
    // 23/01/2012
    let iso = |day: &str| format!("{}-{}-{}", &day[6..], &day[3..5], &day[..2]);
    let sql = Connection::open_in_memory().unwrap();
    sql.execute_batch(TABLES).unwrap();
    let read = rows(&text, ["invoiceNumber", "customerID", "InvoiceDate", "DueDate", "InvoiceAmount", "SettledDate"]);
    let (mut first, mut invoice_count) = (String::from("9999"), 0);
    for [number, customer, issued, due, total, settled] in read {
        let settled = some(&settled).map(iso);
        let insert = "insert into document values (?1, ?2, 'invoice', ?3, ?4, ?5, null, ?6)";
        sql.execute(insert, params![number, customer, iso(&issued), iso(&due), parsed_cents(&total).unwrap(), settled]).unwrap();
        first = first.min(iso(&issued));
        invoice_count += 1;
    }
    let column = |field: &str, column: &str| ColumnName { field: field.into(), column: column.into(), place: None };
    let mut invoices = CsvTable::new(path);
    invoices.dates = DateFormat::parse("%d/%m/%Y").unwrap();
    invoices.columns = vec![
        column("number", "invoiceNumber"),
        column("customer", "customerID"),
        column("issued_on", "InvoiceDate"),
        column("due_on", "DueDate"),
        column("total", "InvoiceAmount"),
        column("settled_on", "SettledDate"),
    ];
    let mut customers = CsvTable::new(Path::new(&folder).join("customers.csv"));
    customers.columns = vec![column("id", "customerID")];
    let currency = Currency::parse("EUR").unwrap();
    let files = CsvLedger { currency, customers: Some(customers), invoices, credit_notes: None, payments: None };
    let first: Date = first.parse().unwrap();
    let ledger = CsvSource::new(files, shifted(first, 1_000)).read(&mut |_, _| {}).unwrap();
    let books = Books { sql, ledger };
    let days = 731;
    let count: usize =
        (0..days).map(|days| shifted(first, days)).map(|day| books.compare(Interval { from: shifted(day, -29), to: day })).sum();
    println!(
        "{count} statements of {} customers over {invoice_count} invoices agree with SQL on each of {days} days from {first}, in {:.1} s",
        books.ledger.customers().len(),
        began.elapsed().as_secs_f64()
    );
    assert_eq!(count, days as usize * books.ledger.customers().len() * 3);
}
