//! Slow clients.

use std::{
    io::Write as _,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};

use super::{
    host::{AdminHost, Api, REQUEST_INTERVAL, TOKEN},
    http_client,
    isolation::{assert_bots_unaffected, open_files},
};
use crate::program::DEADLINE;

/// The time between two bytes of a slow client.
const BYTE_INTERVAL: Duration = Duration::from_millis(500);
const MANY: usize = 200;

/// Sends single bytes on many connections until the server has closed all; returns the duration.
fn drip(host: &AdminHost, first: &str, byte: &[u8]) -> Duration {
    let began = Instant::now();
    let start = |_| {
        let mut stream = http_client::connect(host.address);
        stream.write_all(first.as_bytes()).unwrap();
        thread::sleep(REQUEST_INTERVAL);
        stream
    };
    let mut open: Vec<TcpStream> = (0..MANY).map(start).collect();
    while !open.is_empty() {
        assert!(began.elapsed() < DEADLINE, "{} of {MANY} connections are still open", open.len());
        open.retain_mut(|stream| {
            stream.write_all(byte).is_ok() && !http_client::is_closed(stream, Duration::from_millis(1))
        });
        assert_eq!(host.get("/livez").status, 200);
        thread::sleep(BYTE_INTERVAL);
    }
    let took = began.elapsed();
    println!("{MANY} slow clients were disconnected after {} ms", took.as_millis());
    took
}

#[test]
fn a_slow_head_is_not_waited_for() {
    assert_bots_unaffected("", |host| {
        drip(host, "GET /v1/accounts HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: ", b"a");
        drip(host, "", b"G");
    });
}

#[test]
fn a_slow_second_head_is_not_waited_for() {
    assert_bots_unaffected("", |host| {
        let whole = "GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
        drip(host, &format!("{whole}GET /livez HTTP/1.1\r\nx-a: "), b"a");
        drip(host, whole, b"G");
    });
}

#[test]
fn a_slow_body_is_not_waited_for() {
    let head = |line: &str| {
        format!(
            "POST /v1/accounts/helpdesk/actions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\n{line}\r\n\r\n"
        )
    };
    assert_bots_unaffected("", |host| {
        let address = host.address;
        let one = |line: &str, begin: &str| {
            let mut stream = http_client::connect(address);
            stream.write_all(format!("{}{begin}", head(line)).as_bytes()).unwrap();
            let began = Instant::now();
            let detail = http_client::read(stream).unwrap().problem(408);
            assert!(detail.contains("within 10 s"), "{detail}");
            println!("refused after {} ms", began.elapsed().as_millis());
        };
        thread::scope(|scope| {
            scope.spawn(|| one("content-length: 1000", "{"));
            scope.spawn(|| one("transfer-encoding: chunked", "1\r\n{\r\n"));
            drip(host, &head("content-length: 1000"), b" ");
        });
        let chunks = "transfer-encoding: chunked";
        drip(host, &head(chunks), b"1\r\n \r\n");
        println!("without a valid token, or on a path without a body:");
        drip(host, &head(chunks).replace(TOKEN, "0123456789abcdef"), b"1\r\n \r\n");
        drip(host, &head(chunks).replace("POST", "GET"), b"1\r\n \r\n");
        drip(host, &format!("GET /livez HTTP/1.1\r\nhost: a\r\n{chunks}\r\n\r\n"), b"1\r\n \r\n");
        assert_eq!(host.fixture.bot_posts(), [""; 0]);
    });
}

/// Sends a request on a connection with a tiny receive buffer.
fn connect_with_tiny_buffer(api: Api, path: &str) -> TcpStream {
    let client = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_recv_buffer_size(&client, 1_024).unwrap();
    connect(&client, &api.address).unwrap();
    let mut stream = TcpStream::from(client);
    let bearer = format!("Bearer {TOKEN}");
    stream
        .write_all(
            http_client::head("GET", path, &[("host", "127.0.0.1"), ("authorization", &bearer)]).as_bytes(),
        )
        .unwrap();
    stream
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_reads_nothing_is_disconnected() {
    const EACH: usize = 40;
    assert_bots_unaffected("", |host| {
        let files = open_files(host);
        let mut open = Vec::new();
        for path in ["/openapi.json", "/v1/events?level=debug", "/v1/watch"] {
            for _ in 0..EACH {
                open.push(connect_with_tiny_buffer(host.api, path));
                thread::sleep(REQUEST_INTERVAL);
            }
        }
        // Produces events for the streams.
        for _ in 0..100 {
            host.post("/v1/accounts/helpdesk/reset");
            thread::sleep(REQUEST_INTERVAL);
        }
        let began = Instant::now();
        println!("{} more open files, with {} KiB", open_files(host) - files, host.memory_kib());
        while open_files(host) > files + 4 {
            assert!(began.elapsed() < 3 * DEADLINE, "{} more files are still open", open_files(host) - files);
            assert_eq!(host.post("/v1/accounts/helpdesk/reset").status, 202);
            thread::sleep(Duration::from_millis(50));
        }
        println!(
            "{} clients that read nothing were disconnected after {} ms",
            open.len(),
            began.elapsed().as_millis()
        );
    });
}
