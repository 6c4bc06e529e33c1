//! A benchmark program. It runs itself again for each case and round, so that each starts in a fresh process, and also
//! as the simulator.

use std::{
    collections::BTreeMap,
    env,
    process::{Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use crate::table::{Figure, Rounds, print};

/// Rounds in which all cases take turns. The best round counts, because other work on the machine only adds time.
const ROUNDS: usize = 5;

/// The time after which a case counts as hung.
const TIMEOUT: Duration = Duration::from_secs(300);

/// The readings of a case, by name.
pub(crate) type Readings = Vec<(&'static str, f64)>;

/// A measurement in its own process.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The function that measures; its argument is true for a quick run.
    pub(crate) measure: fn(quick: bool) -> anyhow::Result<Readings>,
}

/// The parsed command line.
struct Arguments {
    bench: bool,
    quick: bool,
    case: Option<String>,
    only: Vec<String>,
}

/// Runs the program in the role that its command line selects.
pub(crate) fn run(title: &str, cases: &[Case], figures: &[Figure]) -> anyhow::Result<ExitCode> {
    if env::args().nth(1).as_deref() == Some("--simulator") {
        return Ok(matterhost_simulator::serve(env::args_os().skip(1)));
    }
    let arguments = Arguments::read()?;
    if let Some(name) = &arguments.case {
        let case = cases.iter().find(|case| case.name == name).context("unknown case")?;
        return in_this_process(case, arguments.quick);
    }
    if !arguments.bench {
        println!("{title}: run this with `cargo bench` to measure");
        return Ok(ExitCode::SUCCESS);
    }
    let chosen: Vec<&Case> = cases.iter().filter(|case| arguments.wants(case.name)).collect();
    let mut rounds = Rounds::new();
    for round in 0..if arguments.quick { 1 } else { ROUNDS } {
        for case in &chosen {
            eprintln!("round {}: {}", round + 1, case.name);
            rounds.push(in_a_fresh_process(case, arguments.quick)?);
        }
    }
    print(title, figures, &rounds);
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn read() -> anyhow::Result<Self> {
        let mut arguments = Self { bench: false, quick: false, case: None, only: Vec::new() };
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" => arguments.bench = true,
                "--quick" => arguments.quick = true,
                "--case" => arguments.case = words.next(),
                flag if flag.starts_with('-') => bail!("unknown flag {flag}; there is --quick"),
                _ => arguments.only.push(word),
            }
        }
        Ok(arguments)
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.contains(only.as_str()))
    }
}

fn in_this_process(case: &Case, quick: bool) -> anyhow::Result<ExitCode> {
    thread::spawn(|| {
        thread::sleep(TIMEOUT);
        eprintln!("the case hangs");
        std::process::exit(1);
    });
    let readings: BTreeMap<&str, f64> = (case.measure)(quick)?.into_iter().collect();
    println!("{}", serde_json::to_string(&readings)?);
    Ok(ExitCode::SUCCESS)
}

fn in_a_fresh_process(case: &Case, quick: bool) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--case", case.name]).args(quick.then_some("--quick"));
    let done = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?.wait_with_output()?;
    ensure!(done.status.success(), "case {} failed", case.name);
    serde_json::from_slice(&done.stdout).with_context(|| format!("case {} printed no readings", case.name))
}
