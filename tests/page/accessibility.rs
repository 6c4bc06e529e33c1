//! Who cannot see the page, or not its colours, or has no mouse: axe finds nothing to say.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    browser::{Browser, NARROW, WIDE},
    harness::{PageHarness, full_token},
};

/// Gives what axe holds against the page: the rule, why, and where.
const ASK: &str = "
    const done = arguments[0];
    const told = ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(' ')}`;
    axe.run(document, { resultTypes: ['violations'] }).then(
        ({ violations, passes }) => done({ wrong: violations.map(told), held: passes.length }),
        (error) => done({ wrong: [String(error)], held: 0 }));";

/// axe itself, which tests/run.sh fetches: it is under another licence than this repository, and not a part of it.
fn axe() -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools/axe-core/axe.min.js");
    fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{} cannot be read ({error}): tests/run.sh fetches it", path.display())
    })
}

async fn holds(browser: &Browser, axe: &str, where_: &str) {
    browser.execute(axe).await;
    let said = browser.execute_async(ASK, Vec::new()).await;
    assert_eq!(said["wrong"], Value::Array(Vec::new()), "{where_}");
    assert!(said["held"].as_u64().unwrap() > 5, "axe has hardly looked: {said}");
    browser.screenshot(where_).await;
}

/// A list with one that is ill, its details with the tail, a dialog, and the login, in one size and one colour.
async fn walk(harness: &PageHarness, browser: &Browser, axe: &str, name: &str) {
    browser.goto("about:blank").await;
    browser.goto(&harness.url).await;
    browser.fill("#token", "wrong-token-of-the-tests\n").await;
    browser.wait_for_text("#login-error", "wrong").await;
    holds(browser, axe, &format!("login-{name}")).await;
    browser.fill("#token", &format!("{}\n", full_token())).await;
    browser.wait_for_text("[data-name=oncall]", "blocked").await;
    holds(browser, axe, &format!("list-{name}")).await;
    browser.click("[data-name=oncall] .name").await;
    browser.wait_for_text("#panel .endings", "the token is refused").await;
    holds(browser, axe, &format!("detail-{name}")).await;
    browser.click("#panel [data-act=restart]").await;
    browser.wait_for_text("#dialog", "Restart oncall?").await;
    holds(browser, axe, &format!("dialog-{name}")).await;
    browser.click("#dialog-cancel").await;
    browser.click("#tail-toggle").await;
    browser.wait_for("the stream", "return document.getElementById('tail-said').textContent === ''").await;
    harness.fixture.simulator.cycle(&harness.fixture.bot.user_id);
    browser.wait_for_text("#tail-lines", "ready after").await;
    holds(browser, axe, &format!("tail-{name}")).await;
    browser.click("#logout").await;
}

#[tokio::test]
async fn axe_finds_nothing_in_any_view() {
    let axe = axe();
    let harness = PageHarness::with_tokens();
    harness.fixture.simulator.disable(&harness.oncall.user_id);
    let browser = Browser::open(&harness.url).await;
    for (dark, colours) in [(false, "light"), (true, "dark")] {
        for (size, width) in [(WIDE, "wide"), (NARROW, "narrow")] {
            browser.set_dark_mode(dark).await;
            browser.resize(size).await;
            walk(&harness, &browser, &axe, &format!("{colours}-{width}")).await;
        }
    }
}
