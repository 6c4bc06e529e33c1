//! The nouns that every floor above shares.

mod token;

pub use token::{Token, TokenError};
