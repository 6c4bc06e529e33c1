//! Pages of posts over real sockets, from the simulator and from recordings.

use std::collections::BTreeSet;

use matterhost_actors::{
    mattermost::{
        Client, ClientLimits, LookupRequest, PER_PAGE, Page, PageRequest, Post, PostRange, RestError,
        RestErrorKind, RestResponse, SINCE_LIMIT,
    },
    model::{ChannelId, PostId, Token},
};
use matterhost_simulator::{Account, PostOptions, Simulator};

use crate::support::{AfterResponse, Server, client, client_with, header, json, recorded, run, token};

/// A channel with a bot and a person in it.
struct Conversation {
    simulator: Simulator,
    person: Account,
    token: Token,
    client: Client,
    channel: ChannelId,
}

impl Conversation {
    fn new() -> Self {
        let simulator = Simulator::start().unwrap();
        let (bot, person) = (simulator.create_bot("bot"), simulator.create_user("person"));
        let team = simulator.create_team("team");
        let channel = simulator.create_channel(&team, "town");
        simulator.add_to_channel_quietly(&channel, &bot.user_id);
        let (token, client) = (Token::new(&bot.token).unwrap(), client(simulator.url()));
        Self { simulator, person, token, client, channel: channel.as_str().into() }
    }

    fn post(&self, create_at: i64) -> PostId {
        let options = PostOptions {
            user_id: self.person.user_id.clone(),
            channel_id: self.channel.as_str().to_owned(),
            message: "hello".to_owned(),
            create_at: Some(create_at),
            ..PostOptions::default()
        };
        self.simulator.post_with(&options).id.as_str().into()
    }

    fn posts(&self, times: impl IntoIterator<Item = i64>) -> Vec<PostId> {
        times.into_iter().map(|at| self.post(at)).collect()
    }

    async fn after(&self, post: &PostId) -> Page {
        self.client
            .posts(&self.token, &self.channel, PostRange::After(post), PageRequest::first(PER_PAGE))
            .await
            .unwrap()
            .value
    }

    async fn since(&self, time: i64) -> (Vec<Post>, bool) {
        let since = self.client.posts_since(&self.token, &self.channel, time).await.unwrap().value;
        (since.posts, since.truncated)
    }
}

fn ids(posts: &[Post]) -> Vec<PostId> {
    posts.iter().map(|post| post.id.clone()).collect()
}

/// Requests a page after a post from a server with a fixed response.
async fn page_after(server: &Server, limits: ClientLimits) -> Result<RestResponse<Page>, RestError> {
    let client = client_with(&server.url(), None, limits);
    client.posts(&token(), &"c".into(), PostRange::After(&"p".into()), PageRequest::first(1_000)).await
}

#[test]
fn a_recorded_page_is_understood() {
    run(async {
        let path = "/api/v4/channels/idynomzegbfjfrmmrpbzpxbdoe/posts?page=0&per_page=3";
        let reply = recorded("catch_up", path, 200);
        let server = Server::respond_with(reply, AfterResponse::KeepAlive).await;
        let page = page_after(&server, ClientLimits::default()).await.unwrap().value;
        assert_eq!(
            ids(&page.posts),
            ["zgbuw8qtbifktb83mmo4b74dco", "4snr6x8hopnmxqdzewy1pyk3fo", "168sm1dwmir6dcu1dnebe4wina"]
                .map(PostId::from)
        );
        let prev = page.prev_post_id.unwrap();
        assert_eq!((prev.as_str(), page.next_post_id), ("ozacn8pzn3yp7quxamdc1w7oer", None));
        let [head] = &server.heads()[..] else { panic!() };
        let wanted =
            "GET /api/v4/channels/c/posts?after=p&page=0&per_page=200&skipFetchThreads=true HTTP/1.1\r\n";
        assert!(head.starts_with(wanted), "{head}");
        assert!(header(head, "authorization").is_some());
    });
}

#[test]
fn a_post_is_kept_as_it_was_written() {
    run(async {
        let post = r#"{ "type":"custom_x", "new":[1,{"b":1.0,"a":"\u003c"}], "id":"a",
            "create_at":1, "user_id":"u", "channel_id":"c" }"#;
        let reply = json(&format!(r#"{{"order":["a"],"posts":{{"a":{post}}}}}"#));
        let server = Server::respond_with(reply, AfterResponse::KeepAlive).await;
        let page = page_after(&server, ClientLimits::default()).await.unwrap().value;
        assert_eq!((page.posts[0].json.get(), &*page.posts[0].kind), (post, "custom_x"));
    });
}

#[test]
fn four_hundred_and_fifty_posts_come_in_three_pages() {
    let conversation = Conversation::new();
    let anchor = conversation.post(1_000);
    let posts = conversation.posts(2_001..=2_450);
    run(async {
        let (mut seen, mut from, mut lengths) = (Vec::new(), anchor, Vec::new());
        loop {
            let page = conversation.after(&from).await;
            lengths.push(page.posts.len());
            seen.extend(ids(&page.posts));
            let Some(next) = page.next_post_id else { break };
            assert_eq!(next, posts[seen.len()]);
            from = seen.last().unwrap().clone();
        }
        assert_eq!((lengths, seen), (vec![200, 200, 50], posts.clone()));

        let newest = conversation
            .client
            .posts(
                &conversation.token,
                &conversation.channel,
                PostRange::Newest,
                PageRequest::first(PER_PAGE),
            )
            .await
            .unwrap()
            .value;
        assert_eq!(ids(&newest.posts), posts[250..]);
        let from = &newest.posts[0].id;
        let before = conversation
            .client
            .posts(
                &conversation.token,
                &conversation.channel,
                PostRange::Before(from),
                PageRequest::first(50),
            )
            .await
            .unwrap()
            .value;
        assert_eq!(ids(&before.posts), posts[200..250]);
        assert_eq!(
            (before.prev_post_id.as_ref(), before.next_post_id.as_ref()),
            (Some(&posts[199]), Some(from))
        );
    });
}

#[test]
fn ties_are_lost_by_the_newest_post_and_found_by_one_with_a_smaller_time() {
    let conversation = Conversation::new();
    let anchor = conversation.post(1_000);
    // The page ends within the three posts of one time.
    let mut posts: BTreeSet<PostId> = conversation.posts(2_001..=2_199).into_iter().collect();
    posts.extend(conversation.posts([2_200, 2_200, 2_200, 2_201]));
    run(async {
        let first = conversation.after(&anchor).await;
        let newest = first.posts.last().unwrap();
        assert_eq!((first.posts.len(), newest.create_at), (PER_PAGE, 2_200));
        assert_eq!(
            conversation.after(&newest.id).await.posts.len(),
            1,
            "fact 23: two of the three are skipped"
        );
        let earlier = first.posts.iter().rfind(|post| post.create_at < newest.create_at).unwrap();
        let second = conversation.after(&earlier.id).await;
        let times: Vec<i64> = second.posts.iter().map(|post| post.create_at).collect();
        assert_eq!(times, [2_200, 2_200, 2_200, 2_201]);
        let tied = ids(&second.posts[..3]);
        assert!(tied.is_sorted(), "posts of one time are ordered by id");
        let seen: BTreeSet<PostId> = ids(&first.posts).into_iter().chain(ids(&second.posts)).collect();
        assert_eq!(seen, posts);
    });
}

#[test]
fn a_thread_root_that_comes_along_is_not_on_the_page() {
    let conversation = Conversation::new();
    let root =
        conversation.simulator.post(&conversation.person.user_id, conversation.channel.as_str(), "root");
    let anchor = conversation.post(root.create_at + 1);
    let options = PostOptions {
        user_id: conversation.person.user_id.clone(),
        channel_id: root.channel_id.clone(),
        root_id: Some(root.id.clone()),
        create_at: Some(root.create_at + 2),
        ..PostOptions::default()
    };
    let reply = conversation.simulator.post_with(&options);
    run(async {
        let page = conversation.after(&anchor).await;
        assert_eq!(ids(&page.posts), [PostId::from(&*reply.id)]);
        assert_eq!(page.posts[0].root_id, Some(PostId::from(&*root.id)));
        let newest = conversation
            .client
            .posts(&conversation.token, &conversation.channel, PostRange::Newest, PageRequest::first(1))
            .await
            .unwrap()
            .value;
        assert_eq!(ids(&newest.posts), [PostId::from(&*reply.id)]);
    });
}

#[test]
fn edits_and_deletions_come_by_since_with_rows_of_history() {
    let conversation = Conversation::new();
    let posts = conversation.posts([1_000, 1_001, 1_002, 1_003]);
    let [edited, deleted, _quiet, liked] = &posts[..] else { panic!() };
    conversation.simulator.edit_post(edited.as_str(), "hello again");
    conversation.simulator.delete_post(deleted.as_str());
    conversation.simulator.add_reaction(&conversation.person.user_id, liked.as_str(), "wave");
    run(async {
        let (rows, truncated) = conversation.since(2_000).await;
        assert!(!truncated && rows.is_sorted_by_key(|row| row.create_at));
        let row = |id: &PostId| rows.iter().find(|row| row.id == *id).unwrap();
        assert!(row(edited).edit_at > 2_000 && row(edited).json.get().contains("hello again"));
        assert!(row(deleted).delete_at > 2_000 && row(deleted).original_id.is_none());
        assert_eq!((row(liked).edit_at, row(liked).delete_at), (0, 0), "fact 25: only update_at moved");
        let history: Vec<&Post> = rows.iter().filter(|row| row.original_id.is_some()).collect();
        let [history] = &history[..] else { panic!("{rows:?}") };
        assert!(history.original_id.as_ref() == Some(edited) && history.delete_at > 2_000);
        assert_eq!(rows.len(), 4, "the unchanged post is not listed");
        assert_eq!(
            conversation.after(edited).await.posts.len(),
            2,
            "fact 11: by creation, without deleted posts"
        );
    });
}

#[test]
fn a_thousand_rows_are_a_truncation() {
    let conversation = Conversation::new();
    let limit = i64::try_from(SINCE_LIMIT).unwrap();
    let posts = conversation.posts(2_001..2_000 + limit);
    run(async {
        let (rows, truncated) = conversation.since(2_000).await;
        assert!(ids(&rows) == posts && !truncated, "{} rows", rows.len());
        conversation.post(2_000 + limit);
        assert_eq!(
            (conversation.since(2_000).await.0.len(), conversation.since(2_000).await.1),
            (SINCE_LIMIT, true)
        );
        conversation.post(2_001 + limit);
        assert_eq!(
            (conversation.since(2_000).await.0.len(), conversation.since(2_000).await.1),
            (SINCE_LIMIT, true)
        );
    });
}

#[test]
fn an_ambiguous_request_is_not_sent_and_no_thread_is_asked_for() {
    run(async {
        let server = Server::respond_with(json(r#"{"order":[],"posts":{}}"#), AfterResponse::KeepAlive).await;
        let client = client(&server.url());
        let (token, channel, none) = (token(), ChannelId::from("c"), PostId::default());
        let error =
            client.posts(&token, &channel, PostRange::After(&none), PageRequest::first(1)).await.unwrap_err();
        assert_eq!(error.kind, RestErrorKind::Refused(400));
        let error = client
            .posts(&token, &channel, PostRange::Before(&none), PageRequest::first(1))
            .await
            .unwrap_err();
        assert_eq!(error.kind, RestErrorKind::Refused(400));
        assert_eq!(server.heads().len(), 0);
        client.posts_since(&token, &channel, 0).await.unwrap();
        client.posts(&token, &channel, PostRange::Newest, PageRequest::first(0)).await.unwrap();
        client
            .posts(&token, &"a/b?c".into(), PostRange::After(&"x&since=1".into()), PageRequest::first(7))
            .await
            .unwrap();
        client.look_up(&token, &LookupRequest::Posts { channel: &channel, count: 3 }).await.unwrap();
        let lines: Vec<String> =
            server.heads().iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
        assert_eq!(
            lines,
            [
                "GET /api/v4/channels/c/posts?since=1&skipFetchThreads=true HTTP/1.1",
                "GET /api/v4/channels/c/posts?page=0&per_page=1&skipFetchThreads=true HTTP/1.1",
                "GET /api/v4/channels/a%2Fb%3Fc/posts?after=x%26since%3D1&page=0&per_page=7&skipFetchThreads=true HTTP/1.1",
                "GET /api/v4/channels/c/posts?per_page=3&skipFetchThreads=true HTTP/1.1",
            ]
        );
    });
}

#[test]
fn an_odd_row_costs_itself_and_a_post_named_twice_comes_once() {
    run(async {
        let post = r#"{"id":"a","create_at":1,"user_id":"u","channel_id":"c"}"#;
        let page = async |order: &str, posts: &str| {
            let reply = json(&format!(r#"{{"order":{order},"posts":{posts},"new":1}}"#));
            let server = Server::respond_with(reply, AfterResponse::KeepAlive).await;
            let page = page_after(&server, ClientLimits::default()).await;
            let Page { posts, odd, .. } = page.unwrap().value;
            let odd: Vec<String> = odd.into_iter().map(|odd| format!("{}: {}", odd.id, odd.cause)).collect();
            (posts.len(), odd.join(", "))
        };
        let good = format!(r#"{{"a":{post}}}"#);
        assert_eq!(page(r#"["a","a"]"#, &good).await, (1, String::new()));
        assert_eq!(page(r#"["a","b"]"#, &good).await, (1, "b: it is listed but missing".into()));
        let null = post.replace(":1,", ":null,").replace(r#""a""#, r#""b""#);
        let (posts, odd) = page(r#"["a","b"]"#, &format!(r#"{{"a":{post},"b":{null}}}"#)).await;
        assert!(posts == 1 && odd.starts_with("b: null in the place of a time"), "{odd}");
        let server = Server::respond_with(json("{}"), AfterResponse::KeepAlive).await;
        let error = page_after(&server, ClientLimits::default()).await.unwrap_err();
        assert_eq!((error.kind, error.route), (RestErrorKind::BadBody, "/channels/{channel_id}/posts"));
    });
}

#[test]
fn a_page_is_bounded() {
    run(async {
        let path = "/api/v4/channels/idynomzegbfjfrmmrpbzpxbdoe/posts?page=0&per_page=3";
        let server = Server::respond_with(recorded("catch_up", path, 200), AfterResponse::KeepAlive).await;
        let limits = |max_body_bytes| ClientLimits { max_body_bytes, ..ClientLimits::default() };
        let error = page_after(&server, limits(1_000)).await.unwrap_err();
        assert_eq!(error.kind, RestErrorKind::TooLarge, "together");
        let page = page_after(&server, limits(100)).await.unwrap().value;
        assert_eq!((page.posts.len(), page.odd.len()), (0, 3), "each");
    });
}

#[test]
fn a_channel_of_others_is_refused_and_an_archived_one_is_read() {
    let conversation = Conversation::new();
    let post = conversation.post(1_000);
    conversation.simulator.archive_channel(conversation.channel.as_str());
    let team = conversation.simulator.create_team("others");
    let foreign = ChannelId::from(&*conversation.simulator.create_channel(&team, "foreign"));
    run(async {
        let newest = conversation
            .client
            .posts(
                &conversation.token,
                &conversation.channel,
                PostRange::Newest,
                PageRequest::first(PER_PAGE),
            )
            .await
            .unwrap()
            .value;
        assert_eq!(newest.posts[0].id, post);
        assert_eq!(&*newest.posts[1].kind, "system_channel_deleted");
        let error = conversation
            .client
            .posts(&conversation.token, &foreign, PostRange::Newest, PageRequest::first(1))
            .await
            .unwrap_err();
        assert_eq!(error.kind, RestErrorKind::Refused(403));
        assert_eq!(error.id.as_deref(), Some("api.context.permissions.app_error"));
        let error = conversation.client.posts_since(&conversation.token, &foreign, 1).await.unwrap_err();
        assert_eq!(error.kind, RestErrorKind::Refused(403));
    });
}
