#![no_main]

use libfuzzer_sys::fuzz_target;
use matterhost::sinks::fuzzing::event_line;
use matterhost_actors::hosting::fuzzing::event;
use matterhost_fuzz::write_recorded;

fuzz_target!(init: write_recorded("events"), |frame: &str| {
    if let Some(event) = event(frame) {
        event_line(&event);
    }
});
