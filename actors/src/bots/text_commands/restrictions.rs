//! The people, channels and teams for which a command is.

use std::sync::Arc;

use crate::model::{ChannelId, ChannelInfo, Target, UserId, UserRef};

/// The people, channels and teams for which a command is; an empty list is for all.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    pub(super) users: Vec<UserRef>,
    pub(super) channels: Vec<Target>,
    pub(super) teams: Vec<Box<str>>,
}

/// The person who calls a command, and the place of the call.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    pub(super) user: UserId,
    /// The person's name, without the `@`, if it is known.
    pub(super) name: Option<Arc<str>>,
    pub(super) channel: ChannelId,
    /// The channel as the server describes it, if it is known.
    pub(super) info: Option<Arc<ChannelInfo>>,
}

/// The list that does not contain the origin of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denial {
    User,
    Channel,
    Team,
}

impl Access {
    /// Checks the origin of a call. A name that is not known is in no list.
    pub(super) fn check(&self, origin: &Origin) -> Result<(), Denial> {
        if !self.users.is_empty() && !self.users.iter().any(|user| origin.is_user(user)) {
            Err(Denial::User)
        } else if !self.channels.is_empty() && !self.channels.iter().any(|channel| origin.is_in(channel)) {
            Err(Denial::Channel)
        } else if !self.teams.is_empty() && !self.teams.iter().any(|team| origin.is_in_team(team)) {
            Err(Denial::Team)
        } else {
            Ok(())
        }
    }

    /// True if the check needs the person's name.
    pub(super) fn needs_name(&self) -> bool {
        self.users.iter().any(|user| matches!(user, UserRef::Name(_)))
    }

    /// True if the check needs the description of the channel.
    pub(super) fn needs_info(&self) -> bool {
        !self.teams.is_empty() || self.channels.iter().any(|channel| matches!(channel, Target::Name { .. }))
    }
}

impl Origin {
    fn is_user(&self, user: &UserRef) -> bool {
        match user {
            UserRef::Id(id) => *id == self.user,
            UserRef::Name(name) => self.name.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(name)),
        }
    }

    fn is_in_team(&self, team: &str) -> bool {
        self.info.as_ref().is_some_and(|info| *info.team_id == *team || *info.team_name == *team)
    }

    fn is_in(&self, target: &Target) -> bool {
        match target {
            Target::Id(id) => *id == self.channel,
            Target::Name { team, channel } => self
                .info
                .as_ref()
                .is_some_and(|info| *info.team_name == **team && !team.is_empty() && info.name == *channel),
            // The router refuses these when it is built.
            Target::User(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn origin(user: &str, channel: &str, team: &str) -> Origin {
        let info = ChannelInfo {
            kind: if team.is_empty() { "D" } else { "O" }.into(),
            name: channel.into(),
            team_id: format!("{team}-id").into(),
            team_name: team.into(),
            ..ChannelInfo::default()
        };
        Origin {
            user: format!("{user}-id").as_str().into(),
            name: Some(user.into()),
            channel: format!("{channel}-id").as_str().into(),
            info: Some(Arc::new(info)),
        }
    }

    fn access(users: &[UserRef], channels: &[Target], teams: &[&str]) -> Access {
        Access {
            users: users.to_vec(),
            channels: channels.to_vec(),
            teams: teams.iter().map(|team| (*team).into()).collect(),
        }
    }

    #[test]
    fn each_list_that_is_not_empty_must_contain_the_origin() {
        let (ana, ben) = (UserRef::Name("ana".into()), UserRef::Id("ben-id".into()));
        let ops = Target::Name { team: "staff".into(), channel: "ops".into() };
        let there = [Target::Id("ops-id".into())];
        for (access, user, channel, team, expected) in [
            (access(&[], &[], &[]), "cho", "any", "", Ok(())),
            (access(&[ana.clone(), ben.clone()], &[], &[]), "ana", "any", "", Ok(())),
            (access(&[ana.clone(), ben.clone()], &[], &[]), "ANA", "any", "", Ok(())),
            (access(&[ana.clone(), ben.clone()], &[], &[]), "ben", "any", "", Ok(())),
            (access(&[ana.clone(), ben], &[], &[]), "cho", "any", "", Err(Denial::User)),
            (access(&[], &there, &[]), "cho", "ops", "staff", Ok(())),
            (access(&[], &there, &[]), "cho", "any", "staff", Err(Denial::Channel)),
            (access(&[], from_ref(&ops), &[]), "cho", "ops", "staff", Ok(())),
            (access(&[], from_ref(&ops), &[]), "cho", "ops", "guests", Err(Denial::Channel)),
            (access(&[], &[], &["staff"]), "cho", "any", "staff", Ok(())),
            (access(&[], &[], &["staff-id"]), "cho", "any", "staff", Ok(())),
            (access(&[], &[], &["staff"]), "cho", "any", "", Err(Denial::Team)),
            (access(from_ref(&ana), from_ref(&ops), &["staff"]), "ana", "ops", "staff", Ok(())),
            (access(&[ana], &[ops], &["staff"]), "cho", "ops", "staff", Err(Denial::User)),
        ] {
            assert_eq!(access.check(&origin(user, channel, team)), expected, "{access:?} {user} {channel}");
        }
    }

    #[test]
    fn unknown_names_are_in_no_list() {
        let unknown = Origin { user: "ana-id".into(), channel: "ops-id".into(), ..Origin::default() };
        let ops = Target::Name { team: "staff".into(), channel: "ops".into() };
        for (access, denial) in [
            (access(&[UserRef::Name("ana".into())], &[], &[]), Denial::User),
            (access(&[], &[ops], &[]), Denial::Channel),
            (access(&[], &[], &["staff"]), Denial::Team),
        ] {
            assert_eq!(access.check(&unknown), Err(denial));
        }
    }
}
