//! `dunlin completions` and `dunlin man`: what shells and manual readers need, made from the definition of the command line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::print::{fail, out, out_bytes};
use crate::cli::{Cli, Common, Exit};

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Write a page for every command into this folder, instead of printing the first one
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn completions(_: &Common, args: &CompletionsArgs) -> Exit {
    out_bytes(&completion(args.shell));
    Exit::Done
}

pub(crate) fn man(_: &Common, args: &ManArgs) -> Exit {
    let written = match &args.out {
        None => page(Cli::command()).map(|page| out_bytes(&page)),
        Some(folder) => write(folder),
    };
    match written {
        Ok(()) => Exit::Done,
        Err(error) => {
            let to = args.out.as_ref().map_or_else(|| "the page".into(), |folder| format!("into `{}`", folder.display()));
            fail(format!("Cannot write {to}: {error}"), None);
            Exit::Failed
        }
    }
}

fn completion(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "dunlin", &mut script);
    script
}

fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, page) in pages()? {
        let path = folder.join(name);
        fs::write(&path, page)?;
        out(path.display().to_string());
    }
    Ok(())
}

/// Returns every page with its file's name: `dunlin.1`, `dunlin-outbox.1`, `dunlin-outbox-show.1`.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    fn collect(command: &Command, name: &str, all: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
        let mut own = command.clone().display_name(name.to_owned());
        // Pages of other commands have pages of their own; what goes with every command stands on each.
        own = own.disable_help_subcommand(true);
        all.push((format!("{name}.1"), page(own)?));
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            collect(inner, &format!("{name}-{}", inner.get_name()), all)?;
        }
        Ok(())
    }
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut all = Vec::new();
    collect(&root, "dunlin", &mut all)?;
    Ok(all)
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let title = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let version = format!("Dunlin {}", env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    // Without a date: the same program makes the same page on every day.
    Man::new(command).title(title.to_uppercase()).source(version).manual("Dunlin").render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    /// Every command with the words that lead to it.
    fn commands() -> Vec<Vec<String>> {
        fn collect(command: &Command, before: &[String], all: &mut Vec<Vec<String>>) {
            for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
                let words: Vec<String> = before.iter().cloned().chain([inner.get_name().to_owned()]).collect();
                all.push(words.clone());
                collect(inner, &words, all);
            }
        }
        let mut all = Vec::new();
        collect(&Cli::command(), &[], &mut all);
        all
    }

    #[test]
    fn every_shell_completes_every_command() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(completion(*shell)).unwrap();
            for words in commands() {
                let last = words.last().unwrap();
                assert!(script.contains(last.as_str()), "{shell}: {words:?} is missing");
            }
            assert!(script.contains("workspace"), "{shell}: what goes with every command is missing");
        }
    }

    #[test]
    fn every_command_has_a_manual_page_with_its_arguments() {
        let pages = pages().unwrap();
        let mut expected: Vec<String> = commands().iter().map(|words| format!("dunlin-{}.1", words.join("-"))).collect();
        expected.insert(0, "dunlin.1".to_owned());
        assert_eq!(pages.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), expected);
        let page = |name: &str| {
            let (_, page) = pages.iter().find(|(own, _)| own == name).unwrap();
            String::from_utf8(page.clone()).unwrap()
        };
        let run = page("dunlin-run.1");
        assert!(run.starts_with(".ie \\n(.g .ds Aq") && run.contains(".TH DUNLIN-RUN 1"), "{run}");
        assert!(run.contains("\\-\\-as\\-of") && run.contains("dunlin run"), "{run}");
        assert!(page("dunlin.1").contains("dunlin\\-outbox(1)"), "the first page leads to the others");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let kind = write(&file).unwrap_err().kind();
        assert!(matches!(kind, io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory), "{kind:?}");
    }
}
