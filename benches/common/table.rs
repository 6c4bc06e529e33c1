//! The table of the measured figures.

use std::collections::BTreeMap;

use comfy_table::{Table, presets::ASCII_MARKDOWN};

/// The readings of each case and round.
pub(crate) type Rounds = Vec<BTreeMap<String, f64>>;

/// A row of the table.
pub(crate) struct Figure {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) from: Source,
    pub(crate) direction: Direction,
    pub(crate) floor: Option<f64>,
    pub(crate) goal: Option<f64>,
}

/// The readings from which a figure is computed.
pub(crate) enum Source {
    Single(&'static str),
    /// The best of the first divided by the best of the second.
    Ratio(&'static str, &'static str),
}

/// The direction in which a figure improves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    LowerIsBetter,
    HigherIsBetter,
}

impl Figure {
    /// Returns a figure without floor and goal.
    pub(crate) const fn informational(what: &'static str, unit: &'static str, reading: &'static str) -> Self {
        Self {
            what,
            unit,
            from: Source::Single(reading),
            direction: Direction::LowerIsBetter,
            floor: None,
            goal: None,
        }
    }

    /// Returns a figure that should be small.
    pub(crate) const fn lower_is_better(
        what: &'static str,
        unit: &'static str,
        from: Source,
        floor: f64,
        goal: Option<f64>,
    ) -> Self {
        Self { what, unit, from, direction: Direction::LowerIsBetter, floor: Some(floor), goal }
    }

    /// Returns the best and the worst of all rounds.
    fn value(&self, rounds: &Rounds) -> Option<(f64, f64)> {
        match self.from {
            Source::Single(name) => self.range(&readings(rounds, name)),
            Source::Ratio(over, under) => {
                let pairs = rounds.iter().filter_map(|round| Some(round.get(over)? / round.get(under)?));
                let worst = self.range(&pairs.collect::<Vec<_>>())?.1;
                let [over, under] = [over, under].map(|name| self.range(&readings(rounds, name)));
                Some((over?.0 / under?.0, worst))
            }
        }
    }

    fn range(&self, values: &[f64]) -> Option<(f64, f64)> {
        let least = values.iter().copied().reduce(f64::min)?;
        let most = values.iter().copied().reduce(f64::max)?;
        Some(if self.direction == Direction::LowerIsBetter { (least, most) } else { (most, least) })
    }

    fn verdict(&self, value: f64) -> &'static str {
        let meets = |bound: Option<f64>| {
            bound.is_some_and(|bound| {
                if self.direction == Direction::LowerIsBetter { value <= bound } else { value >= bound }
            })
        };
        match () {
            () if self.floor.is_none() => "",
            () if meets(self.goal) => "goal",
            () if meets(self.floor) => "floor",
            () => "MISSED",
        }
    }
}

fn readings(rounds: &Rounds, name: &str) -> Vec<f64> {
    rounds.iter().filter_map(|round| round.get(name).copied()).collect()
}

/// Prints the figures that have readings.
pub(crate) fn print(title: &str, figures: &[Figure], rounds: &Rounds) {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header([
        "figure",
        "measured",
        "worst round",
        "floor",
        "goal",
        "verdict",
    ]);
    for figure in figures {
        let Some((best, worst)) = figure.value(rounds) else { continue };
        let bound = |bound: Option<f64>| bound.map_or_else(|| "–".to_owned(), number);
        table.add_row([
            figure.what.to_owned(),
            format!("{} {}", number(best), figure.unit).trim_end().to_owned(),
            number(worst),
            bound(figure.floor),
            bound(figure.goal),
            figure.verdict(best).to_owned(),
        ]);
    }
    println!("\n{title}\n\n{table}");
}

/// Formats a number with three significant digits.
fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
