//! A mail server that keeps the Message-IDs of what it takes, and can go away and come back on the same port.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use dunlin::smtp::loopback::{LoopbackSettings, serve};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;

pub struct Sink {
    pub port: u16,
    taken: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Sink {
    pub fn start() -> Self {
        let mut sink = Self { port: 0, taken: Arc::default(), stop: None, thread: None };
        sink.come();
        sink
    }

    /// Comes back on the port it had.
    pub fn come(&mut self) {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let (taken, port) = (self.taken.clone(), self.port);
        self.thread = Some(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_reuseaddr(true).unwrap();
                socket.bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
                let listener = socket.listen(128).unwrap();
                tell.send(listener.local_addr().unwrap().port()).unwrap();
                let settings = LoopbackSettings::new(move |message| {
                    let text = String::from_utf8_lossy(&message.bytes[..message.bytes.len().min(4096)]).into_owned();
                    let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap_or("none");
                    taken.lock().unwrap().push(id.trim().trim_matches(['<', '>']).to_owned());
                });
                serve(listener, settings, async { drop(stopped.await) }).await;
            });
        }));
        self.port = told.recv().unwrap();
        self.stop = Some(stop);
    }

    /// Goes away.
    pub fn go(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }

    /// Returns the Message-IDs of everything taken so far.
    pub fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}
