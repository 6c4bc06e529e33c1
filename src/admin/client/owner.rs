//! The users who own the sockets of a host: the token is not shown to another user's process.

use std::{fs, io};

use actix_rt::net::UnixStream;
use rustix::{
    net::sockopt,
    process::{Uid, geteuid},
};

/// Linux's tables of TCP sockets. Elsewhere there are none, and listeners are not checked.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
/// The state of a listener in these tables.
const LISTENS: &str = "0A";

/// Refuses a Unix socket of another user. The root user is trusted.
pub(super) fn check_socket(stream: &UnixStream) -> io::Result<()> {
    check(sockopt::socket_peercred(stream)?.uid)
}

/// Refuses a port of this machine at which another user listens.
pub(super) fn check_listener(port: u16) -> io::Result<()> {
    owners(port).into_iter().try_for_each(check)
}

/// Returns the owners of the listeners at a port of this machine.
fn owners(port: u16) -> Vec<Uid> {
    let tables = TABLES.iter().filter_map(|table| fs::read_to_string(table).ok());
    tables.flat_map(|table| listeners(&table, port).collect::<Vec<_>>()).collect()
}

fn check(owner: Uid) -> io::Result<()> {
    if is_trusted(owner, geteuid()) {
        return Ok(());
    }
    let message = format!("the socket belongs to the user with id {}; the token is not sent", owner.as_raw());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

fn is_trusted(owner: Uid, own: Uid) -> bool {
    owner.is_root() || owner == own
}

/// Returns the owners of the listeners at a port, by a table of sockets.
fn listeners(table: &str, port: u16) -> impl Iterator<Item = Uid> {
    table.lines().filter_map(move |line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, local, _, LISTENS, _, _, _, uid, ..] = fields[..] else { return None };
        let (_, at) = local.rsplit_once(':')?;
        let is_there = u16::from_str_radix(at, 16) == Ok(port);
        is_there.then(|| uid.parse().map(Uid::from_raw).ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_another_user_is_not_trusted() {
        let [root, own, other] = [0, 1_000, 1_001].map(Uid::from_raw);
        assert!(is_trusted(root, own) && is_trusted(own, own));
        assert!(!is_trusted(other, own) && !is_trusted(other, root));
    }

    #[test]
    fn the_listeners_at_a_port_are_found_in_linuxs_table() {
        const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2112 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 5 1 0 100 0 0 10 0
   1: 0100007F:2113 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1002        0 6 1 0 100 0 0 10 0
   2: 0100007F:9999 0100007F:2112 01 00000000:00000000 00:00000000 00000000  1003        0 7 1 0 100 0 0 10 0
   3: 00000000:2112 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 8 1 0 100 0 0 10 0
";
        let found: Vec<_> = listeners(TABLE, 0x2112).map(Uid::as_raw).collect();
        assert_eq!(found, [1_001, 0]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_own_listener_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(owners(port), [geteuid()]);
        check_listener(port).unwrap();
    }
}
