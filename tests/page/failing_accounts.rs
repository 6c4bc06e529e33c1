//! Accounts in every unhealthy state, among many healthy ones.

use std::{fmt::Write as _, fs};

use matterhost_simulator::{Account, Fault, FaultKind};

use crate::{
    browser::{Browser, NARROW, WIDE},
    free_port::free_port,
    harness::admin_section,
    program::{ConfigDir, Fixture, RunningProgram},
};

/// The healthy accounts.
const HEALTHY: [&str; 8] =
    ["deploys", "github", "greeter", "jira-sync", "metrics", "release-notes", "standup", "translator"];

/// Settings with a restart budget that trips at the second fault.
const SETTINGS: &str = "[restart]\nmax_restarts = 1\nmin_backoff = \"10ms\"\n[log]\nformat = \"json\"\n\
     [sinks.out]\ntype = \"stdout\"\n";

/// The secret of the webhook, whose handler does not exist.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";

/// The pages with the screenshot `page` as `docs/page.png`, and what they say of it.
const PICTURES: [(&str, &str); 3] = [
    ("README.md", "![The web page with fifteen accounts, the worst first](docs/page.png)"),
    ("docs/index.md", "![The web page with fifteen accounts, the worst first](page.png)"),
    ("docs/page.md", "![Fifteen accounts, six of them unhealthy, the worst first](page.png)"),
];

/// True if the first problem of the verdict is in sight, and no problem is cut by the end of the line.
const WHOLE_PROBLEMS: &str = "
    const end = document.getElementById('verdict').getBoundingClientRect().bottom;
    const boxes = [...document.querySelectorAll('#verdict button')].map((button) => button.getBoundingClientRect());
    return boxes[0].bottom <= end + 1 && boxes.every((box) => box.bottom <= end + 1 || box.top >= end - 1);";

/// The program with accounts to fail.
struct FailingAccounts {
    fixture: Fixture,
    oncall: Account,
    running: RunningProgram,
    url: String,
    _dir: ConfigDir,
}

impl FailingAccounts {
    fn start() -> Self {
        let fixture = Fixture::new();
        let port = free_port();
        let url = fixture.simulator.url().to_owned();
        let servers = format!(
            "[servers.main]\nurl = \"{url}\"\n[servers.lab]\nurl = \"{url}/elsewhere\"\n\
             [servers.away]\nurl = \"http://127.0.0.1:{}\"\n[servers.sealed]\nurl = \"{}\"\n",
            free_port(),
            url.replace("http://", "https://")
        );
        let hook = format!(
            "[sinks.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{}/events\"\nsecret = \"{SECRET}\"\n",
            free_port()
        );
        let mut config =
            format!("{SETTINGS}{hook}{}{servers}", admin_section(port, "allow_anonymous = true\n"));
        add_account(&mut config, "helpdesk", "main", "out", &fixture.bot.token);
        for name in HEALTHY.into_iter().chain(["lunch"]) {
            add_account(&mut config, name, "main", "out", &create_bot(&fixture, name).token);
        }
        let oncall = create_bot(&fixture, "oncall");
        add_account(&mut config, "oncall", "main", "out", &oncall.token);
        add_account(&mut config, "archive", "main", "hook", &create_bot(&fixture, "archive").token);
        add_account(&mut config, "tester", "lab", "out", "a-token-of-the-lab");
        add_account(&mut config, "gateway", "sealed", "out", "a-token-of-the-gateway");
        add_account(&mut config, "faraway", "away", "out", "a-token-of-far-away");
        let dir = ConfigDir::with(&config);
        let mut running = RunningProgram::start(dir.matterhost(&["run"]));
        for _ in 0..HEALTHY.len() + 4 {
            running.log.wait_for_fact("ready");
        }
        Self { fixture, oncall, running, url: format!("http://127.0.0.1:{port}/"), _dir: dir }
    }

    /// Makes the accounts fail.
    fn fail(&mut self) {
        let simulator = &self.fixture.simulator;
        for then in ["ready", "tripped"] {
            simulator.inject(Fault::new(FaultKind::GarbageFrame).user(&self.oncall.user_id).times(1));
            self.running.log.wait_for_json(then, |line| line["account"] == "oncall" && line["fact"] == then);
        }
        self.fixture.post("does anybody hear me?");
        simulator.disable(&self.fixture.bot.user_id);
    }
}

fn add_account(config: &mut String, name: &str, server: &str, sink: &str, token: &str) {
    writeln!(config, "[accounts.{name}]\nserver = \"{server}\"\nsinks = [\"{sink}\"]\ntoken = \"{token}\"")
        .unwrap();
}

/// Creates a bot in the channel.
fn create_bot(fixture: &Fixture, name: &str) -> Account {
    let bot = fixture.simulator.create_bot(name);
    fixture.simulator.add_to_channel_quietly(&fixture.channel, &bot.user_id);
    bot
}

#[tokio::test]
async fn each_state_is_shown_with_its_reason_the_worst_first() {
    let mut accounts = FailingAccounts::start();
    let browser = Browser::open(&accounts.url).await;
    browser.wait_for_text("[data-name=lunch]", "ready").await;
    browser.click("[data-name=lunch] .name").await;
    browser.click("#panel [data-act=stop]").await;
    browser.click("#dialog-go").await;
    browser.wait_for_text("#panel .state", "stopped").await;
    browser.click("#panel .panel-head button").await;
    accounts.fail();
    for (name, state, why) in [
        ("oncall", "tripped", "protocol error"),
        ("gateway", "misconfigured", "TLS failed: the server does not speak TLS"),
        ("tester", "misconfigured", "not found (404)"),
        ("helpdesk", "blocked", "the token is refused (401)"),
        ("archive", "stalled", "sink hook: http://127.0.0.1"),
        ("faraway", "connecting", "its server does not answer"),
        ("lunch", "stopped", "stopped by an operator"),
    ] {
        browser.wait_for_text(&format!("[data-name={name}] .state"), state).await;
        browser.wait_for_text(&format!("[data-name={name}] .why"), why).await;
    }
    browser.click("[data-name=gateway] .name").await;
    browser.wait_for_text("#panel .why", "TLS failed: the server does not speak TLS on this port, but").await;
    browser.wait_for_text("#panel .why", "http:// instead of https://").await;
    browser.click("#panel .panel-head button").await;
    // The one that failed last comes first.
    let names = "const names = [...document.querySelectorAll('#spacer .row')].slice(0, 7).map(row => row.dataset.name);
        return ['gateway,tester', 'tester,gateway']
            .some(both => names.join() === `oncall,${both},helpdesk,archive,faraway,lunch`)";
    browser.wait_for("the worst first", names).await;
    browser.wait_for_text("#verdict", "6 of 15 unhealthy").await;
    browser.wait_for_text("#verdict", "server away does not answer: faraway waiting").await;
    browser.wait_for_text("#servers", "away down").await;
    fits_into_windows(&browser).await;
    browser.resize(WIDE).await;
    browser.click("#counts [data-kind=unhealthy]").await;
    browser.wait_for_text("#shown", "6 of 15 shown").await;
    browser.assert_console_is_empty().await;
}

/// Takes the pictures, and checks that nothing is cut in windows of little room.
async fn fits_into_windows(browser: &Browser) {
    for (dark, colours) in [(false, "light"), (true, "dark")] {
        for (size, width) in [(WIDE, "wide"), (NARROW, "narrow")] {
            browser.set_dark_mode(dark).await;
            browser.resize(size).await;
            browser.screenshot(&format!("failing-{colours}-{width}")).await;
        }
    }
    browser.set_dark_mode(false).await;
    browser.resize((1200, 640)).await;
    // The notice about the stop would cover a row.
    browser
        .wait_for("no notice", "return getComputedStyle(document.getElementById('notice')).opacity === '0'")
        .await;
    browser.screenshot("page").await;
    assert_eq!(browser.execute(WHOLE_PROBLEMS).await, true, "each problem is shown whole or not at all");
    for (page, caption) in PICTURES {
        let text = fs::read_to_string(page).unwrap();
        assert!(text.contains(caption), "the picture in {page} shows something else than it says: {caption}");
    }
    // The details leave the list so little room that it has no buttons.
    browser.resize((920, 640)).await;
    browser.click("[data-name=gateway] .name").await;
    browser.wait_for("the details", "return !document.getElementById('panel').hidden").await;
    browser.screenshot("page-with-details").await;
    let overflow =
        "const list = document.getElementById('scroller'); return list.scrollWidth - list.clientWidth";
    assert_eq!(browser.execute(overflow).await, 0, "the columns fit beside the details");
    browser.click("#panel .panel-head button").await;
}
