//! The encoding of rows: one byte for its version, then the fields in postcard's format.
//!
//! The types here are the format. They are separate from the records, so that a change of a record does not change the
//! format by accident.

use crate::model::{AccountRecord, ChannelRecord, PostId, ResumePoint, UserId};
use serde::{Deserialize, Serialize};

use super::{Included, unreadable};
use crate::store::error::Fault;

/// The version of this encoding. A JSON object, the encoding of format 1, begins with a brace.
const VERSION: u8 = 1;

/// The version of the encoding of accounts in which the numbers of the events that were handled follow.
const WITH_HANDLED: u8 = 2;

/// The version of the encoding of channels in which the time of their absence follows.
const WITH_ABSENCE: u8 = 2;

#[derive(Serialize, Deserialize)]
struct AccountRow {
    journal_row: u64,
    user: Option<UserId>,
    baseline: Option<i64>,
    resume: Option<(Box<str>, u64)>,
    listed_at: Option<i64>,
    server_time: i64,
}

#[derive(Serialize, Deserialize)]
struct ChannelRow {
    journal_row: u64,
    anchor_at: i64,
    anchor: Option<PostId>,
    since: Vec<(i64, PostId)>,
    seen_until: i64,
    edited_until: i64,
    edits: Vec<(i64, PostId)>,
    deleted: Vec<PostId>,
    left: bool,
    joining: bool,
    hole: bool,
    beyond: Vec<(i64, PostId)>,
}

/// Encodes an account. Most have nothing unacknowledged when they stop: their rows are as those of format 3.
pub(super) fn write_account(row: &Included<AccountRecord>) -> Result<Vec<u8>, Fault> {
    let record = row.record.clone();
    let (resume, handled) =
        record.resume.map(|point| ((point.connection_id, point.next_seq), point.handled)).unzip();
    let row = AccountRow {
        journal_row: row.journal_row,
        user: record.user,
        baseline: record.baseline,
        resume,
        listed_at: record.listed_at,
        server_time: record.server_time,
    };
    match handled.filter(|handled: &Vec<u64>| !handled.is_empty()) {
        None => encode(&row),
        Some(handled) => encode_as(WITH_HANDLED, &(row, handled)),
    }
}

pub(super) fn read_account(row: &[u8], account: &str) -> Result<Included<AccountRecord>, Fault> {
    let decoded = match row.first() {
        Some(&WITH_HANDLED) => decode_as(WITH_HANDLED, row),
        _ => decode(row).map(|row| (row, Vec::new())),
    };
    let (row, handled): (AccountRow, Vec<u64>) = decoded.map_err(|cause| unreadable(account, "", &cause))?;
    let resume = row.resume.map(|(connection_id, next_seq)| ResumePoint { connection_id, next_seq, handled });
    let record = AccountRecord {
        user: row.user,
        baseline: row.baseline,
        resume,
        listed_at: row.listed_at,
        server_time: row.server_time,
    };
    Ok(Included { record, journal_row: row.journal_row })
}

/// Encodes a channel. Most are listed: their rows are as those of format 2.
pub(super) fn write_channel(row: Included<ChannelRecord>) -> Result<Vec<u8>, Fault> {
    let record = row.record;
    let absent_since = record.absent_since;
    let row = ChannelRow {
        journal_row: row.journal_row,
        anchor_at: record.anchor_at,
        anchor: record.anchor,
        since: record.since,
        seen_until: record.seen_until,
        edited_until: record.edited_until,
        edits: record.edits,
        deleted: record.deleted,
        left: record.left,
        joining: record.joining,
        hole: record.hole,
        beyond: record.beyond,
    };
    match absent_since {
        None => encode(&row),
        Some(since) => encode_as(WITH_ABSENCE, &(row, since)),
    }
}

pub(super) fn read_channel(
    row: &[u8],
    account: &str,
    channel: &str,
) -> Result<Included<ChannelRecord>, Fault> {
    let decoded = match row.first() {
        Some(&WITH_ABSENCE) => decode_as(WITH_ABSENCE, row).map(|(row, since)| (row, Some(since))),
        _ => decode(row).map(|row| (row, None)),
    };
    let (row, absent_since): (ChannelRow, _) =
        decoded.map_err(|cause| unreadable(account, channel, &cause))?;
    let record = ChannelRecord {
        anchor_at: row.anchor_at,
        anchor: row.anchor,
        since: row.since,
        seen_until: row.seen_until,
        edited_until: row.edited_until,
        edits: row.edits,
        deleted: row.deleted,
        left: row.left,
        joining: row.joining,
        hole: row.hole,
        beyond: row.beyond,
        absent_since,
    };
    Ok(Included { record, journal_row: row.journal_row })
}

/// Encodes a value, with the version before it.
pub(in crate::store) fn encode(value: &impl Serialize) -> Result<Vec<u8>, Fault> {
    encode_as(VERSION, value)
}

fn encode_as(version: u8, value: &impl Serialize) -> Result<Vec<u8>, Fault> {
    postcard::to_extend(value, vec![version])
        .map_err(|error| Fault::Malformed(format!("a record cannot be encoded: {error}")))
}

/// Decodes a value, and describes the problem if that is impossible.
pub(in crate::store) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    decode_as(VERSION, bytes)
}

fn decode_as<'a, T: Deserialize<'a>>(version: u8, bytes: &'a [u8]) -> Result<T, String> {
    match bytes.split_first() {
        Some((found, fields)) if *found == version => match postcard::take_from_bytes(fields) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(format!("{} bytes follow it", rest.len())),
            Err(error) => Err(error.to_string()),
        },
        Some((version, _)) => Err(format!("its encoding has the unknown version {version}")),
        None => Err("it is empty".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_does_not_change_by_accident() {
        let record = AccountRecord {
            user: Some(UserId::from("u")),
            baseline: Some(-1),
            resume: Some(ResumePoint { connection_id: "c".into(), next_seq: 300, handled: Vec::new() }),
            listed_at: None,
            server_time: 64,
        };
        let row = write_account(&Included { record: record.clone(), journal_row: 5 }).unwrap();
        let expected = [1, 5, 1, 1, b'u', 1, 1, 1, 1, b'c', 0xac, 2, 0, 0x80, 1];
        assert_eq!(row, expected);
        let resume = record.resume.clone().map(|point| ResumePoint { handled: vec![301, 302], ..point });
        let record = AccountRecord { resume, ..record };
        let row = write_account(&Included { record, journal_row: 5 }).unwrap();
        assert_eq!(row, [&[2], &expected[1..], &[2, 0xad, 2, 0xae, 2]].concat());
        let record = ChannelRecord {
            anchor_at: 1,
            anchor: Some("a".into()),
            since: vec![(2, "b".into())],
            seen_until: 3,
            edited_until: 4,
            edits: vec![(5, "c".into())],
            deleted: vec!["d".into()],
            left: true,
            joining: false,
            hole: true,
            beyond: vec![(6, "e".into())],
            absent_since: None,
        };
        let row = write_channel(Included { record: record.clone(), journal_row: 0 }).unwrap();
        let expected =
            [1, 0, 2, 1, 1, b'a', 1, 4, 1, b'b', 6, 8, 1, 10, 1, b'c', 1, 1, b'd', 1, 0, 1, 1, 12, 1, b'e'];
        assert_eq!(row, expected);
        let record = ChannelRecord { absent_since: Some(7), ..record };
        let row = write_channel(Included { record, journal_row: 0 }).unwrap();
        assert_eq!(row, [&[2], &expected[1..], &[14]].concat());
    }

    #[test]
    fn a_row_that_cannot_be_read_says_so() {
        for (row, cause) in [
            (&b"{}"[..], "unknown version 123"),
            (&[], "it is empty"),
            (&[1, 0], "end"),
            (&[1, 0, 0, 0, 0, 0, 0, 7], "1 bytes follow"),
        ] {
            let Fault::Unreadable { what: text, .. } = read_account(row, "a").unwrap_err() else {
                unreachable!()
            };
            assert!(text.contains("the row of account a cannot be read"), "{text}");
            assert!(text.to_lowercase().contains(cause), "{text}");
        }
    }
}
