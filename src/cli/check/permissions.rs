//! The permissions that an account lacks for what bots do, as far as its roles show them.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use matterhost_actors::{
    mattermost::{Client, RestError, RolePermissions},
    model::{ChannelId, Excerpt, Token},
};

use super::report::{LackingPermission, PermissionRow};

/// The most teams whose channels are asked about, for each account.
const MAX_TEAMS: usize = 20;

/// An action of bots that needs a permission.
struct Ability {
    /// The short name in the table.
    name: &'static str,
    /// The permissions any of which is enough.
    permissions: &'static [&'static str],
    scope: Scope,
    /// A description of the consequence.
    effect: &'static str,
}

/// The place where a permission has to be given: there or above it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Server,
    Team,
    Channel,
}

/// All abilities, the most important first.
const ABILITIES: [Ability; 7] = [
    Ability {
        name: "post",
        permissions: &["create_post"],
        scope: Scope::Channel,
        effect: "replies are refused",
    },
    Ability {
        name: "react",
        permissions: &["add_reaction"],
        scope: Scope::Channel,
        effect: "reactions are refused",
    },
    Ability {
        name: "upload",
        permissions: &["upload_file"],
        scope: Scope::Channel,
        effect: "replies with files are refused",
    },
    Ability {
        name: "edit",
        permissions: &["edit_post"],
        scope: Scope::Channel,
        effect: "its posts cannot be changed",
    },
    Ability {
        name: "direct",
        permissions: &["create_direct_channel"],
        scope: Scope::Server,
        effect: "it cannot write to a person first",
    },
    Ability {
        name: "ephemeral",
        permissions: &["create_post_ephemeral"],
        scope: Scope::Server,
        effect: "answers with \"response_type\": \"ephemeral\" are refused",
    },
    Ability {
        name: "commands",
        permissions: &["manage_slash_commands", "manage_own_slash_commands"],
        scope: Scope::Team,
        effect: "it cannot register slash commands",
    },
];

/// A set of channels in which an account has the same roles.
struct ChannelGroup {
    channel: ChannelId,
    channels: usize,
    /// The roles in the channel, its team and the server.
    roles: BTreeSet<Box<str>>,
}

/// The roles of one account.
struct OwnRoles {
    server: BTreeSet<Box<str>>,
    /// The roles in each team, with those of the server.
    teams: Vec<BTreeSet<Box<str>>>,
    channels: Vec<ChannelGroup>,
}

/// The permissions of the roles of one server, each asked for once.
#[derive(Default)]
pub(super) struct RoleCache(RefCell<RolePermissions>);

/// The means to ask a server as one account.
pub(super) struct PermissionCheck<'a, P> {
    pub(super) client: &'a Client,
    pub(super) token: &'a Token,
    pub(super) cache: &'a RoleCache,
    /// A function that waits until the rate limit allows another request.
    pub(super) wait_for_permit: P,
}

impl<P: AsyncFn()> PermissionCheck<'_, P> {
    /// Compares the account's roles with what bots do.
    pub(super) async fn run(&self) -> PermissionRow {
        match self.find_lacking().await {
            Ok(lacking) => PermissionRow { known: true, lacking, problem: None },
            Err(error) => {
                PermissionRow { problem: Some(Excerpt::of(&error).into()), ..PermissionRow::default() }
            }
        }
    }

    async fn find_lacking(&self) -> Result<Vec<LackingPermission>, RestError> {
        let own = self.own_roles().await?;
        self.fill_cache(&own).await?;
        let known = self.cache.0.borrow().clone();
        let mut lacking: Vec<_> = ABILITIES.iter().filter_map(|ability| own.lacks(ability, &known)).collect();
        let mut names = BTreeMap::new();
        for found in &mut lacking {
            if let Some(channel) = &found.channel {
                if !names.contains_key(channel) {
                    names.insert(channel.clone(), self.channel_name(channel).await);
                }
                found.channel_name.clone_from(&names[channel]);
            }
        }
        Ok(lacking)
    }

    async fn own_roles(&self) -> Result<OwnRoles, RestError> {
        (self.wait_for_permit)().await;
        let server = self.client.own_roles(self.token).await?.value;
        (self.wait_for_permit)().await;
        let mut own = OwnRoles { server, teams: Vec::new(), channels: Vec::new() };
        for team in self.client.team_roles(self.token).await?.value.into_iter().take(MAX_TEAMS) {
            (self.wait_for_permit)().await;
            let groups = self.client.channel_roles(self.token, &team.team).await?.value;
            let in_team: BTreeSet<_> = own.server.union(&team.roles).cloned().collect();
            own.channels.extend(groups.into_iter().map(|group| ChannelGroup {
                channel: group.channel,
                channels: group.channels,
                roles: in_team.union(&group.roles).cloned().collect(),
            }));
            own.teams.push(in_team);
        }
        Ok(own)
    }

    async fn fill_cache(&self, own: &OwnRoles) -> Result<(), RestError> {
        let all = own.channels.iter().map(|group| &group.roles).chain(&own.teams).chain([&own.server]);
        let unknown: BTreeSet<_> = {
            let known = self.cache.0.borrow();
            all.flatten().filter(|role| !known.contains_key(*role)).cloned().collect()
        };
        if !unknown.is_empty() {
            (self.wait_for_permit)().await;
            let permissions = self.client.permissions_of(self.token, &unknown).await?.value;
            self.cache.0.borrow_mut().extend(permissions);
        }
        Ok(())
    }

    /// Returns a channel's name for people, if it has one.
    async fn channel_name(&self, id: &str) -> Option<String> {
        (self.wait_for_permit)().await;
        let channel = self.client.channel(self.token, &ChannelId::from(id)).await.ok()?.value;
        Some(Excerpt::of(&channel.name).into()).filter(|name: &String| !name.is_empty())
    }
}

impl OwnRoles {
    fn lacks(&self, ability: &Ability, known: &RolePermissions) -> Option<LackingPermission> {
        // A role that the server does not show may give it.
        let is_given = |roles: &BTreeSet<Box<str>>| {
            roles.iter().map(|role| known.get(role)).any(|given| {
                given.is_none_or(|given| ability.permissions.iter().any(|wanted| given.contains(*wanted)))
            })
        };
        let found = LackingPermission {
            ability: ability.name,
            permission: ability.permissions.join(" or "),
            effect: ability.effect,
            channels: None,
            channel: None,
            channel_name: None,
        };
        match ability.scope {
            Scope::Server => (!is_given(&self.server)).then_some(found),
            Scope::Team => {
                let is_lacking = !is_given(&self.server) && !self.teams.iter().any(is_given);
                is_lacking.then_some(found)
            }
            Scope::Channel => {
                let mut without = self.channels.iter().filter(|group| !is_given(&group.roles)).peekable();
                let channel = without.peek()?.channel.as_str().to_owned();
                let channels = Some(without.map(|group| group.channels).sum());
                Some(LackingPermission { channels, channel: Some(channel), ..found })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(names: &str) -> BTreeSet<Box<str>> {
        names.split(' ').map(Into::into).collect()
    }

    /// Returns what an account lacks with these roles on the server, in its teams and in its channels, two of each kind.
    fn lacking(server: &str, teams: &[&str], channels: &[&str]) -> Vec<(&'static str, Option<usize>)> {
        let known: RolePermissions = [
            ("system_user", "create_direct_channel"),
            ("poster", "create_direct_channel create_post create_post_ephemeral"),
            ("team_user", "view_team"),
            ("team_admin", "manage_own_slash_commands"),
            ("channel_user", "create_post add_reaction upload_file edit_post"),
            ("read_only", "add_reaction"),
        ]
        .map(|(role, permissions)| (role.into(), roles(permissions)))
        .into();
        let group = |(n, names): (usize, &&str)| ChannelGroup {
            channel: n.to_string().as_str().into(),
            channels: 2,
            roles: roles(&format!("{server} team_user {names}")),
        };
        let own = OwnRoles {
            server: roles(server),
            teams: teams.iter().map(|team| roles(&format!("{server} {team}"))).collect(),
            channels: channels.iter().enumerate().map(group).collect(),
        };
        let found = ABILITIES.iter().filter_map(|ability| own.lacks(ability, &known));
        found.map(|found| (found.ability, found.channels)).collect()
    }

    #[test]
    fn a_permission_counts_where_it_is_given_and_below() {
        let everywhere = [("ephemeral", None), ("commands", None)];
        assert_eq!(lacking("system_user", &["team_user"], &["channel_user"]), everywhere);
        assert_eq!(lacking("system_user", &["team_user", "team_admin"], &[]), [("ephemeral", None)]);
        assert_eq!(
            lacking("poster", &["team_admin"], &["channel_user", "read_only", "read_only"]),
            [("upload", Some(4)), ("edit", Some(4))]
        );
        assert_eq!(lacking("poster", &["team_user"], &["channel_user"]), [("commands", None)]);
    }

    #[test]
    fn a_role_that_is_not_shown_may_permit_everything() {
        assert_eq!(lacking("system_user unknown", &[], &["read_only"]), []);
        assert_eq!(lacking("poster", &["team_admin"], &["unknown"]), []);
    }
}
