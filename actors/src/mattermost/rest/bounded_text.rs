//! Texts of a server that are kept as long as an account lives.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

/// The longest text that is kept, in characters: four times the longest name in Mattermost.
const MAX_CHARS: usize = 256;

/// Reads a text, and drops what is longer than any name. Tens of thousands of channels are kept.
pub(super) fn bounded_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<str>, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    Ok(text.chars().take(MAX_CHARS).collect::<String>().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mattermost::{Channel, User};

    #[test]
    fn long_names_are_not_kept() {
        let long = "ä".repeat(MAX_CHARS + 1);
        let channel = format!(
            r#"{{"id":"c","create_at":1,"type":"{long}","team_id":"{long}","name":"{long}","display_name":"{long}"}}"#
        );
        let channel: Channel = serde_json::from_str(&channel).unwrap();
        for kept in [channel.kind.as_str(), &channel.team_id, &channel.name, &channel.display_name] {
            assert_eq!(kept, "ä".repeat(MAX_CHARS));
        }
        let user = format!(r#"{{"id":"u","update_at":1,"username":"{long}"}}"#);
        let user: User = serde_json::from_str(&user).unwrap();
        assert_eq!(&*user.username, "ä".repeat(MAX_CHARS));
    }
}
