//! The Mattermost client against real sockets and small servers written by hand.

#[cfg(test)]
mod channels;
#[cfg(test)]
mod dial;
#[cfg(test)]
mod posts;
#[cfg(test)]
mod request_stats;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
