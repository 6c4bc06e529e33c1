//! `matterhost state`: what is kept between runs, as a person or a program reads it.

use comfy_table::{Table, presets};
use serde_json::json;

use crate::{store::Kept, telemetry::time::from_unix_millis};

/// What is kept, as a table.
pub fn table(kept: &[Kept]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["account", "user id", "channels", "last listing"]);
    for one in kept {
        let user = one.user.as_ref().map_or("–", |user| user.as_str());
        let listed = one.listed_at.and_then(time).unwrap_or_else(|| "–".into());
        table.add_row([&one.account, user, &one.channels.to_string(), &listed]);
    }
    format!("{table}\n")
}

/// What is kept, as one JSON array and a line end.
pub fn json(kept: &[Kept]) -> String {
    let row = |one: &Kept| {
        json!({
            "account": one.account,
            "user": one.user,
            "channels": one.channels,
            "listed_at": one.listed_at.and_then(time),
        })
    };
    format!("{:#}\n", kept.iter().map(row).collect::<serde_json::Value>())
}

/// Server milliseconds as RFC 3339; none for what no clock says.
fn time(millis: i64) -> Option<String> {
    Some(humantime::format_rfc3339_seconds(from_unix_millis(millis)?).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> [Kept; 2] {
        let known = Kept {
            account: "helpdesk".into(),
            user: Some("u1".into()),
            channels: 3,
            listed_at: Some(1_700_000_000_123),
        };
        [known, Kept { account: "new".into(), user: None, channels: 0, listed_at: Some(i64::MAX) }]
    }

    #[test]
    fn a_row_has_account_user_channels_and_time() {
        let table = table(&kept());
        for word in ["helpdesk", "u1", "3", "2023-11-14T22:13:20Z", "new", "–"] {
            assert!(table.contains(word), "{word} in\n{table}");
        }
    }

    #[test]
    fn json_says_the_same() {
        let rows: serde_json::Value = serde_json::from_str(&json(&kept())).unwrap();
        let known = json!({
            "account": "helpdesk", "user": "u1", "channels": 3, "listed_at": "2023-11-14T22:13:20Z",
        });
        assert_eq!(rows[0], known);
        assert!(rows[1]["user"].is_null() && rows[1]["listed_at"].is_null());
        assert_eq!(json(&[]), "[]\n");
    }
}
