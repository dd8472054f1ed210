//! Programs for attachments that behave, and all those that do not: real processes, three mails asked about.

use std::time::Duration;

use super::*;
use crate::domain::problem::Place;

/// Reads a request and puts its id into `$id`.
const READ: &str = r#"ask() { IFS= read -r line && id=$(printf %s "$line" | sed 's/.*"id":"\([^"]*\)".*/\1/'); }; "#;
/// Answers with one small file.
const SAY: &str =
    r#"say() { printf '{"id":"%s","files":[{"name":"%s.txt","content_type":"text/plain","base64":"YWJj"}]}\n' "$1" "$1"; }; "#;

/// What came for a mail: file names and contents, or the fault.
type Came = Result<Vec<(String, Vec<u8>)>, String>;

fn program() -> Program {
    Program {
        command: vec!["sh".into()],
        timeout: Duration::from_secs(30),
        bytes_max: 1_000,
        count_max: 2,
        environment: vec![],
        place: Place::file("plugins/p/plugin.yaml"),
    }
}

/// Asks `script` about the mails a, b and c; returns each one's file names and contents, or the fault.
fn ask(script: &str) -> Vec<Came> {
    ask_within(program().timeout, script)
}

fn ask_within(timeout: Duration, script: &str) -> Vec<Came> {
    let files = Files::new().unwrap();
    let variables = [("PATH", std::env::var_os("PATH").unwrap()), (Files::VARIABLE, files.path().into())];
    let start = Start {
        command: vec!["sh".into(), "-c".into(), format!("{READ}{SAY}{script}")],
        folder: files.path().to_owned(),
        environment: variables.map(|(name, value)| (name.to_owned(), value)).into(),
        timeout,
        timeout_whole: Duration::from_secs(60),
        line_bytes_max: 10_000,
    };
    let requests = ["a", "b", "c"].map(|id| (id.to_owned(), json!({ "id": id })));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answers = runtime.block_on(answered("sh", start, &program(), &files, requests));
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["a", "b", "c"], "{script}");
    let read = |file: AttachedFile| (file.name.clone(), file.bytes().unwrap());
    answers.into_values().map(|answer| answer.map(|files| files.into_iter().map(read).collect())).collect()
}

fn file(id: &str) -> Came {
    Ok(vec![(format!("{id}.txt"), b"abc".to_vec())])
}

fn fault<T>(text: &str) -> Result<T, String> {
    Err(text.to_owned())
}

#[test]
fn every_mail_gets_its_own_files_in_whatever_order_they_come() {
    for script in [
        "while ask; do say $id; done",
        "ask; x=$id; ask; y=$id; ask; say $id; say $y; say $x",
        // Nothing is read any more once all is said.
        "ask; say $id; ask; say $id; ask; say $id; exec 0<&-; echo",
    ] {
        assert_eq!(ask(script), [file("a"), file("b"), file("c")], "{script}");
    }
}

#[test]
fn a_file_may_come_as_a_path_in_the_programs_folder_and_nowhere_else() {
    let given = |path: &str| {
        format!(
            r#"while ask; do printf abc > "$DUNLIN_FILES/$id"; printf '{{"id":"%s","files":[{{"name":"%s.txt","content_type":"text/plain","path":"{path}"}}]}}\n' $id $id {}; done"#,
            if path.contains("%s") { "$id" } else { "" }
        )
    };
    assert_eq!(ask(&given("%s")), [file("a"), file("b"), file("c")]);
    for path in ["/etc/passwd", "../../../../../../etc/passwd", "/"] {
        let expected = fault(&format!("`sh` gave `a.txt`: `{path}` is no file of its folder DUNLIN_FILES"));
        assert_eq!(ask(&given(path))[0], expected, "{path}");
    }
    let linked = format!("ln -s /etc/passwd \"$DUNLIN_FILES/link\"; {}", given("link"));
    assert_eq!(ask(&linked)[0], fault("`sh` gave `a.txt`: `link` is no file of its folder DUNLIN_FILES"));
}

#[test]
fn one_bad_answer_blocks_its_own_mail_only() {
    let big = "A".repeat(4_000);
    for (answer, expected) in [
        (r#""error":"no such invoice""#.to_owned(), "`sh` says: no such invoice".to_owned()),
        (r#""files":[]"#.to_owned(), "`sh` gave no file".to_owned()),
        (
            r#""files":[{"name":"../x","content_type":"text/plain","base64":"YWJj"}]"#.to_owned(),
            "`sh` gave a file that cannot be attached: \"../x\" is no name of a file: use letters, digits, spaces and -_.,()+"
                .to_owned(),
        ),
        (
            r#""files":[{"name":"x","content_type":"multipart/mixed","base64":"YWJj"}]"#.to_owned(),
            "`sh` gave a file that cannot be attached: \"multipart/mixed\" is no content type of a document, such as application/pdf"
                .to_owned(),
        ),
        (
            format!(r#""files":[{{"name":"x","content_type":"text/plain","base64":"{big}"}}]"#),
            "`sh` gave more than 1000 bytes".to_owned(),
        ),
        (
            r#""files":[{"name":"x","content_type":"text/plain","base64":""}]"#.to_owned(),
            "`sh` gave `x` without contents".to_owned(),
        ),
        (
            r#""files":[{"name":"x","content_type":"text/plain"}]"#.to_owned(),
            "`sh` gave `x` with neither or both of `base64` and `path`".to_owned(),
        ),
        (
            format!(r#""files":[{0},{0},{0}]"#, r#"{"name":"x","content_type":"text/plain","base64":"YWJj"}"#),
            "`sh` gave 3 files; at most 2 are taken".to_owned(),
        ),
    ] {
        let script = format!("ask; say $id; ask; printf '%s\\n' '{{\"id\":\"b\",{answer}}}'; ask; say $id");
        assert_eq!(ask(&script), [file("a"), fault(&expected), file("c")], "{answer}");
    }
}

#[test]
fn a_program_that_breaks_off_keeps_what_it_has_said_and_blocks_the_rest() {
    for (script, expected) in [
        ("exit 7", "`sh` ended with exit code 7 before it had answered"),
        ("echo broken >&2; exit 1", "`sh` ended with exit code 1 before it had answered; it said: broken"),
        ("kill -9 $$", "`sh` ended with a signal before it had answered"),
        ("echo only >&2; cat > /dev/null", "`sh` ended with exit code 0 before it had answered; it said: only"),
        ("head -c 1000000000 /dev/zero", "`sh` wrote more than 10000 bytes in one line and was killed"),
        ("yes | tr -d '\\n'", "`sh` wrote more than 10000 bytes in one line and was killed"),
    ] {
        let expected = || fault(expected);
        assert_eq!(ask(script), [expected(), expected(), expected()], "{script}");
        assert_eq!(ask(&format!("ask; say $id; {script}")), [file("a"), expected(), expected()], "{script}");
    }
    let garbled = ask("ask; say $id; echo nonsense; cat > /dev/null");
    assert_eq!(garbled[0], file("a"));
    assert!(garbled[1].as_ref().is_err_and(|fault| fault.starts_with("`sh` answered what is no answer: ")), "{garbled:?}");
}

#[test]
fn a_program_that_hangs_is_killed_and_what_it_has_said_stands() {
    let expected = || fault("`sh` took longer than 1500 ms and was killed");
    for (script, first) in [("sleep 600 & wait", expected()), ("ask; say $id; while :; do :; done", file("a"))] {
        let answers = ask_within(Duration::from_millis(1_500), script);
        assert_eq!(answers, [first, expected(), expected()], "{script}");
    }
}

#[test]
fn a_program_that_lies_is_believed_in_nothing() {
    for (script, expected) in [
        ("ask; say $id; ask; say d; ask", "`sh` answered about \"d\", which nobody asked"),
        ("ask; say $id; say $id", "`sh` answered twice about \"a\""),
        ("while ask; do say $id; done; say a", "`sh` answered twice about \"a\""),
    ] {
        let expected = || fault(expected);
        assert_eq!(ask(script), [expected(), expected(), expected()], "{script}");
    }
}

#[test]
fn blank_lines_without_end_do_not_keep_it_alive_for_ever() {
    // A line that says nothing is no answer, so the time for one runs on.
    let answers = ask("yes ''");
    assert_eq!(answers[0], fault("`sh` wrote too many lines that say nothing"), "{answers:?}");
}
