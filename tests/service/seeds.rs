//! The seed of a test with random faults, and how many are asked for.

/// Returns the number in an environment variable, if it has one.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|number| number.parse().ok())
}

/// Returns the seed that is asked for, or a random one, and prints it.
#[expect(clippy::print_stdout, reason = "a failed test prints its seed")]
pub(crate) fn seed() -> u64 {
    let seed = number("MATTERHOST_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}; set MATTERHOST_SEED to repeat this run");
    seed
}
