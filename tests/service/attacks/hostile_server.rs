//! A server that answers just enough to be connected to, and then sends what a script wants.

use std::{
    io::{BufRead as _, BufReader, Result, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The user of the attacked account.
const ME: &str = "hostile000000000000000user";

/// The first byte of a text frame.
const TEXT: u8 = 0x81;

/// An answer or a socket that a script writes, until it has enough or the client is gone.
pub(super) type Writes = fn(&mut Out) -> Result<()>;

/// The part of the conversation that differs from a real server's.
#[derive(Clone, Copy)]
pub(super) struct Script {
    /// The body of `GET /users/me`.
    pub(super) me: Writes,
    /// The body of the list of channels.
    pub(super) channels: Writes,
    /// The body of a page of posts.
    pub(super) posts: Writes,
    /// Everything after the upgrade. The socket is closed at its end.
    pub(super) socket: Writes,
}

/// The answers of a server with an account without channels, on a socket that stays silent.
pub(super) const HARMLESS: Script = Script {
    me: |out| {
        let me = json!({ "id": ME, "username": "victim", "update_at": 1, "roles": "system_user" });
        out.write(me.to_string().as_bytes())
    },
    channels: |out| out.write(b"[]"),
    posts: |out| out.write(br#"{"order":[],"posts":{}}"#),
    socket: |out| {
        out.hello("connection")?;
        out.wait_for_the_end()
    },
};

/// A running server. Its threads end with their connections.
pub(super) struct HostileServer {
    pub(super) address: SocketAddr,
    asked: Arc<Asked>,
}

/// The requests and sockets so far.
#[derive(Default)]
struct Asked {
    requests: AtomicU64,
    sockets: AtomicU64,
}

/// The way to the client.
pub(super) struct Out {
    stream: TcpStream,
    /// The number of sockets so far, this one included.
    pub(super) socket: u64,
    chunked: bool,
}

impl HostileServer {
    pub(super) fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Asked>::default();
        let counted = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                // The client ends the connection when it likes.
                thread::spawn(move || drop(serve(stream, script, &counted)));
            }
        });
        Self { address, asked }
    }

    /// Returns the number of requests, upgrades included.
    pub(super) fn requests(&self) -> u64 {
        self.asked.requests.load(Ordering::Relaxed)
    }
}

fn serve(stream: TcpStream, script: Script, asked: &Asked) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = Out { stream, socket: 0, chunked: false };
    while let Some((path, key)) = read_head(&mut reader)? {
        asked.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(key) = key {
            out.socket = asked.sockets.fetch_add(1, Ordering::Relaxed) + 1;
            out.write(upgrade(&key).as_bytes())?;
            return (script.socket)(&mut out);
        }
        out.socket = asked.sockets.load(Ordering::Relaxed);
        let path = path.split('?').next().unwrap_or_default();
        match path.trim_start_matches("/api/v4") {
            "/users/me" => out.answer(script.me)?,
            "/users/me/channels" => out.answer(script.channels)?,
            path if path.ends_with("/posts") => out.answer(script.posts)?,
            _ => out.answer(|out| out.write(b"{}"))?,
        }
    }
    Ok(())
}

/// Returns the path of the next request, and its key if it wants a WebSocket.
fn read_head(reader: &mut BufReader<TcpStream>) -> Result<Option<(String, Option<String>)>> {
    let (mut path, mut key) = (None, None);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        match (path.is_some(), line.split_once(": ")) {
            (false, _) => path = line.split(' ').nth(1).map(str::to_owned),
            (true, Some((name, value))) if name.eq_ignore_ascii_case("sec-websocket-key") => {
                key = Some(value.to_owned());
            }
            (true, None) => return Ok(path.map(|path| (path, key))),
            (true, Some(_)) => {}
        }
    }
}

fn upgrade(key: &str) -> String {
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
    )
}

impl Out {
    /// Writes a part of an answer, or bytes of a socket.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.chunked {
            write!(self.stream, "{:x}\r\n", bytes.len())?;
        }
        self.stream.write_all(bytes)?;
        if self.chunked { self.stream.write_all(b"\r\n") } else { Ok(()) }
    }

    /// Sends a text frame.
    pub(super) fn frame(&mut self, text: &[u8]) -> Result<()> {
        let header = match text.len() {
            length @ 0..=125 => vec![TEXT, u8::try_from(length).unwrap()],
            length @ 126..=0xFFFF => {
                [&[TEXT, 126][..], &u16::try_from(length).unwrap().to_be_bytes()].concat()
            }
            length => [&[TEXT, 127][..], &(length as u64).to_be_bytes()].concat(),
        };
        self.write(&header)?;
        self.write(text)
    }

    /// Sends an event with the content `{}`.
    pub(super) fn event(&mut self, seq: u64) -> Result<()> {
        self.frame(format!(r#"{{"event":"typing","data":{{}},"broadcast":{{}},"seq":{seq}}}"#).as_bytes())
    }

    /// Sends a hello with this id.
    pub(super) fn hello(&mut self, connection_id: &str) -> Result<()> {
        let data = json!({ "connection_id": connection_id, "server_version": "11.1.0" });
        self.frame(
            json!({ "event": "hello", "data": data, "broadcast": {}, "seq": 0 }).to_string().as_bytes(),
        )
    }

    /// Reads and drops what the client sends, until it closes the connection.
    pub(super) fn wait_for_the_end(&mut self) -> Result<()> {
        std::io::copy(&mut self.stream, &mut std::io::sink()).map(drop)
    }

    fn answer(&mut self, body: Writes) -> Result<()> {
        self.stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        )?;
        self.chunked = true;
        body(self)?;
        self.chunked = false;
        self.stream.write_all(b"0\r\n\r\n")
    }
}

/// Returns the time in Unix milliseconds.
pub(super) fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}
