//! Papers: one-page statements of twenty rows, a second on one core, beside WeasyPrint for the same page in the same run.
//!
//! Promised: 200 pages a second, 60 kB a file, and 25 times as many as WeasyPrint. A paper of very many pages is made besides, and
//! what it took in memory is told.

// A program that measures prints what it has measured, and has no user to spare a panic.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::float_arithmetic)]

#[allow(dead_code)]
#[path = "../tests/papers/desk.rs"]
mod desk;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use desk::{Desk, Kind, load, shipped};

/// How long each side is measured.
const SPAN: Duration = Duration::from_secs(5);
/// Rows of a long statement: a file of about 10 MB.
const LONG_ROWS: usize = 100_000;

/// The same page, as WeasyPrint takes it: twenty rows of HTML, measured without the start of Python.
const WEASYPRINT: &str = r#"
import sys, time, io
try:
    import weasyprint
except Exception as fault:
    print("missing", fault); sys.exit()
rows = "".join(f"<tr><td>R-2027-{n:04}</td><td>{n} Feb 2027</td><td>{n} Mar 2027</td><td class=r>{n}</td><td class=r>1,{n:03}.00</td><td class=r>1,{n:03}.00</td></tr>" for n in range(1, 21))
head = "".join(f"<th>{t}</th>" for t in ["Document", "Date", "Due", "Days overdue", "Amount", "Open"])
html = f"""<html><head><style>@page {{ size: A4; margin: 15mm 20mm 12mm 25mm; @bottom-right {{ content: counter(page) ' / ' counter(pages) }} }}
body {{ font: 9pt 'Liberation Sans' }} table {{ width: 100%; border-collapse: collapse }} td, th {{ border-bottom: .5pt solid #ccc; padding: .7mm 1mm; text-align: left }}
.r {{ text-align: right }} h1 {{ font-size: 13pt; color: #0b4f71 }}</style></head><body><p>ACME Receivables</p><p>Harbour Coffee Ltd</p><h1>Statement of account</h1>
<p>These are the items open on your account on 31 March 2027.</p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>
<p>Balance <b>15,206.10</b></p><table><tr><th>Not due</th><th>1-30</th><th>31-60</th><th>61-90</th><th>&gt; 90</th></tr><tr><td>1</td><td>2</td><td>3</td><td>4</td><td>5</td></tr></table></body></html>"""
make = lambda: weasyprint.HTML(string=html).write_pdf()
make()
start, count, size = time.perf_counter(), 0, 0
while time.perf_counter() - start < SPAN:
    size = len(make()); count += 1
print("made", count / (time.perf_counter() - start), size, weasyprint.__version__)
"#;

fn main() {
    // Asked as a test by `cargo test --benches`: nothing is measured then.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let (layouts, templates) = load(&shipped(), &[]);
    let desk = Desk::new("en", 19);
    let one = || desk.paper_of(&layouts, &templates, "statement", Kind::Statement).unwrap();
    let bytes = one().contents.byte_count();
    let (start, mut count) = (Instant::now(), 0u32);
    while start.elapsed() < SPAN {
        one();
        count += 1;
    }
    let ours = f64::from(count) / start.elapsed().as_secs_f64();
    println!("one-page statements of 20 rows: {ours:.0}/s on one core, {bytes} bytes each (promised: 200/s, 60,000 bytes)");
    weasyprint(ours);
    long();
}

fn weasyprint(ours: f64) {
    let program = WEASYPRINT.replace("SPAN", &SPAN.as_secs().to_string());
    let child = Command::new("python3").arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = child else {
        println!("WeasyPrint: NOT MEASURED, there is no python3");
        return;
    };
    child.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match said.split_whitespace().collect::<Vec<_>>()[..] {
        ["made", rate, size, version] => {
            let rate: f64 = rate.parse().unwrap();
            println!("WeasyPrint {version}: {rate:.1}/s, {size} bytes; ours is {:.1} times as fast (promised: 25)", ours / rate);
        }
        _ => println!("WeasyPrint: NOT MEASURED, it is not installed (pip install weasyprint)"),
    }
}

fn long() {
    let (layouts, templates) = load(&shipped(), &[]);
    let desk = Desk::new("en", LONG_ROWS);
    let before = forgotten_peak();
    let start = Instant::now();
    let paper = desk.paper_of(&layouts, &templates, "items", Kind::Reminder).unwrap();
    let (took, after) = (start.elapsed(), peak());
    let megabytes = |bytes: usize| bytes / 1_000_000;
    println!(
        "a list of {LONG_ROWS} rows: {} MB in {:.1} s; memory rose by {} MB at most",
        megabytes(paper.contents.byte_count()),
        took.as_secs_f64(),
        megabytes(after.saturating_sub(before))
    );
}

/// Forgets the most memory that this process has held, and returns what it holds now.
fn forgotten_peak() -> usize {
    // Where the system does not know this, the figure is too small rather than wrong in silence: it is 0 or less.
    std::fs::write("/proc/self/clear_refs", "5").ok();
    peak()
}

/// Returns the most memory that this process has held so far, in bytes; 0 where the system does not say.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<usize>().ok()).map_or(0, |kilobytes| kilobytes * 1024)
}
