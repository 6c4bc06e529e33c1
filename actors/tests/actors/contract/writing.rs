//! The contract of the port for writing.

use std::rc::Rc;

use matterhost_actors::{
    mattermost::{
        EphemeralPost, Me, NewFile, NewPost, PageRequest, Post, PostRange, Reaction, RestErrorKind,
    },
    model::{ChannelId, PostId, Token, UserId},
    ports::Api,
};
use serde_json::{Value, json};

use super::{ServerControl, reading::UNKNOWN_ID};

const FORBIDDEN: RestErrorKind = RestErrorKind::Refused(403);

fn said(post: &Post, member: &str) -> Value {
    serde_json::from_str::<Value>(post.json.get()).unwrap()[member].clone()
}

async fn me(api: &Rc<dyn Api>, token: &Token) -> UserId {
    match api.me(token, None).await.unwrap().value {
        Me::User { user, .. } => user.id,
        Me::Unmodified => panic!("no ETag was sent"),
    }
}

fn new_post(channel: &ChannelId, text: &str, pending: &str) -> NewPost {
    NewPost {
        channel_id: channel.clone(),
        message: text.into(),
        pending_post_id: pending.into(),
        ..NewPost::default()
    }
}

pub(super) async fn posts_and_edits(api: Rc<dyn Api>, server: &impl ServerControl) {
    let (token, channel) = (&server.token(), &server.channel("writing", true));
    let me = me(&api, token).await;
    let root = server.post(channel, 1_000);
    let mut new = new_post(channel, "hello", "pending");
    new.root_id = Some(root.clone());
    new.props.insert("matterhost_key".into(), "k".into());
    new.props.insert("n".into(), 1.into());
    let made = api.create_post(token, &new).await.unwrap().value;
    assert_eq!((&made.user_id, &made.channel_id, made.root_id.as_ref()), (&me, channel, Some(&root)));
    assert_eq!((said(&made, "message"), made.prop("matterhost_key")), (json!("hello"), Some("k".into())));
    assert_eq!((made.prop("n"), made.prop("none")), (None, None), "a number is no text");
    let again = api.create_post(token, &new).await.unwrap().value;
    assert_eq!(again.id, made.id, "fact 19");
    let newest =
        api.posts(token, channel, PostRange::Newest, PageRequest::first(10)).await.unwrap().value.posts;
    assert_eq!(newest.iter().map(|post| &post.id).collect::<Vec<_>>(), [&root, &made.id]);
    assert_eq!(newest[1].prop("matterhost_key").as_deref(), Some("k"), "a key is found again");
    assert_ne!(api.create_post(token, &new_post(channel, "x", "other")).await.unwrap().value.id, made.id);

    let edited = api.edit_post(token, &made.id, "bye", None).await.unwrap().value;
    assert!(said(&edited, "message") == "bye" && edited.id == made.id && edited.edit_at > 0);
    let read = api.post(token, &made.id).await.unwrap().value;
    assert_eq!((said(&read, "message"), read.prop("matterhost_key")), (json!("bye"), Some("k".into())));

    let long = new_post(channel, &"x".repeat(16_384), "long");
    assert_eq!(api.create_post(token, &long).await.unwrap_err().kind, RestErrorKind::Refused(400));
    let foreign = &server.channel("not mine", false);
    assert_eq!(api.create_post(token, &new_post(foreign, "x", "")).await.unwrap_err().kind, FORBIDDEN);
    assert_eq!(api.edit_post(token, &root, "x", None).await.unwrap_err().kind, FORBIDDEN, "another's");
    let nobodys = &PostId::from(UNKNOWN_ID);
    assert_eq!(api.edit_post(token, nobodys, "x", None).await.unwrap_err().kind, RestErrorKind::NotFound);
    assert_eq!(api.post(token, nobodys).await.unwrap_err().kind, RestErrorKind::NotFound);
    server.disable();
    let refused = api.create_post(token, &new_post(channel, "x", "")).await.unwrap_err();
    assert_eq!(refused.kind, RestErrorKind::Unauthorized, "fact 8");
    server.enable();
}

pub(super) async fn reacts_and_types(api: Rc<dyn Api>, server: &impl ServerControl) {
    let (token, channel) = (&server.token(), &server.channel("reacting", true));
    let me = me(&api, token).await;
    let post = server.post(channel, 1_000);
    let reaction = Reaction { user_id: me.clone(), post_id: post, emoji_name: "wave".into() };
    for _ in 0..2 {
        api.add_reaction(token, &reaction).await.unwrap();
    }
    let another = Reaction { user_id: UNKNOWN_ID.into(), ..reaction.clone() };
    assert_eq!(api.add_reaction(token, &another).await.unwrap_err().kind, FORBIDDEN);
    let nowhere = Reaction { post_id: UNKNOWN_ID.into(), ..reaction };
    assert!(matches!(api.add_reaction(token, &nowhere).await.unwrap_err().kind, RestErrorKind::Refused(_)));
    api.typing(token, channel, None).await.unwrap();
    assert_eq!(api.typing(token, &UNKNOWN_ID.into(), None).await.unwrap_err().kind, FORBIDDEN);
    let shown = EphemeralPost {
        user_id: me,
        channel_id: channel.clone(),
        message: "only you".into(),
        root_id: None,
        props: serde_json::Map::new(),
    };
    api.create_ephemeral(token, &shown).await.unwrap();
    let kept =
        api.posts(token, channel, PostRange::Newest, PageRequest::first(10)).await.unwrap().value.posts;
    assert_eq!(kept.len(), 1, "nothing keeps it");
}

pub(super) async fn takes_files(api: Rc<dyn Api>, server: &impl ServerControl) {
    let (token, channel) = (&server.token(), &server.channel("files", true));
    let limits = api.server_limits(token).await.unwrap().value;
    let limit = usize::try_from(limits.file_bytes).unwrap();
    let longest = new_post(channel, &"ü".repeat(limits.post_chars), "longest");
    api.create_post(token, &longest).await.unwrap();
    let longer = new_post(channel, &"ü".repeat(limits.post_chars + 1), "longer");
    assert_eq!(api.create_post(token, &longer).await.unwrap_err().kind, RestErrorKind::Refused(400));
    let upload = async |channel: &ChannelId, size: usize| {
        let file = NewFile { channel, name: "a b.txt", content: &vec![b'x'; size].into() };
        api.upload_file(token, file).await.map(|answer| answer.value)
    };
    let file = upload(channel, limit).await.unwrap();
    assert_eq!(upload(channel, limit + 1).await.unwrap_err().kind, RestErrorKind::Refused(413));
    assert_eq!(upload(&UNKNOWN_ID.into(), 1).await.unwrap_err().kind, FORBIDDEN);
    let new = NewPost { file_ids: vec![file.clone()], ..new_post(channel, "", "with a file") };
    let made = api.create_post(token, &new).await.unwrap().value;
    assert_eq!(said(&made, "file_ids"), json!([file]));
    let mut incoming = api.download_file(token, &file).await.unwrap().value;
    let mut received = 0;
    while let Some(piece) = incoming.next().await {
        received += piece.unwrap().len() as u64;
    }
    assert!(received > 0 && incoming.len == Some(received), "{received} of {incoming:?}");
    let missing = api.download_file(token, &UNKNOWN_ID.into()).await.unwrap_err();
    assert!(missing.kind == RestErrorKind::NotFound && missing.is_servers_own(), "{missing}");
}
