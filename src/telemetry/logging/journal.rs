//! The journal of systemd: whether standard error goes there, and how it is told a line's priority.

use std::{env, fs::File, io, os::fd::AsFd, os::unix::fs::MetadataExt as _};

use tracing::Level;

/// The variable by which systemd names the journal's stream, as `device:inode`.
const STREAM: &str = "JOURNAL_STREAM";

/// Whether standard error goes to the journal. The variable alone does not say it: a child inherits it, and may write
/// elsewhere (systemd.exec(5)).
pub(super) fn is_stderr() -> bool {
    env::var(STREAM).is_ok_and(|named| is(&io::stderr(), &named))
}

fn is(stream: &impl AsFd, named: &str) -> bool {
    let owned = stream.as_fd().try_clone_to_owned();
    let metadata = owned.and_then(|fd| File::from(fd).metadata());
    metadata.is_ok_and(|metadata| named == format!("{}:{}", metadata.dev(), metadata.ino()))
}

/// The number of the level in syslog, which sd-daemon(3) takes in `<>` before a line.
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
        assert!(is(&writer, &format!("{}:{}", metadata.dev(), metadata.ino())));
        let (_reader, other) = io::pipe().unwrap();
        assert!(!is(&other, &format!("{}:{}", metadata.dev(), metadata.ino())));
        assert!(!is(&writer, "") && !is(&writer, "8:"));
    }
}
