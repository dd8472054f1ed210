//! `dunlin evidence`: all that is recorded of one mail, in a ZIP for others to check.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json as object;

use crate::cli::outbox::failed;
use crate::cli::print::{counted, fail, json, out};
use crate::cli::session::Session;
use crate::cli::{Common, Exit};
use crate::engine::evidence::{Pack, pack};

#[derive(Args, Debug)]
#[command(
    after_help = "The ZIP holds the mail byte for byte, the decision, the rows of the ledger, the rule, scripts and templates \
    as they were, every attempt with the server's replies, what people did, and a manifest of hashes; README.txt in it explains \
    it to an auditor. What is not there is named. `dunlin verify --expect HASH` shows that the record is still the same."
)]
pub(crate) struct EvidenceArgs {
    /// The mail: its id as `dunlin outbox` shows it, its key, or its Message-ID
    #[arg(value_name = "MESSAGE")]
    message: String,
    /// The file to write; evidence-<id>.zip where none is named
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    /// A file of the archive to look in for what has left the database; may be given several times
    #[arg(long, value_name = "FILE")]
    archive: Vec<PathBuf>,
}

pub(crate) fn evidence(common: &Common, args: &EvidenceArgs) -> Exit {
    exporting(common, args).unwrap_or_else(|exit| exit)
}

fn exporting(common: &Common, args: &EvidenceArgs) -> Result<Exit, Exit> {
    let session = Session::quiet(common)?;
    let Some(Pack { id, bytes, files, missing }) = pack(&session.workspace, &args.message, &args.archive).map_err(failed)? else {
        fail(format!("There is no mail `{}`", args.message), Some("`dunlin outbox` lists them; its key or Message-ID does too"));
        return Err(Exit::Failed);
    };
    let path = args.out.clone().unwrap_or_else(|| format!("evidence-{id}.zip").into());
    write(&path, &bytes, args.force).map_err(|error| {
        let hint = (error.kind() == io::ErrorKind::AlreadyExists).then_some("--force writes over it, --out names another");
        fail(format!("Cannot write {}: {error}", path.display()), hint);
        Exit::Failed
    })?;
    if common.json {
        json(&object!({ "file": path, "message": id, "bytes": bytes.len(), "files": files, "missing": missing }));
        return Ok(Exit::Done);
    }
    out(format!("{}: {} about mail {id}, {} bytes", path.display(), counted(files.len(), "file", "files"), bytes.len()));
    for missing in missing {
        out(format!("  without {}: {}", missing.what, missing.why));
    }
    Ok(Exit::Done)
}

/// Writes a file that only its owner reads: a customer's mail is in it.
fn write(path: &Path, bytes: &[u8], is_forced: bool) -> io::Result<()> {
    let mut options = File::options();
    options.write(true);
    if is_forced {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).inspect_err(|_| {
        // Half a pack is none; that it could not be written is said anyway.
        drop(fs::remove_file(path));
    })
}
