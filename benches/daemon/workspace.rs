//! Workspaces to measure on, and what a process costs.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

pub struct Workspace(TempDir);

impl Workspace {
    /// Returns a workspace with `customers` customers of one overdue invoice each, and no rule.
    pub fn new(port: u16, customers: usize, today: jiff::civil::Date) -> Self {
        let workspace = Self(tempfile::tempdir().unwrap());
        let mut rows = String::from("id,name,billing\n");
        for number in 1..=customers {
            writeln!(rows, "C{number:05},Customer {number},ap{number}@customer{number}.example").unwrap();
        }
        workspace.write("customers.csv", &rows);
        workspace.write("payments.csv", "customer,invoice,amount,received_on,reference\n");
        workspace.write("invoices.csv", &Self::invoices(customers, 1, today));
        workspace.write("config.yaml", &Self::config(port));
        for name in ["note", "statement", "receipt"] {
            workspace.write(&format!("rules/templates/{name}.subject.txt"), "From your supplier\n");
            workspace.write(&format!("rules/templates/{name}.html"), "<p>Dear {{ customer.name }}, this is yours.</p>\n");
        }
        workspace
    }

    pub fn config(port: u16) -> String {
        format!(
            "instance: bench\ntime_zone: Europe/Berlin\nsmtp:\n  primary: {{ host: 127.0.0.1, port: {port}, security: none, connections: 2 }}\n\
             senders:\n  ar: {{ name: Seller, address: ar@seller.example, server: primary }}\nrecipient_keys: {{ billing: Billing }}\n\
             ledger:\n  currency: EUR\n  customers:\n    csv: customers.csv\n    columns: {{ contacts: {{ billing: billing }} }}\n  \
             invoices: {{ csv: invoices.csv }}\n  payments: {{ csv: payments.csv }}\ndaemon: {{ listen: \"127.0.0.1:0\" }}\n"
        )
    }

    /// Returns an invoice file with `each` invoices a customer, all ten days overdue on `today`.
    pub fn invoices(customers: usize, each: usize, today: jiff::civil::Date) -> String {
        let mut rows = String::from("number,customer,issued_on,due_on,total\n");
        let (issued, due) = (today - jiff::Span::new().days(40), today - jiff::Span::new().days(10));
        for number in 1..=customers {
            for count in 1..=each {
                writeln!(rows, "INV-{number:05}-{count},C{number:05},{issued},{due},{number}.50").unwrap();
            }
        }
        rows
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file the way an editor does: beside it, then in its place.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let beside = path.with_file_name(".saving~");
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, &path).unwrap();
    }

    /// Returns a reminder rule that fires by `cron`.
    pub fn reminder(id: &str, cron: &str, zone: &str, description: &str) -> String {
        format!(
            "id: {id}\nkind: reminder\ndescription: {description}\nschedule: {{ cron: \"{cron}\", time_zone: {zone}, missed: latest }}\n\
             for_each: invoice\nlevels: [{{ id: first, when: 7 days after due, template: note }}]\nstart: to_age\nfrom: ar\nto: [billing]\n"
        )
    }
}

/// What a process costs so far.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub resident_kib: u64,
    /// Of that, what is the process's own and not the program file's.
    pub anonymous_kib: u64,
    pub open_files: usize,
    /// Processor time, in hundredths of a second.
    pub ticks: u64,
}

impl Cost {
    /// Reads what the system knows of a process.
    pub fn of(id: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Self {
            resident_kib: field("VmRSS:"),
            anonymous_kib: field("RssAnon:"),
            open_files: fs::read_dir(format!("/proc/{id}/fd")).unwrap().count(),
            ticks,
        }
    }
}
