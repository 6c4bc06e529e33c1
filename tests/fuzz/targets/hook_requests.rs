#![no_main]

use libfuzzer_sys::fuzz_target;
use matterhost::hooks::fuzzing::{hook_request_seeds, hook_requests};

fuzz_target!(init: matterhost_fuzz::write(&hook_request_seeds()), |input: &[u8]| hook_requests(input));
