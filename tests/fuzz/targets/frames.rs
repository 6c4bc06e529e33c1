#![no_main]

use libfuzzer_sys::fuzz_target;
use matterhost_actors::mattermost::fuzzing::frames;
use matterhost_fuzz::write_recorded;

fuzz_target!(init: write_recorded("frames"), |input: &[u8]| frames(input));
