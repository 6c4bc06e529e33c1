//! The records of a cluster's store.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{MemberId, MemberName, ShardId};

/// The revision of a record; every change gives it a greater one. Zero is that of a record that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);

/// The record of a live member. It expires unless it is renewed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemberRecord {
    /// The version of its program.
    #[serde(default)]
    pub version: String,
    /// True if it is giving its shards away.
    #[serde(default)]
    pub draining: bool,
}

/// The record of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ShardRecord {
    /// The member that owns it, if one does.
    pub owner: Option<MemberId>,
    /// The number of owners that it has had.
    pub epoch: u64,
    /// The member that it belongs to while that is there; `None` for the one that the hash chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<MemberName>,
    /// The member that has given it away, until its accounts run on the next owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_by: Option<MemberId>,
}

/// A change in the store, as a member sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterChange {
    /// A member has joined, or renewed its lease.
    MemberRenewed(MemberId, MemberRecord, Revision),
    /// The lease of a member has ended for good.
    MemberGone(MemberId),
    /// The record of a shard has changed.
    ShardChanged(ShardId, ShardRecord, Revision),
    /// Everything that was in the store when watching began has been seen.
    Loaded,
}

/// A write that was refused, or whose result is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The record is at another revision; nothing was written.
    #[error("the record has changed")]
    Conflict,
    /// No answer arrived; it may have been written.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
}

impl Serialize for MemberId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for MemberName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MemberName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for MemberId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        Self::parse(&key).ok_or_else(|| de::Error::custom("it is not the identity of a member"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_json_that_later_versions_may_extend() {
        let owner = MemberId::new(MemberName::new("a").unwrap(), 1);
        let record = ShardRecord { owner: Some(owner.clone()), epoch: 7, ..ShardRecord::default() };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(json, r#"{"owner":"a.0000000000000001.0","epoch":7}"#);
        assert_eq!(serde_json::from_str::<ShardRecord>(&json).unwrap(), record);
        let home = Some(MemberName::new("b").unwrap());
        let placed = ShardRecord { home, ..record };
        let json = serde_json::to_string(&placed).unwrap();
        assert_eq!(json, r#"{"owner":"a.0000000000000001.0","epoch":7,"home":"b"}"#);
        assert_eq!(serde_json::from_str::<ShardRecord>(&json).unwrap(), placed);
        assert!(serde_json::from_str::<ShardRecord>(r#"{"owner":null,"epoch":7,"home":"a.b"}"#).is_err());
        let given = ShardRecord { epoch: 7, given_by: Some(owner), ..ShardRecord::default() };
        let json = serde_json::to_string(&given).unwrap();
        assert_eq!(json, r#"{"owner":null,"epoch":7,"given_by":"a.0000000000000001.0"}"#);
        assert_eq!(serde_json::from_str::<ShardRecord>(&json).unwrap(), given);
        let later = r#"{"owner":null,"epoch":8,"later":true}"#;
        assert_eq!(
            serde_json::from_str::<ShardRecord>(later).unwrap(),
            ShardRecord { epoch: 8, ..ShardRecord::default() }
        );
        assert!(serde_json::from_str::<ShardRecord>(r#"{"owner":"a","epoch":8}"#).is_err());
        assert_eq!(serde_json::from_str::<MemberRecord>("{}").unwrap(), MemberRecord::default());
    }
}
