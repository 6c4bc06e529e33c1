//! `[servers.NAME]`: where they are, whom to trust, and how much they bear.

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

use super::{sources::read_text, table::TableReader, value::ByteSize};

/// Faster than this no server of one machine answers.
const FASTEST: f64 = 10_000.0;
/// Slower than this not even one account can be kept.
const SLOWEST: f64 = 0.1;
/// More connections in the making than this would be an attack.
const MOST_DIAL_SLOTS: usize = 1_000;
/// Smaller frames than this would not hold an ordinary post.
const SMALLEST_FRAME: ByteSize = ByteSize(64 << 10);
/// A larger frame than this is no post.
const LARGEST_FRAME: ByteSize = ByteSize(256 << 20);
/// A network answers no sooner.
const SHORTEST: Duration = Duration::from_millis(100);
/// A poll that is answered later comes after the next one.
const LONGEST: Duration = Duration::from_secs(300);
/// The system's whole set of authorities is a quarter of it.
const LARGEST_CA_FILE: u64 = 1 << 20;

/// How this program calls itself to servers.
pub(super) const USER_AGENT: &str = concat!("matterhost/", env!("CARGO_PKG_VERSION"));

/// A server that accounts may be on.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Its name.
    pub name: ServerName,
    /// Its address, whom to trust, and the bounds on time and memory.
    pub client: ClientConfig,
    /// The authorities of its own that it trusts.
    pub ca: Option<CaFile>,
    /// What all accounts of it share.
    pub limits: GateLimits,
}

/// A file with certificates of authorities, and what it held. Those are public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaFile {
    /// The file.
    pub path: PathBuf,
    /// What it held, as PEM.
    pub pem: Arc<str>,
}

/// What a server's reader looks at besides the table.
pub(super) struct ReadContext<'a> {
    /// Where relative paths begin.
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
            section.warn(
                "ca_file",
                "the url begins with http, so no certificate is looked at",
                "write https",
            );
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
    /// The same with another authority.
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

/// The roots of trust, with those of a file; `None` when there are none.
pub(super) fn tls(section: &mut TableReader<'_>, ca_file: Option<PathBuf>) -> Option<(Tls, Option<CaFile>)> {
    let ca = match ca_file.map(CaFile::read).transpose() {
        Ok(ca) => ca,
        Err(what) => {
            section.refuse("ca_file", what, CA_REMEDY);
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

const CA_REMEDY: &str = "give a PEM file with the authority's certificate";

impl CaFile {
    /// Reads a file, if it is text of the size that such files have.
    pub(super) fn read(path: PathBuf) -> Result<Self, String> {
        match read_text(&path, LARGEST_CA_FILE) {
            Ok(pem) => Ok(Self { path, pem: pem.into() }),
            Err(what) => Err(format!("{}: {what}", path.display())),
        }
    }

    /// Whom to trust with it, or without one.
    pub(super) fn tls(ca: Option<&Self>) -> Result<Tls, TlsError> {
        Tls::load(ca.map(|ca| ca.pem.as_bytes()))
    }
}
