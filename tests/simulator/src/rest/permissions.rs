//! Roles and the permissions that they give, in the server, a team or a channel (fact 39).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, forbidden};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::channel::member_row;

/// The permissions of a channel's members.
const CHANNEL_USER: [&str; 6] =
    ["add_reaction", "create_post", "edit_post", "read_channel", "remove_reaction", "upload_file"];

/// The permissions of all members of the server.
const SYSTEM_USER: [&str; 2] = ["create_direct_channel", "create_group_channel"];

/// The further permissions of an admin.
const SYSTEM_ADMIN: [&str; 4] =
    ["create_post_ephemeral", "manage_own_slash_commands", "manage_slash_commands", "manage_system"];

/// The start of the name of the role that members of a restricted channel have.
const RESTRICTED: &str = "restricted_";

/// Roles with their permissions, as far as they matter here. A user's own permissions are those of a role with its id, and
/// a restricted channel has a role of its own. An unknown role is left out.
#[expect(clippy::unnecessary_wraps, reason = "every route has this form")]
pub(crate) fn roles(state: &mut State, request: &ApiRequest) -> RouteResult {
    let role = |name: &&str| {
        let permissions = state.permissions_of(name)?;
        Some(json!({ "name": name, "permissions": permissions }))
    };
    let roles: Vec<_> = request.texts().iter().filter_map(role).collect();
    Ok(ApiResponse::json(&roles))
}

/// The teams of a user, with its roles in them.
pub(crate) fn team_members(state: &mut State, request: &ApiRequest) -> RouteResult {
    let user = request.id("user_id")?;
    state.require_self(request, user)?;
    let teams = state.world.teams.values().filter(|team| team.members.contains(user));
    let rows: Vec<Value> = teams.map(|team| team_row(&team.id, user)).collect();
    Ok(ApiResponse::json(&rows))
}

pub(crate) fn team_row(team: &str, user: &str) -> Value {
    json!({
        "team_id": team, "user_id": user, "roles": "team_user", "delete_at": 0,
        "scheme_guest": false, "scheme_user": true, "scheme_admin": false, "explicit_roles": ""
    })
}

/// The channels of a user in a team, with its roles in them; direct and group channels are in every team's list.
pub(crate) fn channel_members(state: &mut State, request: &ApiRequest) -> RouteResult {
    let (user, team) = (request.id("user_id")?, request.id("team_id")?);
    state.require_self(request, user)?;
    if !state.world.teams.get(team).is_some_and(|t| t.members.contains(user)) {
        return Err(forbidden());
    }
    let (now, version) = (state.world.now(), state.options.version);
    let channels = state.world.channels.values().filter(|c| {
        c.members.contains(user) && c.delete_at == 0 && (!c.is_team_channel() || c.team_id == team)
    });
    let row = |channel: &str| {
        let mut row = member_row(version, channel, user, now);
        row["roles"] = json!(state.channel_role(channel));
        row
    };
    let rows: Vec<Value> = channels.map(|channel| row(&channel.id)).collect();
    Ok(ApiResponse::json(&rows))
}

impl State {
    fn permissions_of(&self, role: &str) -> Option<BTreeSet<String>> {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match role {
            "system_user" => Some(named(&SYSTEM_USER)),
            "system_admin" => Some(named(&SYSTEM_ADMIN)),
            "team_user" | "system_guest" => Some(BTreeSet::new()),
            "channel_user" => Some(named(&CHANNEL_USER)),
            other => match other.strip_prefix(RESTRICTED) {
                Some(channel) => {
                    let taken = self.world.restricted.get(channel)?;
                    let all: BTreeSet<String> = named(&CHANNEL_USER);
                    Some(all.difference(taken).cloned().collect())
                }
                None => Some(self.world.users.get(other)?.permissions.clone()),
            },
        }
    }

    /// The role of a channel's members.
    fn channel_role(&self, channel: &str) -> String {
        match self.world.restricted.get(channel) {
            Some(_) => format!("{RESTRICTED}{channel}"),
            None => "channel_user".to_owned(),
        }
    }

    /// Passes members whose role in the channel, or whose own one, has a permission, and admins.
    pub(crate) fn require_in_channel(
        &self,
        request: &ApiRequest,
        channel: &str,
        permission: &str,
    ) -> Result<(), AppError> {
        let is_taken = self.world.restricted.get(channel).is_some_and(|taken| taken.contains(permission));
        if is_taken { self.require_permission(request, permission) } else { Ok(()) }
    }
}
