use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::model::{ChannelId, FileId};

/// The most uploads remembered per account: more than a handler repeats. One that is forgotten is made again, which
/// is not seen.
const MOST_UPLOADS: usize = 1_024;

/// The channel and the key of an upload.
type UploadKey = (ChannelId, Arc<str>);

/// The files that an account uploaded with a key.
#[derive(Debug, Default)]
pub(crate) struct RecentUploads {
    files: HashMap<UploadKey, FileId>,
    /// The keys, oldest first.
    order: VecDeque<UploadKey>,
}

impl RecentUploads {
    /// Returns the file that was uploaded to a channel with a key.
    pub(crate) fn find(&self, channel: &ChannelId, key: &str) -> Option<&FileId> {
        self.files.get(&(channel.clone(), key.into()))
    }

    /// Records an upload.
    pub(crate) fn insert(&mut self, channel: &ChannelId, key: &str, file: FileId) {
        let key: UploadKey = (channel.clone(), key.into());
        if self.files.insert(key.clone(), file).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MOST_UPLOADS
            && let Some(oldest) = self.order.pop_front()
        {
            self.files.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_known_by_channel_and_key_until_many_came_later() {
        let (town, square) = (ChannelId::from("town"), ChannelId::from("square"));
        let mut uploads = RecentUploads::default();
        uploads.insert(&town, "k", "f1".into());
        assert_eq!(uploads.find(&town, "k"), Some(&"f1".into()));
        assert_eq!((uploads.find(&square, "k"), uploads.find(&town, "j")), (None, None));
        for n in 0..MOST_UPLOADS {
            uploads.insert(&square, &n.to_string(), "f2".into());
        }
        assert_eq!(uploads.find(&town, "k"), None);
        assert_eq!((uploads.files.len(), uploads.order.len()), (MOST_UPLOADS, MOST_UPLOADS));
    }
}
