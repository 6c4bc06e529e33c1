//! The parts of the page that need no document: `scripts.js` calls them in the browser.

use serde_json::json;

use crate::{browser::Browser, harness::PageHarness};

const SCRIPT: &str = include_str!("scripts.js");

#[tokio::test]
async fn the_parts_without_a_document_do_what_they_say() {
    let harness = PageHarness::start();
    let browser = Browser::open(&harness.url).await;
    let said = browser.execute_async(SCRIPT, Vec::new()).await;
    assert_eq!(said["wrong"], json!([]));
    assert!(said["held"].as_u64().unwrap() >= 40, "{said}");
    browser.assert_console_is_empty().await;
}
