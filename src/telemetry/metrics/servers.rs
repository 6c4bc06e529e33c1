//! Metrics of servers.

use std::fmt;

use matterhost_actors::{mattermost::RequestStats, model::ServerSnapshot};
use prometheus_client::encoding::DescriptorEncoder;

use super::scrape::{Family, Kind, Scrape, Value};

const UP: Family = Family::gauge("server_up", "1 while the server is known to respond");
const PACE: Family =
    Family::gauge("gate_requests_per_second", "Requests per second that the gate currently allows");
const WAITING: Family = Family::gauge("gate_waiting_requests", "Requests that wait at the gate");
const DIALING: Family = Family::gauge("gate_dials", "Connections between dial and hello");
const PAUSED: Family =
    Family::seconds("gate_pause", Kind::Gauge, "Time until the server's rate limit admits requests again");
const WAITS: Family = Family::counter("gate_waits", "Requests that the gate admitted");
const WAITED: Family =
    Family::seconds("gate_wait", Kind::Counter, "Total time that requests waited at the gate");
const REQUESTS: Family = Family::counter("rest_requests", "Requests to the server by outcome");
const DIALS: Family = Family::counter("dials", "Dials by outcome; 101 is a socket");
const CONNECT: Family =
    Family::seconds("connect", Kind::Histogram, "From the start of a connection to ready");
const CATCH_UP: Family = Family::seconds(
    "catch_up",
    Kind::Histogram,
    "From the listing of the channels to the end of the catch-up",
);
const PROBE: Family = Family::seconds("probe", Kind::Histogram, "How long a good poll or ping took");
const DEAF: Family = Family::seconds(
    "deaf",
    Kind::Histogram,
    "Longest time that an account may have been deaf: from its last change, or from the detection, to ready",
);

pub(super) fn encode(scrape: &Scrape, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    gauges(&scrape.servers, encoder)?;
    request_stats(scrape, encoder)?;
    let timings = &scrape.metrics.timings;
    CONNECT.write_metric(encoder, &timings.connect)?;
    CATCH_UP.write_metric(encoder, &timings.catch_up)?;
    PROBE.write_metric(encoder, &timings.probe)?;
    DEAF.write_metric(encoder, &timings.deaf)
}

fn gauges(servers: &[ServerSnapshot], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let all = |encoder: &mut DescriptorEncoder<'_>, family: Family, value: fn(&ServerSnapshot) -> Value| {
        family.write_rows(
            encoder,
            servers.iter().map(|server| ([("server", server.server.as_str())], value(server))),
        )
    };
    all(encoder, UP, |server| u64::from(server.up).into())?;
    all(encoder, PACE, |server| server.requests_per_second.into())?;
    all(encoder, WAITING, |server| server.waiting.into())?;
    all(encoder, DIALING, |server| server.dials.into())?;
    all(encoder, PAUSED, |server| server.paused_for.unwrap_or_default().as_secs_f64().into())
}

fn request_stats(scrape: &Scrape, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let request_stats = scrape.metrics.request_stats.lock().clone();
    let each = || request_stats.iter().map(|(server, stats)| (("server", server.as_str()), &**stats));
    let waits = |(server, stats): (_, &RequestStats)| {
        stats.waits().map(|wait| ([server, ("class", wait.class.label())], wait))
    };
    WAITS.write_rows(encoder, each().flat_map(waits).map(|(labels, wait)| (labels, wait.times)))?;
    WAITED.write_rows(
        encoder,
        each().flat_map(waits).map(|(labels, wait)| (labels, wait.time.as_secs_f64())),
    )?;
    let requests = each().flat_map(|(server, stats)| {
        stats.requests().into_iter().map(move |request| {
            let labels = [server, ("method", request.method), ("route", request.route)];
            ((labels, [("status", request.status.to_string())]), request.times)
        })
    });
    REQUESTS.write_rows(encoder, requests)?;
    let dials = each().flat_map(|(server, stats)| {
        let labels = move |status: String| ([server], [("status", status)]);
        stats.dials().into_iter().map(move |(status, times)| (labels(status.to_string()), times))
    });
    DIALS.write_rows(encoder, dials)
}
