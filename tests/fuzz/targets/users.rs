#![no_main]

use libfuzzer_sys::fuzz_target;
use matterhost_actors::mattermost::fuzzing::user;
use matterhost_fuzz::write_recorded;

fuzz_target!(init: write_recorded("users"), |input: &[u8]| user(input));
