#![no_main]

use libfuzzer_sys::fuzz_target;
use matterhost::config::fuzzing::{configuration, seeds};

fuzz_target!(init: matterhost_fuzz::write(&seeds()), |input: &[u8]| configuration(input));
