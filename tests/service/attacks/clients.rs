//! Attacks by clients of the admin API.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
};

use super::{
    harness::{Attacked, Measured},
    hostile_server::{HARMLESS, HostileServer},
    servers::victim,
};
use crate::admin::{
    host::TOKEN,
    http_client::{connect, head},
};

/// The requests that are sent at once, before an answer is read.
const PIPELINED: usize = 20_000;

/// Attacks with a client that has a thread of its own.
fn client(attack: fn(SocketAddr)) -> Measured {
    let server = HostileServer::start(HARMLESS);
    let attacked = Attacked::start(&victim(&server));
    let address = attacked.api().address;
    let attacking = thread::spawn(move || attack(address));
    let measured = attacked.endure(|| ());
    attacking.join().unwrap();
    measured
}

fn request(path: &str) -> String {
    head("GET", path, &[("host", "127.0.0.1"), ("authorization", &format!("Bearer {TOKEN}"))])
}

/// Reads what the host answers until it closes the connection.
fn read_to_the_end(mut stream: TcpStream) {
    let mut answers = [0; 8 * 1024];
    while stream.read(&mut answers).is_ok_and(|count| count > 0) {}
}

super::rows! {
    twenty_thousand_requests_at_once => client(|address| {
        let mut stream = connect(address);
        let reading = stream.try_clone().unwrap();
        let reading = thread::spawn(move || read_to_the_end(reading));
        // The host may close the connection meanwhile.
        let _ = stream.write_all(request("/v1/accounts").repeat(PIPELINED).as_bytes());
        reading.join().unwrap();
    });
    a_client_that_asks_and_reads_nothing => client(|address| {
        let mut stream = connect(address);
        let requests = request("/openapi.json").repeat(PIPELINED);
        // Nothing is read, so the write ends when the host closes the connection, or with it.
        let _ = stream.write_all(requests.as_bytes());
    });
    streams_that_are_never_read => client(|address| {
        let streams: Vec<_> = ["/v1/events?level=debug", "/v1/watch"]
            .iter()
            .cycle()
            .take(16)
            .map(|path| {
                let mut stream = connect(address);
                stream.write_all(request(path).as_bytes()).unwrap();
                stream
            })
            .collect();
        let mut one = connect(address);
        one.write_all(request("/v1/events").as_bytes()).unwrap();
        read_to_the_end(one);
        drop(streams);
    });
}
