//! Members as processes of the program, with a NATS server and a simulated Mattermost.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use matterhost_simulator::{Account, Simulator};

use crate::{
    cutting_proxy::CuttingProxy,
    handler::{self, Handed},
    nats_server::NatsServer,
    program::{ConfigDir, DEADLINE, RunningProgram, text},
};

/// The lifetime of a lease: the shortest there is.
pub(crate) const TTL: Duration = Duration::from_secs(2);

/// Enough that each of two members owns some: that all are on one happens once in two thousand runs.
pub(crate) const BOTS: usize = 12;

/// The people who may post.
const PEOPLE: usize = 12;

/// The most looks at a condition. Each may ask every member for a list of thousands of accounts.
const MOST_LOOKS: u32 = 600;

/// A cluster's surroundings: each bot has a channel with people, who post.
pub(crate) struct Cluster {
    pub(crate) nats: Mutex<NatsServer>,
    /// The other servers of NATS, if there are three.
    pub(crate) more_nats: Vec<Mutex<NatsServer>>,
    pub(crate) simulator: Simulator,
    pub(crate) bots: Vec<(Account, String)>,
    pub(crate) team: String,
    people: Vec<Account>,
    dir: ConfigDir,
    pub(crate) lease_ttl: Duration,
    /// True if the members take actions from a queue.
    takes_actions: bool,
    /// The requests per second that the members share.
    rate: AtomicU32,
    /// The proxies between members and NATS, by the name of the member.
    proxies: Mutex<BTreeMap<String, Vec<CuttingProxy>>>,
}

impl Cluster {
    /// Creates one whose leases end as soon as they may.
    pub(crate) fn new() -> Self {
        Self::with(BOTS, TTL)
    }

    /// Creates one with three servers of NATS, so many bots, and leases that outlive the election of a leader.
    pub(crate) fn with_three_servers(bots: usize) -> Self {
        Self::on(NatsServer::start_three(), Simulator::start().unwrap(), bots, Duration::from_secs(10))
    }

    /// Creates one with so many bots, and leases that end after a time.
    pub(crate) fn with(bots: usize, lease_ttl: Duration) -> Self {
        Self::of(Simulator::start().unwrap(), bots, lease_ttl)
    }

    /// Creates one on a Mattermost, with so many bots, and leases that end after a time.
    pub(crate) fn of(simulator: Simulator, bots: usize, lease_ttl: Duration) -> Self {
        Self::on(vec![NatsServer::start("")], simulator, bots, lease_ttl)
    }

    fn on(mut servers: Vec<NatsServer>, simulator: Simulator, bots: usize, lease_ttl: Duration) -> Self {
        let team = simulator.create_team("crew");
        let person = |n| {
            let person = simulator.create_user(&format!("person-{n}"));
            simulator.add_to_team(&team, &person.user_id);
            person
        };
        let people: Vec<_> = (0..PEOPLE).map(person).collect();
        let bot = |n| {
            let bot = simulator.create_bot(&format!("bot-{n}"));
            let channel = simulator.create_channel(&team, &format!("channel-{n}"));
            simulator.add_to_team(&team, &bot.user_id);
            for user in people.iter().chain([&bot]) {
                simulator.add_to_channel_quietly(&channel, &user.user_id);
            }
            (bot, channel)
        };
        let bots = (0..bots).map(bot).collect();
        let dir = ConfigDir::with("");
        dir.write("handler.py", handler::SOURCE);
        let nats = Mutex::new(servers.remove(0));
        let more_nats = servers.into_iter().map(Mutex::new).collect();
        Self {
            nats,
            more_nats,
            simulator,
            bots,
            team,
            people,
            dir,
            lease_ttl,
            takes_actions: false,
            rate: AtomicU32::new(1_000),
            proxies: Mutex::default(),
        }
    }

    /// Lets the members take actions from a queue.
    pub(crate) fn with_actions(self) -> Self {
        Self { takes_actions: true, ..self }
    }

    /// Sets the requests per second that the members share, for the next start or reload of each.
    pub(crate) fn set_rate(&self, rate: u32) {
        self.rate.store(rate, Ordering::Relaxed);
    }

    /// Returns the servers of NATS.
    pub(crate) fn nats_servers(&self) -> impl Iterator<Item = &Mutex<NatsServer>> {
        [&self.nats].into_iter().chain(&self.more_nats)
    }

    /// Puts a proxy between a member, when it starts next, and each server of NATS.
    pub(crate) fn put_proxies_before_nats(&self, member: &str) -> Vec<CuttingProxy> {
        let addresses = self.nats_servers().map(|server| server.lock().unwrap().address.clone());
        let proxies: Vec<_> = addresses.map(|address| CuttingProxy::start(&address)).collect();
        self.proxies.lock().unwrap().insert(member.into(), proxies.clone());
        proxies
    }

    /// Starts a member, and waits until it has joined.
    pub(crate) fn start(&self, name: &str) -> RunningProgram {
        self.start_with(name, "[admin]\nenabled = false\n")
    }

    /// Starts a member that takes commands, and waits until it has joined.
    pub(crate) fn start_with_admin(&self, name: &str) -> RunningProgram {
        self.start_with_admin_and(name, "")
    }

    /// Starts a member that takes commands, with more of a configuration, and waits until it has joined.
    pub(crate) fn start_with_admin_and(&self, name: &str, more: &str) -> RunningProgram {
        self.start_with(name, &self.admin(name, more))
    }

    /// Starts a member that takes commands, with a part of its configuration left out, and waits until it has joined.
    pub(crate) fn start_without(&self, name: &str, part: &str) -> RunningProgram {
        let config = self.config(name, &self.admin(name, ""));
        assert!(config.contains(part), "{config}");
        self.dir.write(&format!("{name}.toml"), &config.replace(part, ""));
        self.start_configured(name)
    }

    /// Reloads a member with the whole configuration.
    pub(crate) fn reload(&self, name: &str) {
        self.configure(name, &self.admin(name, ""));
        self.command(name, &["reload"]);
    }

    fn admin(&self, name: &str, more: &str) -> String {
        let socket = self.dir.path().join(format!("{name}.sock"));
        format!("[admin]\nunix = \"{}\"\n{more}", socket.display())
    }

    /// Returns the id of a person who may post.
    pub(crate) fn person(&self) -> String {
        self.people[0].user_id.clone()
    }

    /// Runs a command on a member, and returns what it prints.
    pub(crate) fn command(&self, member: &str, args: &[&str]) -> String {
        let (succeeds, said) = self.try_command(member, args);
        assert!(succeeds, "{said}");
        said
    }

    /// Runs a command on a member. Returns true if it succeeds, and what it prints.
    pub(crate) fn try_command(&self, member: &str, args: &[&str]) -> (bool, String) {
        let file = format!("{member}.toml");
        let output = self.dir.matterhost(&[args, &["--config", &file]].concat()).output().unwrap();
        let printed = text(&output.stdout);
        if output.status.success() { (true, printed) } else { (false, printed + &text(&output.stderr)) }
    }

    /// Starts a host without a cluster, and waits until it has all bots.
    pub(crate) fn start_alone(&self, name: &str) -> RunningProgram {
        let config = self.config_alone(name) + "[admin]\nenabled = false\n";
        self.dir.write(&format!("{name}.toml"), &config);
        let host = self.begin(name);
        self.await_sockets(1);
        host
    }

    /// Posts to each bot.
    pub(crate) fn post_to_each(&self, text: &str) {
        for (n, (_, channel)) in self.bots.iter().enumerate() {
            self.simulator.post(&self.people[0].user_id, channel, &format!("{text} {n}"));
        }
    }

    /// Returns the path of a file beside the configurations.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// Writes the configuration of a member, and returns its path.
    pub(crate) fn configure(&self, name: &str, admin: &str) -> String {
        let file = self.dir.write(&format!("{name}.toml"), &self.config(name, admin));
        file.display().to_string()
    }

    fn start_with(&self, name: &str, admin: &str) -> RunningProgram {
        self.configure(name, admin);
        self.start_configured(name)
    }

    fn start_configured(&self, name: &str) -> RunningProgram {
        let mut member = self.begin(name);
        member.log.wait_for_line("joined the cluster");
        member
    }

    /// Starts a member or a host that is configured already, and does not wait.
    pub(crate) fn begin(&self, name: &str) -> RunningProgram {
        let file = self.path(&format!("{name}.toml")).display().to_string();
        RunningProgram::start(self.dir.matterhost(&["run", "--config", &file]))
    }

    /// Returns the configuration of a member.
    fn config(&self, name: &str, admin: &str) -> String {
        let addresses: Vec<_> = match self.proxies.lock().unwrap().get(name) {
            Some(proxies) => proxies.iter().map(|proxy| proxy.address.clone()).collect(),
            None => self.nats_servers().map(|server| server.lock().unwrap().address.clone()).collect(),
        };
        let urls: Vec<_> = addresses.iter().map(|address| format!("nats://{address}")).collect();
        let (lease_ttl, replicas) = (self.lease_ttl.as_secs(), addresses.len());
        let cluster = format!(
            "[cluster]\nurl = {urls:?}\nname = \"{name}\"\nlease_ttl = \"{lease_ttl}s\"\nreplicas = {replicas}\nactions = {}\n",
            self.takes_actions
        );
        self.config_alone(name) + &cluster + admin
    }

    /// Returns the configuration of a host without a cluster, and the most of that of a member. Its bots may answer many posts in a row, because all people
    /// are silent at the end.
    fn config_alone(&self, name: &str) -> String {
        let (url, log) = (self.simulator.url(), self.handed_file(name).display().to_string());
        let rate = self.rate.load(Ordering::Relaxed);
        let mut config = format!(
            "[servers.main]\nurl = \"{url}\"\nrequests_per_second = {rate}\nshared_address = true\n[replies]\nloop_limit = 1000\n[log]\nformat = \"json\"\n\
             [sinks.handler]\ntype = \"exec\"\ncommand = [\"python3\", \"handler.py\", \"{log}\"]\n"
        );
        let account = |(n, (bot, _)): (usize, &(Account, String))| {
            format!("[accounts.bot-{n}]\ntoken = \"{}\"\n", bot.token)
        };
        config.extend(self.bots.iter().enumerate().map(account));
        config
    }

    fn handed_file(&self, member: &str) -> PathBuf {
        self.dir.path().join(format!("handed-to-{member}"))
    }

    /// Returns the events that a member's handler has got.
    pub(crate) fn handed_to(&self, member: &str) -> Vec<Handed> {
        handler::events_in(&self.handed_file(member))
    }

    /// Waits until a member has got an event of every bot since a time.
    pub(crate) fn await_all_on(&self, member: &str, since: f64) {
        self.await_that("a member with all bots", |cluster| {
            let handed = cluster.handed_to(member);
            let accounts = handed.iter().filter(|event| event.at > since).map(|event| &event.account);
            accounts.collect::<BTreeSet<_>>().len() == BOTS
        });
    }

    /// Waits until each bot has so many sockets.
    pub(crate) fn await_sockets(&self, sockets: usize) {
        let bots = &self.bots;
        let all = |seen: &matterhost_simulator::Counters| {
            bots.iter().all(|(bot, _)| seen.open_sockets(&bot.user_id) == sockets)
        };
        assert!(self.simulator.wait_for(all, DEADLINE), "the bots do not have {sockets} sockets each");
    }

    /// Waits until a bot has no socket.
    pub(crate) fn await_a_bot_without_a_socket(&self) {
        let any = |seen: &matterhost_simulator::Counters| {
            self.bots.iter().any(|(bot, _)| seen.open_sockets(&bot.user_id) == 0)
        };
        assert!(self.simulator.wait_for(any, DEADLINE), "all bots have sockets");
    }

    /// Waits until a condition holds, which nothing announces.
    pub(crate) fn await_that(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        self.await_for(DEADLINE, what, holds);
    }

    /// Waits as long as that until a condition holds, which nothing announces.
    pub(crate) fn await_for(&self, patience: Duration, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + patience;
        while !holds(self) {
            assert!(Instant::now() < end, "{what} does not come true");
            thread::sleep(patience / MOST_LOOKS);
        }
    }

    /// Posts to the bots in random order until `quiet` is set.
    pub(crate) fn post_randomly(&self, seed: u64, quiet: &AtomicBool) {
        self.post_randomly_as(0, 1, seed, quiet);
    }

    /// Posts to the bots in random order until `quiet` is set, as one of several people: each has bots of their own, so that
    /// the numbers in a channel grow. No two posts of a channel have the same millisecond: a list orders such posts by id.
    pub(crate) fn post_randomly_as(&self, person: u64, people: u64, seed: u64, quiet: &AtomicBool) {
        let mut random = fastrand::Rng::with_seed(seed ^ person);
        let bots: Vec<_> = (0_u64..).zip(&self.bots).filter(|(n, _)| n % people == person).collect();
        let user = &self.people[usize::try_from(person).unwrap()].user_id;
        let mut number = 0;
        while !quiet.load(Ordering::Relaxed) {
            number += 1;
            let (_, (_, channel)) = random.choice(&bots).unwrap();
            self.simulator.post(user, channel, &format!("post by {person}: {number}"));
            thread::sleep(Duration::from_micros(random.u64(1_100..20_000 * people)));
        }
    }

    /// Returns how often each post was answered.
    pub(crate) fn answers(&self) -> BTreeMap<String, usize> {
        let mut answers = BTreeMap::new();
        for (bot, channel) in &self.bots {
            let posts = self.simulator.posts_in(channel);
            let by = |is_bot: bool| {
                let is_by = move |of: &str| (of == bot.user_id) == is_bot;
                let posts = posts.iter().filter(move |post| is_by(&post.user_id) && post.kind.is_empty());
                posts.map(|post| post.message.clone()).collect::<Vec<_>>()
            };
            let answered = by(true);
            for text in by(false) {
                let answer = format!("answer to {text}");
                answers.insert(text, answered.iter().filter(|text| **text == answer).count());
            }
        }
        answers
    }

    /// Waits until every post is answered, as long as answers come.
    pub(crate) fn await_answers(&self, seed: u64) {
        let (mut end, mut fewest) = (Instant::now() + DEADLINE, usize::MAX);
        loop {
            let answers = self.answers();
            let missing: Vec<_> = answers.iter().filter(|(_, count)| **count == 0).collect();
            if missing.is_empty() {
                return;
            }
            if missing.len() < fewest {
                (end, fewest) = (Instant::now() + DEADLINE, missing.len());
            }
            assert!(
                Instant::now() < end,
                "seed {seed}: {} of {} posts have no answer: {missing:?}; handed over: {:#?}",
                missing.len(),
                answers.len(),
                ["a", "b"].map(|member| self.handed_to(member))
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Checks that every post was answered once.
    pub(crate) fn check_answers(&self, seed: u64) {
        let answers = self.answers();
        let wrong: Vec<_> = answers.iter().filter(|(_, count)| **count != 1).collect();
        assert!(wrong.is_empty() && answers.len() > 20, "seed {seed}: of {} posts: {wrong:?}", answers.len());
    }
}

/// Returns the time as the handler notes it.
pub(crate) fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Ends a member, and checks that it ends as it should. The others do not wait for the end of its lease.
pub(crate) fn terminate(member: RunningProgram) {
    member.signal("TERM");
    let (status, log) = member.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("cannot leave the cluster")), "{log:#?}");
}
