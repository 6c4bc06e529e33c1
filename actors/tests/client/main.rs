//! Tests of the Mattermost client over real sockets, against small servers and the simulator.

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod channels;
#[cfg(test)]
mod dial;
#[cfg(test)]
mod posts;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod request_stats;
#[cfg(test)]
mod responses;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tls_causes;
#[cfg(test)]
mod tls_server;
