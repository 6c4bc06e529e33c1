//! The world that the server serves: accounts, tokens, teams, channels and posts.

pub(crate) mod account;
pub(crate) mod attachment;
pub(crate) mod channel;
mod clock;
pub(crate) mod file;
pub(crate) mod ids;
pub(crate) mod integrations;
pub(crate) mod listing;
pub(crate) mod membership;
pub(crate) mod post;
pub(crate) mod posting;
pub(crate) mod store;
pub(crate) mod tokens;
pub(crate) mod users;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::ServerVersion;
use crate::world::account::{Token, User};
use crate::world::channel::{Channel, Team};
use crate::world::file::File;
use crate::world::ids::new_id;
use crate::world::integrations::Integrations;
use crate::world::post::Post;
use crate::world::store::PostStore;

/// Everything that survives a stop and a start of the server.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) usernames: HashMap<String, String>,
    pub(crate) tokens: HashMap<String, Token>,
    /// Token by its public id.
    pub(crate) token_ids: HashMap<String, String>,
    pub(crate) teams: BTreeMap<String, Team>,
    pub(crate) channels: HashMap<String, Channel>,
    pub(crate) posts: PostStore,
    /// Posts by user and `pending_post_id`, for as long as they make no second one (fact 19).
    pub(crate) pending: HashMap<(String, String), (String, Instant)>,
    /// Files by id.
    pub(crate) files: HashMap<String, File>,
    /// Slash commands, buttons and dialogs.
    pub(crate) integrations: Integrations,
    /// Posts that only one user has seen, by user.
    pub(crate) ephemeral: Vec<(String, Post)>,
    pub(crate) admin_id: String,
    /// Posts are committed up to this late (fact 23).
    pub(crate) max_commit_delay: Duration,
    /// Posts made by floods so far: their ids are numbers.
    pub(crate) flood_posts: u64,
    /// Posts that are older than this are hidden by the plan (fact 34).
    pub(crate) inaccessible_before: Option<i64>,
    /// Pages bring whole threads along, whatever is asked for, as before 5.20 (fact 35).
    pub(crate) brings_threads: bool,
    /// The permissions that members of a channel do not have, by channel.
    pub(crate) restricted: HashMap<String, BTreeSet<String>>,
    /// How far the server's clock is off.
    pub(crate) clock_offset_ms: i64,
    last_time: i64,
}

impl World {
    pub(crate) fn new(version: ServerVersion, random: &mut fastrand::Rng) -> Self {
        let mut world = Self {
            users: BTreeMap::new(),
            usernames: HashMap::new(),
            tokens: HashMap::new(),
            token_ids: HashMap::new(),
            teams: BTreeMap::new(),
            channels: HashMap::new(),
            posts: PostStore::default(),
            pending: HashMap::new(),
            files: HashMap::new(),
            integrations: Integrations::default(),
            ephemeral: Vec::new(),
            admin_id: String::new(),
            max_commit_delay: Duration::ZERO,
            flood_posts: 0,
            inaccessible_before: None,
            brings_threads: false,
            restricted: HashMap::new(),
            clock_offset_ms: 0,
            last_time: 0,
        };
        let id = new_id(random);
        let mut admin = User::new(version, &id, "admin", world.now(), false);
        "admin@example.com".clone_into(&mut admin.email);
        "system_admin system_user".clone_into(&mut admin.roles);
        world.usernames.insert(admin.username.clone(), id.clone());
        world.users.insert(id.clone(), admin);
        world.admin_id = id;
        world
    }
}
