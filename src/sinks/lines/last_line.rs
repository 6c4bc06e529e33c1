//! The last line of a file that a crash may have cut short.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
};

use serde::de::IgnoredAny;

/// The longest line that is taken for one of ours, in bytes: twice the largest frame of a server. Memory is bounded by it.
const LONGEST: u64 = 512 << 20;

/// Returns the offset at which the last complete line ends.
pub(in crate::sinks) fn end_of_last_line(file: &mut File, length: u64) -> io::Result<u64> {
    const PIECE: u64 = 64 * 1024;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        file.seek(SeekFrom::Start(start))?;
        let mut piece = Vec::new();
        (&*file).take(end - start).read_to_end(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Returns true if the text from that offset is the beginning of a JSON object, as a crash leaves it. A file system may have
/// put NULs in the place of what was not written.
pub(super) fn is_object_cut_short(file: &mut File, start: u64) -> io::Result<bool> {
    file.seek(SeekFrom::Start(start))?;
    let mut text = Vec::new();
    BufReader::new(&*file).take(LONGEST).read_until(b'\0', &mut text)?;
    if text.len() as u64 == LONGEST {
        return Ok(false);
    }
    if text.last() == Some(&b'\0') {
        text.pop();
    }
    let is_beginning = |text: &[u8]| {
        text.starts_with(b"{")
            && serde_json::from_slice::<IgnoredAny>(text).is_err_and(|error| error.is_eof())
    };
    Ok(text.is_empty() || is_beginning(&text))
}
