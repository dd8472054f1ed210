//! `dunlin template`: turns templates of another system into ours.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::print::{WIDTH, counted, fail, is_terminal, json, out, say};
use crate::cli::problems::{Colour, render};
use crate::cli::{Common, Exit};
use crate::domain::problem::Problem;
use crate::template::{HashChange, TEMPLATE_BYTES_MAX, TEMPLATES_MAX, Translated, translate};

#[derive(Args, Debug)]
pub(crate) struct TemplateArgs {
    #[command(subcommand)]
    verb: Option<TemplateVerb>,
}

#[derive(Debug, Subcommand)]
enum TemplateVerb {
    /// Turn templates written with `#customername#` (CDR2Cloud) into ours, and show what was changed and what could not be
    Import {
        /// A template, or a folder of them: bodies in .html or .txt, subjects in .subject.txt
        #[arg(value_name = "FILE|FOLDER")]
        from: PathBuf,
        /// Write them into this folder, best rules/templates; without it nothing is written
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// What became of one file.
#[derive(Debug, Serialize)]
struct FileView {
    file: String,
    written: Option<String>,
    changes: Vec<ChangeView>,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct ChangeView {
    line: u32,
    from: String,
    to: String,
}

pub(crate) fn template(common: &Common, args: &TemplateArgs) -> Exit {
    match &args.verb {
        Some(TemplateVerb::Import { from, out }) => import(common, from, out.as_deref()).unwrap_or_else(|exit| exit),
        None => {
            say("`dunlin template import FILE|FOLDER` turns templates of another system into ours");
            Exit::Done
        }
    }
}

fn import(common: &Common, from: &Path, into: Option<&Path>) -> Result<Exit, Exit> {
    let mut views = Vec::new();
    for path in files(from)? {
        views.push(import_file(&path, into)?);
    }
    let has_problems = views.iter().any(|view| !view.problems.is_empty());
    if common.json {
        json(&views);
    } else {
        views.iter().for_each(show);
        let changes: usize = views.iter().map(|view| view.changes.len()).sum();
        let written = views.iter().filter(|view| view.written.is_some()).count();
        let done = match into {
            Some(folder) => format!("{} written into `{}`", counted(written, "file", "files"), folder.display()),
            None => "nothing is written without --out".to_owned(),
        };
        say(format!("{} in {}; {done}", counted(changes, "change", "changes"), counted(views.len(), "file", "files")));
    }
    Ok(if has_problems { Exit::Problems } else { Exit::Done })
}

/// Returns the templates to read, in order of their names.
fn files(from: &Path) -> Result<Vec<PathBuf>, Exit> {
    let failed = |error: std::io::Error| {
        fail(format!("Cannot read `{}`: {error}", from.display()), None);
        Exit::Failed
    };
    if !fs::metadata(from).map_err(failed)?.is_dir() {
        return Ok(vec![from.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(from).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_template = path.extension().is_some_and(|ending| ["html", "htm", "txt"].iter().any(|own| ending == *own));
        if is_template && path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() || found.len() > TEMPLATES_MAX {
        let message = format!("`{}` has {} templates (.html, .htm, .txt)", from.display(), found.len());
        fail(message, Some(&format!("there have to be 1 to {TEMPLATES_MAX}")));
        return Err(Exit::Failed);
    }
    found.sort();
    Ok(found)
}

/// Turns one file, and writes it where it has no problem.
fn import_file(path: &Path, into: Option<&Path>) -> Result<FileView, Exit> {
    let file = path.display().to_string();
    let failed = |message: String, hint: Option<&str>| {
        fail(message, hint);
        Exit::Failed
    };
    let bytes = fs::read(path).map_err(|error| failed(format!("Cannot read `{file}`: {error}"), None))?;
    if bytes.len() > TEMPLATE_BYTES_MAX {
        return Err(failed(format!("`{file}` has {} bytes, more than {TEMPLATE_BYTES_MAX}", bytes.len()), None));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| failed(format!("`{file}` is not written in UTF-8"), Some("save it as UTF-8 and import it again")))?;
    let Translated { text, changes, problems } = translate(&file, &text);
    let mut written = None;
    if let Some(folder) = into.filter(|_| problems.is_empty()) {
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        let name = if name.extension().is_some_and(|ending| ending == "htm") { name.with_extension("html") } else { name };
        let target = folder.join(name);
        if target.exists() {
            let message = format!("`{}` is there already", target.display());
            return Err(failed(message, Some("move it away, or write into another folder; nothing is written over")));
        }
        // What was the first line, which said how it is written, is no line of the mail.
        let text = text.trim_start_matches(['\u{feff}', '\r', '\n']);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&target, text))
            .map_err(|error| failed(format!("Cannot write `{}`: {error}", target.display()), None))?;
        written = Some(target.display().to_string());
    }
    let changes = changes.into_iter().map(|HashChange { line, written, ours }| ChangeView { line, from: written, to: ours });
    Ok(FileView { file, written, changes: changes.collect(), problems })
}

fn show(view: &FileView) {
    out(&view.file);
    for ChangeView { line, from, to } in &view.changes {
        out(format!("  line {line}: {from} → {to}"));
    }
    if !view.problems.is_empty() {
        let colour = if is_terminal() { Colour::Always } else { Colour::Never };
        say(render(&view.problems, colour, WIDTH));
    }
}
