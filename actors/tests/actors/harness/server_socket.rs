//! The server's side of one fake socket: real WebSocket frames over a pipe in memory.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use matterhost_actors::mattermost::{ClientLimits, Socket};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncWriteExt as _, DuplexStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// An in-band ping, as a client sends it.
pub(crate) const PING: &str = r#""action":"ping""#;

/// The creation time of the first post, in server milliseconds; each further one is a millisecond later.
const FIRST_POST_AT: u64 = 1_000_000;

/// The longest message of a fake socket, in bytes.
const MAX_FRAME: usize = 256 * 1024;

/// The capacity of the pipe, in bytes.
const PIPE: usize = 64 * 1024;

/// The size of a read, in bytes, which is cleared before each. The default is 128 KiB, for a ping of 30 bytes.
const READ: usize = 4 * 1024;

/// A handle to the server's side of one socket.
#[derive(Clone)]
pub(crate) struct ServerSocket {
    commands: UnboundedSender<SocketCommand>,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    connection_id: String,
    deaf: bool,
    mute: bool,
    cut: bool,
    next_seq: u64,
    received: Vec<String>,
}

enum SocketCommand {
    Send(String),
    Raw(Vec<u8>),
    Close(u16),
    Cut,
}

/// Opens a socket and the server's side of it, which sends nothing yet.
pub(crate) fn open(connection_id: &str) -> (ServerSocket, Socket) {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let limits = ClientLimits { max_frame_bytes: MAX_FRAME, ..ClientLimits::default() };
    let (commands, receiver) = unbounded_channel();
    let shared = Shared {
        connection_id: connection_id.into(),
        deaf: false,
        mute: false,
        cut: false,
        next_seq: 0,
        received: Vec::new(),
    };
    let peer = ServerSocket { commands, shared: Arc::new(Mutex::new(shared)) };
    actix::spawn(serve(theirs, receiver, peer.shared.clone()));
    (peer, Socket::from_stream(ours, &limits))
}

async fn serve(
    pipe: DuplexStream,
    mut commands: UnboundedReceiver<SocketCommand>,
    shared: Arc<Mutex<Shared>>,
) {
    let config = WebSocketConfig::default().read_buffer_size(READ);
    let mut socket = WebSocketStream::from_raw_socket(pipe, Role::Server, Some(config)).await;
    loop {
        let sent = tokio::select! {
            command = commands.recv() => match command {
                Some(SocketCommand::Send(text)) => socket.send(Message::text(text)).await.is_ok(),
                Some(SocketCommand::Raw(bytes)) => socket.get_mut().write_all(&bytes).await.is_ok(),
                Some(SocketCommand::Close(code)) => {
                    let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
                    socket.send(Message::Close(Some(frame))).await.is_ok()
                }
                Some(SocketCommand::Cut) | None => false,
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => match answer(&shared, &text) {
                    Some(reply) => socket.send(Message::text(reply)).await.is_ok(),
                    None => true,
                },
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(0, |frame| u16::from(frame.code));
                    shared.lock().received.push(format!("close {code}"));
                    true
                }
                Some(Ok(_)) => true,
                Some(Err(_)) | None => false,
            },
        };
        if !sent {
            break;
        }
    }
    shared.lock().cut = true;
}

/// Answers a request as the real server does: a deaf socket replies too, with FAIL (fact 4).
fn answer(shared: &Mutex<Shared>, text: &str) -> Option<String> {
    let mut shared = shared.lock();
    shared.received.push(text.to_owned());
    let request: serde_json::Value = serde_json::from_str(text).unwrap();
    if shared.mute {
        return None;
    }
    let seq = &request["seq"];
    Some(if shared.deaf {
        format!(
            r#"{{"status":"FAIL","seq_reply":{seq},"error":{{"id":"api.web_socket_router.not_authenticated.app_error","message":"","status_code":401}}}}"#
        )
    } else {
        format!(r#"{{"status":"OK","seq_reply":{seq},"data":{{"text":"pong"}}}}"#)
    })
}

impl ServerSocket {
    fn with<T>(&self, f: impl FnOnce(&mut Shared) -> T) -> T {
        f(&mut self.shared.lock())
    }

    fn command(&self, command: SocketCommand) {
        let _ = self.commands.send(command);
    }

    pub(crate) fn hello(&self) {
        let id = self.with(|shared| shared.connection_id.clone());
        self.event("hello", "", &format!(r#"{{"connection_id":"{id}","server_version":"fake"}}"#));
    }

    /// Resumes an old connection without a hello (fact 10).
    pub(crate) fn resume(&self, connection_id: &str, next_seq: u64) {
        self.with(|shared| {
            shared.connection_id = connection_id.into();
            shared.next_seq = next_seq;
        });
    }

    /// Sends an event, unless the socket is deaf.
    pub(crate) fn event(&self, event: &str, channel: &str, data: &str) {
        let seq = self.with(|shared| {
            if shared.deaf {
                return None;
            }
            shared.next_seq += 1;
            Some(shared.next_seq - 1)
        });
        if let Some(seq) = seq {
            let to = format!(r#"{{"channel_id":"{channel}"}}"#);
            self.command(SocketCommand::Send(format!(
                r#"{{"event":"{event}","data":{data},"broadcast":{to},"seq":{seq}}}"#
            )));
        }
    }

    pub(crate) fn post(&self, channel: &str, id: &str) {
        let create_at = self.with(|shared| FIRST_POST_AT + shared.next_seq);
        self.post_at(channel, id, create_at);
    }

    /// Posts with a given creation time.
    pub(crate) fn post_at(&self, channel: &str, id: &str, create_at: u64) {
        self.post_by("id-somebody", channel, id, create_at);
    }

    pub(crate) fn post_by(&self, user: &str, channel: &str, id: &str, create_at: u64) {
        let post = serde_json::json!({
            "id": id, "create_at": create_at, "update_at": create_at, "user_id": user, "channel_id": channel,
        });
        self.event("posted", channel, &serde_json::json!({ "post": post.to_string() }).to_string());
    }

    pub(crate) fn send_text(&self, text: &str) {
        self.command(SocketCommand::Send(text.into()));
    }

    /// Skips one sequence number.
    pub(crate) fn skip_sequence_number(&self) {
        self.with(|shared| shared.next_seq += 1);
    }

    /// Makes the socket deaf: it sends no more events and answers requests with FAIL.
    pub(crate) fn deafen(&self) {
        self.with(|shared| shared.deaf = true);
    }

    /// Stops answering requests.
    pub(crate) fn stop_answering(&self) {
        self.with(|shared| shared.mute = true);
    }

    pub(crate) fn close(&self, code: u16) {
        self.command(SocketCommand::Close(code));
    }

    /// Drops the connection without a close frame.
    pub(crate) fn drop_connection(&self) {
        self.command(SocketCommand::Cut);
    }

    /// Sends bytes that are not a frame.
    pub(crate) fn send_garbage(&self) {
        self.command(SocketCommand::Raw(vec![0xff; 16]));
    }

    pub(crate) fn is_resumable(&self, connection_id: &str) -> bool {
        self.with(|shared| shared.cut && shared.connection_id == connection_id)
    }

    /// Returns the texts that the client sent, and `close` with the code of a close frame.
    pub(crate) fn received(&self) -> Vec<String> {
        self.with(|shared| shared.received.clone())
    }
}
