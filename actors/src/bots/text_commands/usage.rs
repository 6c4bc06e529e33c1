//! The usage text of a command: the parameters that it takes.

use std::{fmt, str::FromStr};

/// The most parameters of a command: people cannot remember more.
const MAX_PARAMETERS: usize = 16;

/// The parameters of a command, as its usage text says: `<env> [count] [reason...]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Usage(Vec<Parameter>);

/// A parameter of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: Box<str>,
    pub(super) is_required: bool,
    /// True if the parameter takes the rest of the text.
    pub(super) takes_rest: bool,
}

/// A usage text that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UsageError {
    #[error(
        "{0:?} is no parameter; write <name>, [name] if it may be left out, or [name...] for the rest of the text"
    )]
    NoParameter(String),
    #[error("parameter {0} is there twice; name each differently")]
    Twice(Box<str>),
    #[error("<{0}> follows a parameter that may be left out; put it before that")]
    RequiredAfterOptional(Box<str>),
    #[error("a parameter follows the one that takes the rest of the text; put that last")]
    AfterRest,
    #[error("there are more than {MAX_PARAMETERS} parameters; use fewer")]
    TooMany,
}

impl Usage {
    /// Returns the parameters, in order.
    pub(super) fn parameters(&self) -> &[Parameter] {
        &self.0
    }

    fn check(&self) -> Result<(), UsageError> {
        for (n, parameter) in self.0.iter().enumerate() {
            let earlier = &self.0[..n];
            if earlier.iter().any(|earlier| earlier.name == parameter.name) {
                return Err(UsageError::Twice(parameter.name.clone()));
            }
            if earlier.iter().any(|earlier| earlier.takes_rest) {
                return Err(UsageError::AfterRest);
            }
            if parameter.is_required && earlier.iter().any(|earlier| !earlier.is_required) {
                return Err(UsageError::RequiredAfterOptional(parameter.name.clone()));
            }
        }
        if self.0.len() > MAX_PARAMETERS { Err(UsageError::TooMany) } else { Ok(()) }
    }
}

impl FromStr for Usage {
    type Err = UsageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parameter =
            |word: &str| parse_parameter(word).ok_or_else(|| UsageError::NoParameter(word.to_owned()));
        let usage = Self(text.split_whitespace().map(parameter).collect::<Result<_, _>>()?);
        usage.check()?;
        Ok(usage)
    }
}

fn parse_parameter(word: &str) -> Option<Parameter> {
    let required = word.strip_prefix('<').and_then(|word| word.strip_suffix('>'));
    let optional = || word.strip_prefix('[').and_then(|word| word.strip_suffix(']'));
    let inside = required.or_else(optional)?;
    let name = inside.trim_end_matches(['.', '…']);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    let takes_rest = matches!(&inside[name.len()..], "..." | "…");
    (is_name && (takes_rest || name == inside)).then(|| Parameter {
        name: name.into(),
        is_required: required.is_some(),
        takes_rest,
    })
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|parameter| write!(f, " {parameter}"))
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.is_required { ('<', '>') } else { ('[', ']') };
        let rest = if self.takes_rest { "..." } else { "" };
        write!(f, "{open}{}{rest}{close}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_text_is_read_and_shown_alike() {
        for text in [
            "",
            " <env>",
            " [count]",
            " <env> [count]",
            " <env> <reason...>",
            " [first-word] [rest_of_it...]",
        ] {
            assert_eq!(text.parse::<Usage>().unwrap().to_string(), text);
        }
        assert_eq!("[rest…]".parse::<Usage>().unwrap().to_string(), " [rest...]");
    }

    #[test]
    fn a_wrong_usage_text_is_refused_with_the_remedy() {
        for (text, part) in [
            ("env", "write <name>"),
            ("<env", "\"<env\" is no parameter"),
            ("<>", "\"<>\""),
            ("<a..>", "\"<a..>\""),
            ("<a b>", "\"<a\""),
            ("<a> [a]", "parameter a is there twice"),
            ("[a] <b>", "<b> follows"),
            ("<a...> <b>", "put that last"),
            ("[a...] [b]", "put that last"),
        ] {
            let error = text.parse::<Usage>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let many: Vec<String> = (0..=MAX_PARAMETERS).map(|n| format!("<p{n}>")).collect();
        assert_eq!(many.join(" ").parse::<Usage>(), Err(UsageError::TooMany));
    }
}
