//! The examples of `docs/handlers` for Python and JavaScript, each run with the configuration of its header.

mod bad_requests;
mod cron;
mod deploy;
mod echo;
mod files;
mod streaming;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use matterhost_simulator::{Account, Post, ServerVersion, Simulator};

use crate::{
    admin::host::free_address,
    program::{ConfigDir, RunningProgram, text, wait_until_complete},
    sinks::Handler,
};

/// The secret of the webhooks.
const SECRET: &str = "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw";

/// A language of the examples.
struct Language {
    folder: &'static str,
    extension: &'static str,
    program: &'static str,
    /// The arguments with which the program prints its path, which may be behind a slow script of the same name.
    print_path: [&'static str; 2],
}

const LANGUAGES: [Language; 2] = [
    Language {
        folder: "python",
        extension: "py",
        program: "python3",
        print_path: ["-c", "import sys; print(sys.executable)"],
    },
    Language {
        folder: "javascript",
        extension: "mjs",
        program: "node",
        print_path: ["-p", "process.execPath"],
    },
];

/// The paths of the interpreters.
static INTERPRETERS: LazyLock<[String; 2]> = LazyLock::new(|| {
    LANGUAGES.map(|Language { program, print_path, .. }| {
        let printed = Command::new(program).args(print_path).output();
        let printed = printed.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
        text(&printed.stdout).trim().to_owned()
    })
});

/// A file of `docs/handlers`.
struct Example {
    path: PathBuf,
    interpreter: &'static str,
}

impl Example {
    /// Returns the examples of a bot in all languages.
    fn of(bot: &str, door: &str) -> [Self; 2] {
        [0, 1].map(|n| {
            let Language { folder, extension, .. } = LANGUAGES[n];
            let path = format!("docs/handlers/{folder}/{bot}_{door}.{extension}");
            let path = fs::canonicalize(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            Self { path, interpreter: &INTERPRETERS[n] }
        })
    }

    /// Returns a name for its sink and its accounts, such as `echo-child-py`.
    fn name(&self) -> String {
        self.path.file_name().unwrap().to_str().unwrap().replace(['_', '.'], "-")
    }

    /// Returns the configuration in its header: the lines that are indented.
    fn config(&self) -> String {
        let text = fs::read_to_string(&self.path).unwrap();
        let header: Vec<_> = if let Some(docstring) = text.strip_prefix("\"\"\"") {
            docstring.split("\"\"\"").next().unwrap().lines().collect()
        } else {
            let comment = text.lines().map_while(|line| line.strip_prefix("//"));
            comment.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect()
        };
        let config: Vec<_> = header.iter().filter_map(|line| line.strip_prefix("    ")).collect();
        config.join("\n") + "\n"
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.interpreter);
        command.arg(&self.path).args(args);
        command
    }
}

/// An example at work for its accounts, which have a channel of their own.
struct Variant {
    name: String,
    channel: String,
    bots: Vec<Account>,
}

/// A host of the variants of a bot, each a sink with its own accounts.
struct Rig {
    simulator: Simulator,
    person: Account,
    team: String,
    dir: ConfigDir,
    api: SocketAddr,
    variants: Vec<Variant>,
    handlers: Vec<Handler>,
}

impl Rig {
    /// Prepares a host of all variants of a bot, as a child process and as a webhook.
    fn new(bot: &str) -> Self {
        let mut rig = Self::empty();
        for example in ["child", "webhook"].iter().flat_map(|door| Example::of(bot, door)) {
            rig.add(&example, 2);
        }
        rig
    }

    fn empty() -> Self {
        let simulator = Simulator::builder().version(ServerVersion::V11_1).start().unwrap();
        let (person, team, api) =
            (simulator.create_user("ann"), simulator.create_team("crew"), free_address());
        simulator.add_to_team(&team, &person.user_id);
        let config = format!(
            "[log]\nformat = \"json\"\n[admin]\nbind = \"{api}\"\n[servers.main]\nurl = \"{}\"\n",
            simulator.url()
        );
        let dir = ConfigDir::with(&config);
        dir.write("hook.secret", SECRET);
        Self { simulator, person, team, dir, api, variants: Vec::new(), handlers: Vec::new() }
    }

    /// Appends to the configuration.
    fn configure(&self, more: &str) {
        let path = self.dir.path().join("matterhost.toml");
        let config = fs::read_to_string(&path).unwrap();
        fs::write(path, config + more).unwrap();
    }

    /// Adds an example, with the sink of its header for so many accounts. A webhook is started.
    fn add(&mut self, example: &Example, accounts: usize) {
        let name = example.name();
        let folder = example.path.parent().unwrap().to_str().unwrap();
        let mut sink = example.config().replace("/opt/bots", folder);
        for Language { program, .. } in LANGUAGES {
            sink = sink.replace(&format!("[\"{program}\""), &format!("[\"{}\"", example.interpreter));
        }
        let header = sink.split_once("[sinks.").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
        sink = sink.replace(&format!("[sinks.{header}]"), &format!("[sinks.{name}]"));
        if sink.contains("dir = \"files\"") {
            sink = sink.replace("dir = \"files\"", &format!("dir = \"{name}\""));
            fs::create_dir(self.dir.path().join(&name)).unwrap();
        }
        if sink.contains("\"webhook\"") {
            let handler = Handler::start(example.command(&["0", &format!("http://{}", self.api)]), SECRET);
            sink = sink.replace(":8000/", &format!(":{}/", handler.port));
            self.handlers.push(handler);
        }
        self.configure(&sink);
        self.add_accounts(name, accounts);
    }

    /// Adds accounts in a channel of their own, whose events go to the sink of that name.
    fn add_accounts(&mut self, name: String, accounts: usize) {
        let channel = self.simulator.create_channel(&self.team, &name);
        self.simulator.add_to_channel(&channel, &self.person.user_id);
        let bots = (0..accounts).map(|n| {
            let account = format!("{name}-{n}");
            let bot = self.simulator.create_bot(&account);
            self.simulator.add_to_team(&self.team, &bot.user_id);
            self.simulator.add_to_channel(&channel, &bot.user_id);
            self.configure(&format!(
                "[accounts.{account}]\ntoken = \"{}\"\nsinks = [\"{name}\"]\n",
                bot.token
            ));
            bot
        });
        let bots = bots.collect();
        self.variants.push(Variant { name, channel, bots });
    }

    /// Starts the host, and waits until all accounts are ready.
    fn start(&self) -> RunningProgram {
        self.ready(self.dir.matterhost(&["run"]))
    }

    /// Runs a command, and waits until all accounts are ready.
    fn ready(&self, command: impl Into<Command>) -> RunningProgram {
        let mut host = RunningProgram::start(command);
        for _ in self.variants.iter().flat_map(|variant| &variant.bots) {
            host.log.wait_for_fact("ready");
        }
        host
    }

    /// Posts a text in the channel of each variant.
    fn post(&self, text: &str) {
        for variant in &self.variants {
            self.simulator.post(&self.person.user_id, &variant.channel, text);
        }
    }

    /// Returns the posts of a bot.
    fn posts(&self, variant: &Variant, bot: &Account) -> Vec<Post> {
        let mut posts = self.simulator.posts_in(&variant.channel);
        posts.retain(|post| post.user_id == bot.user_id && post.kind.is_empty());
        posts
    }

    /// Waits until the texts of each bot are as they should be.
    fn await_texts(&self, are_reached: impl Fn(&[String]) -> bool) {
        let missing = || {
            let bots =
                self.variants.iter().flat_map(|variant| variant.bots.iter().map(move |bot| (variant, bot)));
            let texts = bots.map(|(variant, bot)| {
                let texts = self.posts(variant, bot).into_iter().map(|post| post.message);
                (&variant.name, texts.collect::<Vec<_>>())
            });
            texts.filter(|(_, texts)| !are_reached(texts)).collect()
        };
        wait_until_complete(missing).unwrap();
    }
}

/// Returns the names in a directory.
fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
