//! `[servers.NAME]`: the address, the trusted certificates and the limits of each server.

use std::{collections::HashMap, path::Path, time::Duration};

use matterhost_actors::{
    mattermost::{ClientConfig, ClientLimits, ExtraHeaders, ServerUrl},
    model::{ServerName, Token},
    policy::GateLimits,
};

use super::{
    bot_factories::Bots,
    key_reader::TableReader,
    route::{Transport, TransportKeys},
    secret_source::SecretSource,
    sources::Locations,
    value::{ByteSize, StringList},
};

/// A single Mattermost machine does not answer more requests.
const FASTEST: f64 = 10_000.0;
/// At a lower rate not even a single account can be kept connected.
const SLOWEST: f64 = 0.1;
/// More simultaneous dials would amount to an attack.
const MOST_DIAL_SLOTS: usize = 1_000;
/// Smaller frames would not hold an ordinary post.
const SMALLEST_FRAME: ByteSize = ByteSize(64 << 10);
/// No post is larger.
const LARGEST_FRAME: ByteSize = ByteSize(256 << 20);
/// No network answers sooner.
const SHORTEST: Duration = Duration::from_millis(100);
/// A poll answered later would overlap the next.
const LONGEST: Duration = Duration::from_secs(300);

const COMMANDS_TOKEN: SecretSource = SecretSource {
    noun: "token",
    owner: "commands'",
    keys: ["commands_token_file", "commands_token_env", "commands_token"],
};

/// A Mattermost server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The name; unique in the host.
    pub name: ServerName,
    /// The address, the trusted certificates, and the limits on time and memory.
    pub client: ClientConfig,
    /// The files and variables that decide the way to it.
    pub transport: Transport,
    /// Limits shared by all accounts of the server.
    pub limits: GateLimits,
    /// True if the server sees all members of the cluster behind one address, and counts their requests together.
    pub shared_address: bool,
    /// The token of a user who may make slash commands; `None` if administrators make them.
    pub commands_token: Option<Token>,
}

/// The environment in which a table is read.
pub(super) struct ReadContext<'a> {
    /// The directory that relative paths start from if no file sets them.
    pub(super) directory: &'a Path,
    /// The places of the keys that files set.
    pub(super) places: &'a Locations,
    pub(super) environment: &'a HashMap<String, String>,
    pub(super) bots: &'a Bots,
}

pub(super) fn read(
    name: Option<ServerName>,
    mut section: TableReader<'_>,
    context: &ReadContext<'_>,
) -> Option<ServerConfig> {
    let url = url(&mut section);
    let keys = TransportKeys::read(&mut section, context);
    let headers = headers(&mut section);
    let limits = gate_limits(&mut section);
    let shared_address = section.read("shared_address", false);
    let client_limits = client_limits(&mut section);
    let client = url.and_then(|url| keys.client(&mut section, context, url, client_limits));
    let commands_token = commands_token(&mut section, context);
    section.finish();
    let (client, transport) = client?;
    Some(ServerConfig {
        name: name?,
        client: client.with_headers(headers?),
        transport,
        limits,
        shared_address,
        commands_token,
    })
}

impl ServerConfig {
    /// Returns its limits in a cluster of so many members.
    pub fn limits_among(&self, members: u32) -> GateLimits {
        GateLimits { sharers: if self.shared_address { members.max(1) } else { 1 }, ..self.limits }
    }

    /// Describes the way to the server: `direct`, or the proxy and the variable that names it.
    pub fn way(&self) -> String {
        match (self.client.proxy(), self.transport.proxy_variable) {
            (None, _) => "direct".to_owned(),
            (Some(proxy), None) => proxy.to_string(),
            (Some(proxy), Some(variable)) => format!("{proxy} ({variable})"),
        }
    }
}

fn commands_token(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<Token> {
    let (key, text) = COMMANDS_TOKEN.read_optional(section, context)?;
    match Token::new(text) {
        Ok(token) => Some(token),
        Err(error) => {
            section.refuse(
                key,
                error.to_string(),
                "use the access token of a user who may make slash commands",
            );
            None
        }
    }
}

/// Reads the headers that go with each request.
fn headers(section: &mut TableReader<'_>) -> Option<ExtraHeaders> {
    let StringList(lines) = section.read("headers", StringList::default());
    match ExtraHeaders::parse(lines.iter().map(String::as_str)) {
        Ok(headers) => Some(headers),
        Err(error) => {
            section.refuse("headers", error.to_string(), "write a list such as [\"X-Name: value\"]");
            None
        }
    }
}

fn url(section: &mut TableReader<'_>) -> Option<ServerUrl> {
    let Some(text) = section.optional::<String>("url") else {
        if !section.has("url") {
            section.refuse(
                "url",
                "it is missing",
                "write the server's address, like https://chat.example.com",
            );
        }
        return None;
    };
    let url = match text.parse::<ServerUrl>() {
        Ok(url) => url,
        Err(error) => {
            section.refuse("url", error.what(), error.remedy());
            return None;
        }
    };
    Some(url)
}

fn gate_limits(section: &mut TableReader<'_>) -> GateLimits {
    let default = GateLimits::default();
    GateLimits {
        requests_per_second: section.within(
            "requests_per_second",
            default.requests_per_second,
            SLOWEST..=FASTEST,
        ),
        dial_slots: section.within("dial_slots", default.dial_slots, 1..=MOST_DIAL_SLOTS),
        ..default
    }
}

fn client_limits(section: &mut TableReader<'_>) -> ClientLimits {
    let default = ClientLimits::default();
    let max_frame =
        section.within("max_frame", ByteSize(default.max_frame_bytes), SMALLEST_FRAME..=LARGEST_FRAME);
    ClientLimits {
        max_frame_bytes: max_frame.0,
        connect_timeout: section.within("connect_timeout", default.connect_timeout, SHORTEST..=LONGEST),
        request_timeout: section.within("request_timeout", default.request_timeout, SHORTEST..=LONGEST),
        ..default
    }
}
