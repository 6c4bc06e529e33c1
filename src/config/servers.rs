//! `[servers.NAME]`: the address, the trusted certificates and the limits of each server.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use matterhost_actors::{
    mattermost::{ClientConfig, ClientLimits, ServerUrl, Tls, TlsError, proxy},
    model::ServerName,
    policy::GateLimits,
};

use super::{key_reader::TableReader, sources::read_text, value::ByteSize};

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
/// Four times the size of a system's whole set of CA certificates.
const LARGEST_CA_FILE: u64 = 1 << 20;

/// The `User-Agent` of our requests.
pub(super) const USER_AGENT: &str = concat!("matterhost/", env!("CARGO_PKG_VERSION"));

/// A Mattermost server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The name; unique in the host.
    pub name: ServerName,
    /// The address, the trusted certificates, and the limits on time and memory.
    pub client: ClientConfig,
    /// Additional CA certificates.
    pub ca: Option<CaFile>,
    /// Limits shared by all accounts of the server.
    pub limits: GateLimits,
}

/// A CA file and its content. Certificates are public, so it may be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaFile {
    /// The path.
    pub path: PathBuf,
    /// The content, as PEM.
    pub pem: Arc<str>,
}

/// The environment in which a table is read.
pub(super) struct ReadContext<'a> {
    /// The directory that relative paths start from.
    pub(super) directory: &'a Path,
    pub(super) environment: &'a HashMap<String, String>,
}

pub(super) fn read(
    name: Option<ServerName>,
    mut section: TableReader<'_>,
    context: &ReadContext<'_>,
) -> Option<ServerConfig> {
    let url = url(&mut section, context);
    let ca_file = section.optional::<PathBuf>("ca_file").map(|file| context.directory.join(file));
    let limits = gate_limits(&mut section);
    let client_limits = client_limits(&mut section);
    let tls = match &url {
        Some(url) if url.is_tls() => tls(&mut section, ca_file).map(|(tls, ca)| (Some(tls), ca)),
        Some(_) if ca_file.is_some() => {
            section.warn("ca_file", "the url begins with http, so certificates are not used", "write https");
            Some((None, None))
        }
        _ => Some((None, None)),
    };
    section.finish();
    let (tls, ca) = tls?;
    Some(ServerConfig {
        name: name?,
        client: ClientConfig::new(url?, tls, client_limits, USER_AGENT),
        ca,
        limits,
    })
}

impl ServerConfig {
    /// Returns this server with other CA certificates.
    pub(super) fn with_ca(&self, ca: CaFile, tls: Tls) -> Self {
        let (url, limits) = (self.client.url().clone(), self.client.limits().clone());
        let client = ClientConfig::new(url, Some(tls), limits, USER_AGENT);
        Self { client, ca: Some(ca), ..self.clone() }
    }
}

fn url(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<ServerUrl> {
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
    let lookup = |name: &str| context.environment.get(name).cloned();
    if let Err(error) = proxy::ensure_direct(&url, lookup) {
        section.refuse("url", error.what(), error.remedy());
    }
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

/// Reads the trusted certificates, including those of `ca_file`; `None` if there are none.
pub(super) fn tls(section: &mut TableReader<'_>, ca_file: Option<PathBuf>) -> Option<(Tls, Option<CaFile>)> {
    let ca = match ca_file.map(CaFile::read).transpose() {
        Ok(ca) => ca,
        Err(message) => {
            section.refuse("ca_file", message, CA_REMEDY);
            return None;
        }
    };
    match CaFile::tls(ca.as_ref()) {
        Ok(tls) => Some((tls, ca)),
        Err(error) => {
            section.refuse("ca_file", error.to_string(), CA_REMEDY);
            None
        }
    }
}

const CA_REMEDY: &str = "use a PEM file with CA certificates";

impl CaFile {
    /// Reads a CA file, limited in size.
    pub(super) fn read(path: PathBuf) -> Result<Self, String> {
        match read_text(&path, LARGEST_CA_FILE) {
            Ok(pem) => Ok(Self { path, pem: pem.into() }),
            Err(message) => Err(format!("{}: {message}", path.display())),
        }
    }

    /// Builds the trust from the system's certificates and this file, if one is given.
    pub(super) fn tls(ca: Option<&Self>) -> Result<Tls, TlsError> {
        Tls::load(ca.map(|ca| ca.pem.as_bytes()))
    }
}
