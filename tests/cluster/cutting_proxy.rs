//! A proxy between a program and NATS, which cuts connections and keeps answers back.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// A proxy to one server. Clones are the same proxy.
#[derive(Clone)]
pub(crate) struct CuttingProxy {
    pub(crate) address: String,
    shared: Arc<Shared>,
}

struct Shared {
    open: Mutex<Vec<TcpStream>>,
    /// True while nothing comes back from the server.
    holds_answers: AtomicBool,
}

impl CuttingProxy {
    pub(crate) fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared { open: Mutex::default(), holds_answers: AtomicBool::new(false) });
        let (serving, server) = (Arc::clone(&shared), server.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A server that is down: the client is hung up on.
                let Ok(far) = TcpStream::connect(&server) else { continue };
                let pair = [client, far].map(|stream| stream.try_clone().unwrap());
                serving.open.lock().unwrap().extend(pair.iter().map(|stream| stream.try_clone().unwrap()));
                let [client, far] = pair;
                serving.pass_on(client.try_clone().unwrap(), far.try_clone().unwrap(), false);
                serving.pass_on(far, client, true);
            }
        });
        Self { address, shared }
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Keeps all bytes of the server back, or passes them on again.
    pub(crate) fn hold_answers(&self, hold: bool) {
        self.shared.holds_answers.store(hold, Ordering::Relaxed);
    }
}

impl Shared {
    fn pass_on(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream, are_answers: bool) {
        let shared = Arc::clone(self);
        thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                while are_answers && shared.holds_answers.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(5));
                }
                if to.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}
