//! matterhost.
