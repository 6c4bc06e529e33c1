//! An HTTP client that can also send malformed requests.

use std::{
    io::{BufReader, ErrorKind, Read},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

use crate::program::{DEADLINE, refuse_secrets};

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// Checks that it is a problem with this status, and returns the detail.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["type"] == "about:blank" && problem["title"].is_string(), "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// Opens a connection with timeouts.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Formats the head of a request with these headers.
pub(crate) fn head(method: &str, path: &str, lines: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in lines {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head + "\r\n"
}

/// A response whose body has not been read.
pub(crate) struct StreamingResponse {
    pub(crate) answer: Response,
    pub(crate) body: Box<dyn Read + Send>,
}

/// Reads the head of a response. Returns `None` if the server closed the connection first.
pub(crate) fn read_head(wire: impl Read + Send + 'static) -> Option<StreamingResponse> {
    let mut reader = BufReader::new(wire);
    let first = line(&mut reader)?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.unwrap_or_else(|| panic!("not a response: {first:?}"));
    let mut headers = Vec::new();
    while let Some((name, value)) = line(&mut reader)?.split_once(':') {
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let answer = Response { status, headers, body: Vec::new() };
    let body: Box<dyn Read + Send> =
        match (answer.header("content-length"), answer.header("transfer-encoding")) {
            (Some(length), _) => Box::new(reader.take(length.parse().unwrap())),
            (None, Some("chunked")) => Box::new(Chunked { reader, left: 0, ended: false }),
            (None, _) => Box::new(reader),
        };
    Some(StreamingResponse { answer, body })
}

/// Reads a whole response.
pub(crate) fn read(wire: impl Read + Send + 'static) -> Option<Response> {
    let StreamingResponse { mut answer, mut body } = read_head(wire)?;
    match body.read_to_end(&mut answer.body) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    refuse_secrets(&answer.text());
    Some(answer)
}

/// Reads a line without its end; returns `None` at the end of the stream.
fn line(reader: &mut impl std::io::BufRead) -> Option<String> {
    let mut line = Vec::new();
    match reader.read_until(b'\n', &mut line) {
        Ok(0) => None,
        Ok(_) => Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => None,
        Err(error) => panic!("cannot read on: {error}"),
    }
}

/// A reader of a chunked body.
struct Chunked<R> {
    reader: BufReader<R>,
    left: usize,
    ended: bool,
}

impl<R: Read> Read for Chunked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && !self.ended {
            let Some(size) = line(&mut self.reader) else { return Ok(0) };
            self.left =
                usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("not a chunk size: {size:?}"));
            self.ended = self.left == 0;
        }
        if self.ended {
            return Ok(0);
        }
        let limit = buffer.len().min(self.left);
        let read = self.reader.read(&mut buffer[..limit])?;
        self.left -= read;
        if self.left == 0 {
            line(&mut self.reader);
        }
        Ok(read)
    }
}

/// Returns true if the server closes the connection within this time. Skips remaining data.
pub(crate) fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
    stream.set_read_timeout(Some(within)).unwrap();
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}
