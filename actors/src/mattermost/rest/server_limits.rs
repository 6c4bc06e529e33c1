//! The sizes that a server takes, from its configuration for clients.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    mattermost::{Client, RateHeaders, RestError, RestResponse},
    model::{ServerLimits, Token},
};

/// The settings that matter here. The server sends all of them as text (fact 40).
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Settings {
    max_post_size: Value,
    max_file_size: Value,
    enable_file_attachments: Value,
}

impl Client {
    /// Returns the sizes that the server takes. One that it does not give, or not as a number, is Mattermost's default.
    ///
    /// # Errors
    ///
    /// Fails if the request fails or the response is no JSON object.
    pub async fn server_limits(&self, token: &Token) -> Result<RestResponse<ServerLimits>, RestError> {
        const ROUTE: &str = "/config/client";
        let response = self.get_path(ROUTE, "/config/client?format=old", Some(token), None).await?;
        let settings: Settings = response.json(ROUTE)?;
        Ok(RestResponse { value: settings.limits(), rate: RateHeaders::read(&response.headers) })
    }
}

impl Settings {
    fn limits(&self) -> ServerLimits {
        ServerLimits::new(
            parse(&self.max_post_size),
            parse(&self.max_file_size),
            parse(&self.enable_file_attachments),
        )
    }
}

/// Parses a setting, whether the server sends it as text or not.
fn parse<T: std::str::FromStr>(setting: &Value) -> Option<T> {
    match setting {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(_) | Value::Bool(_) => setting.to_string().parse().ok(),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(json: &str) -> ServerLimits {
        serde_json::from_str::<Settings>(json).unwrap().limits()
    }

    #[test]
    fn a_limit_that_is_none_is_the_default() {
        let default = ServerLimits::default();
        for json in
            ["{}", r#"{"MaxPostSize": "0"}"#, r#"{"MaxPostSize": "x", "MaxFileSize": [], "Other": 1}"#]
        {
            assert_eq!(limits(json), default, "{json}");
        }
        let given = r#"{"MaxPostSize": "4000", "MaxFileSize": "10", "EnableFileAttachments": "false"}"#;
        assert_eq!(limits(given), ServerLimits { post_chars: 4_000, file_bytes: 10, takes_files: false });
        let numbers = r#"{"MaxPostSize": 4000, "MaxFileSize": 10, "EnableFileAttachments": false}"#;
        assert_eq!(limits(numbers), limits(given));
        let huge = limits(r#"{"MaxPostSize": "99999999999"}"#);
        assert_eq!(huge.post_chars, 1 << 20, "what a client reads again is bounded");
    }
}
