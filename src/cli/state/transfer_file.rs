//! The file that carries state from one store to another: a header, a line of JSON for each record, and a last line with
//! their numbers.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Write},
    time::SystemTime,
};

use matterhost_actors::model::{AccountName, AccountRecord, ChannelRecord, Excerpt, Records};
use serde::{Deserialize, Serialize};

use crate::telemetry::time::rfc3339;

/// The word by which such a file is known.
const FORMAT: &str = "matterhost-state";
/// The version of the format. A program refuses a later one.
const VERSION: u32 = 1;

/// The numbers of a file's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) accounts: usize,
    pub(super) channels: usize,
    pub(super) values: usize,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    #[serde(default)]
    exported: String,
}

/// A further line.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Account { account: String, record: AccountRecord },
    Channel { account: String, channel: String, record: ChannelRecord },
    Value { account: String, channel: String, key: String, value: String },
    End(Counts),
}

/// A file that cannot be imported.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("it is not a file of `matterhost state export`")]
    Other,
    #[error(
        "it has version {0} of the format, and this program knows {VERSION}; use the version of matterhost that wrote it"
    )]
    Version(u32),
    #[error("line {0} cannot be read: {1}; export the state again")]
    Line(usize, String),
    #[error("it is not complete: {0}; export the state again")]
    Incomplete(String),
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
}

/// A file that is being written.
pub(super) struct Writer<W> {
    to: W,
    counts: Counts,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub(super) fn begin(to: W) -> io::Result<Self> {
        let mut writer = Self { to, counts: Counts::default() };
        let exported = rfc3339(SystemTime::now());
        writer.line(&Header { format: FORMAT.into(), version: VERSION, exported })?;
        Ok(writer)
    }

    /// Writes the records of an account.
    pub(super) fn add(&mut self, account: &AccountName, records: Records) -> io::Result<()> {
        let account = || account.to_string();
        self.counts.accounts += 1;
        if let Some(record) = records.account {
            self.line(&Line::Account { account: account(), record })?;
        }
        for (channel, record) in records.channels {
            self.counts.channels += 1;
            self.line(&Line::Channel { account: account(), channel: channel.to_string(), record })?;
        }
        for (channel, values) in records.values {
            for (key, value) in values {
                self.counts.values += 1;
                let (channel, key, value) = (channel.to_string(), key.to_string(), value.to_string());
                self.line(&Line::Value { account: account(), channel, key, value })?;
            }
        }
        Ok(())
    }

    /// Writes the last line, and returns the numbers in it.
    pub(super) fn end(mut self) -> io::Result<Counts> {
        self.line(&Line::End(self.counts))?;
        self.to.flush()?;
        Ok(self.counts)
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, line)?;
        self.to.write_all(b"\n")
    }
}

/// Reads a whole file, as much as a host holds in memory anyway, and checks that nothing is missing.
pub(super) fn read(from: impl BufRead) -> Result<BTreeMap<AccountName, Records>, FileError> {
    let mut lines = from.lines().map(|line| line.map_err(FileError::Unreadable));
    let first = lines.next().ok_or(FileError::Other)??;
    let header: Header = serde_json::from_str(&first).map_err(|_| FileError::Other)?;
    match header {
        Header { ref format, .. } if format != FORMAT => return Err(FileError::Other),
        Header { version: VERSION, .. } => {}
        Header { version, .. } => return Err(FileError::Version(version)),
    }
    let (mut all, mut counts) = (BTreeMap::<AccountName, Records>::new(), Counts::default());
    for (n, line) in lines.enumerate() {
        let wrong = |cause: &dyn std::fmt::Display| FileError::Line(n + 2, Excerpt::of(&cause).to_string());
        let line = serde_json::from_str(&line?).map_err(|error| wrong(&error))?;
        let (Line::Account { account, .. } | Line::Channel { account, .. } | Line::Value { account, .. }) =
            &line
        else {
            return check_end(&line, counts, all);
        };
        let name = AccountName::new(account).map_err(|error| wrong(&error))?;
        add(line, all.entry(name).or_default(), &mut counts);
    }
    Err(FileError::Incomplete("its last line is missing".into()))
}

fn add(line: Line, records: &mut Records, counts: &mut Counts) {
    match line {
        Line::Account { record, .. } => records.account = Some(record),
        Line::Channel { channel, record, .. } => {
            counts.channels += 1;
            records.channels.insert(channel.as_str().into(), record);
        }
        Line::Value { channel, key, value, .. } => {
            counts.values += 1;
            let values = records.values.entry(channel.as_str().into()).or_default();
            values.insert(key.into(), value.into());
        }
        Line::End(_) => {}
    }
}

fn check_end(
    line: &Line,
    counts: Counts,
    all: BTreeMap<AccountName, Records>,
) -> Result<BTreeMap<AccountName, Records>, FileError> {
    let Line::End(said) = line else { return Ok(all) };
    // An account without any record has no line.
    if (said.channels, said.values) == (counts.channels, counts.values) && said.accounts >= all.len() {
        return Ok(all);
    }
    Err(FileError::Incomplete(format!(
        "it has {} channels and {} values, not {} and {}",
        counts.channels, counts.values, said.channels, said.values
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> (String, BTreeMap<AccountName, Records>) {
        let name = AccountName::new("helpdesk").unwrap();
        let channel =
            ChannelRecord { anchor_at: 5, since: vec![(7, "post".into())], ..ChannelRecord::default() };
        let records = Records {
            account: Some(AccountRecord { user: Some("u".into()), ..AccountRecord::default() }),
            channels: [("c".into(), channel)].into(),
            values: [("c".into(), [("count".into(), "{\"n\":1.50}".into())].into())].into(),
        };
        let mut file = Vec::new();
        let mut writer = Writer::begin(&mut file).unwrap();
        writer.add(&name, records.clone()).unwrap();
        assert_eq!(writer.end().unwrap(), Counts { accounts: 1, channels: 1, values: 1 });
        (String::from_utf8(file).unwrap(), [(name, records)].into())
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let (file, records) = written();
        assert_eq!(file.lines().count(), 5, "{file}");
        assert_eq!(read(file.as_bytes()).unwrap(), records);
    }

    #[test]
    fn a_file_that_is_cut_changed_or_of_another_kind_is_refused_with_the_way_to_fix_it() {
        let (file, _) = written();
        let without = |n: usize| {
            let lines = file.lines().enumerate().filter(|(at, _)| *at != n);
            lines.flat_map(|(_, line)| [line, "\n"]).collect::<String>()
        };
        for (file, said) in [
            (String::new(), "not a file of `matterhost state export`"),
            ("[sinks.x]\n".into(), "not a file of `matterhost state export`"),
            (file.replace(FORMAT, "other"), "not a file of `matterhost state export`"),
            (
                file.replace("\"version\":1", "\"version\":2"),
                "version 2 of the format, and this program knows 1",
            ),
            (without(4), "its last line is missing; export the state again"),
            (without(2), "it has 0 channels and 1 values, not 1 and 1"),
            (file.replace("\"anchor_at\":5", "\"anchor_at\":\"five\""), "line 3 cannot be read"),
            (file.replace("\"account\":\"helpdesk\"", "\"account\":\"\""), "line 2 cannot be read"),
        ] {
            let error = read(file.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
