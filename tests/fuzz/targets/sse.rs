#![no_main]

use libfuzzer_sys::fuzz_target;
use matterhost::admin::client::fuzzing::{seeds, sse};

fuzz_target!(init: matterhost_fuzz::write(&seeds()), |input: &[u8]| sse(input));
