//! The view of the sinks: what waits, why, and the buttons that get it going; and the runbook that states link to.

use crate::{
    browser::{Browser, NARROW, WIDE},
    free_port::free_port,
    harness::admin_section,
    program::{ConfigDir, Fixture, RunningProgram},
};

/// A handler that wants the post `later` much later, and answers everything once the file `works` exists.
const HANDLER: &str = r#"
import json, os, sys
print("listening for events", file=sys.stderr, flush=True)
for line in sys.stdin:
    event = json.loads(line)
    id, words = event["id"], event["data"]["post"]["message"]
    if words == "later" and not os.path.exists("works"):
        print("no database for", words, file=sys.stderr, flush=True)
        print(json.dumps({"retry": id, "after": "1h"}), flush=True)
    else:
        print(json.dumps({"reply": {"to": id, "text": "heard " + words}}))
        print(json.dumps({"ack": id}), flush=True)
"#;

struct SinkPage {
    fixture: Fixture,
    dir: ConfigDir,
    url: String,
    _running: RunningProgram,
}

impl SinkPage {
    fn start() -> Self {
        let (fixture, port) = (Fixture::new(), free_port());
        let sink = "[sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"handler.py\"]\nevents = [\"posted\"]\n";
        let dir = ConfigDir::with(&format!(
            "{}{sink}{}",
            fixture.config(),
            admin_section(port, "allow_anonymous = true\n")
        ));
        dir.write("handler.py", HANDLER);
        let running = RunningProgram::ready(&fixture, &dir);
        Self { fixture, dir, url: format!("http://127.0.0.1:{port}/"), _running: running }
    }
}

#[tokio::test]
async fn an_event_that_waits_is_shown_skipped_and_sent_again() {
    let page = SinkPage::start();
    let browser = Browser::open(&page.url).await;
    browser.wait_for_text("[data-name=helpdesk]", "@helper").await;
    let id = page.fixture.post("later");
    browser.wait_for_text("[data-name=helpdesk] .why", "1 channel waits").await;
    browser.wait_for_text("[data-name=helpdesk] .why", "sink child: the handler asked for a retry").await;
    browser.wait_for_text("[data-name=helpdesk] .state", "ready").await;
    browser.wait_for_text("#sinks-toggle", "Sinks (1)").await;
    browser.click("[data-name=helpdesk] .name").await;
    browser.wait_for_text("#panel .facts", &id).await;
    browser.click("#panel .buttons + .error + .buttons button").await;
    browser.wait_for_text("[data-sink=child] .state", "retrying").await;
    browser.wait_for_text("[data-sink=child] .log", "no database for later").await;
    browser.wait_for_text("[data-sink=child] .sink-events", &format!("event {id} of helpdesk")).await;
    for (dark, colours) in [(false, "light"), (true, "dark")] {
        for (size, width) in [(WIDE, "wide"), (NARROW, "narrow")] {
            browser.set_dark_mode(dark).await;
            browser.resize(size).await;
            browser.screenshot(&format!("sinks-{colours}-{width}")).await;
        }
    }
    browser.set_dark_mode(false).await;
    browser.resize(WIDE).await;

    browser.click("[data-sink=child] .sink-events button").await;
    browser.wait_for_text("#dialog", &format!("Skip event {id}?")).await;
    browser.click("#dialog-go").await;
    browser.wait_for_text("#notice", "becomes a dead letter").await;
    browser.wait_for_text("[data-sink=child] .note", "1 dead letter").await;
    browser.wait_for_text("[data-sink=child] .state", "running").await;

    page.dir.write("works", "");
    browser.click("[data-sink=child] > .buttons [aria-label^='Retry the dead letters']").await;
    browser.click("#dialog-go").await;
    browser.wait_for_text("#notice", "1 accepted, 0 refused again, 0 not sent.").await;
    page.fixture.await_post("heard later");
    browser.assert_console_is_empty().await;
}

#[tokio::test]
async fn what_waits_is_tried_at_once_by_a_button_that_is_confirmed() {
    let page = SinkPage::start();
    let browser = Browser::open(&page.url).await;
    page.fixture.post("later");
    browser.click("#sinks-toggle").await;
    browser.wait_for_text("[data-sink=child] .state", "retrying").await;
    page.dir.write("works", "");
    browser.click("[data-sink=child] > .buttons [aria-label='Retry now child']").await;
    browser.wait_for_text("#dialog", "Retry now child?").await;
    browser.click("#dialog-go").await;
    page.fixture.await_post("heard later");
    browser.wait_for_text("[data-sink=child] .state", "running").await;
    browser.wait_for_text("#sinks-toggle", "Sinks").await;
    browser.click("#sinks-close").await;
    browser.wait_for("the view to close", "return document.getElementById('sinks').hidden").await;
    browser.assert_console_is_empty().await;
}

#[tokio::test]
async fn states_and_endings_link_to_their_entry_in_the_runbook() {
    let page = SinkPage::start();
    let browser = Browser::open(&page.url).await;
    browser.click("[data-name=helpdesk] .name").await;
    let link = "return document.querySelector('#panel .note a').getAttribute('href') === 'runbook.html#states-ready'";
    browser.wait_for("the link of the state", link).await;
    for (entry, words) in [
        ("states-stalled", "no event can be handed over"),
        ("endings-hello-overdue", "no hello arrived"),
        ("sinks-failed-to-start", "matterhost check --failed"),
        ("why-does-a-bot-not-answer", "Why does a bot not answer?"),
    ] {
        browser.goto("about:blank").await;
        browser.goto(&format!("{}runbook.html#{entry}", page.url)).await;
        browser.wait_for_text(&format!("#{entry}"), words).await;
        let seen = format!(
            "const place = document.getElementById('{entry}').getBoundingClientRect();
             return place.top >= 0 && place.top < innerHeight"
        );
        browser.wait_for("the entry to be visible", &seen).await;
    }
    browser.screenshot("runbook").await;
    browser.assert_console_is_empty().await;
}
