//! Handlers that accept everything at once, each a process of its own that runs this program.

use std::{
    env,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, ExitCode, Stdio},
    thread,
};

use anyhow::Context as _;

pub(crate) const SERVER: &str = "--handler";
pub(crate) const CHILD: &str = "--child";

/// A webhook handler that runs until this is dropped.
pub(crate) struct Handler {
    process: Child,
    pub(crate) port: u16,
}

impl Handler {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut process = Command::new(env::current_exe()?).arg(SERVER).stdout(Stdio::piped()).spawn()?;
        let mut port = String::new();
        BufReader::new(process.stdout.take().context("no standard output")?).read_line(&mut port)?;
        Ok(Self { process, port: port.trim().parse()? })
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers every request with an empty 200.
pub(crate) fn serve() -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            // The client has gone.
            let _ = answer_requests(stream);
        });
    }
    Ok(ExitCode::SUCCESS)
}

fn answer_requests(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut requests = BufReader::new(stream.try_clone()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        io::copy(&mut requests.by_ref().take(length), &mut io::sink())?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}

/// Acknowledges every line.
pub(crate) fn answer_lines() -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let event: serde_json::Value = serde_json::from_str(&line?)?;
        writeln!(out, "{}", serde_json::json!({ "ack": event["id"] }))?;
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}
