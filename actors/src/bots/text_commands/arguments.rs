//! The arguments of a call, matched with the parameters of the command.

use std::borrow::Cow;

use super::{quoted_words::words, usage::Usage};

/// The arguments of a call, by parameter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Arguments(Vec<(Box<str>, String)>);

/// A text that does not fit the parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// A required argument is missing.
    Missing(Box<str>),
    /// The text goes on after the last parameter.
    TooMany,
}

impl Arguments {
    /// Reads the arguments in the text behind a command's name.
    ///
    /// # Errors
    /// If the text does not fit the parameters.
    pub(super) fn parse(usage: &Usage, text: &str) -> Result<Self, Mismatch> {
        let mut words = words(text);
        let mut arguments = Vec::with_capacity(usage.parameters().len());
        for parameter in usage.parameters() {
            let Some(word) = words.next() else {
                if parameter.is_required {
                    return Err(Mismatch::Missing(parameter.name.clone()));
                }
                return Ok(Self(arguments));
            };
            if parameter.takes_rest {
                arguments.push((parameter.name.clone(), rest_of(word.rest).into_owned()));
                return Ok(Self(arguments));
            }
            arguments.push((parameter.name.clone(), word.text.into_owned()));
        }
        if words.next().is_some() { Err(Mismatch::TooMany) } else { Ok(Self(arguments)) }
    }

    /// Returns the argument of a parameter, if it was given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(parameter, _)| **parameter == *name).map(|(_, value)| value.as_str())
    }
}

/// Returns the rest of a text as it was written. If all of it is one quoted word, the quotes are removed.
fn rest_of(text: &str) -> Cow<'_, str> {
    let mut words = words(text);
    match (words.next(), words.next()) {
        (Some(only), None) => only.text,
        _ => text.trim_end().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the arguments as `name=value`.
    fn parse(usage: &str, text: &str) -> Result<String, Mismatch> {
        let Arguments(arguments) = Arguments::parse(&usage.parse().unwrap(), text)?;
        let shown: Vec<String> = arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok(shown.join(";"))
    }

    #[test]
    fn arguments_are_matched_with_the_parameters() {
        for (usage, text, expected) in [
            ("", " ", Ok("")),
            ("<env>", "staging", Ok("env=staging")),
            ("<env> [count]", "staging", Ok("env=staging")),
            ("<env> [count]", "\"my env\" 3", Ok("env=my env;count=3")),
            ("<to> <text...>", "ana  Hello,\n  you \"there\" ", Ok("to=ana;text=Hello,\n  you \"there\"")),
            ("<to> <text...>", "ana \"one  quoted\"", Ok("to=ana;text=one  quoted")),
            ("<to> [text...]", "ana", Ok("to=ana")),
            ("<env>", "", Err(Mismatch::Missing("env".into()))),
            ("<env> <count>", "a", Err(Mismatch::Missing("count".into()))),
            ("<to> <text...>", "ana ", Err(Mismatch::Missing("text".into()))),
            ("<env> [count]", "a 1 2", Err(Mismatch::TooMany)),
            ("", "a", Err(Mismatch::TooMany)),
        ] {
            assert_eq!(parse(usage, text), expected.map(str::to_owned), "{usage}: {text:?}");
        }
    }

    #[test]
    fn an_empty_quoted_argument_counts_as_given() {
        assert_eq!(parse("<env>", "\"\""), Ok("env=".into()));
    }
}
