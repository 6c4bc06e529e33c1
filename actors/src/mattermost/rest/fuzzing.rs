//! The targets of the fuzzers that answer requests as a server.

#![expect(clippy::missing_panics_doc, reason = "a failed check is what a fuzzer looks for")]

use std::{collections::HashMap, ops::ControlFlow};

use awc::http::{StatusCode, header::HeaderMap};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    RestError, User,
    channels::ChannelRows,
    error::excerpt,
    odd_row::OddRow,
    post_list::PostList,
    row_splitter::{BodyState, RowSplitter, Rows, Shape},
};
use crate::{
    mattermost::fuzzing,
    model::{MAX_EXCERPT_CHARS, check_id},
};

/// The route that errors show.
const ROUTE: &str = "/fuzzed";

/// The longest row, and the longest posts of a list together: so short that the fuzzer reaches it.
const LIMIT: usize = 2048;

/// The most channels of a list: as few for the same reason.
const MAX_CHANNELS: usize = 4;

/// The sizes of the pieces in which a body arrives.
const PIECES: [usize; 3] = [1, 7, usize::MAX];

/// Reads a page of posts, and checks that it has no more than was listed, in order, and that no text costs a post.
pub fn posts(body: &[u8]) {
    #[derive(Deserialize)]
    struct Page {
        posts: HashMap<String, Box<RawValue>>,
    }
    if let Ok(page) = serde_json::from_slice::<Page>(body) {
        page.posts.values().for_each(|post| fuzzing::post(post.get()));
    }
    let read = |piece| {
        let mut list = PostList::new(LIMIT);
        let state = read(Shape::Object("posts"), body, piece, &mut list);
        let listed = list.len();
        (state, list.finish(ROUTE), listed)
    };
    let [first, others @ ..] = PIECES.map(read);
    for other in others {
        assert_eq!(format!("{first:?}"), format!("{other:?}"), "the pieces matter");
    }
    match first.1 {
        Ok((posts, odd)) => {
            assert!(posts.is_sorted_by(|a, b| (a.create_at, &a.id) <= (b.create_at, &b.id)));
            assert!(posts.len() <= first.2, "{} posts of {}", posts.len(), first.2);
            odd.iter().for_each(check_odd);
        }
        Err(error) => check_error(&error),
    }
}

/// Reads a list of channels, and checks that each is there once and that there are no more than may be.
pub fn channels(body: &[u8]) {
    let read = |piece| {
        let mut rows = ChannelRows::new(MAX_CHANNELS);
        let state = read(Shape::List, body, piece, &mut rows);
        let error = rows.take_error().map(|error| RestError::embedded(&error, ROUTE));
        (state, error, rows.finish())
    };
    let [first, others @ ..] = PIECES.map(read);
    for other in others {
        assert_eq!(format!("{first:?}"), format!("{other:?}"), "the pieces matter");
    }
    let (_, error, list) = first;
    error.iter().for_each(check_error);
    assert!(list.channels.len() <= MAX_CHANNELS);
    assert!(list.channels.is_sorted_by(|a, b| a.id < b.id), "a channel is there twice");
    assert!(list.channels.iter().all(|channel| check_id(channel.id.as_str()).is_ok()));
    list.odd.iter().for_each(check_odd);
}

/// Reads the account of a token, and the same body as the answer of a server that refuses.
pub fn user(body: &[u8]) {
    if let Ok(user) = serde_json::from_slice::<User>(body) {
        assert!(check_id(user.id.as_str()).is_ok());
    }
    for status in [StatusCode::UNAUTHORIZED, StatusCode::BAD_GATEWAY] {
        check_error(&RestError::from_status(status, &HeaderMap::new(), body, ROUTE));
    }
}

/// Reads a body that arrives in pieces of this size.
fn read(shape: Shape, body: &[u8], piece: usize, rows: &mut dyn Rows) -> BodyState {
    let mut splitter = RowSplitter::new(shape, LIMIT);
    for piece in body.chunks(piece.min(body.len().max(1))) {
        if let ControlFlow::Break(()) = splitter.read(piece, rows) {
            splitter.stop();
            break;
        }
    }
    splitter.state()
}

fn check_error(error: &RestError) {
    check_shown(&error.message);
    check_shown(error.id.as_deref().unwrap_or_default());
}

fn check_odd(row: &OddRow) {
    check_shown(&row.id);
    check_shown(&row.cause);
}

/// Checks that a text is an excerpt.
fn check_shown(text: &str) {
    assert!(text.chars().count() <= MAX_EXCERPT_CHARS && !text.contains(char::is_control), "{text:?}");
    assert_eq!(excerpt(text), text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::mattermost::fuzzing::{mutated::mutated, seeds::recorded};

    proptest! {
        #[test]
        fn changed_pages_of_posts_are_read(body in mutated(recorded("posts"))) {
            super::posts(&body);
        }

        #[test]
        fn changed_lists_of_channels_are_read(body in mutated(recorded("channels"))) {
            super::channels(&body);
        }

        #[test]
        fn changed_accounts_and_errors_are_read(body in mutated(recorded("users"))) {
            super::user(&body);
        }
    }
}
