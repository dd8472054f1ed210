//! The socket, with two ends in one process.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn socket() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = socket_path(&folder.path().join("a.db"));
    (folder, path)
}

#[tokio::test]
async fn a_request_arrives_with_who_asks_and_is_answered() {
    let (_folder, path) = socket();
    let mut listener = Listener::bind(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "for its user alone");
    let (question, reply) = (json!({ "act": "status" }), json!({ "done": ["x", 1] }));
    let (asked, (request, answered)) = tokio::join!(ask(&path, "somebody", &question, PATIENCE), async {
        let (request, responder) = listener.accept().await;
        let answered = responder.answer(&reply).await;
        (request, answered)
    });
    answered.unwrap();
    assert_eq!(asked.unwrap(), reply);
    let uid = request.uid;
    assert_eq!(request, Request { person: format!("somebody (uid {uid})"), uid, body: question });
}

#[tokio::test]
async fn a_dead_process_socket_is_replaced_and_a_living_one_is_not() {
    let (folder, path) = socket();
    assert!(ask(&path, "a", &json!(1), PATIENCE).await.unwrap_err().is_unheard(), "no socket");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "left behind");
    assert!(ask(&path, "a", &json!(1), PATIENCE).await.unwrap_err().is_unheard(), "nobody behind it");

    let listener = Listener::bind(&path).unwrap();
    let second = Listener::bind(&path).unwrap_err();
    assert_eq!(second.to_string(), format!("Another daemon listens at {}", path.display()));
    drop(listener);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn who_asks_badly_is_turned_away_and_holds_up_nobody() {
    let (_folder, path) = socket();
    let mut listener = Listener::bind(&path).unwrap();
    let mut silent = UnixStream::connect(&path).await.unwrap();
    silent.write_all(b"{\"person\":").await.unwrap();
    for bad in [b"nonsense\n".to_vec(), b"{}\n".to_vec(), b"[\n".to_vec(), vec![b'x'; REQUEST_BYTES_MAX as usize + 2]] {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        // It may be turned away before all of it is written.
        stream.write_all(&bad).await.ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        assert_eq!(answer, b"", "{:?}", &bad[..2]);
    }
    let good = json!("good");
    let (asked, request) = tokio::join!(ask(&path, "a", &good, PATIENCE), async { listener.accept().await.0 });
    assert_eq!(request.body, good);
    let unanswered = asked.unwrap_err();
    assert!(matches!(unanswered, ControlError::Garbled { .. }) && !unanswered.is_unheard(), "{unanswered}");

    let long = json!("x".repeat(REQUEST_BYTES_MAX as usize));
    assert!(matches!(ask(&path, "a", &long, PATIENCE).await, Err(ControlError::TooLong { .. })));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever() {
    let (_folder, path) = socket();
    let mut listener = Listener::bind(&path).unwrap();
    let question = json!(1);
    let (asked, _kept) = tokio::join!(ask(&path, "a", &question, Duration::from_secs(3)), listener.accept());
    assert_eq!(asked.unwrap_err().to_string(), format!("No answer at {} within 3 s", path.display()));

    let mut silent = UnixStream::connect(&path).await.unwrap();
    let mut end = Vec::new();
    silent.read_to_end(&mut end).await.unwrap();
    assert_eq!(end, b"", "a caller that says nothing is let go");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_may_lie_deep() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a".repeat(100)).join("b".repeat(100));
    std::fs::create_dir_all(&deep).unwrap();
    let path = socket_path(&deep.join("a.db"));
    let mut listener = Listener::bind(&path).unwrap();
    let (question, reply) = (json!(1), json!(2));
    let (asked, ()) = tokio::join!(ask(&path, "a", &question, PATIENCE), async {
        listener.accept().await.1.answer(&reply).await.unwrap();
    });
    assert_eq!(asked.unwrap(), reply);
}
