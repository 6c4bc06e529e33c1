//! Look-ups of channels, users and posts as an account.

use std::rc::Rc;

use tokio::time::Instant;

use super::{
    client::ReplyClient,
    execute::{is_missing, repeat},
};
use crate::{
    mattermost::{LookupRequest, RestResponse},
    model::{Excerpt, Found, Lookup, ReplyError, Target, UserId, UserRef},
    policy::GiveUpReason,
};

/// Looks something up, with retries until the deadline, or takes a recent answer.
pub(super) async fn look_up(
    client: Rc<ReplyClient>,
    lookup: Lookup,
    deadline: Instant,
) -> Result<Found, ReplyError> {
    let now = || Instant::now().into_std();
    if let Some(found) = client.lookups.borrow_mut().get(now(), &lookup) {
        return Ok(found);
    }
    let found = fetch(&client, &lookup, deadline).await?;
    client.lookups.borrow_mut().insert(now(), &lookup, &found);
    Ok(found)
}

async fn fetch(client: &ReplyClient, lookup: &Lookup, deadline: Instant) -> Result<Found, ReplyError> {
    let request = match lookup {
        Lookup::Channel(Target::User(name)) => return direct_channel(client, lookup, name, deadline).await,
        Lookup::Channel(Target::Id(id)) => LookupRequest::Channel(id),
        Lookup::Channel(Target::Name { team, channel }) => LookupRequest::ChannelByName { team, channel },
        Lookup::User(UserRef::Id(id)) => LookupRequest::User(id),
        Lookup::User(UserRef::Name(name)) => LookupRequest::UserByName(name),
        Lookup::Thread(post) => LookupRequest::Thread(post),
        Lookup::File(id) => LookupRequest::File(id),
        Lookup::Posts { channel, count } => LookupRequest::Posts { channel, count: *count },
    };
    send(client, lookup, request, deadline).await
}

/// Returns the direct channel with a user, and creates it if there is none.
async fn direct_channel(
    client: &ReplyClient,
    lookup: &Lookup,
    name: &str,
    deadline: Instant,
) -> Result<Found, ReplyError> {
    let user = send(client, lookup, LookupRequest::UserByName(name), deadline).await?;
    let timed_out = |failed| client.reply_error(GiveUpReason::TimedOut { maybe_done: false }, failed);
    let me = client.own_user_id(deadline).await.map_err(timed_out)?;
    let other = UserId::from(user.id());
    send(client, lookup, LookupRequest::DirectChannel([&me, &other]), deadline).await
}

async fn send(
    client: &ReplyClient,
    lookup: &Lookup,
    request: LookupRequest<'_>,
    deadline: Instant,
) -> Result<Found, ReplyError> {
    let found =
        repeat(client, deadline, async |api, token| match api.look_up(token, request.clone()).await {
            Err(error) if is_missing(&error) => Ok(RestResponse { value: None, rate: None }),
            answer => answer.map(|RestResponse { value, rate }| RestResponse { value: Some(value), rate }),
        });
    let account = client.context().account.clone();
    found.await?.map(Found::new).ok_or(ReplyError::NotFound { account, what: Excerpt::of(lookup) })
}
