#![no_main]

use libfuzzer_sys::fuzz_target;
use matterhost_actors::mattermost::fuzzing::posts;
use matterhost_fuzz::write_recorded;

fuzz_target!(init: write_recorded("posts"), |input: &[u8]| posts(input));
