//! The demo's sentences about endings, recoveries and faults.

use std::time::Duration;

use matterhost_actors::model::CloseReason;

use super::script::{Fault, FaultKind};

/// Describes a fault that the demo makes, or its end.
pub(super) fn fault(fault: &Fault) -> String {
    let bot = fault.bot.as_deref().unwrap_or("every bot");
    match fault.kind {
        FaultKind::Disabled => format!("An administrator disables {bot}."),
        FaultKind::Enabled => {
            format!("The administrator enables {bot} again. Its old socket would stay deaf forever.")
        }
        FaultKind::HandlerCrash => format!("A post arrives that crashes {bot}'s handler."),
        FaultKind::Cycled => {
            format!(
                "An administrator disables {bot} and enables it at once. Its socket stays open, but deaf."
            )
        }
        FaultKind::TokenToggled => {
            format!("{bot}'s token is disabled and enabled. Only a ping shows that its socket is deaf.")
        }
        FaultKind::Reset => format!("The network cuts {bot}'s connection."),
        FaultKind::ServerStopped => "The server stops.".into(),
        FaultKind::ServerStarted => "The server starts again.".into(),
    }
}

/// Describes why a Connection of a bot ended.
pub(super) fn ending(bot: &str, reason: &CloseReason) -> String {
    let text = match reason {
        CloseReason::Deaf { .. } => "the server no longer knows this socket",
        CloseReason::Stale { .. } => "the account has changed since this socket was opened",
        CloseReason::AuditHole { .. } => "the server has a post that never arrived",
        CloseReason::Unauthorized => "the server refuses the token; asking again until it is accepted",
        CloseReason::Dropped { .. } => "the connection broke",
        CloseReason::Closed { .. } => "the server closed the connection",
        CloseReason::Silent => "the server does not answer the ping",
        CloseReason::Unreachable { .. } => "the server cannot be reached",
        CloseReason::Timeout | CloseReason::HelloOverdue => "the server does not answer",
        CloseReason::DroppedBeforeReady => "the connection broke before it was ready",
        other => return format!("{bot}: {other}."),
    };
    format!("{bot}: {text}.")
}

/// Describes a recovery: who hears again, after how long, and how many changes were fetched.
pub(super) fn recovery(who: &str, after: Option<Duration>, fetched: usize) -> String {
    let hears = if who.contains(' ') { "hear" } else { "hears" };
    let after = after.map_or_else(String::new, |after| format!(" after {}", time(after)));
    format!("{who} {hears} again{after}; {}.", missed(fetched))
}

fn missed(fetched: usize) -> String {
    match fetched {
        0 => "nothing was missed".into(),
        1 => "fetched the one post or edit that was missed".into(),
        n => format!("fetched {n} posts and edits that were missed"),
    }
}

/// Formats a duration, in milliseconds below a second.
pub(super) fn time(duration: Duration) -> String {
    match duration.as_millis() {
        ms @ ..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_is_told_in_one_sentence() {
        let told = recovery("helpdesk", Some(Duration::from_millis(39)), 3);
        assert_eq!(told, "helpdesk hears again after 39 ms; fetched 3 posts and edits that were missed.");
        let told = recovery("All bots", Some(Duration::from_millis(1_360)), 1);
        assert_eq!(told, "All bots hear again after 1.4 s; fetched the one post or edit that was missed.");
        assert_eq!(recovery("oncall", None, 0), "oncall hears again; nothing was missed.");
    }

    #[test]
    fn an_ending_is_told_without_terms_of_the_protocol() {
        let error = "api.web_socket_router.not_authenticated.app_error".into();
        let told = ending("helpdesk", &CloseReason::Deaf { error });
        assert_eq!(told, "helpdesk: the server no longer knows this socket.");
        let told = ending("deploys", &CloseReason::Stale { baseline: 1, seen: 2 });
        assert!(!told.contains("update_at"), "{told}");
        let told = ending("deploys", &CloseReason::Oversized { limit: 9 });
        assert_eq!(told, "deploys: a frame exceeds the limit of 9 bytes.");
    }
}
