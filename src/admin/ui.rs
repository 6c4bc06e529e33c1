//! The files of the web page, which shows the data of the admin API.
//!
//! Plain HTML, CSS and JavaScript modules, each with one concern, without a build step or external resources.
//! `docs/page.md` describes the page.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use actix_web::http::header::EntityTag;

/// The content security policy: only files and responses from the same origin, no inline script or style, and no text as
/// markup (trusted types without any policy).
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// A file of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// The path at which it is served.
    pub path: &'static str,
    /// The media type.
    pub content_type: &'static str,
    /// The content.
    pub text: &'static str,
}

impl Asset {
    /// Returns the hash of the content: a browser that has the file gets a 304.
    pub fn entity_tag(&self) -> EntityTag {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        EntityTag::new_strong(format!("{:016x}", hasher.finish()))
    }
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const MARKDOWN: &str = "text/markdown; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($path:expr, $file:literal, $content_type:expr) => {
        Asset { path: $path, content_type: $content_type, text: include_str!(concat!("ui/", $file)) }
    };
}

macro_rules! script {
    ($name:literal) => {
        asset!(concat!("/", $name), $name, SCRIPT)
    };
}

/// All files of the page.
pub const ASSETS: &[Asset] = &[
    asset!("/", "index.html", HTML),
    asset!("/page.css", "page.css", CSS),
    asset!("/top.css", "top.css", CSS),
    asset!("/list.css", "list.css", CSS),
    asset!("/panel.css", "panel.css", CSS),
    asset!("/sinks.css", "sinks.css", CSS),
    asset!("/runbook.css", "runbook.css", CSS),
    asset!("/runbook.html", "runbook.html", HTML),
    asset!("/icon.svg", "icon.svg", SVG),
    script!("main.js"),
    script!("actions.js"),
    script!("api.js"),
    script!("choose.js"),
    script!("dialog.js"),
    script!("dom.js"),
    script!("endings.js"),
    script!("facts.js"),
    script!("feed.js"),
    script!("grid.js"),
    script!("link.js"),
    script!("login.js"),
    script!("notice.js"),
    script!("panel.js"),
    script!("row.js"),
    script!("runbook.js"),
    script!("signin.js"),
    script!("sink.js"),
    script!("sinks.js"),
    script!("spark.js"),
    script!("sse.js"),
    script!("store.js"),
    script!("tail.js"),
    script!("theme.js"),
    script!("top.js"),
    script!("view.js"),
    script!("words.js"),
];

/// Returns the address of the page with a code for signing in. A browser sends no server the part after `#`.
pub fn page_link(url: &str, code: &str) -> String {
    format!("{url}/#sign-in={code}")
}

/// The documents that the page shows: the runbook.
pub const DOCUMENTS: &[Asset] =
    &[Asset { path: "/runbook.md", content_type: MARKDOWN, text: include_str!("../../docs/runbook.md") }];

#[cfg(test)]
mod tests;
