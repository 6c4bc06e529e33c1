//! Members and their identities.

use std::{fmt, sync::Arc};

/// The longest name of a member, in bytes: part of keys in the store, and of every metric.
const MAX_NAME_BYTES: usize = 64;

/// The name of a member, unique in its cluster.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberName(Arc<str>);

/// A text that cannot be the name of a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be the name of a member; use 1 to {MAX_NAME_BYTES} of A-Z, a-z, 0-9, '-' and '_'")]
pub struct MemberNameError(String);

/// One incarnation of a member. A member whose lease is over comes back under the next incarnation, so that an identity
/// that has ended never returns.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId {
    name: MemberName,
    /// Differs for every process; a later one's is greater.
    process: u64,
    incarnation: u32,
}

impl MemberName {
    /// Creates a name.
    ///
    /// # Errors
    /// Fails if it is empty, too long, or has a character that keys of the store do not allow.
    pub fn new(name: &str) -> Result<Self, MemberNameError> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(is_allowed) {
            return Err(MemberNameError(name.chars().take(MAX_NAME_BYTES).collect()));
        }
        Ok(Self(name.into()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl MemberId {
    /// Returns the first incarnation of a process.
    pub fn new(name: MemberName, process: u64) -> Self {
        Self { name, process, incarnation: 0 }
    }

    /// Reads an identity from the key of a store.
    pub fn parse(key: &str) -> Option<Self> {
        let mut parts = key.splitn(3, '.');
        let name = MemberName::new(parts.next()?).ok()?;
        let process = u64::from_str_radix(parts.next()?, 16).ok()?;
        let incarnation = parts.next()?.parse().ok()?;
        Some(Self { name, process, incarnation })
    }

    /// Returns the name of the member.
    pub fn name(&self) -> &MemberName {
        &self.name
    }

    /// Returns the name of its process, which all its incarnations have.
    pub fn process_name(&self) -> String {
        format!("{}.{:016x}", self.name, self.process)
    }

    /// Returns the next incarnation of this process.
    #[must_use]
    pub(super) fn next(&self) -> Self {
        Self { incarnation: self.incarnation.saturating_add(1), ..self.clone() }
    }

    /// Returns true if this is an earlier incarnation of the other's process. It has ended if the other has begun.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.process == other.process && self.name == other.name && self.incarnation < other.incarnation
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl fmt::Display for MemberId {
    /// Writes the key of the member in a store.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.process_name(), self.incarnation)
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_keys_of_the_store() {
        for name in ["a", "member-1", "A_b"] {
            assert_eq!(MemberName::new(name).unwrap().as_str(), name);
        }
        for name in ["", "a.b", "ä", "a b", "*", ">", &"x".repeat(65)] {
            assert!(MemberName::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn an_identity_is_read_as_it_is_written() {
        let first = MemberId::new(MemberName::new("a-1").unwrap(), 0x12ab);
        for id in [first.clone(), first.next()] {
            assert_eq!(MemberId::parse(&id.to_string()), Some(id));
        }
        assert!(first.is_before(&first.next()) && !first.next().is_before(&first));
        let other_process = MemberId::new(MemberName::new("a-1").unwrap(), 0x12ac);
        assert!(!first.is_before(&other_process.next()), "another process of that name may still run");
        for wrong in ["", "a", "a.1", "a.x.1", "a.1.x", "a b.1.1", "a.1.1.1"] {
            assert_eq!(MemberId::parse(wrong), None, "{wrong}");
        }
    }
}
