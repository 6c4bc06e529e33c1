//! Faults by script, and what a script does to sockets.

use std::sync::Arc;

use crate::Simulator;
use crate::fault::{Fault, FaultId, FaultKind, FaultSubject, Target};
use crate::hub::connection::SocketCommand;
use crate::server::endpoint::Endpoint;
use crate::state::State;

impl Simulator {
    /// Puts a fault on. What happens at once has happened when this returns; sockets that it ends are gone.
    pub fn inject(&self, fault: Fault) -> FaultId {
        let refuse = fault.kind == FaultKind::Refuse;
        let ends = matches!(fault.kind, FaultKind::Reset | FaultKind::Drop);
        let lasting = fault.lasting;
        if refuse {
            self.endpoint.close();
        }
        let (id, struck) = self.shared.change(|state| state.inject(fault));
        if ends {
            self.wait_gone(&struck);
        }
        if let Some(lasting) = lasting {
            let endpoint = Arc::clone(&self.endpoint);
            self.shared.runtime.spawn(async move {
                tokio::time::sleep(lasting).await;
                clear(&endpoint, id);
            });
        }
        id
    }

    /// Takes a fault off; silenced sockets speak again, a refusing server listens again.
    pub fn clear_fault(&self, id: FaultId) {
        clear(&self.endpoint, id);
    }

    /// Takes every fault off.
    pub fn clear_faults(&self) {
        let ids = self.shared.lock().faults.ids();
        for id in ids {
            self.clear_fault(id);
        }
    }

    /// Resets a user's connections (`SO_LINGER` 0).
    pub fn reset_connections(&self, user_id: &str) {
        self.inject(Fault::new(FaultKind::Reset).user(user_id));
    }

    /// Ends a user's connections without a close frame.
    pub fn drop_sockets(&self, user_id: &str) {
        self.inject(Fault::new(FaultKind::Drop).user(user_id));
    }

    /// Ends everyone's connections without a close frame; the server goes on.
    pub fn drop_all_sockets(&self) {
        self.inject(Fault::new(FaultKind::Drop));
    }

    /// Makes a user's connections half-open, until the fault is cleared.
    pub fn silence_connections(&self, user_id: &str) -> FaultId {
        self.inject(Fault::new(FaultKind::Silence).user(user_id))
    }

    /// Closes a user's sockets with a code.
    pub fn close_sockets(&self, user_id: &str, code: u16) {
        self.inject(Fault::new(FaultKind::Close(code)).user(user_id));
    }
}

fn clear(endpoint: &Endpoint, id: FaultId) {
    let cleared = endpoint.shared.change(|state| state.clear_fault(id));
    if cleared == Some(FaultKind::Refuse) {
        // The port is reserved, so listening again can only fail for want of file descriptors.
        let _ = endpoint.open();
    }
}

impl State {
    /// Does what happens at once, and keeps what lasts. Gives the TCP connections that it struck.
    fn inject(&mut self, fault: Fault) -> (FaultId, Vec<u64>) {
        let struck = self.tcp_of(&fault.target);
        let id = match &fault.kind {
            FaultKind::Reset => self.no_fault(&struck, |tcp| tcp.control.reset()),
            FaultKind::Drop => self.no_fault(&struck, |tcp| tcp.control.drop_connection()),
            kind => match command(kind) {
                Some(command) => {
                    self.send_command(&fault.target, &command);
                    FaultId(0)
                }
                None => self.keep_fault(fault, &struck),
            },
        };
        (id, struck)
    }

    fn no_fault(&mut self, struck: &[u64], act: impl Fn(&crate::state::TcpConnection)) -> FaultId {
        struck.iter().filter_map(|key| self.tcp.get(key)).for_each(act);
        FaultId(0)
    }

    fn keep_fault(&mut self, fault: Fault, struck: &[u64]) -> FaultId {
        if fault.kind == FaultKind::Silence {
            struck.iter().filter_map(|key| self.tcp.get(key)).for_each(|tcp| tcp.control.silence());
        }
        self.faults.add(fault)
    }

    fn clear_fault(&mut self, id: FaultId) -> Option<FaultKind> {
        let fault = self.faults.remove(id)?;
        if fault.kind == FaultKind::Silence {
            self.end_silences();
        }
        Some(fault.kind)
    }

    /// Connections speak again, but those that another silence still strikes.
    fn end_silences(&mut self) {
        for tcp in self.tcp.values() {
            let subject = FaultSubject { user: tcp.user.as_deref(), route: None };
            if !self.faults.is_on(&subject, |kind| *kind == FaultKind::Silence) {
                tcp.control.end_silence();
            }
        }
    }

    fn tcp_of(&self, target: &Target) -> Vec<u64> {
        let matches = |user: Option<&str>| target.matches(&FaultSubject { user, route: None });
        self.tcp.iter().filter(|(_, t)| matches(t.user.as_deref())).map(|(key, _)| *key).collect()
    }

    /// Gives a command to every live WebSocket of a target.
    pub(crate) fn send_command(&mut self, target: &Target, command: &SocketCommand) {
        for connection in self.hub.connections.values_mut().filter(|c| c.is_live()) {
            let subject = FaultSubject { user: connection.user.as_deref(), route: None };
            if target.matches(&subject) {
                connection.push_command(command.clone());
            }
        }
    }
}

/// Returns the command to a socket for a fault that happens at once.
fn command(kind: &FaultKind) -> Option<SocketCommand> {
    use crate::hub::flood::frame_header;
    let mut raw = Vec::new();
    Some(match kind {
        // Reserved bits and an unknown opcode.
        FaultKind::GarbageFrame => SocketCommand::Raw(vec![0xff, 0x02, 0xde, 0xad]),
        FaultKind::GarbageText => SocketCommand::Text("\u{fffd}{]not json".to_owned()),
        FaultKind::HugeFrame(bytes) => SocketCommand::Text(unknown_event(*bytes)),
        FaultKind::FrameHeaderOnly(bytes) => {
            frame_header(&mut raw, 0x81, *bytes);
            SocketCommand::Raw(raw)
        }
        FaultKind::FragmentedEvent(parts) => {
            let text = unknown_event(0);
            let size = text.len().div_ceil((*parts).max(2));
            let count = text.len().div_ceil(size);
            for (at, part) in text.as_bytes().chunks(size).enumerate() {
                let opcode = u8::from(at == 0);
                let last = if at + 1 == count { 0x80 } else { 0 };
                frame_header(&mut raw, last | opcode, part.len() as u64);
                raw.extend_from_slice(part);
            }
            SocketCommand::Raw(raw)
        }
        FaultKind::Close(code) => SocketCommand::Close(Some(*code)),
        FaultKind::ServerPing => SocketCommand::Ping,
        _ => return None,
    })
}

/// An event of a type that no client knows, filled up to a size; it has no sequence number of its own.
fn unknown_event(size: usize) -> String {
    let head = r#"{"event":"simulated","data":{"filler":""#;
    let tail =
        "\"},\"broadcast\":{\"omit_users\":null,\"user_id\":\"\",\"channel_id\":\"\",\"team_id\":\"\"}}\n";
    let filler = "x".repeat(size.saturating_sub(head.len() + tail.len()).max(1));
    format!("{head}{filler}{tail}")
}
