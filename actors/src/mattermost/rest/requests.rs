//! What is asked on a socket.

/// Numbers the actions sent on one socket: each reply names the number of its question.
#[derive(Debug, Default)]
pub struct SocketRequests {
    last: u64,
}

impl SocketRequests {
    /// Starts at 1, as the server wants it: it refuses a number below (`bad_seq`).
    pub fn new() -> Self {
        Self::default()
    }

    /// The question that finds a deaf socket (fact 4): its number, and the text to send.
    pub fn ping(&mut self) -> (u64, String) {
        self.last += 1;
        (self.last, format!(r#"{{"seq":{},"action":"ping"}}"#, self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_has_its_own_number() {
        let mut requests = SocketRequests::new();
        assert_eq!(requests.ping(), (1, r#"{"seq":1,"action":"ping"}"#.to_owned()));
        assert_eq!(requests.ping(), (2, r#"{"seq":2,"action":"ping"}"#.to_owned()));
    }
}
