//! How fast mails leave, every result on disk, and what that costs in processor time and memory.
//!
//! The program itself is run, as a user would: `dunlin run` over customers with one overdue invoice each, each mail
//! rendered from a template in HTML and text (4 KB), `sending` on disk before the final dot and the result after it. With
//! `smtp-source` and `smtp-sink` on the PATH (Postfix's own measures) it sends to the latter, and the former's figure
//! over eight kept connections, in the same round, is the yardstick; otherwise to the small server of this program.
//!
//! `cargo bench --bench sending` prints: mails a second over the whole run (read, plan, compose, store, send) and while
//! sending, processor time a mail, memory; one connection to a server 20 ms away; and what a mail costs beside a short
//! and a long queue; and what a file of 50 MB takes in memory. `-- 3 20000 1000000` makes three rounds of 20,000 and takes a million for the long queue, a
//! fourth number the connections;
//! `-- large` measures the file alone.

#![allow(clippy::print_stdout, clippy::float_arithmetic, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use dunlin::smtp::loopback::{LoopbackSettings, serve};
use rusqlite::Connection;
use tempfile::TempDir;

/// As many connections as a relay of one's own is given, unless an argument says otherwise.
const CONNECTIONS: usize = 100;

/// How many mails of a queue are looked at, to tell what one costs beside those that wait.
const FIRST: usize = 10_000;

/// How large a large file is.
const LARGE_FILE: usize = 50_000_000;

/// The hundredths of a second in which the system counts processor time.
const TICK_MS: f64 = 10.0;

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    if std::env::args().any(|word| word == "large") {
        return large();
    }
    let (rounds, count) = (numbers.first().copied().unwrap_or(3), numbers.get(1).copied().unwrap_or(10_000));
    println!("4 KB mails, {count} a round, medians of {rounds} rounds");
    let connections = numbers.get(3).copied().unwrap_or(CONNECTIONS);
    compare(rounds, count, 4096, connections, Workspace::new);
    println!("100 KB mails, most of it a file, {} a round", count / 5);
    compare(rounds, count / 5, 102_400, connections, |count| Workspace::new(count).with_file());
    println!("one connection, 20 ms away");
    println!("  {}", run(&Workspace::new(400), &Sink::own().far(Duration::from_millis(10)), 1));
    println!("beside a short and a long queue, left over from a run that found no server");
    let spans = [FIRST + FIRST / 10, numbers.get(2).copied().unwrap_or(100_000)].map(|queued| {
        let workspace = Workspace::new(queued);
        workspace.queue();
        let run = run(&workspace, &Sink::start(), 8);
        let span = workspace.span_of(FIRST);
        println!("  {queued} queued: the first {FIRST} within {span} ms; {run}");
        span as f64
    });
    println!("  {:.2} times as long", spans[1] / spans[0]);
    large();
}

/// Prints what one mail with a file of 50 MB takes in memory, beside one with a file of 50 bytes.
fn large() {
    println!("one mail with a file of {} MB", LARGE_FILE / 1_000_000);
    let without = run(&Workspace::new(1).with_document(50, ""), &Sink::own(), 1);
    for (zip, shown) in [("", "alone"), ("zip", "in a ZIP"), ("encrypted", "in an encrypted ZIP")] {
        let with = run(&Workspace::new(1).with_document(LARGE_FILE, zip), &Sink::own(), 1);
        let more = (with.peak_kib - without.peak_kib) * 1024 / 1_000_000;
        println!("  {shown}: {more} MB more than with a small one (promised: 120)");
    }
}

/// Makes rounds of runs beside smtp-source sending as many mails of as many octets, and prints how they compare.
fn compare(rounds: usize, count: usize, octets: usize, connections: usize, workspace: impl Fn(usize) -> Workspace) {
    let (mut ratios, mut while_sending) = (vec![], vec![]);
    for _ in 0..rounds {
        let yardstick = smtp_source(count, octets);
        let run = run(&workspace(count), &Sink::start(), connections);
        ratios.extend(yardstick.map(|yardstick| run.per_second / yardstick));
        while_sending.extend(yardstick.map(|yardstick| run.sending_per_second / yardstick));
        println!("  {run}{}", yardstick.map_or(String::new(), |rate| format!("; smtp-source {rate:.0}/s")));
    }
    for (ratios, of_what) in [(ratios, "over the whole run"), (while_sending, "while sending")] {
        let mut ratios = ratios;
        ratios.sort_by(f64::total_cmp);
        if let Some(ratio) = ratios.get(ratios.len() / 2) {
            println!("  {ratio:.2} of smtp-source {of_what}");
        }
    }
}

/// What a run came to.
struct Run {
    per_second: f64,
    sending_per_second: f64,
    cpu_ms: f64,
    peak_kib: u64,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { per_second, sending_per_second, cpu_ms, peak_kib } = self;
        write!(
            f,
            "{per_second:.0}/s in all, {sending_per_second:.0}/s while sending, {cpu_ms:.3} ms a mail, {} MiB",
            peak_kib / 1024
        )
    }
}

/// Runs the program on `workspace` to its end.
fn run(workspace: &Workspace, sink: &Sink, connections: usize) -> Run {
    workspace.configure(sink.port, connections);
    let ticks = children_ticks();
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dunlin"));
    let mut child = child.args(["run", "--yes", "--workspace"]).arg(workspace.0.path()).stdout(Stdio::null()).spawn().unwrap();
    let peak_kib = peak_until_the_end(&mut child);
    let seconds = began.elapsed().as_secs_f64();
    let (count, first, last) = workspace.attempts();
    assert_eq!(count, workspace.1, "every mail is accepted");
    Run {
        per_second: count as f64 / seconds,
        sending_per_second: count as f64 * 1e3 / (last - first) as f64,
        cpu_ms: (children_ticks() - ticks) as f64 * TICK_MS / count as f64,
        peak_kib,
    }
}

/// Waits for a process to end, and returns the most memory it was seen with.
fn peak_until_the_end(child: &mut Child) -> u64 {
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(peak);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return peak;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the processor time of all ended children so far.
fn children_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[13].parse::<u64>().unwrap() + fields[14].parse::<u64>().unwrap()
}

/// Returns how many messages of so many octets smtp-source sends in a second to a fresh smtp-sink, if both are there.
fn smtp_source(count: usize, octets: usize) -> Option<f64> {
    let sink = Sink::of_postfix()?;
    let mut source = Command::new("smtp-source");
    source.args(["-d", "-s", "8", "-M", "localhost", "-f", "a@localhost", "-t", "b@localhost"]);
    let began = Instant::now();
    let ended = source
        .args(["-l", &octets.to_string(), "-m", &count.to_string()])
        .arg(format!("127.0.0.1:{}", sink.port))
        .status()
        .ok()?;
    ended.success().then(|| count as f64 / began.elapsed().as_secs_f64())
}

/// Whoever takes the mails.
struct Sink {
    port: u16,
    process: Option<Child>,
}

impl Sink {
    /// Starts smtp-sink, or the program's own small server where it is not there.
    fn start() -> Self {
        Self::of_postfix().unwrap_or_else(Self::own)
    }

    /// Starts the program's own small server.
    fn own() -> Self {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = dunlin::smtp::loopback::bind().await.unwrap();
                tell.send(listener.local_addr().unwrap().port()).unwrap();
                let settings = LoopbackSettings { message_bytes_max: 2 * LARGE_FILE, ..LoopbackSettings::new(drop) };
                serve(listener, settings, std::future::pending()).await;
            });
        });
        Self { port: told.recv().unwrap(), process: None }
    }

    fn of_postfix() -> Option<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut sink = Command::new("smtp-sink");
        let process =
            sink.args(["-u", "nobody"]).arg(format!("127.0.0.1:{port}")).arg("512").stdout(Stdio::null()).spawn().ok()?;
        let mut sink = Self { port, process: Some(process) };
        for _ in 0..250 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(sink);
            }
            if sink.process.as_mut()?.try_wait().ok()?.is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// Puts a line before it in which every byte takes `delay`, either way.
    fn far(mut self, delay: Duration) -> Self {
        let (listener, to) = (TcpListener::bind(("127.0.0.1", 0)).unwrap(), self.port);
        self.port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(("127.0.0.1", to)).unwrap());
                for stream in [&near, &far] {
                    stream.set_nodelay(true).unwrap();
                }
                delayed(near.try_clone().unwrap(), far.try_clone().unwrap(), delay);
                delayed(far, near, delay);
            }
        });
        self
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill().ok();
            process.wait().ok();
        }
    }
}

/// Hands on what comes, each piece `delay` after it came.
fn delayed(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (send, pieces) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut space = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut space) {
            if send.send((Instant::now() + delay, space[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, bytes) in pieces {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        to.shutdown(std::net::Shutdown::Write).ok();
    });
}

/// A workspace, and of how many customers.
struct Workspace(TempDir, usize);

impl Workspace {
    fn new(customers: usize) -> Self {
        let workspace = Self(tempfile::tempdir().unwrap(), customers);
        let today = jiff::Zoned::now().date();
        let (issued, due) = (today - jiff::Span::new().days(40), today - jiff::Span::new().days(10));
        let (mut rows, mut invoices) =
            (String::from("id,name,billing,word\n"), String::from("number,customer,issued_on,due_on,total\n"));
        for number in 1..=customers {
            writeln!(rows, "C{number:06},Customer {number},ap{number}@customer{number}.example,word{number:06}").unwrap();
            writeln!(invoices, "INV-{number:06},C{number:06},{issued},{due},{number}.50").unwrap();
        }
        workspace.write("customers.csv", &rows);
        workspace.write("invoices.csv", &invoices);
        workspace.write(
            "rules/first.yaml",
            "id: first\nkind: reminder\nlevels: [{ id: first, when: 7 days after due, template: note }]\nstart: to_age\n\
             from: ar\nto: [billing]\n",
        );
        workspace.write("rules/templates/note.subject.txt", "Payment reminder for {{ customer.name }}\n");
        let line = "Our bank details have not changed and stand on the invoice.";
        let items = |row: &str| format!("{{% for item in items %}}{row}{{% endfor %}}");
        let html =
            items("<tr><td>{{ item.number }}</td><td>{{ item.due_on | date }}</td><td>{{ item.open | money }}</td></tr>\n");
        let html =
            format!("<p>Dear {{{{ customer.name }}}},</p>\n<table>\n{html}</table>\n{}", format!("<p>{line}</p>\n").repeat(20));
        let text = items("{{ item.number }}  {{ item.due_on | date }}  {{ item.open | money }}\n");
        workspace.write("rules/templates/note.html", &html);
        workspace.write(
            "rules/templates/note.txt",
            &format!("Dear {{{{ customer.name }}}},\n\n{text}\n{}", format!("{line}\n").repeat(20)),
        );
        workspace
    }

    /// Has each mail carry a file of 70,000 octets, 95 KB as it is sent.
    fn with_file(self) -> Self {
        self.write(
            "plugins/file/plugin.yaml",
            "name: file\ndescription: A file for each mail.\nattachment: { command: [awk, -f, file.awk], timeout: 60 s }\n",
        );
        let program = r#"BEGIN { path = ENVIRON["DUNLIN_FILES"] "/file"; system("head -c 70000 /dev/urandom > " path) }
            match($0, /"id":"[^"]+"/) {
                printf "{%s,\"files\":[{\"name\":\"file.pdf\",\"content_type\":\"application/pdf\",\"path\":\"%s\"}]}\n",
                    substr($0, RSTART, RLENGTH), path
            }"#;
        self.write("plugins/file/file.awk", program);
        let rule = fs::read_to_string(self.0.path().join("rules/first.yaml")).unwrap();
        self.write("rules/first.yaml", &(rule + "attach: [{ plugin: file, shared: true }]\n"));
        self
    }

    /// Has each mail carry a PDF of so many octets, noise but for its ends, as it is or packed.
    fn with_document(self, octets: usize, zip: &str) -> Self {
        let mut file = File::create(self.0.path().join("paper.pdf")).unwrap();
        let noise = File::open("/dev/urandom").unwrap();
        file.write_all(b"%PDF-1.7\n").unwrap();
        std::io::copy(&mut noise.take(octets as u64), &mut file).unwrap();
        file.write_all(b"\n%%EOF\n").unwrap();
        let attach = match zip {
            "" => "{ document: paper }",
            "zip" => "{ zip: [{ document: paper }] }",
            _ => "{ zip: [{ document: paper }], password: customer.attributes.word }",
        };
        let rule = fs::read_to_string(self.0.path().join("rules/first.yaml")).unwrap();
        self.write("rules/first.yaml", &format!("{rule}attach: [{attach}]\n"));
        self
    }

    fn configure(&self, port: u16, connections: usize) {
        let config = format!(
            "instance: bench\ntime_zone: Europe/Berlin\nsmtp:\n  a: {{ host: 127.0.0.1, port: {port}, security: none, connections: {connections}, size: 100 MB }}\n\
             documents:\n  paper: {{ path: paper.pdf, bytes_max: 60 MB, of: mail }}\n\
             senders:\n  ar: {{ name: Seller, address: ar@seller.example, server: a }}\nrecipient_keys: {{ billing: Billing }}\n\
             ledger:\n  currency: EUR\n  customers:\n    csv: customers.csv\n    columns: {{ contacts: {{ billing: billing }} }}\n  \
             invoices: {{ csv: invoices.csv }}\n"
        );
        self.write("config.yaml", &config);
        // What was written a moment ago may not be whole, and would be waited for.
        let long_ago = SystemTime::now() - Duration::from_secs(3_600);
        for name in ["config.yaml", "customers.csv", "invoices.csv"] {
            File::options().write(true).open(self.0.path().join(name)).unwrap().set_modified(long_ago).unwrap();
        }
    }

    /// Leaves all mails queued: nobody takes them, and the run does not wait. What it wrote is on disk then.
    fn queue(&self) {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        self.configure(port, 8);
        let mut run = Command::new(env!("CARGO_BIN_EXE_dunlin"));
        run.args(["run", "--yes", "--wait", "0", "--workspace"]).arg(self.0.path());
        run.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        Command::new("sync").status().unwrap();
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn database(&self) -> Connection {
        Connection::open(Path::new(self.0.path()).join("dunlin.db")).unwrap()
    }

    /// Returns how many messages were accepted, when the first attempt began and when the last ended.
    fn attempts(&self) -> (usize, i64, i64) {
        let select =
            "select count(*), min(started_at_ms), max(started_at_ms + duration_ms) from attempt where outcome = 'accepted'";
        self.database().query_row(select, (), |row| Ok((row.get::<_, i64>(0)? as usize, row.get(1)?, row.get(2)?))).unwrap()
    }

    /// Returns within how many milliseconds the first `count` attempts came.
    fn span_of(&self, count: usize) -> i64 {
        let select = "select max(started_at_ms) - min(started_at_ms) from
                (select started_at_ms from attempt where outcome = 'accepted' order by id limit ?1)";
        self.database().query_row(select, (count as i64,), |row| row.get(0)).unwrap()
    }
}
