//! Requests that wait until `JetStream` has a leader.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::NatsError;

/// Time limit for a request. One that arrives during an election is never answered.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// Requests before one is given up: together they take 30 seconds, and an election takes up to six.
const MAX_REQUESTS: u32 = 10;

/// The failure of a request.
#[derive(Debug)]
pub enum RequestFailure {
    /// The servers have no leader at the moment.
    NoLeader,
    /// Another request would fail as well.
    Lasting(NatsError),
}

/// Makes a request of `JetStream` about something, and repeats it while the servers have no leader.
///
/// # Errors
/// Fails if the request does, or has no answer within half a minute.
pub async fn request_of_leader<T, F>(what: &str, request: impl Fn() -> F) -> Result<T, NatsError>
where
    F: Future<Output = Result<T, RequestFailure>>,
{
    for left in (0..MAX_REQUESTS).rev() {
        match timeout(REQUEST_TIMEOUT, request()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(RequestFailure::Lasting(error))) => return Err(error),
            Ok(Err(RequestFailure::NoLeader)) => sleep(REQUEST_TIMEOUT).await,
            Err(_) => {}
        }
        if left > 0 {
            tracing::warn!(what, "NATS JetStream does not answer, or has no leader; asking again");
        }
    }
    Err(NatsError {
        what: format!(
            "cannot use {what} of NATS JetStream: no answer within {:?}",
            REQUEST_TIMEOUT * MAX_REQUESTS
        ),
        remedy: "start most of the servers of NATS, check that they form a cluster, and give the user the rights of the documentation"
            .into(),
    })
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending};

    use super::*;

    enum Answer {
        None,
        NoLeader,
        Failure,
        Success,
    }

    /// Makes requests, of which the last answer is repeated. Returns the result and the number of requests.
    async fn request(answers: &[Answer]) -> (Result<(), String>, usize) {
        let asked = Cell::new(0);
        let next = || {
            let answer = answers.get(asked.get()).or(answers.last());
            asked.set(asked.get() + 1);
            answer.unwrap()
        };
        let result = request_of_leader("the bucket b", || async {
            match next() {
                Answer::None => pending().await,
                Answer::NoLeader => Err(RequestFailure::NoLeader),
                Answer::Failure => Err(RequestFailure::Lasting(NatsError {
                    what: "it fails".into(),
                    remedy: "mend it".into(),
                })),
                Answer::Success => Ok(()),
            }
        });
        (result.await.map_err(|error| error.to_string()), asked.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_repeated_while_there_is_no_leader() {
        use Answer::{Failure, NoLeader, None, Success};
        assert_eq!(request(&[Success]).await, (Ok(()), 1));
        assert_eq!(request(&[None, NoLeader, Success]).await, (Ok(()), 3));
        assert_eq!(request(&[NoLeader, Failure]).await, (Err("it fails; mend it".into()), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_minute_without_a_leader_is_an_error() {
        for answer in [Answer::None, Answer::NoLeader] {
            let begun = tokio::time::Instant::now();
            let (result, asked) = request(&[answer]).await;
            let error = result.unwrap_err();
            assert!(
                error.contains("the bucket b of NATS JetStream: no answer within 30s; start most"),
                "{error}"
            );
            assert_eq!((asked, begun.elapsed().as_secs()), (10, 30));
        }
    }
}
