//! The routes, and the choice of one for a request.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::{
    bots, channels, commands, files, interactions, permissions, posts, reactions, teams, tokens, users,
    webhooks,
};
use crate::state::State;

/// One route: its name is what faults and counters call it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    /// Method and path below `/api/v4`, with `{names}` in place of what varies.
    pub(crate) name: &'static str,
    pub(crate) handle: fn(&mut State, &ApiRequest) -> RouteResult,
}

macro_rules! routes {
    ($($name:literal => $handle:path,)*) => { &[$(Route { name: $name, handle: $handle }),*] };
}

/// Every route; a literal part stands before the name that would match it too.
const ROUTES: &[Route] = routes! {
    "GET /system/ping" => users::ping,
    "GET /users/me" => users::me,
    "GET /users/username/{username}" => users::by_name,
    "GET /users/{user_id}" => users::get,
    "POST /users/ids" => users::by_ids,
    "PUT /users/{user_id}/patch" => users::patch,
    "PUT /users/{user_id}/status" => users::set_status,
    "PUT /users/{user_id}/status/custom" => users::set_custom_status,
    "POST /users/{user_id}/image" => users::set_image,
    "POST /roles/names" => permissions::roles,
    "GET /users/{user_id}/teams/members" => permissions::team_members,
    "GET /users/{user_id}/teams/{team_id}/channels/members" => permissions::channel_members,
    "POST /commands" => commands::create,
    "GET /commands" => commands::list,
    "POST /commands/execute" => commands::execute,
    "PUT /commands/{command_id}" => commands::change,
    "DELETE /commands/{command_id}" => commands::remove,
    "PUT /commands/{command_id}/regen_token" => commands::new_token,
    "POST /actions/dialogs/open" => interactions::open_dialog,
    "POST /actions/dialogs/submit" => interactions::submit_dialog,
    "POST /posts/{post_id}/actions/{action_id}" => interactions::press,
    "POST /hooks/commands/{id}" => commands::respond,
    "POST /hooks/outgoing" => webhooks::create_outgoing,
    "POST /hooks/incoming" => webhooks::create_incoming,
    "POST /hooks/{id}" => webhooks::post,
    "PUT /users/{user_id}/active" => users::set_active,
    "POST /users/{user_id}/typing" => posts::typing,
    "GET /users/{user_id}/teams" => teams::of_user,
    "GET /users/{user_id}/channels" => channels::of_user,
    "GET /users/{user_id}/teams/{team_id}/channels" => channels::of_user_in_team,
    "DELETE /users/{user_id}/posts/{post_id}/reactions/{emoji}" => reactions::remove,
    "GET /users/{user_id}/tokens" => tokens::list,
    "POST /users/tokens/disable" => tokens::disable,
    "POST /users/tokens/enable" => tokens::enable,
    "POST /users/tokens/revoke" => tokens::revoke,
    "POST /users/{user_id}/tokens" => tokens::create,
    "POST /bots" => bots::create,
    "GET /bots" => bots::list,
    "GET /bots/{user_id}" => bots::get,
    "PUT /bots/{user_id}" => bots::patch,
    "POST /bots/{user_id}/disable" => bots::disable,
    "POST /bots/{user_id}/enable" => bots::enable,
    "POST /teams" => teams::create,
    "GET /teams/name/{name}" => teams::by_name,
    "GET /teams/{team_id}/channels/name/{name}" => teams::channel_by_name,
    "GET /teams/name/{team}/channels/name/{channel}" => channels::by_name,
    "GET /teams/{team_id}" => teams::get,
    "POST /teams/{team_id}/members" => teams::add_member,
    "POST /channels" => channels::create,
    "POST /channels/direct" => channels::direct,
    "POST /channels/group" => channels::group,
    "GET /config/client" => files::config,
    "POST /files" => files::upload,
    "GET /files/{file_id}" => files::content,
    "GET /files/{file_id}/info" => files::info,
    "GET /channels/{channel_id}" => channels::get,
    "PUT /channels/{channel_id}/patch" => channels::patch,
    "DELETE /channels/{channel_id}" => channels::archive,
    "GET /channels/{channel_id}/posts" => posts::list,
    "POST /channels/{channel_id}/members" => channels::add_member,
    "GET /channels/{channel_id}/members/{user_id}" => channels::get_member,
    "DELETE /channels/{channel_id}/members/{user_id}" => channels::remove_member,
    "POST /posts" => posts::create,
    "POST /posts/ephemeral" => posts::ephemeral,
    "GET /posts/{post_id}" => posts::get,
    "GET /posts/{post_id}/thread" => posts::thread,
    "PUT /posts/{post_id}" => posts::edit,
    "PUT /posts/{post_id}/patch" => posts::edit,
    "DELETE /posts/{post_id}" => posts::delete,
    "POST /posts/{post_id}/pin" => posts::pin,
    "POST /posts/{post_id}/unpin" => posts::unpin,
    "GET /posts/{post_id}/reactions" => reactions::list,
    "POST /reactions" => reactions::add,
};

/// The parts of a path by the `{name}` of the route.
pub(crate) type Params = HashMap<&'static str, String>;

/// The route for a method and a path below `/api/v4`.
pub(crate) fn find(method: &str, path: &str) -> Option<(Route, Params)> {
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let found = PATTERNS.iter().find(|pattern| pattern.matches(method, &parts))?;
    let names = found.parts.iter().zip(parts).filter_map(|(wanted, part)| match wanted {
        Part::Name(name) => Some((*name, part.to_owned())),
        Part::Literal(_) => None,
    });
    Some((found.route, names.collect()))
}

/// The routes that stand beside `/api/v4`, not below it: the later answers to commands, and incoming webhooks.
pub(crate) const BESIDE_API: &str = "/hooks/";

/// Returns true when a route needs no token.
pub(crate) fn is_public(route: &Route) -> bool {
    matches!(route.name, "GET /system/ping" | "POST /hooks/commands/{id}" | "POST /hooks/{id}")
}

/// A route, taken apart once.
struct Pattern {
    method: &'static str,
    parts: Vec<Part>,
    route: Route,
}

enum Part {
    Literal(&'static str),
    /// Any text, which the parameter of this name gets.
    Name(&'static str),
}

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| ROUTES.iter().filter_map(Pattern::of).collect());

impl Pattern {
    fn of(route: &Route) -> Option<Self> {
        let (method, path) = route.name.split_once(' ')?;
        let name = |part: &'static str| part.strip_prefix('{')?.strip_suffix('}');
        let parts = path.split('/').map(|part| name(part).map_or(Part::Literal(part), Part::Name));
        Some(Self { method, parts: parts.collect(), route: *route })
    }

    fn matches(&self, method: &str, parts: &[&str]) -> bool {
        let same = |(wanted, part): (&Part, &&str)| match wanted {
            Part::Literal(literal) => literal == part,
            Part::Name(_) => true,
        };
        self.method == method && self.parts.len() == parts.len() && self.parts.iter().zip(parts).all(same)
    }
}
