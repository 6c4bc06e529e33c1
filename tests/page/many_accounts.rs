//! Ten thousand accounts.

use std::fmt::Write as _;

use fantoccini::key::Key;

use crate::{
    browser::Browser,
    free_port::free_port,
    harness::{admin_section, await_listener},
    program::{ConfigDir, RunningProgram},
};

/// The number of accounts that one host supports.
const ACCOUNTS: usize = 10_000;

/// More rows than are visible in a window of 900 pixels, with the overscan.
const MAX_ROWS: u64 = 60;

const ROWS: &str = "return document.querySelectorAll('#spacer .row').length";

/// Returns a configuration whose server is down, as when an operator looks at the page.
fn config(port: u16) -> String {
    let away = free_port();
    let mut config = format!(
        "{}[servers.main]\nurl = \"http://127.0.0.1:{away}\"\n",
        admin_section(port, "allow_anonymous = true\n")
    );
    for n in 1..=ACCOUNTS {
        writeln!(config, "[accounts.bot-{n}]\ntoken = \"token-{n}\"").unwrap();
    }
    config + "[log]\nformat = \"json\"\nlevel = \"error\"\n"
}

/// Waits for all rows. While the accounts start, the host may respond with 503 and the page retries, which the console shows.
async fn wait_for_all_rows(browser: &Browser) {
    browser.wait_for("all rows", "return document.getElementById('grid').ariaRowCount === '10001'").await;
    let console = browser.console().await;
    assert!(console.iter().all(|line| line.contains("503 (Service Unavailable)")), "{console:#?}");
}

#[tokio::test]
async fn only_the_rows_in_sight_are_in_the_document_and_each_can_be_reached() {
    let port = free_port();
    let dir = ConfigDir::with(&config(port));
    let _running = RunningProgram::start(dir.matterhost(&["run"]));
    await_listener(port);
    let browser = Browser::open(&format!("http://127.0.0.1:{port}/")).await;
    browser.wait_for_text("#counts", "all 10,000").await;
    browser.wait_for_text("#verdict", "10,000 of 10,000 unhealthy").await;
    browser.wait_for_text("#verdict", "server main does not answer: 10,000 waiting").await;
    wait_for_all_rows(&browser).await;
    assert!(browser.execute(ROWS).await.as_u64().unwrap() < MAX_ROWS);
    browser.screenshot("crowd").await;

    browser.click("[data-name=bot-1] .name").await;
    browser.press(Key::Escape).await;
    browser.wait_for("the row", "return document.activeElement.dataset.name === 'bot-1'").await;
    browser.press(Key::End).await;
    browser.wait_for("the last row", "return document.activeElement.dataset.name === 'bot-10000'").await;
    assert_eq!(browser.execute("return document.activeElement.ariaRowIndex").await, "10001");
    let in_sight = "
        const row = document.activeElement.getBoundingClientRect();
        const list = document.getElementById('scroller').getBoundingClientRect();
        return row.top >= list.top && row.bottom <= list.bottom + 1";
    assert_eq!(browser.execute(in_sight).await, true);
    assert!(browser.execute(ROWS).await.as_u64().unwrap() < MAX_ROWS);
    browser.press(Key::PageUp).await;
    browser.press(Key::Up).await;
    browser.wait_for("another row", "return document.activeElement.dataset.name < 'bot-9999'").await;
    browser.press(Key::Home).await;
    browser.wait_for("the first row", "return document.activeElement.ariaRowIndex === '2'").await;

    browser.fill("#search", "bot-999").await;
    browser.wait_for_text("#shown", "11 of 10,000 shown").await;
    browser.assert_console_is_empty().await;
}

#[tokio::test]
async fn the_list_shows_the_right_rows_at_any_scroll_position() {
    let port = free_port();
    let dir = ConfigDir::with(&config(port));
    let _running = RunningProgram::start(dir.matterhost(&["run"]));
    await_listener(port);
    let browser = Browser::open(&format!("http://127.0.0.1:{port}/#sort=name")).await;
    wait_for_all_rows(&browser).await;
    // Scrolls to distant positions, as by dragging the scroll bar, and checks the row in the middle after each.
    let scroll = "
        const done = arguments[0];
        const list = document.getElementById('scroller');
        const wrong = [];
        let step = 0;
        (function frame() {
            const box = list.getBoundingClientRect();
            const middle = document.elementFromPoint(box.left + 200, box.top + box.height / 2);
            const row = middle?.closest('[role=row]');
            const expected = Math.floor((list.scrollTop + box.height / 2) / 36) + 2;
            if (step > 0 && Math.abs(Number(row?.ariaRowIndex) - expected) > 1) { wrong.push([step, expected, row?.ariaRowIndex]); }
            if (row && row.dataset.name !== `bot-${row.ariaRowIndex - 1}`) { wrong.push([step, row.dataset.name]); }
            if (step === 60) { done({ wrong, rows: document.querySelectorAll('#spacer .row').length }); return; }
            step += 1;
            list.scrollTop = (step * 61_463) % (list.scrollHeight - list.clientHeight);
            requestAnimationFrame(() => requestAnimationFrame(frame));
        })();";
    let result = browser.execute_async(scroll, Vec::new()).await;
    assert_eq!(result["wrong"], serde_json::json!([]));
    assert!(result["rows"].as_u64().unwrap() < MAX_ROWS, "{result}");
    browser.assert_console_is_empty().await;
}
