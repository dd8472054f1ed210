//! Programs that behave, and all those that do not: real processes.

use super::*;

fn start(script: &str, timeout_ms: u64) -> Start {
    Start {
        command: vec!["sh".into(), "-c".into(), script.into()],
        folder: std::env::temp_dir(),
        environment: BTreeMap::from([("PATH".to_owned(), std::env::var_os("PATH").unwrap())]),
        timeout: Duration::from_millis(timeout_ms),
        timeout_whole: Duration::from_secs(60),
        line_bytes_max: 1_000,
    }
}

/// Asks one line and returns every answer and the end, or the fault.
async fn converse(start: Start, question: &str) -> Result<(Vec<String>, Ended), ProgramFault> {
    let (mut conversation, questions) = Conversation::start(start)?;
    questions.send(question.as_bytes().to_vec()).await.unwrap();
    drop(questions);
    let mut lines = Vec::new();
    while let Some(line) = conversation.answer().await? {
        lines.push(String::from_utf8(line).unwrap());
    }
    Ok((lines, conversation.end().await?))
}

fn ended(code: i32, errors: &str) -> Ended {
    Ended { code: Some(code), errors: errors.into() }
}

#[tokio::test]
async fn a_program_answers_line_by_line() {
    let (lines, end) = converse(start("cat; printf 'no end'; echo note >&2; exit 3", 20_000), "hello").await.unwrap();
    assert_eq!((lines, end), (vec!["hello".into(), "no end".into()], ended(3, "note")));
}

#[tokio::test]
async fn a_program_sees_only_the_environment_it_is_given() {
    let mut given = start("env | cut -d= -f1 | grep -v -e '^_$' -e PWD -e SHLVL | sort | tr '\\n' ' '", 20_000);
    given.environment.insert("TOKEN".into(), "x".into());
    let (lines, _) = converse(given, "").await.unwrap();
    assert_eq!(lines, ["PATH TOKEN "]);
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_its_children_and_says_its_last_words() {
    // The child holds the pipes open; without the group it would live on and the reading never end.
    let fault = converse(start("sleep 600 & echo waiting for $! >&2; wait", 400), "").await.unwrap_err();
    let text = fault.to_string();
    assert!(text.starts_with("`sh` took longer than 400 ms and was killed; it said: waiting for "), "{text}");
    let child = text.rsplit(' ').next().unwrap().to_owned();
    let is_there = || {
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        !(state.is_empty() || state.contains(") Z "))
    };
    // The kernel ends it at its own pace.
    for _ in 0..200 {
        if !is_there() {
            return;
        }
        tokio::task::spawn_blocking(|| drop(std::process::Command::new("true").status())).await.unwrap();
    }
    panic!("{child} lives");
}

#[tokio::test]
async fn one_that_floods_is_killed_whether_it_ends_its_lines_or_not() {
    for script in ["yes no end | tr -d '\\n'", "head -c 1000000000 /dev/zero"] {
        let fault = converse(start(script, 20_000), "").await.unwrap_err();
        assert_eq!(fault.to_string(), "`sh` wrote more than 1000 bytes in one line and was killed", "{script}");
    }
}

#[tokio::test]
async fn one_that_only_complains_keeps_nothing_but_its_last_words() {
    let script = "i=0; while [ $i -lt 2000 ]; do echo 0123456789 >&2; i=$((i+1)); done; echo last >&2; exit 1";
    let (lines, end) = converse(start(script, 20_000), "").await.unwrap();
    assert_eq!((lines.len(), end.code), (0, Some(1)));
    assert!(end.errors.ends_with("\nlast") && end.errors.len() <= ERRORS_BYTES_MAX, "{}", end.errors.len());
}

#[tokio::test]
async fn one_that_does_not_read_does_not_hold_the_asker_up() {
    let (mut conversation, questions) = Conversation::start(start("exit 0", 20_000)).unwrap();
    let asker = tokio::spawn(async move { while questions.send(vec![b'x'; 100_000]).await.is_ok() {} });
    assert_eq!(conversation.answer().await.unwrap(), None);
    asker.await.unwrap();
}

#[tokio::test]
async fn one_that_is_not_there_is_told_by_name() {
    let missing = Start { command: vec!["./missing".into()], ..start("", 100) };
    let text = Conversation::start(missing).unwrap_err().to_string();
    assert!(text.starts_with("Cannot start `./missing`: "), "{text}");
}
