//! `[delivery]`: the queue between an account's socket and its sinks.

use matterhost_actors::hosting::DeliverySettings;

use super::key_reader::TableReader;

/// A longer queue would dominate the memory of an account.
const LARGEST_QUEUE: usize = 65_536;

pub(super) fn read(mut section: TableReader<'_>) -> DeliverySettings {
    let default = DeliverySettings::default();
    let delivery = DeliverySettings {
        queue: section.within("queue", default.queue, 1..=LARGEST_QUEUE),
        in_flight: section.within("in_flight", default.in_flight, 1..=LARGEST_QUEUE),
        skip_own: section.read("skip_own", default.skip_own),
    };
    section.finish();
    delivery
}
