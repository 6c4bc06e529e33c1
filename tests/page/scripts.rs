//! Tests of the scripts that need no document: `scripts.js` runs them in the browser.

use serde_json::json;

use crate::{browser::Browser, harness::PageHarness};

const SCRIPT: &str = include_str!("scripts.js");

#[tokio::test]
async fn the_modules_without_a_document_work() {
    let harness = PageHarness::start();
    let browser = Browser::open(&harness.url).await;
    let result = browser.execute_async(SCRIPT, Vec::new()).await;
    assert_eq!(result["wrong"], json!([]));
    assert!(result["held"].as_u64().unwrap() >= 40, "{result}");
    browser.assert_console_is_empty().await;
}
