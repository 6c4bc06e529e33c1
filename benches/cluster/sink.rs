//! Events through the sink `nats`.

use crate::{nats_server::NatsServer, program::Readings, throughput};

/// Measures the sink with as many unanswered events as it has by default. The stream is on a disk, in a temporary directory.
pub(crate) fn nats(quick: bool) -> anyhow::Result<Readings> {
    let server = NatsServer::start("");
    let sink = format!("type = \"nats\"\nservers = [\"nats://{}\"]\n", server.address);
    throughput::through(&sink, quick, ["nats-cpu", "nats-p50", "nats-p99", "nats-rate"])
}
