//! A Mattermost stand-in.
