//! Faults by script, and what a script does to sockets.

use std::sync::Arc;

use crate::Simulator;
use crate::fault::{Fault, FaultId, FaultKind, Subject, Target};
use crate::hub::connection::Command;
use crate::server::door::Door;
use crate::state::State;

impl Simulator {
    /// Puts a fault on. What happens at once has happened when this returns; sockets that it ends are gone.
    pub fn inject(&self, fault: Fault) -> FaultId {
        let refuse = fault.kind == FaultKind::Refuse;
        let ends = matches!(fault.kind, FaultKind::Reset | FaultKind::Drop);
        let lasting = fault.lasting;
        if refuse {
            self.door.close();
        }
        let (id, struck) = self.shared.change(|state| state.inject(fault));
        if ends {
            self.wait_gone(&struck);
        }
        if let Some(lasting) = lasting {
            let door = Arc::clone(&self.door);
            self.shared.runtime.spawn(async move {
                tokio::time::sleep(lasting).await;
                clear(&door, id);
            });
        }
        id
    }

    /// Takes a fault off; silenced sockets speak again, a refusing server listens again.
    pub fn clear(&self, id: FaultId) {
        clear(&self.door, id);
    }

    /// Takes every fault off.
    pub fn clear_faults(&self) {
        let ids = self.shared.lock().faults.ids();
        for id in ids {
            self.clear(id);
        }
    }

    /// Resets a user's connections (`SO_LINGER` 0).
    pub fn reset(&self, user_id: &str) {
        self.inject(Fault::new(FaultKind::Reset).user(user_id));
    }

    /// Ends a user's connections without a close frame.
    pub fn drop_sockets(&self, user_id: &str) {
        self.inject(Fault::new(FaultKind::Drop).user(user_id));
    }

    /// Ends everyone's connections without a close frame; the server goes on.
    pub fn drop_all(&self) {
        self.inject(Fault::new(FaultKind::Drop));
    }

    /// Makes a user's connections half-open, until the fault is cleared.
    pub fn silence(&self, user_id: &str) -> FaultId {
        self.inject(Fault::new(FaultKind::Silence).user(user_id))
    }

    /// Closes a user's sockets with a code.
    pub fn close_sockets(&self, user_id: &str, code: u16) {
        self.inject(Fault::new(FaultKind::Close(code)).user(user_id));
    }
}

fn clear(door: &Door, id: FaultId) {
    let cleared = door.shared.change(|state| state.clear_fault(id));
    if cleared == Some(FaultKind::Refuse) {
        // The port is reserved, so listening again can only fail for want of file descriptors.
        let _ = door.open();
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
                    self.command(&fault.target, &command);
                    FaultId(0)
                }
                None => self.keep_fault(fault, &struck),
            },
        };
        (id, struck)
    }

    fn no_fault(&mut self, struck: &[u64], act: impl Fn(&crate::state::Tcp)) -> FaultId {
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
            let subject = Subject { user: tcp.user.as_deref(), route: None };
            if !self.faults.is_on(&subject, |kind| *kind == FaultKind::Silence) {
                tcp.control.speak();
            }
        }
    }

    fn tcp_of(&self, target: &Target) -> Vec<u64> {
        let matches = |user: Option<&str>| target.matches(&Subject { user, route: None });
        self.tcp.iter().filter(|(_, t)| matches(t.user.as_deref())).map(|(key, _)| *key).collect()
    }

    /// Gives a command to every live WebSocket of a target.
    pub(crate) fn command(&mut self, target: &Target, command: &Command) {
        for connection in self.hub.connections.values_mut().filter(|c| c.is_live()) {
            let subject = Subject { user: connection.user.as_deref(), route: None };
            if target.matches(&subject) {
                connection.command(command.clone());
            }
        }
    }
}

/// What a socket is made to do for a fault that happens at once.
fn command(kind: &FaultKind) -> Option<Command> {
    use crate::hub::flood::frame_header;
    let mut raw = Vec::new();
    Some(match kind {
        // Reserved bits and an unknown opcode.
        FaultKind::GarbageFrame => Command::Raw(vec![0xff, 0x02, 0xde, 0xad]),
        FaultKind::GarbageText => Command::Text("\u{fffd}{]not json".to_owned()),
        FaultKind::HugeFrame(bytes) => Command::Text(unknown_event(*bytes)),
        FaultKind::AnnouncedFrame(bytes) => {
            frame_header(&mut raw, 0x81, *bytes);
            Command::Raw(raw)
        }
        FaultKind::Fragments(parts) => {
            let text = unknown_event(0);
            let size = text.len().div_ceil((*parts).max(2));
            let count = text.len().div_ceil(size);
            for (at, part) in text.as_bytes().chunks(size).enumerate() {
                let opcode = u8::from(at == 0);
                let last = if at + 1 == count { 0x80 } else { 0 };
                frame_header(&mut raw, last | opcode, part.len() as u64);
                raw.extend_from_slice(part);
            }
            Command::Raw(raw)
        }
        FaultKind::Close(code) => Command::Close(Some(*code)),
        FaultKind::ServerPing => Command::Ping,
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
