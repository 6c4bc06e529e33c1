//! The bots of the documentation, as a reader copies them from the pages, against the simulator.

use std::{fs, net::TcpListener, path::Path, process::Command, thread, time::Instant};

use matterhost_simulator::{Account, Simulator};

use crate::{
    admin::host::free_address,
    code_blocks::blocks,
    free_port::free_port,
    hooks::serve,
    program::{ConfigDir, DEADLINE, Program, RunningProgram, text},
};

/// The address that the pages use for the reader's server.
pub(crate) const ADDRESS: &str = "https://chat.example.com";

/// The channel that stands for the one of the pages.
const CHANNEL: &str = "lobby";

/// A server with the team and the channel of the pages, and a directory with what a reader has copied.
pub(crate) struct Reader {
    pub(crate) simulator: Simulator,
    pub(crate) dir: ConfigDir,
    channel: String,
    person: Account,
}

/// Returns the blocks of a language on a page.
pub(crate) fn copied(page: &str, language: &str) -> Vec<String> {
    let blocks = blocks(Path::new(page)).into_iter().filter(|block| block.language == language);
    blocks.map(|block| block.text).collect()
}

impl Reader {
    pub(crate) fn with(config: &str) -> Self {
        let simulator = Simulator::start().unwrap();
        let team = simulator.create_team("crew");
        // The team has a channel with the page's name already, whose id is not known here.
        let channel = simulator.create_channel(&team, CHANNEL);
        let person = simulator.create_user("ann");
        simulator.add_to_team(&team, &person.user_id);
        simulator.add_to_channel(&channel, &person.user_id);
        assert!(config.contains(ADDRESS), "{config}");
        // The tests read the log as JSON, and several hosts run on one machine.
        let (config, address) = (config.replace(ADDRESS, simulator.url()), free_address());
        let config = format!("{config}\n[log]\nformat = \"json\"\n[admin]\nbind = \"{address}\"\n");
        let dir = ConfigDir::with(&config);
        dir.write("admin.token", &simulator.admin().token);
        Self { simulator, dir, channel, person }
    }

    /// Returns the program as a shell runs it, which finds the handlers' interpreters.
    fn matterhost(&self, args: &[&str]) -> Program {
        let mut command = self.dir.matterhost(args);
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command.env("OPENCLAW_GATEWAY_TOKEN", "of the gateway");
        command
    }

    /// Runs a command of a page in the directory.
    pub(crate) fn run(&self, line: &str) {
        let line = line.replace("town-square", CHANNEL);
        let words: Vec<_> = line.split(' ').collect();
        if let ["mkdir", name] = words[..] {
            return fs::create_dir(self.dir.path().join(name)).unwrap();
        }
        let mut args = words.strip_prefix(&["matterhost"]).unwrap().to_vec();
        if args.starts_with(&["bots"]) {
            // Instead of a terminal that asks for it.
            args.extend(["--admin-token-file", "admin.token"]);
        }
        let output = self.matterhost(&args).output().unwrap();
        assert!(output.status.success(), "{line}: {}{}", text(&output.stdout), text(&output.stderr));
    }

    fn start(&self) -> RunningProgram {
        let mut running = RunningProgram::start(self.matterhost(&["run"]));
        running.log.wait_for_fact("ready");
        running
    }

    /// Posts a text and waits for the bot's answer.
    fn ask(&self, question: &str, answer: &str) {
        self.simulator.post(&self.person.user_id, &self.channel, question);
        let end = Instant::now() + DEADLINE;
        let posts = || self.simulator.posts_in(&self.channel).into_iter().map(|post| post.message);
        while !posts().any(|post| post == answer) {
            assert!(Instant::now() < end, "no {answer:?} in {:?}", posts().collect::<Vec<_>>());
            thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

#[test]
fn the_tutorial_leads_to_a_bot_that_answers() {
    let page = "docs/tutorial.md";
    let [config] = &copied(page, "toml")[..] else { panic!("one configuration") };
    let [handler] = &copied(page, "python")[..] else { panic!("one handler") };
    let reader = Reader::with(config);
    reader.dir.write("handler.py", handler);
    let shell = copied(page, "sh");
    let create = shell.iter().find(|block| block.contains("bots create")).unwrap();
    create.lines().for_each(|line| reader.run(line));
    reader.run("matterhost check");
    assert!(shell.iter().any(|block| block == "matterhost check\nmatterhost run\n"), "{shell:?}");
    let running = reader.start();
    reader.ask("hello", "You said: hello");
    for command in
        ["matterhost status", "matterhost sink restart handler", "matterhost sinks", "matterhost sign-in"]
    {
        let text = fs::read_to_string(page).unwrap();
        assert!(text.contains(command), "{command}");
        reader.run(command);
    }
    reader.ask("again", "You said: again");
    drop(running);
}

#[test]
fn the_readmes_handler_is_the_tutorials() {
    assert_eq!(copied("README.md", "python"), copied("docs/tutorial.md", "python"));
}

/// Adds the bot of the migration pages, runs the host, and asks its handler.
fn migrated(config: &str, files: &[(&str, &str)], question: &str, answer: &str) {
    let reader = Reader::with(config);
    for (name, content) in files {
        reader.dir.write(name, content);
    }
    reader.run("mkdir tokens");
    reader.run("matterhost bots create echo --team crew --channel town-square");
    let running = reader.start();
    reader.ask(question, answer);
    drop(running);
}

#[test]
fn the_handlers_of_the_migration_page_answer() {
    let page = "docs/migration.md";
    let [config, ..] = &copied(page, "toml")[..] else { panic!("a configuration") };
    let [mmpy, driver, _] = &copied(page, "python")[..] else { panic!("three handlers in Python") };
    let [hubot, _] = &copied(page, "js")[..] else { panic!("two handlers in JavaScript") };
    migrated(config, &[("handler.py", mmpy)], "deploy billing", "Deploying billing.");
    migrated(config, &[("handler.py", driver)], "anything", "Hello");
    let command = r#"["node", "handler.mjs"]"#;
    let node = config.replace(r#"["python3", "handler.py"]"#, command);
    assert!(fs::read_to_string(page).unwrap().contains(&format!("command = {command}")) && node != *config);
    migrated(&node, &[("handler.mjs", hubot)], "badge ann", "Badge ann is ready.");
}

/// A stream of a model: its role, the parts of the answer, and the end.
const STREAM: &str = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant"}}]}

data: {"choices":[{"index":0,"delta":{"content":"forty-"}}]}

data: {"choices":[{"index":0,"delta":{"content":"two"},"finish_reason":"stop"}]}

data: [DONE]

"#;

#[test]
fn the_handler_for_openclaw_asks_its_gateway_and_answers_bit_by_bit() {
    let page = "docs/migration.md";
    let [config, sink, _] = &copied(page, "toml")[..] else { panic!("three configurations") };
    let [_, _, handler] = &copied(page, "python")[..] else { panic!("three handlers in Python") };
    let gateway = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gateway.local_addr().unwrap().to_string();
    serve(gateway, STREAM);
    let (head, _) = config.split_once("[sinks.handler]").unwrap();
    let handler = handler.replace("127.0.0.1:18789", &address);
    migrated(&format!("{head}{sink}"), &[("handler.py", &handler)], "@echo what is it?", "forty-two");
}

#[test]
fn the_web_server_of_the_migration_page_answers_signed_requests() {
    let page = "docs/migration.md";
    let [config, _, hook] = &copied(page, "toml")[..] else { panic!("three configurations") };
    let [_, server] = &copied(page, "js")[..] else { panic!("two handlers in JavaScript") };
    let port = free_port();
    let hook = hook.replace("8000", &port.to_string());
    let (head, _) = config.split_once("[sinks.handler]").unwrap();
    let secret = "whsec_bXVzdG5vdHNob3ctbXVzdG5vdHNob3cteA==";
    let scripts = tempfile::tempdir().unwrap();
    let script = scripts.path().join("server.mjs");
    fs::write(&script, server).unwrap();
    let mut node = Command::new("node");
    node.arg(&script).arg(port.to_string()).env("HOOK_SECRET", secret);
    let _node = RunningProgram::start(node);
    migrated(&format!("{head}{hook}"), &[("hook.secret", secret)], "hello", "You said: hello");
}
