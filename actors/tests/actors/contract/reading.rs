//! The contract of the port for channels and posts.

use std::rc::Rc;

use matterhost_actors::{
    mattermost::{Channel, Page, PageRequest, Post, PostRange, RestErrorKind, SINCE_LIMIT},
    model::{ChannelId, PostId, Token},
    ports::Api,
};

use super::ServerControl;

/// An id as a server makes them, and made by none.
pub(super) const UNKNOWN_ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

const FORBIDDEN: RestErrorKind = RestErrorKind::Refused(403);

fn ids(posts: &[Post]) -> Vec<&PostId> {
    posts.iter().map(|post| &post.id).collect()
}

/// The ids of a page between those of its neighbours, which are empty where there are none.
fn shown(page: &Page) -> (&str, Vec<&PostId>, &str) {
    let (prev, next) = (page.prev_post_id.as_ref(), page.next_post_id.as_ref());
    (prev.map_or("", PostId::as_str), ids(&page.posts), next.map_or("", PostId::as_str))
}

pub(super) async fn lists_channels(api: Rc<dyn Api>, server: &impl ServerControl) {
    let token = &server.token();
    let (open, archived) = (server.channel("open", true), server.channel("archived", true));
    let foreign = server.channel("foreign", false);
    server.post(&open, 1_000);
    server.post(&archived, 1_500);
    server.archive(&archived);
    let list = api.channels(token, &[]).await.unwrap().value;
    assert_eq!(api.channels(token, &list.teams).await.unwrap().value.channels, list.channels);
    let listed = list.channels;
    let find = |id: &ChannelId| listed.iter().filter(|channel| channel.id == *id).collect::<Vec<&Channel>>();
    let ([listed_open], [listed_archived]) = (&find(&open)[..], &find(&archived)[..]) else {
        panic!("each once: {listed:?}");
    };
    assert_eq!((listed_open.delete_at, listed_open.last_post_at), (0, Some(1_000)));
    assert!(listed_archived.delete_at > 0 && listed_archived.last_post_at.is_some(), "fact 26");
    assert!(find(&foreign).is_empty());
    let teams = api.teams(token).await.unwrap().value;
    let of_channel: Vec<_> = teams.iter().filter(|team| team.id == listed_open.team_id).collect();
    assert!(matches!(of_channel[..], [team] if &*team.name == "team"), "{teams:?}");

    for known in [listed_open, listed_archived] {
        let alone = api.channel(token, &known.id).await.unwrap().value;
        assert_eq!(alone, Channel { last_post_at: None, ..(*known).clone() }, "fact 24");
    }
    assert_eq!(api.channel(token, &foreign).await.unwrap_err().kind, FORBIDDEN);
    assert_eq!(api.channel(token, &UNKNOWN_ID.into()).await.unwrap_err().kind, RestErrorKind::NotFound);
    server.disable();
    assert_eq!(api.channels(token, &[]).await.unwrap_err().kind, RestErrorKind::Unauthorized, "fact 8");
    server.enable();
}

pub(super) async fn pages_posts(api: Rc<dyn Api>, server: &impl ServerControl) {
    let token = &server.token();
    let channel = &server.channel("town", true);
    let [first, tied, twin, fourth, last] =
        &[1_000, 2_000, 2_000, 3_000, 4_000].map(|at| server.post(channel, at));
    let (tied, twin) = (tied.min(twin), tied.max(twin));
    let page =
        async |range: PostRange<'_>, request| api.posts(token, channel, range, request).await.unwrap().value;

    let newest = page(PostRange::Newest, PageRequest::first(2)).await;
    assert_eq!(shown(&newest).1, [fourth, last]);
    let all = page(PostRange::Newest, PageRequest::first(5)).await;
    assert_eq!(shown(&all), ("", vec![first, tied, twin, fourth, last], ""), "oldest first");
    let head = &all.posts[0];
    assert_eq!((head.create_at, &head.channel_id, &head.root_id), (1_000, channel, &None));
    assert!(head.json.get().contains(first.as_str()));

    let after = page(PostRange::After(first), PageRequest::first(3)).await;
    assert_eq!(shown(&after), (first.as_str(), vec![tied, twin, fourth], last.as_str()));
    let after = page(PostRange::After(tied), PageRequest::first(3)).await;
    assert_eq!(shown(&after), (tied.as_str(), vec![fourth, last], ""), "fact 23: its own time is left out");
    let second = PageRequest { page: 1, per_page: 2 };
    let by_number = page(PostRange::After(first), second).await;
    assert_eq!(shown(&by_number).1, [fourth, last], "pages by number continue within posts of one time");
    let by_number = page(PostRange::Newest, second).await;
    assert_eq!(shown(&by_number).1, [tied, twin]);
    let before = page(PostRange::Before(last), PageRequest::first(3)).await;
    assert_eq!(shown(&before), (first.as_str(), vec![tied, twin, fourth], last.as_str()));
    let before = page(PostRange::Before(twin), PageRequest::first(3)).await;
    assert_eq!(shown(&before), ("", vec![first], twin.as_str()));

    server.delete(fourth);
    let after = page(PostRange::After(tied), PageRequest::first(3)).await;
    assert_eq!(shown(&after).1, [last], "fact 11: without the deleted post");
    let after = page(PostRange::After(fourth), PageRequest::first(3)).await;
    assert_eq!(shown(&after).1, [last], "fact 11: from a deleted post");
    let nobodys = page(PostRange::After(&UNKNOWN_ID.into()), PageRequest::first(3)).await;
    assert!(nobodys.posts.is_empty() && nobodys.next_post_id.is_none(), "fact 11");

    let none = api
        .posts(token, channel, PostRange::After(&PostId::default()), PageRequest::first(3))
        .await
        .unwrap_err();
    assert_eq!(none.kind, RestErrorKind::Refused(400), "never the newest page");

    server.edit(first);
    let since = api.posts_since(token, channel, 2_000).await.unwrap().value;
    let [edited, history, deleted, newest] = &since.posts.iter().collect::<Vec<_>>()[..] else {
        panic!("fact 25: {since:?}")
    };
    let (edited, history) = if edited.id == *first { (edited, history) } else { (history, edited) };
    assert!(edited.id == *first && edited.edit_at > 2_000 && edited.delete_at == 0);
    assert!(history.original_id.as_ref() == Some(first) && history.delete_at > 0, "fact 25");
    assert!(deleted.id == *fourth && deleted.delete_at > 0 && deleted.original_id.is_none());
    assert!(newest.id == *last && !since.truncated);

    refuses_foreign_channels(&api, server, first).await;
    server.archive(channel);
    let archived = page(PostRange::After(twin), PageRequest::first(1)).await;
    assert_eq!(shown(&archived).1, [last], "fact 26");
}

async fn refuses_foreign_channels(api: &Rc<dyn Api>, server: &impl ServerControl, first: &PostId) {
    let token = &server.token();
    let foreign = &server.channel("elsewhere", false);
    assert_eq!(
        api.posts(token, foreign, PostRange::After(first), PageRequest::first(3)).await.unwrap_err().kind,
        FORBIDDEN
    );
    assert_eq!(api.posts_since(token, foreign, 1).await.unwrap_err().kind, FORBIDDEN);
    let nowhere = &UNKNOWN_ID.into();
    let absent = api.posts(token, nowhere, PostRange::Newest, PageRequest::first(3)).await.unwrap_err();
    assert!([FORBIDDEN, RestErrorKind::NotFound].contains(&absent.kind), "fact 32: by the version: {absent}");
}

async fn since(api: &Rc<dyn Api>, token: &Token, channel: &ChannelId) -> (usize, bool) {
    let since = api.posts_since(token, channel, 1_000).await.unwrap().value;
    (since.posts.len(), since.truncated)
}

pub(super) async fn says_what_it_leaves_out(api: Rc<dyn Api>, server: &impl ServerControl) {
    let (token, channel) = (&server.token(), &server.channel("busy", true));
    for _ in 1..SINCE_LIMIT {
        server.post(channel, 2_000);
    }
    assert_eq!(since(&api, token, channel).await, (SINCE_LIMIT - 1, false));
    for _ in 0..2 {
        server.post(channel, 2_000);
        assert_eq!(since(&api, token, channel).await, (SINCE_LIMIT, true), "fact 25");
    }
}
