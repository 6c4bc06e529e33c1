//! Files of posts: their ids, names and contents.

use std::{
    any::Any,
    fmt,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::Excerpt;

/// The longest name of a file, in bytes: that of most file systems, and less than Mattermost's 256 characters.
const MAX_NAME_BYTES: usize = 255;

/// The id of an uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileId(Box<str>);

impl FileId {
    /// Returns the id as the server spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for FileId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that cannot be the name of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} cannot be the name of a file; use 1 to {MAX_NAME_BYTES} bytes without slashes and control characters"
)]
pub struct FileNameError {
    name: Excerpt,
}

/// Checks the name under which a file is uploaded.
///
/// # Errors
/// If it is empty, too long, names a directory, or contains slashes or control characters.
pub fn check_file_name(name: &str) -> Result<(), FileNameError> {
    let is_allowed = |c: char| !c.is_control() && !matches!(c, '/' | '\\');
    let has_form = (1..=MAX_NAME_BYTES).contains(&name.len()) && !matches!(name, "." | "..");
    if has_form && name.chars().all(is_allowed) {
        Ok(())
    } else {
        Err(FileNameError { name: Excerpt::of(name) })
    }
}

/// A file to attach to a post.
#[derive(Clone, PartialEq)]
pub struct Attachment {
    /// The file name.
    pub name: String,
    /// The content.
    pub bytes: FileContent,
}

/// The content of a file. Clones share it.
#[derive(Clone)]
pub enum FileContent {
    /// It is in memory.
    Memory(Bytes),
    /// It is on disk, and read as it is sent.
    Stored(Arc<StoredFile>),
}

impl FileContent {
    /// Returns the number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Stored(file) => file.len,
        }
    }

    /// True if there is no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of bytes that it takes in memory.
    pub fn bytes_in_memory(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::Stored(_) => 0,
        }
    }
}

impl From<Bytes> for FileContent {
    fn from(bytes: Bytes) -> Self {
        Self::Memory(bytes)
    }
}

impl From<Vec<u8>> for FileContent {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Memory(bytes.into())
    }
}

impl PartialEq for FileContent {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory(a), Self::Memory(b)) => a == b,
            (Self::Stored(a), Self::Stored(b)) => Arc::ptr_eq(a, b),
            (Self::Memory(_), Self::Stored(_)) | (Self::Stored(_), Self::Memory(_)) => false,
        }
    }
}

impl fmt::Debug for FileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({:?})", self.name, self.bytes)
    }
}

/// An open file, which is read in pieces. It may be read again from the beginning.
pub struct StoredFile {
    file: Mutex<File>,
    len: u64,
    /// Dropped with the file.
    _held: Box<dyn Any + Send + Sync>,
}

impl StoredFile {
    /// Takes a regular file that is open for reading. `held` is dropped with it, such as a permit that bounds open files.
    ///
    /// # Errors
    /// If it is no regular file, or its length cannot be read.
    pub fn new(file: File, held: impl Any + Send + Sync) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(Self { file: Mutex::new(file), len: metadata.len(), _held: Box::new(held) })
    }

    /// Returns up to so many bytes from an offset before the end.
    ///
    /// # Errors
    /// If it cannot be read, or is shorter than it was.
    pub fn read(&self, offset: u64, most: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut piece = vec![0; left.min(most)];
        let mut file = self.file.lock();
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut piece)?;
        Ok(piece.into())
    }

    /// True if the file is as long as when it was opened.
    pub fn has_its_length(&self) -> bool {
        self.file.lock().metadata().is_ok_and(|metadata| metadata.len() == self.len)
    }
}

impl fmt::Debug for StoredFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a file of {} bytes", self.len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_name_of_a_file_is_one_component_of_a_path() {
        for name in ["a", "a b.txt", "größe.csv", "..a", &"n".repeat(255)] {
            assert_eq!(check_file_name(name), Ok(()), "{name}");
        }
        for name in ["", ".", "..", "a/b", "/a", "a\\b", "a\nb", "a\0", "a\u{7f}", &"n".repeat(256)] {
            let error = check_file_name(name).unwrap_err().to_string();
            assert!(error.contains("255 bytes") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_stored_file_is_read_in_pieces_and_a_change_is_noticed() {
        let path = std::env::temp_dir().join(format!("matterhost-stored-{}", fastrand::u64(..)));
        let mut writer = File::create_new(&path).unwrap();
        writer.write_all(b"0123456789").unwrap();
        let stored = StoredFile::new(File::open(&path).unwrap(), ()).unwrap();
        assert_eq!(
            FileContent::Stored(Arc::new(StoredFile::new(File::open(&path).unwrap(), ()).unwrap())).len(),
            10
        );
        assert_eq!((&*stored.read(0, 4).unwrap(), &*stored.read(8, 4).unwrap()), (&b"0123"[..], &b"89"[..]));
        assert!(stored.has_its_length());
        writer.set_len(5).unwrap();
        assert!(!stored.has_its_length());
        assert_eq!(stored.read(4, 4).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        std::fs::remove_file(&path).unwrap();
        let directory = StoredFile::new(File::open(std::env::temp_dir()).unwrap(), ()).unwrap_err();
        assert_eq!(directory.to_string(), "it is not a regular file");
    }
}
