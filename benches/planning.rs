//! How fast 1,000,000 open invoices of 100,000 customers are planned under five reminder rules, and in how much memory.
//!
//! The yardstick is SQLite: in the same run and thread, over the same rows held in memory, the five conditions as SQL
//! joins that do no more than count the rows they hold for. The counts must agree with the plan's, rule by rule. Planning
//! does all the rest besides: the ladder, recipients, one decision a customer and a reason for every invoice.
//! `cargo bench --bench planning` prints medians and their ratio, what conditions cost that only rhai can judge, and
//! the peak memory of a process that reads the ledger from CSV and plans it once.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::collections::{BTreeMap, HashSet};
use std::env;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dunlin::domain::date::{Date, shifted};
use dunlin::domain::document::Document;
use dunlin::domain::id::{RecipientKey, SenderId, TemplateName};
use dunlin::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use dunlin::domain::money::Currency;
use dunlin::domain::problem::Severity;
use dunlin::engine::forecast::foresee_turns;
use dunlin::plan::Plan;
use dunlin::plan::forecast::Turn;
use dunlin::plan::history::History;
use dunlin::plan::reason::DeclineReason;
use dunlin::plan::trace::trace;
use dunlin::port::LedgerSource;
use dunlin::rule::{Known, RuleFile, RuleSet};
use dunlin::source::csv::{ColumnName, CsvLedger, CsvSource, CsvTable};
use rusqlite::{Connection, params};
use rust_decimal::Decimal;

const CUSTOMERS: u32 = 100_000;
const INVOICES: u32 = 1_000_000;
const ROUNDS: usize = 7;
const FORECAST_ROUNDS: usize = 3;
const DAYS: i32 = 30;
const AS_OF: Date = Date::constant(2026, 11, 21);

/// Set for the child process whose memory is measured; its value is the folder of the files.
const CHILD_FOLDER: &str = "DUNLIN_BENCH_FOLDER";

/// What a rule's `where` says, and the same as SQL; `?1` is the day of the plan.
struct Filter {
    condition: &'static str,
    sql: &'static str,
}

/// Amounts lie in SQLite as cents and dates as ISO text, as somebody would who wants both exact and fast.
const FILTERS: [Filter; 5] = [
    Filter {
        condition: r#"invoice.open >= 50.00 && !customer.tags.contains("do-not-chase")"#,
        sql: "i.open >= 5000 and instr(c.tags, ';do-not-chase;') = 0",
    },
    Filter {
        condition: r#"invoice.days_overdue > 10 && invoice.total > 100.00 && customer.language == "de""#,
        sql: "i.due_on < date(?1, '-10 days') and i.total > 10000 and c.language = 'de'",
    },
    Filter {
        condition: r#"invoice.currency == "EUR" && !invoice.disputed && !customer.tags.contains("net30")"#,
        sql: "i.currency = 'EUR' and not i.disputed and instr(c.tags, ';net30;') = 0",
    },
    Filter {
        condition: r#"customer.tags.contains("vip") || invoice.total >= 10000.00"#,
        sql: "instr(c.tags, ';vip;') > 0 or i.total >= 1000000",
    },
    Filter {
        condition: r#"invoice.due_on <= as_of - 14 && customer.attributes.city in ["Kiel", "Leeds"]"#,
        sql: "i.due_on <= date(?1, '-14 days') and c.city in ('Kiel', 'Leeds')",
    },
];

/// What only rhai can judge: it calculates.
const CALCULATED: &str = "invoice.total - invoice.open < invoice.total * 0.5";

/// The same small random numbers every time (Numerical Recipes' linear congruence).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn write_files(folder: &Path) -> std::io::Result<()> {
    let mut draw = Draw(7);
    let mut customers = BufWriter::new(File::create(folder.join("customers.csv"))?);
    writeln!(customers, "id,name,language,tags,billing,city")?;
    for id in 0..CUSTOMERS {
        let language = ["en", "de", "fr", ""][draw.below(4) as usize];
        let tags = ["", "", "", "vip", "net30", "vip;net30", "do-not-chase", "export;net30"][draw.below(8) as usize];
        let city = ["Kiel", "Leeds", "Münster", "Bath"][draw.below(4) as usize];
        writeln!(customers, "C{id:06},\"Company {id}, Ltd\",{language},{tags},ap{id}@customer{id}.example,{city}")?;
    }
    let mut invoices = BufWriter::new(File::create(folder.join("invoices.csv"))?);
    writeln!(invoices, "number,customer,issued_on,due_on,total,open,currency,disputed,project")?;
    for number in 0..INVOICES {
        let customer = draw.below(u64::from(CUSTOMERS));
        // From 60 days ahead to 90 days back.
        let due_on = shifted(AS_OF, 60 - draw.below(151) as i32);
        let issued_on = shifted(due_on, -60);
        let total = Decimal::new(1 + draw.below(2_000_000) as i64, 2);
        // One in ten is partly paid.
        let open = if draw.below(10) == 0 { Decimal::new(1 + total.mantissa() as i64 / 2, 2) } else { total };
        let currency = ["EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "GBP", "USD"][draw.below(10) as usize];
        let (disputed, project) = (if draw.below(50) == 0 { "yes" } else { "no" }, draw.below(5_000));
        writeln!(
            invoices,
            "INV-2026-{number:07},C{customer:06},{issued_on},{due_on},{total},{open},{currency},{disputed},P-{project:05}"
        )?;
    }
    customers.flush()?;
    invoices.flush()
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
    CsvSource::new(files, AS_OF).read(&mut |_, _| {}).unwrap_or_else(|problems| panic!("{}", problems[0]))
}

/// Loads one rule for each of these conditions, through the same door as a workspace's rules; an empty one is left out.
fn rules<'c>(conditions: impl IntoIterator<Item = &'c str>) -> RuleSet {
    let file = |(place, condition): (usize, &str)| {
        let condition = if condition.is_empty() { String::new() } else { format!("where: '{condition}'\n") };
        let text = format!(
            "id: rule-{place}\n\
             kind: reminder\n\
             schedule: {{ cron: \"0 9 * * *\", time_zone: Europe/Berlin }}\n\
             for_each: customer\n\
             {condition}\
             levels:\n\
             - {{ id: upcoming, when: 3 days before due, template: upcoming }}\n\
             - {{ id: first, when: 7 days after due, template: first }}\n\
             - {{ id: second, when: 21 days after due, template: second }}\n\
             - {{ id: final, when: 30 days after due, template: final }}\n\
             climb: one_at_a_time\n\
             start: to_age\n\
             from: receivables\n\
             to: [billing]\n"
        );
        RuleFile { path: format!("rules/rule-{place}.yaml"), text }
    };
    let files: Vec<RuleFile> = conditions.into_iter().enumerate().map(file).collect();
    let known = Known {
        senders: vec![SenderId::new("receivables")],
        recipient_keys: vec![RecipientKey::new("billing")],
        templates: ["upcoming", "first", "second", "final"].map(TemplateName::new).into(),
        disputed_is_mapped: true,
        ..Known::default()
    };
    let (rules, problems) = dunlin::rule::load(&files, &BTreeMap::new(), &known);
    // Warnings are welcome: most of these rules would remind disputed invoices too.
    if let Some(error) = problems.iter().find(|problem| problem.severity == Severity::Error) {
        panic!("{error}");
    }
    rules
}

/// Returns thirty days on which all rules fire.
fn turns(rule_count: usize) -> Vec<Turn> {
    let turn = |ahead| {
        let as_of = shifted(AS_OF, ahead);
        Turn { as_of, scheduled_on: as_of, rules: (0..rule_count as u16).collect(), rivals: vec![] }
    };
    (0..DAYS).map(turn).collect()
}

fn plan(rules: &RuleSet, ledger: &Ledger) -> Plan {
    dunlin::plan::plan(rules, ledger, &History::default(), AS_OF)
}

/// Makes the trace of every decision and keeps each text once, as a run does; returns how many decisions and texts, of how many bytes.
fn traces(rules: &RuleSet, ledger: &Ledger, plan: &Plan) -> (usize, usize, usize) {
    let (mut count, mut bytes, mut known) = (0, 0, HashSet::new());
    for (place, rule) in plan.rules.iter().enumerate() {
        for decision in &rule.decisions {
            count += 1;
            if let Some(text) = trace(plan, rules, ledger, place, decision) {
                let length = text.len();
                bytes += if known.insert(text) { length } else { 0 };
            }
        }
    }
    (count, known.len(), bytes)
}

/// Returns for how many open invoices each rule's condition holds.
fn counts(plan: &Plan, ledger: &Ledger) -> Vec<i64> {
    let documents = || (0..ledger.documents().len()).map(|place| DocumentIndex(place as u32));
    let holds = |rule, document| plan.item_reason(rule, document) != DeclineReason::ConditionFalse;
    (0..plan.rules.len()).map(|rule| documents().filter(|document| holds(rule, *document)).count() as i64).collect()
}

/// Puts the ledger's rows into SQLite: customers first, then invoices customer by customer, so that the join reads
/// neighbours.
fn database(ledger: &Ledger) -> rusqlite::Result<Connection> {
    let mut database = Connection::open_in_memory()?;
    database.execute_batch(
        "create table customers (id integer primary key, number text not null, language text not null, tags text not null,
                                 city text not null) strict;
         create table invoices (id integer primary key, number text not null, customer integer not null references customers,
                                due_on text not null, total integer not null, open integer not null,
                                currency text not null, disputed integer not null) strict;",
    )?;
    let transaction = database.transaction()?;
    {
        let mut insert = transaction.prepare("insert into customers values (?, ?, ?, ?, ?)")?;
        for index in ledger.customer_indexes() {
            let customer = ledger.customer(index);
            let language = customer.language.as_ref().map_or("", |language| language.as_str());
            let tags = customer.tags.iter().fold(String::from(";"), |tags, tag| tags + tag.as_str() + ";");
            let city = ledger.customer_attribute(index, "city").expect("the file has the column");
            insert.execute(params![index.0, customer.id.as_str(), language, tags, city])?;
        }
        let mut insert = transaction.prepare("insert into invoices values (?, ?, ?, ?, ?, ?, ?, ?)")?;
        let cents = |amount: Decimal| i64::try_from(amount.mantissa()).expect("amounts are small and have two digits");
        for (place, document) in (0_u32..).zip(ledger.documents()) {
            let Document { number, customer: CustomerIndex(customer), currency, due_on, total, disputed, .. } = document;
            let open = document.open.expect("the file has the column");
            let due_on = due_on.expect("every row has one").to_string();
            let row = params![place, number.as_str(), customer, due_on, cents(*total), cents(open), currency.as_str(), disputed];
            insert.execute(row)?;
        }
    }
    transaction.commit()?;
    database.execute_batch("create index invoices_by_customer on invoices (customer); analyze;")?;
    Ok(database)
}

fn yardstick(database: &Connection) -> rusqlite::Result<Vec<i64>> {
    let count = |filter: &Filter| {
        let join = "from invoices i join customers c on c.id = i.customer";
        // The day stands in every statement, since SQLite wants every parameter it is given to be used.
        let sql = format!("select count(*) {join} where ({}) and ?1 is not null", filter.sql);
        database.query_row(&sql, [AS_OF.to_string()], |row| row.get(0))
    };
    FILTERS.iter().map(count).collect()
}

/// Returns the most memory this process has held, in MB (10⁶ bytes); `None` where the system does not tell.
fn peak_mb() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024 / 1_000_000)
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Reads and plans once, and tells how much memory that took.
fn measure_memory(folder: &Path) {
    let tell = |peak: Option<u64>| peak.map_or("unknown".to_owned(), |mb| format!("{mb} MB"));
    let ledger = read(folder);
    println!("peak memory of reading:               {}", tell(peak_mb()));
    let plan = plan(&rules(FILTERS.map(|filter| filter.condition)), &ledger);
    println!("peak memory of reading and planning:  {} (at most 300 MB is promised)", tell(peak_mb()));
    drop(plan);
    let rules = rules(FILTERS.map(|filter| filter.condition));
    let turns = turns(rules.rules.len());
    let customers: Vec<CustomerIndex> = ledger.customer_indexes().collect();
    let found = foresee_turns(&rules, &ledger, &History::default(), &turns, &customers, &mut |_| {});
    println!("peak memory with a forecast besides:  {} (at most 400 MB is promised)", tell(peak_mb()));
    black_box((found, ledger));
}

fn main() {
    if let Some(folder) = env::var_os(CHILD_FOLDER) {
        return measure_memory(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder for the files");
    write_files(folder.path()).expect("the files can be written");
    let ledger = read(folder.path());
    let database = database(&ledger).expect("SQLite takes the rows");
    let filtered = rules(FILTERS.map(|filter| filter.condition));
    println!("{INVOICES} open invoices, {CUSTOMERS} customers, 5 rules, {ROUNDS} rounds, one thread");

    let (mut theirs, mut ours, mut ratios) = (vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        let (their_time, their_counts) = timed(|| yardstick(&database).expect("SQLite answers"));
        let (our_time, plan) = timed(|| plan(&filtered, &ledger));
        assert_eq!(counts(&plan, &ledger), their_counts, "both do the same work");
        if round == 0 {
            let items: usize = plan.messages.iter().map(|message| plan.items(message).len()).sum();
            println!("{} messages with {items} items; conditions hold for {their_counts:?} invoices", plan.messages.len());
        }
        ratios.push(our_time.as_micros() * 1000 / their_time.as_micros().max(1));
        theirs.push(their_time);
        ours.push(our_time);
    }
    let ratio = median(ratios);
    println!("SQLite, five counting joins:          median {:?}", median(theirs));
    println!("dunlin, plan():                       median {:?}", median(ours));
    println!("ratio:                                median {}.{:03} (at most 2 is promised)", ratio / 1000, ratio % 1000);

    let turns = turns(filtered.rules.len());
    let mut ratios = vec![];
    for round in 0..FORECAST_ROUNDS {
        let (plan_time, _) = timed(|| black_box(plan(&filtered, &ledger)));
        let (time, found) = timed(|| {
            let customers: Vec<CustomerIndex> = ledger.customer_indexes().collect();
            foresee_turns(&filtered, &ledger, &History::default(), &turns, &customers, &mut |_| {})
        });
        if round == 0 {
            let items: usize = found.mails.iter().map(|mail| found.items(mail).len()).sum();
            println!("forecast of {} days: {} mails with {items} items, {time:?}", turns.len(), found.mails.len());
        }
        ratios.push(time.as_micros() * 1000 / plan_time.as_micros().max(1));
    }
    let ratio = median(ratios);
    println!("forecast to plan:                     median {}.{:03} (at most 8 is promised)", ratio / 1000, ratio % 1000);
    let plan_once = plan(&filtered, &ledger);
    let (time, (count, texts, bytes)) = timed(|| traces(&filtered, &ledger, &plan_once));
    println!("traces of {count} decisions:          {time:?}, {texts} texts of {} MB", bytes / 1_000_000);

    let unfiltered = rules([""; 5]);
    println!("the same rules without `where`:       {:?}", timed(|| black_box(plan(&unfiltered, &ledger))).0);
    let calculated = rules([CALCULATED]);
    println!("one rule whose `where` rhai judges:   {:?}", timed(|| black_box(plan(&calculated, &ledger))).0);

    let program = env::current_exe().expect("this program has a path");
    let status = Command::new(program).env(CHILD_FOLDER, folder.path()).status().expect("the child process runs");
    assert!(status.success(), "the child process failed");
}
