//! Checks all views for accessibility with axe.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    browser::{Browser, NARROW, WIDE},
    harness::{PageHarness, full_token},
};

/// Returns the violations that axe finds: the rule, the reason and the elements.
const RUN_AXE: &str = "
    const done = arguments[0];
    const describe = ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(' ')}`;
    axe.run(document, { resultTypes: ['violations'] }).then(
        ({ violations, passes }) => done({ wrong: violations.map(describe), held: passes.length }),
        (error) => done({ wrong: [String(error)], held: 0 }));";

/// Returns the source of axe. tests/run.sh downloads it, because its licence differs from that of this repository.
fn axe() -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools/axe-core/axe.min.js");
    fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{} cannot be read ({error}); tests/run.sh downloads it", path.display())
    })
}

async fn assert_accessible(browser: &Browser, axe: &str, view: &str) {
    browser.execute(axe).await;
    let result = browser.execute_async(RUN_AXE, Vec::new()).await;
    assert_eq!(result["wrong"], Value::Array(Vec::new()), "{view}");
    assert!(result["held"].as_u64().unwrap() > 5, "axe has checked too few rules: {result}");
    browser.screenshot(view).await;
}

/// Checks each view: the login, a list with an unhealthy account, its details, a dialog, the tail, the sinks and the runbook.
async fn walk(harness: &PageHarness, browser: &Browser, axe: &str, name: &str) {
    browser.goto("about:blank").await;
    browser.goto(&harness.url).await;
    browser.fill("#token", "wrong-token-of-the-tests\n").await;
    browser.wait_for_text("#login-error", "wrong").await;
    assert_accessible(browser, axe, &format!("login-{name}")).await;
    browser.fill("#token", &format!("{}\n", full_token())).await;
    browser.wait_for_text("[data-name=oncall]", "blocked").await;
    assert_accessible(browser, axe, &format!("list-{name}")).await;
    browser.click("[data-name=oncall] .name").await;
    browser.wait_for_text("#panel .endings", "the token is refused").await;
    assert_accessible(browser, axe, &format!("detail-{name}")).await;
    browser.click("#panel [data-act=restart]").await;
    browser.wait_for_text("#dialog", "Restart oncall?").await;
    assert_accessible(browser, axe, &format!("dialog-{name}")).await;
    browser.click("#dialog-cancel").await;
    browser.click("#tail-toggle").await;
    browser.wait_for("the stream", "return document.getElementById('tail-status').textContent === ''").await;
    harness.fixture.simulator.cycle(&harness.fixture.bot.user_id);
    browser.wait_for_text("#tail-lines", "ready after").await;
    assert_accessible(browser, axe, &format!("tail-{name}")).await;
    browser.click("#tail-close").await;
    browser.click("#sinks-toggle").await;
    browser.wait_for_text("#sinks", "running").await;
    assert_accessible(browser, axe, &format!("sinks-{name}")).await;
    browser.click("#sinks-close").await;
    browser.click("#logout").await;
    browser.goto(&format!("{}runbook.html", harness.url)).await;
    browser.wait_for_text("#runbook", "Three in the morning").await;
    assert_accessible(browser, axe, &format!("runbook-{name}")).await;
}

/// Checks each view in one colour scheme, on a wide and on a narrow screen.
async fn walk_in(dark: bool, colours: &str) {
    let axe = axe();
    let harness = PageHarness::with_tokens();
    harness.fixture.simulator.disable(&harness.oncall.user_id);
    let browser = Browser::open(&harness.url).await;
    browser.set_dark_mode(dark).await;
    for (size, width) in [(WIDE, "wide"), (NARROW, "narrow")] {
        browser.resize(size).await;
        walk(&harness, &browser, &axe, &format!("{colours}-{width}")).await;
    }
}

#[tokio::test]
async fn axe_finds_nothing_in_any_light_view() {
    walk_in(false, "light").await;
}

#[tokio::test]
async fn axe_finds_nothing_in_any_dark_view() {
    walk_in(true, "dark").await;
}
