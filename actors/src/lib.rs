//! The actors of matterhost.
