//! x
/// t
#[derive(Debug)]
pub struct Token;
