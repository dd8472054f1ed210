//! `dunlin schema`: the JSON Schemas of the files people write, for editors.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::cli::print::{fail, out, out_bytes};
use crate::cli::{Common, Exit};
use crate::engine::schema::{SCHEMAS, SchemaKind};

#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// Of which kind of file; without it, the schemas there are
    #[arg(value_name = "KIND", value_parser = PossibleValuesParser::new(SCHEMAS.iter().map(|kind| kind.word)))]
    kind: Option<String>,
    /// Write it into this folder instead, or all of them where no kind is named
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn schema(_: &Common, args: &SchemaArgs) -> Exit {
    let asked: Vec<&SchemaKind> =
        SCHEMAS.iter().filter(|kind| args.kind.as_deref().is_none_or(|word| word == kind.word)).collect();
    let Some(folder) = &args.out else {
        match (args.kind.is_some(), asked.as_slice()) {
            (true, [kind]) => out_bytes(kind.text().as_bytes()),
            _ => asked.iter().for_each(|kind| out(format!("{:<12} {}", kind.word, kind.file()))),
        }
        return Exit::Done;
    };
    for kind in asked {
        let path = folder.join(kind.file());
        if let Err(error) = fs::create_dir_all(folder).and_then(|()| fs::write(&path, kind.text())) {
            fail(format!("Cannot write `{}`: {error}", path.display()), None);
            return Exit::Failed;
        }
        out(path.display().to_string());
    }
    Exit::Done
}
