/// A generator of the actions sent on one socket. It numbers them: each reply contains its action's number.
#[derive(Debug, Default)]
pub struct SocketRequests {
    last: u64,
}

impl SocketRequests {
    /// Creates a generator that starts at 1: the server refuses lower numbers (`bad_seq`).
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number and the text of the next ping, which detects a deaf socket (fact 4).
    pub fn ping(&mut self) -> (u64, String) {
        self.last += 1;
        (self.last, format!(r#"{{"seq":{},"action":"ping"}}"#, self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_has_its_own_number() {
        let mut requests = SocketRequests::new();
        assert_eq!(requests.ping(), (1, r#"{"seq":1,"action":"ping"}"#.to_owned()));
        assert_eq!(requests.ping(), (2, r#"{"seq":2,"action":"ping"}"#.to_owned()));
    }
}
