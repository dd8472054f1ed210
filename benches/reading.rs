//! How fast a ledger of 1,000,000 open invoices and 100,000 customers is read and checked, and in how much memory.
//!
//! The yardstick is the `csv` crate's typed deserialisation (serde) of the same two files in the same run, once into rows that
//! own their text, as its manual shows it, and once, faster, into rows that borrow it and are gone at once. Neither keeps a
//! row, checks a reference or sorts. `cargo bench --bench reading` prints the medians, the medians of each round's ratio, and
//! the peak memory of a process that does nothing but read the ledger.
//!
//! Invoices come in the order of their numbers, as exports do, and their customers in no order at all.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dunlin::domain::date::Date;
use dunlin::domain::ledger::Ledger;
use dunlin::domain::money::Currency;
use dunlin::port::LedgerSource;
use dunlin::source::csv::{ColumnName, CsvLedger, CsvSource, CsvTable};
use rust_decimal::Decimal;
use serde::Deserialize;

const CUSTOMERS: u32 = 100_000;
const INVOICES: u32 = 1_000_000;
const ROUNDS: usize = 7;

/// Set for the child process whose memory is measured; its value is the folder of the files.
const CHILD_FOLDER: &str = "DUNLIN_BENCH_FOLDER";

/// `T` is `&str` or `String`.
#[derive(Deserialize)]
struct CustomerRow<T> {
    id: T,
    name: T,
    language: T,
    tags: T,
    billing: T,
    city: T,
}

#[derive(Deserialize)]
struct InvoiceRow<T> {
    number: T,
    customer: T,
    issued_on: Date,
    due_on: Date,
    #[serde(with = "rust_decimal::serde::str")]
    total: Decimal,
    currency: T,
    settled_on: Option<Date>,
    disputed: T,
    project: T,
    cost_centre: T,
    note: T,
}

/// The same small random numbers every time (Numerical Recipes' linear congruence).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn write_files(folder: &Path) -> std::io::Result<u64> {
    let mut draw = Draw(7);
    let mut customers = BufWriter::new(File::create(folder.join("customers.csv"))?);
    writeln!(customers, "id,name,language,tags,billing,city")?;
    for id in 0..CUSTOMERS {
        let (language, tags) =
            (["en", "de", "fr", ""][draw.below(4) as usize], ["", "", "vip", "vip;net30"][draw.below(4) as usize]);
        let city = ["Kiel", "Leeds", "Münster", "Bath"][draw.below(4) as usize];
        writeln!(customers, "C{id:06},\"Company {id}, Ltd\",{language},{tags},ap{id}@customer{id}.example,{city}")?;
    }
    let mut invoices = BufWriter::new(File::create(folder.join("invoices.csv"))?);
    writeln!(invoices, "number,customer,issued_on,due_on,total,currency,settled_on,disputed,project,cost_centre,note")?;
    for number in 0..INVOICES {
        let customer = draw.below(u64::from(CUSTOMERS));
        let (month, day) = (1 + draw.below(9), 1 + draw.below(28));
        let currency = ["EUR", "EUR", "EUR", "USD"][draw.below(4) as usize];
        let (whole, cents, project, centre) = (draw.below(20_000), draw.below(100), draw.below(5_000), draw.below(400));
        let disputed = if draw.below(50) == 0 { "yes" } else { "no" };
        writeln!(
            invoices,
            "INV-2026-{number:07},C{customer:06},2026-{month:02}-{day:02},2026-{:02}-{day:02},{whole}.{cents:02},{currency},,\
             {disputed},P-{project:05},CC-{centre:04},Order {} by telephone",
            month + 1,
            number % 97_777,
        )?;
    }
    customers.flush()?;
    invoices.flush()?;
    Ok(fs::metadata(folder.join("customers.csv"))?.len() + fs::metadata(folder.join("invoices.csv"))?.len())
}

fn reader(folder: &Path, name: &str) -> csv::Reader<File> {
    csv::ReaderBuilder::new().buffer_capacity(1 << 20).from_path(folder.join(name)).expect("just written")
}

fn use_customer<T>(row: CustomerRow<T>) {
    black_box((row.id, row.name, row.language, row.tags, row.billing, row.city));
}

fn use_invoice<T>(row: InvoiceRow<T>) {
    black_box((row.number, row.customer, row.currency, row.disputed, row.project, row.cost_centre, row.note));
    black_box((row.issued_on, row.due_on, row.total, row.settled_on));
}

fn borrowed_rows(folder: &Path) {
    let mut record = csv::StringRecord::new();
    let mut customers = reader(folder, "customers.csv");
    let header = customers.headers().expect("has a header").clone();
    while customers.read_record(&mut record).expect("is CSV") {
        use_customer::<&str>(record.deserialize(Some(&header)).expect("is a customer"));
    }
    let mut invoices = reader(folder, "invoices.csv");
    let header = invoices.headers().expect("has a header").clone();
    while invoices.read_record(&mut record).expect("is CSV") {
        use_invoice::<&str>(record.deserialize(Some(&header)).expect("is an invoice"));
    }
}

fn owned_rows(folder: &Path) {
    for row in reader(folder, "customers.csv").deserialize() {
        use_customer::<String>(row.expect("is a customer"));
    }
    for row in reader(folder, "invoices.csv").deserialize() {
        use_invoice::<String>(row.expect("is an invoice"));
    }
}

fn read(folder: &Path) -> Ledger {
    let column = ColumnName { field: "contacts.billing".into(), column: "billing".into(), place: None };
    let files = CsvLedger {
        currency: Currency::parse("EUR").expect("three letters"),
        customers: Some(CsvTable { columns: vec![column], ..CsvTable::new(folder.join("customers.csv")) }),
        invoices: CsvTable::new(folder.join("invoices.csv")),
        credit_notes: None,
        payments: None,
    };
    let source = CsvSource::new(files, Date::constant(2026, 11, 21));
    source.read(&mut |_, _| {}).unwrap_or_else(|problems| panic!("{}", problems[0]))
}

/// Returns the most memory this process has held, in MB (10⁶ bytes); `None` where the system does not tell.
fn peak_mb() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024 / 1_000_000)
}

fn median<T: Ord + Copy>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// Returns the median over the rounds of how much longer `ours` took, in hundredths.
fn ratio(ours: &[Duration], theirs: &[Duration]) -> String {
    let hundredths = median(ours.iter().zip(theirs).map(|(ours, theirs)| ours.as_micros() * 100 / theirs.as_micros().max(1)));
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let made = black_box(work());
    let elapsed = start.elapsed();
    drop(made);
    elapsed
}

fn main() {
    if let Some(folder) = std::env::var_os(CHILD_FOLDER) {
        let ledger = read(Path::new(&folder));
        let peak = peak_mb().map_or("unknown".to_owned(), |mb| format!("{mb} MB"));
        println!("peak memory of reading {} invoices: {peak}", ledger.documents().len());
        return;
    }
    let folder = tempfile::tempdir().expect("a folder for the files");
    let bytes = write_files(folder.path()).expect("the files can be written");
    println!("{INVOICES} invoices, {CUSTOMERS} customers, {} MB of CSV, {ROUNDS} rounds", bytes / 1_000_000);

    let (mut owned, mut borrowed, mut ours) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        owned.push(time(|| owned_rows(folder.path())));
        borrowed.push(time(|| borrowed_rows(folder.path())));
        ours.push(time(|| read(folder.path())));
    }
    println!("csv crate, rows that own their text:     {:?}", median(owned.iter().copied()));
    println!("csv crate, rows that borrow their text:  {:?}", median(borrowed.iter().copied()));
    println!("dunlin, checked and sorted ledger:       {:?}", median(ours.iter().copied()));
    println!("ratio to owned {}, to borrowed {}", ratio(&ours, &owned), ratio(&ours, &borrowed));

    let program = std::env::current_exe().expect("this program has a path");
    let status = Command::new(program).env(CHILD_FOLDER, folder.path()).status().expect("the child process runs");
    assert!(status.success(), "the child process failed");
}
