#![no_main]

use libfuzzer_sys::fuzz_target;
use matterhost_actors::mattermost::fuzzing::channels;
use matterhost_fuzz::write_recorded;

fuzz_target!(init: write_recorded("channels"), |input: &[u8]| channels(input));
