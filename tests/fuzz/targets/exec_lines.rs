#![no_main]

use libfuzzer_sys::fuzz_target;
use matterhost::sinks::fuzzing::{exec_line_seeds, exec_lines};

fuzz_target!(init: matterhost_fuzz::write(&exec_line_seeds()), |input: &[u8]| exec_lines(input));
