//! Tests of the Mattermost client over real sockets, against small servers and the simulator.

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
