//! Parsing and formatting of single values.

use std::{
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use config::ValueKind;
use matterhost_actors::policy::StartFrom;

/// The longest duration of any setting: longer ones are mistakes, and sums must not overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A kind of value.
pub(super) trait ConfigValue: Sized {
    /// The kind's name in the documentation.
    const KIND: &'static str;
    /// An example of such a value, as a remedy.
    const HINT: &'static str;

    /// Parses a value from a file or a variable; variables hold only text.
    fn read(value: &ValueKind) -> Option<Self>;

    /// Formats the value as a file would contain it.
    fn show(&self) -> String;
}

/// A size in bytes, written as a number or like `4MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ByteSize(pub(super) usize);

/// A list of texts; in a variable, a text separated by commas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct StringList(pub(super) Vec<String>);

const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl ConfigValue for bool {
    const KIND: &'static str = "true or false";
    const HINT: &'static str = "write true for yes, or false for no";

    fn read(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::Boolean(value) => Some(*value),
            ValueKind::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl ConfigValue for u32 {
    const KIND: &'static str = "number";
    const HINT: &'static str = "write a whole number such as 5";

    fn read(value: &ValueKind) -> Option<Self> {
        whole(value)?.try_into().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl ConfigValue for usize {
    const KIND: &'static str = "number";
    const HINT: &'static str = "write a whole number such as 64";

    fn read(value: &ValueKind) -> Option<Self> {
        whole(value)?.try_into().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl ConfigValue for f64 {
    const KIND: &'static str = "decimal";
    const HINT: &'static str = "write a number such as 0.2";

    fn read(value: &ValueKind) -> Option<Self> {
        let number = match value {
            ValueKind::Float(value) => Some(*value),
            ValueKind::String(text) => text.trim().parse().ok(),
            other => u32::try_from(whole(other)?).ok().map(Self::from),
        };
        number.filter(|number: &f64| number.is_finite())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl ConfigValue for Duration {
    const KIND: &'static str = "duration";
    const HINT: &'static str = "write a time such as 30s, 5m or 1h 30m (a year at most)";

    fn read(value: &ValueKind) -> Option<Self> {
        let ValueKind::String(text) = value else { return None };
        humantime::parse_duration(text.trim()).ok().filter(|time| *time <= LONGEST)
    }

    fn show(&self) -> String {
        humantime::format_duration(*self).to_string()
    }
}

impl ConfigValue for StartFrom {
    const KIND: &'static str = "beginning";
    const HINT: &'static str = "write \"now\", \"all\", or a time such as \"2026-11-02T08:00:00Z\"";

    fn read(value: &ValueKind) -> Option<Self> {
        let ValueKind::String(text) = value else { return None };
        match text.trim() {
            "now" => Some(Self::Now),
            "all" => Some(Self::At(0)),
            time => {
                let since = humantime::parse_rfc3339(time).ok()?.duration_since(UNIX_EPOCH).ok()?;
                i64::try_from(since.as_millis()).ok().map(Self::At)
            }
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Now => "now".to_owned(),
            Self::At(0) => "all".to_owned(),
            Self::At(ms) => {
                let since = Duration::from_millis(u64::try_from(*ms).unwrap_or_default());
                humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
            }
        }
    }
}

impl ConfigValue for String {
    const KIND: &'static str = "text";
    const HINT: &'static str = "write a text in quotes";

    fn read(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::String(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl ConfigValue for PathBuf {
    const KIND: &'static str = "path";
    const HINT: &'static str =
        "write a path in quotes; relative paths start at the configuration file's directory";

    fn read(value: &ValueKind) -> Option<Self> {
        String::read(value).filter(|text| !text.is_empty()).map(Self::from)
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl ConfigValue for ByteSize {
    const KIND: &'static str = "size";
    const HINT: &'static str = "write a size such as 4MiB or 512KiB";

    fn read(value: &ValueKind) -> Option<Self> {
        if let ValueKind::String(text) = value
            && let Some((number, unit)) =
                UNITS.iter().find_map(|u| Some((text.trim().strip_suffix(u.0)?, u.1)))
        {
            return number.trim().parse::<usize>().ok()?.checked_mul(unit).map(Self);
        }
        whole(value)?.try_into().ok().map(Self)
    }

    fn show(&self) -> String {
        let unit = UNITS.iter().find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size));
        unit.map_or(self.0.to_string(), |(name, size)| format!("{}{name}", self.0 / size))
    }
}

impl ConfigValue for StringList {
    const KIND: &'static str = "list of texts";
    const HINT: &'static str = "write a list such as [\"one\", \"two\"]";

    fn read(value: &ValueKind) -> Option<Self> {
        let words: Vec<String> = match value {
            ValueKind::Array(values) => {
                values.iter().map(|value| String::read(&value.kind)).collect::<Option<_>>()?
            }
            ValueKind::String(text) => {
                text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
            }
            _ => return None,
        };
        Some(Self(words))
    }

    fn show(&self) -> String {
        format!("{:?}", self.0)
    }
}

fn whole(value: &ValueKind) -> Option<u64> {
    match value {
        ValueKind::I64(number) => (*number).try_into().ok(),
        ValueKind::U64(number) => Some(*number),
        ValueKind::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T: ConfigValue>(text: &str) -> Option<T> {
        T::read(&ValueKind::String(text.into()))
    }

    #[test]
    fn each_kind_reads_the_text_that_it_displays() {
        assert_eq!(text(&true.show()), Some(true));
        assert_eq!(text(&5u32.show()), Some(5u32));
        assert_eq!(text(&0.2f64.show()), Some(0.2f64));
        for millis in [1, 999, 30_000, 5_400_000] {
            let time = Duration::from_millis(millis);
            assert_eq!(text(&time.show()), Some(time));
        }
        for size in [0, 1, 1023, 1024, 1536, 4 << 20, 3 << 30] {
            assert_eq!(text(&ByteSize(size).show()), Some(ByteSize(size)), "{size}");
        }
        assert_eq!(ByteSize(4 << 20).show(), "4MiB");
        assert_eq!(text("a, b,"), Some(StringList(vec!["a".into(), "b".into()])));
    }

    #[test]
    fn values_of_another_kind_are_refused() {
        for bad in ["", "30", "x", "-1s", "2years", "99999999999999999999s"] {
            assert_eq!(text::<Duration>(bad), None, "{bad:?}");
        }
        for bad in ["", "-1", "1.5", "1e3", "99999999999999999999"] {
            assert_eq!(text::<u32>(bad), None, "{bad:?}");
        }
        for bad in ["nan", "inf", "", "one"] {
            assert_eq!(text::<f64>(bad), None, "{bad:?}");
        }
        for bad in ["4 MB", "MiB", "-1KiB", "99999999999999GiB"] {
            assert_eq!(text::<ByteSize>(bad), None, "{bad:?}");
        }
        assert_eq!(Duration::read(&ValueKind::I64(30)), None, "a number without a unit means nothing");
        assert_eq!(u32::read(&ValueKind::I64(-1)), None);
    }
}
