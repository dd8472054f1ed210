//! `dunlin doctor`: looks at everything a new operator gets wrong, and says what, why it matters and what to do.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;

use crate::cli::print::{counted, fail, json, out};
use crate::cli::send::runtime;
use crate::cli::session::Session;
use crate::cli::{Common, Exit};
use crate::clock::SystemClock;
use crate::engine::doctor::{DomainAsk, Finding, Level, Resolver, examine};
use crate::port::Clock;

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Ask this DNS resolver in place of the system's
    #[arg(long, value_name = "IP:PORT")]
    resolver: Option<SocketAddr>,
    /// Look for a DKIM key of the senders' domains under this selector too; may be given more than once
    #[arg(long, value_name = "NAME")]
    selector: Vec<String>,
}

pub(crate) fn doctor(common: &Common, args: &DoctorArgs) -> Exit {
    examined(common, args).unwrap_or_else(|exit| exit)
}

fn examined(common: &Common, args: &DoctorArgs) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    let resolver = args.resolver.map_or_else(Resolver::of_system, Resolver::at);
    let asking = DomainAsk { resolver: &resolver, selectors: &args.selector };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut faults = 0;
    let mut tell = |finding: Finding| {
        faults += usize::from(finding.level == Level::Fault);
        if common.json { json(&finding) } else { show(&finding) }
    };
    runtime()?.block_on(examine(&session.workspace, &asking, &clock, &mut tell));
    if faults > 0 {
        fail(format!("{} found", counted(faults, "fault", "faults")), None);
        return Ok(Exit::Failed);
    }
    Ok(if session.has_errors { Exit::Problems } else { Exit::Done })
}

fn show(finding: &Finding) {
    let Finding { level, area, about, what, why, next_step } = finding;
    let about = if about.is_empty() { String::new() } else { format!(" {about}") };
    out(format!("{:<8} {area}{about}: {what}", level.as_str()));
    if !why.is_empty() {
        out(format!("         {why}"));
    }
    if !next_step.is_empty() {
        out(format!("         next: {next_step}"));
    }
}
