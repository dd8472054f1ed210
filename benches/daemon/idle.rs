//! What the daemon costs while there is nothing to do.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::workspace::{Cost, Workspace};

/// Runs the real program on the shipped kind of workspace, first with one rule, then with 500, and prints its cost.
pub fn idle(seconds: u64) {
    let today = jiff::Zoned::now().date();
    for rules in [1, 500] {
        let workspace = Workspace::new(9, 1_000, today);
        for number in 1..=rules {
            let text = Workspace::reminder(&format!("rule-{number}"), "0 9 1 1 *", "Europe/Berlin", "Once a year.");
            workspace.write(&format!("rules/rule-{number}.yaml"), &text);
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
        command.args(["serve", "--workspace"]).arg(workspace.path()).stdin(Stdio::null()).stderr(Stdio::null());
        let mut daemon = command.spawn().unwrap();
        sleep(Duration::from_secs(10));
        let before = Cost::of(daemon.id());
        sleep(Duration::from_secs(seconds));
        let after = Cost::of(daemon.id());
        println!(
            "{rules} rules, idle for {seconds} s: {} ms of processor time ({:.3} %), {:.1} MiB resident, {:.1} MiB of it its own, {} open files",
            (after.ticks - before.ticks) * 10,
            (after.ticks - before.ticks) as f64 / seconds as f64,
            after.resident_kib as f64 / 1024.0,
            after.anonymous_kib as f64 / 1024.0,
            after.open_files,
        );
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }
}
