//! `dunlin backup`: a copy of the database that is whole, whoever writes to it meanwhile.

use std::path::PathBuf;

use clap::Args;

use crate::cli::outbox::failed;
use crate::cli::print::{fail, json, out};
use crate::cli::session::{Session, bar};
use crate::cli::{Common, Exit};
use crate::clock::SystemClock;
use crate::engine::care::back_up;
use crate::port::Clock;

#[derive(Args, Debug)]
#[command(after_help = "The file gets its name when it is whole, checked and on the disk; an earlier backup of that name is \
    replaced, anything else is not written over. A daemon may run meanwhile. The workspace's other files are yours to copy. \
    A backup knows that it is one: opened as a database, it sends nothing to customers before `dunlin adopt`.")]
pub(crate) struct BackupArgs {
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn backup(common: &Common, args: &BackupArgs) -> Exit {
    backing_up(common, args).unwrap_or_else(|exit| exit)
}

fn backing_up(common: &Common, args: &BackupArgs) -> Result<Exit, Exit> {
    let session = Session::quiet(common)?;
    let bar = bar("Copying", "{pos} of {len} pages");
    let made = back_up(&session.workspace, &args.file, SystemClock.now(), &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let Some(made) = made.map_err(failed)? else {
        let message = format!("There is no database at {} to back up", session.workspace.database_path().display());
        fail(message, Some("name the workspace with `--workspace`; a new one has a database from its first run on"));
        return Err(Exit::Failed);
    };
    if common.json {
        json(&made);
    } else {
        out(format!("{} is a whole copy of the database, {} bytes, checked", made.file.display(), made.bytes));
    }
    Ok(Exit::Done)
}
