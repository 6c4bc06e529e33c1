//! The systemd journal: its detection on standard error, and the priorities of lines.

use std::{env, fs::File, io, os::fd::AsFd, os::unix::fs::MetadataExt as _};

use tracing::Level;

/// The variable in which systemd gives the journal's stream, as `device:inode`.
const STREAM: &str = "JOURNAL_STREAM";

/// Returns true if standard error goes to the journal. The variable alone does not prove it: a child inherits it and
/// may write elsewhere (systemd.exec(5)).
pub(super) fn is_stderr() -> bool {
    env::var(STREAM).is_ok_and(|name| is_stream(&io::stderr(), &name))
}

fn is_stream(stream: &impl AsFd, name: &str) -> bool {
    let owned = stream.as_fd().try_clone_to_owned();
    let metadata = owned.and_then(|fd| File::from(fd).metadata());
    metadata.is_ok_and(|metadata| name == format!("{}:{}", metadata.dev(), metadata.ino()))
}

/// Returns the syslog number of a level, which sd-daemon(3) reads from `<>` before a line.
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_known_by_its_device_and_inode() {
        let (_reader, writer) = io::pipe().unwrap();
        let metadata = File::from(writer.as_fd().try_clone_to_owned().unwrap()).metadata().unwrap();
        assert!(is_stream(&writer, &format!("{}:{}", metadata.dev(), metadata.ino())));
        let (_reader, other) = io::pipe().unwrap();
        assert!(!is_stream(&other, &format!("{}:{}", metadata.dev(), metadata.ino())));
        assert!(!is_stream(&writer, "") && !is_stream(&writer, "8:"));
    }
}
