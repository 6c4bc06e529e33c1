#![no_main]

use libfuzzer_sys::fuzz_target;
use matterhost::sinks::fuzzing::{webhook_answer_seeds, webhook_answers};

fuzz_target!(init: matterhost_fuzz::write(&webhook_answer_seeds()), |input: &[u8]| webhook_answers(input));
