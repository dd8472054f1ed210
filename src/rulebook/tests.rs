//! Workspaces on disk: what is read, what is passed over, and what is said about it.

use std::fs;

use super::*;

/// Makes a workspace of `files` (path, bytes).
fn workspace(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

/// Returns what was read, by path, and the problems, the folder's own name left out.
fn summary(folder: &tempfile::TempDir) -> (Vec<String>, Vec<String>) {
    let (texts, problems) = read(folder.path());
    let mut paths: Vec<String> = texts.config.iter().map(|file| file.path.to_string()).collect();
    paths.extend(texts.rules.iter().map(|file| file.path.to_string()));
    paths.extend(texts.scripts.keys().cloned());
    paths.extend(texts.templates.iter().map(|file| file.path.to_string()));
    let root = folder.path().canonicalize().unwrap().display().to_string();
    (paths, problems.iter().map(|problem| problem.to_string().replace(&root, "ROOT")).collect())
}

const NONE: [String; 0] = [];

#[test]
fn everything_that_counts_is_read_in_one_order_and_editors_leavings_are_not() {
    let folder = workspace(&[
        ("config.yaml", b"\xef\xbb\xbfinstance: x\n"),
        ("rules/b.yaml", b"id: b\n"),
        ("rules/a.yaml", b"id: a\n"),
        ("rules/a.rhai", b"fn x() {}\n"),
        ("rules/a.test.yaml", b""),
        ("rules/README.md", b""),
        ("rules/.hidden.yaml", b""),
        ("rules/a.yaml~", b""),
        ("rules/.a.yaml.swp", b""),
        ("rules/4913", b""),
        ("rules/templates/first.html", b"<p>"),
        ("rules/templates/first.de.html", b"<p>"),
        ("rules/templates/first.subject.txt", b"Hello"),
        ("rules/templates/layouts/base.html", b"<html>"),
    ]);
    let expected = [
        "config.yaml",
        "rules/a.yaml",
        "rules/b.yaml",
        "rules/a.rhai",
        "rules/templates/first.de.html",
        "rules/templates/first.html",
        "rules/templates/first.subject.txt",
        "rules/templates/layouts/base.html",
    ];
    assert_eq!(summary(&folder), (expected.map(str::to_owned).to_vec(), vec![]));
    assert_eq!(read(folder.path()).0.config.unwrap().text, "instance: x\n");
}

#[test]
fn nothing_is_passed_over_in_silence() {
    let folder = workspace(&[
        ("config.yaml", b""),
        ("rules/late.yml", b""),
        ("rules/late.YAML", b""),
        ("rules/notes.docx", b""),
        ("rules/old/late.yaml", b""),
        ("rules/templates/logo.svg", b""),
    ]);
    let (paths, problems) = summary(&folder);
    assert_eq!(paths, ["config.yaml"]);
    assert_eq!(
        problems,
        [
            "rules/late.YAML: `late.YAML` is not read; rename it to `late.yaml`",
            "rules/late.yml: `late.yml` is not read; rename it to `late.yaml`",
            "rules/notes.docx: `rules/notes.docx` is not read; a rule ends in .yaml, its script in .rhai",
            "rules/old/late.yaml: `rules/old/late.yaml` is not read; \
             rules and scripts lie in `rules/` itself, templates in `rules/templates/`, layouts in `rules/papers/`",
            "rules/templates/logo.svg: `rules/templates/logo.svg` is not read; \
             a template ends in .html, .txt, .mjml, an image in .png, .jpg, .jpeg, .gif",
        ]
    );
}

#[test]
fn what_is_missing_is_said_with_the_way_out() {
    let folder = workspace(&[]);
    assert_eq!(
        summary(&folder).1,
        [
            "The workspace `ROOT` has no config.yaml; start in the folder that holds it, or name that folder",
            "The workspace `ROOT` has no folder `rules`; make the folder `rules` and put the rules in it",
        ]
    );
    let folder = workspace(&[("config.yml", b""), ("rules/a.yaml", b"")]);
    assert_eq!(summary(&folder).1, ["config.yml: `config.yml` is not read; rename it to `config.yaml`"]);
    let missing = folder.path().join("nowhere");
    let problems = read(&missing).1;
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.starts_with(&format!("Cannot open the folder `{}`: ", missing.display())));
    let file = folder.path().join("config.yml");
    assert_eq!(read(&file).1[0].message, format!("`{}` is a file, not a folder", file.display()));
}

#[test]
fn a_text_that_is_not_utf8_is_placed_at_its_first_wrong_byte() {
    let folder =
        workspace(&[("config.yaml", b""), ("rules/a.yaml", b"id: a\nname: \xc3\xa4 f\xe4llig\n"), ("rules/b.yaml", b"")]);
    let (paths, problems) = summary(&folder);
    assert_eq!(paths, ["config.yaml", "rules/b.yaml"]);
    let expected = "rules/a.yaml:2:10: `rules/a.yaml` is not UTF-8 text: it has the byte 0xE4; save it with the encoding UTF-8";
    assert_eq!(problems, [expected]);
}

#[test]
fn a_file_beyond_the_limit_is_refused_and_one_at_it_is_read() {
    let at_limit = vec![b'#'; FILE_BYTES_MAX as usize];
    let beyond = vec![b'#'; FILE_BYTES_MAX as usize + 1];
    let folder = workspace(&[("config.yaml", b""), ("rules/a.yaml", &at_limit), ("rules/b.yaml", &beyond)]);
    let (paths, problems) = summary(&folder);
    assert_eq!(paths, ["config.yaml", "rules/a.yaml"]);
    let expected = "rules/b.yaml: `rules/b.yaml` has more than 1048576 bytes; split it, or move what is not a text elsewhere";
    assert_eq!(problems, [expected]);
}

#[test]
fn folders_are_read_down_to_the_limit_and_refused_below_it() {
    let down = |depth: usize| format!("rules/templates/{}x.txt", "d/".repeat(depth));
    // `templates` is the first folder below `rules`.
    let (at_limit, beyond) = (down(DEPTH_MAX - 1), down(DEPTH_MAX));
    let folder = workspace(&[("config.yaml", b""), (&at_limit, b""), (&beyond, b"")]);
    let (paths, problems) = summary(&folder);
    assert_eq!(paths, ["config.yaml", at_limit.as_str()]);
    let deepest = beyond.strip_suffix("/x.txt").unwrap();
    let expected = "Folders are nested deeper than 8 levels; a link that leads back up would do this";
    assert_eq!(problems, [format!("{deepest}: {expected}")]);
}

#[test]
fn too_many_files_are_said_once() {
    let names: Vec<String> = (0..ENTRIES_MAX).map(|number| format!("rules/templates/{number}.md")).collect();
    let mut files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    files.push(("config.yaml", b""));
    assert_eq!(summary(&workspace(&files)).1, ["rules/templates: The rules' folders hold more than 10000 files"]);
    files.pop();
    files.pop();
    files.push(("config.yaml", b""));
    assert_eq!(summary(&workspace(&files)).1, NONE);
}

#[test]
fn all_files_together_have_a_limit() {
    let big = vec![b'#'; FILE_BYTES_MAX as usize];
    let names: Vec<String> = (0..33).map(|number| format!("rules/{number:02}.yaml")).collect();
    let mut files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), big.as_slice())).collect();
    files.push(("config.yaml", b""));
    let (texts, problems) = read(workspace(&files).path());
    assert_eq!(texts.rules.len(), 32);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].message, "The files of the workspace have more than 33554432 bytes together");
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_within_the_workspace_and_refused_beyond_it() {
    use std::os::unix::fs::symlink;
    let outside = workspace(&[("secret.yaml", b"id: x\n")]);
    let folder = workspace(&[("config.yaml", b""), ("shared/a.yaml", b"id: a\n"), ("rules/templates/x.txt", b"")]);
    let rules = folder.path().join("rules");
    symlink("../shared/a.yaml", rules.join("a.yaml")).unwrap();
    symlink(outside.path().join("secret.yaml"), rules.join("b.yaml")).unwrap();
    symlink("nowhere.yaml", rules.join("c.yaml")).unwrap();
    symlink("..", rules.join("templates/up")).unwrap();
    let (texts, problems) = read(folder.path());
    assert_eq!(texts.rules, [TextFile { path: "rules/a.yaml".into(), text: "id: a\n".into() }]);
    let said = |part: &str| problems.iter().any(|problem| problem.to_string().contains(part));
    assert!(said("rules/b.yaml: `rules/b.yaml` is a link to `"), "{problems:#?}");
    assert!(said("outside the workspace; copy the file into the workspace"), "{problems:#?}");
    assert!(said("rules/c.yaml: Cannot open `rules/c.yaml`: "), "{problems:#?}");
    assert!(said("Folders are nested deeper than 8 levels; a link that leads back up would do this"), "{problems:#?}");
}

#[cfg(unix)]
#[test]
fn calendars_that_are_asked_for_are_read_within_the_workspace_and_its_limits() {
    let outside = workspace(&[("de.ics", b"BEGIN")]);
    let beyond = vec![b'#'; FILE_BYTES_MAX as usize + 1];
    let folder = workspace(&[("config.yaml", b""), ("rules/a.yaml", b""), ("calendars/de.yaml", b"a"), ("big.ics", &beyond)]);
    std::os::unix::fs::symlink(outside.path().join("de.ics"), folder.path().join("out.ics")).unwrap();
    let (mut texts, _) = read(folder.path());
    let paths = ["calendars/de.yaml", "big.ics", "out.ics", "gone.ics"];
    let problems = read_calendars(folder.path(), paths.into_iter(), &mut texts);
    assert_eq!(texts.calendars, [TextFile { path: "calendars/de.yaml".into(), text: "a".into() }]);
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(problems[0].starts_with("big.ics: `big.ics` has more than 1048576 bytes"), "{problems:#?}");
    assert!(problems[1].starts_with("out.ics: `out.ics` is a link to `"), "{problems:#?}");
    assert!(problems[2].starts_with("gone.ics: Cannot open `gone.ics`: "), "{problems:#?}");
}

#[cfg(unix)]
#[test]
fn it_is_told_who_may_read_the_configuration() {
    use std::os::unix::fs::PermissionsExt;
    let folder = workspace(&[("config.yaml", b""), ("rules/a.yaml", b"")]);
    for (mode, expected) in [(0o600, Readers::Few), (0o640, Readers::Group), (0o644, Readers::Everybody)] {
        fs::set_permissions(folder.path().join("config.yaml"), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(read(folder.path()).0.config_readers, expected, "{mode:o}");
    }
    assert_eq!(summary(&folder).1, NONE);
}

#[test]
fn a_plugins_texts_are_read_and_its_other_files_known_by_their_hash() {
    let folder = workspace(&[
        ("config.yaml", b"instance: x\n"),
        ("rules/a.yaml", b"id: a\n"),
        ("plugins/README.md", b""),
        ("plugins/loose.rhai", b""),
        ("plugins/p/plugin.yaml", b"name: p\n"),
        ("plugins/p/f.rhai", b"fn f() {}\n"),
        ("plugins/p/README.md", b"words"),
        ("plugins/p/run.py", b"\xff"),
        ("plugins/p/data/more.yaml", b""),
        ("plugins/p/__pycache__/run.pyc", b"x"),
        ("plugins/p/run.py~", b"x"),
    ]);
    let (texts, problems) = read(folder.path());
    let read: Vec<(&str, Vec<&str>, Vec<&str>)> = texts
        .plugins
        .iter()
        .map(|plugin| {
            let names = (plugin.texts.keys().map(String::as_str), plugin.others.keys().map(String::as_str));
            (plugin.name.as_str(), names.0.collect(), names.1.collect())
        })
        .collect();
    assert_eq!(read, [("p", vec!["f.rhai", "plugin.yaml"], vec!["data/more.yaml", "run.py"])]);
    assert_eq!(texts.plugins[0].others["run.py"], <[u8; 32]>::from(Sha256::digest(b"\xff")));
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        ["plugins/loose.rhai: `plugins/loose.rhai` is not read; a plugin is a folder in `plugins/` with a plugin.yaml"]
    );
}
