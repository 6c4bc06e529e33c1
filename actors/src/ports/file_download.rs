use bytes::Bytes;
use tokio::sync::mpsc;

use crate::model::Excerpt;

/// A file on its way from a server. The server waits while its reader does, and the download ends if the reader is too slow.
#[derive(Debug)]
pub struct FileDownload {
    /// The file's name, as the server gives it: any text.
    pub name: String,
    /// The type of the content, as the server gives it; empty if it gives none.
    pub content_type: String,
    /// The number of bytes.
    pub len: u64,
    /// The pieces of the content, or the reason why there are no more. Fewer bytes than `len` mean that it broke off.
    pub pieces: mpsc::Receiver<Result<Bytes, Excerpt>>,
}
