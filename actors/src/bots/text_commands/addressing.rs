//! The command that a text addresses to a bot.

/// The texts with which people address a bot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addressing<'a> {
    /// The mark before a command, such as `!`.
    pub(super) prefix: &'a str,
    /// The bot's name, without the `@`.
    pub(super) username: &'a str,
    /// True in a direct channel, where each text is for the bot.
    pub(super) is_direct: bool,
}

/// A command that a text calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request<'a> {
    /// The command's name; empty if the text is a mention only.
    pub(super) name: &'a str,
    /// The text behind the name.
    pub(super) arguments: &'a str,
    /// True if the text is for this bot for certain; a prefix may be that of another bot.
    pub(super) is_certain: bool,
}

impl<'a> Request<'a> {
    /// Returns the command in a text, if the text is for the bot.
    pub(super) fn parse(text: &'a str, addressing: Addressing<'_>) -> Option<Self> {
        let text = text.trim();
        let unmentioned = without_mention(text, addressing.username);
        let is_certain = unmentioned.is_some() || addressing.is_direct;
        let text = unmentioned.unwrap_or(text);
        let command = without_prefix(text, addressing.prefix).or(is_certain.then_some(text))?;
        Some(Self { is_certain, ..Self::of_words(command) })
    }

    /// Returns the command that a text is, for certain: its name, and the arguments behind it.
    pub(super) fn of_words(text: &'a str) -> Self {
        let text = text.trim_start();
        let (name, arguments) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
        Self { name, arguments, is_certain: true }
    }
}

/// Returns the text behind a mention of the bot at its beginning.
fn without_mention<'a>(text: &'a str, username: &str) -> Option<&'a str> {
    let (word, after) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    let name = word.strip_prefix('@')?;
    let is_bot = |name: &str| name.eq_ignore_ascii_case(username) && !username.is_empty();
    // The name itself may end with a full stop.
    (is_bot(name) || is_bot(name.trim_end_matches([':', ',', ';', '.', '!', '?'])))
        .then(|| after.trim_start())
}

/// Returns the text behind the prefix, if a name follows it.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.strip_prefix(prefix).filter(|command| command.starts_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns name, arguments and certainty of a request to `deploy.bot`.
    fn parse(text: &str, is_direct: bool) -> Option<(&str, &str, bool)> {
        let addressing = Addressing { prefix: "!", username: "deploy.bot", is_direct };
        Request::parse(text, addressing).map(|found| (found.name, found.arguments.trim(), found.is_certain))
    }

    #[test]
    fn a_command_follows_a_prefix_or_a_mention() {
        for (text, expected) in [
            ("!deploy", Some(("deploy", "", false))),
            (" !deploy a  b ", Some(("deploy", "a  b", false))),
            ("!deploy\na", Some(("deploy", "a", false))),
            ("@deploy.bot deploy a", Some(("deploy", "a", true))),
            ("@Deploy.Bot: !deploy a", Some(("deploy", "a", true))),
            ("@deploy.bot, deploy", Some(("deploy", "", true))),
            ("@deploy.bot", Some(("", "", true))),
            ("@deploy.bot!", Some(("", "", true))),
            ("@deploy.bot2 deploy", None),
            ("@deploy.bot-two deploy", None),
            ("deploy a", None),
            ("", None),
            ("!", None),
            ("!!! deploy", None),
            ("! deploy", None),
            ("please ask @deploy.bot", None),
            ("a !deploy", None),
        ] {
            assert_eq!(parse(text, false), expected, "{text:?}");
        }
    }

    #[test]
    fn each_text_of_a_direct_channel_is_a_command() {
        for (text, expected) in [
            ("deploy a", ("deploy", "a", true)),
            ("!deploy a", ("deploy", "a", true)),
            ("@deploy.bot deploy a", ("deploy", "a", true)),
            ("!!!", ("!!!", "", true)),
        ] {
            assert_eq!(parse(text, true), Some(expected), "{text:?}");
        }
    }

    proptest::proptest! {
        /// Any text is read without a panic, and a name has no white space.
        #[test]
        fn any_text_is_read(text in "[@!deploy.bt: \nä“]{0,30}", is_direct: bool) {
            if let Some((name, _, _)) = parse(&text, is_direct) {
                proptest::prop_assert!(!name.contains(char::is_whitespace));
            }
        }
    }
}
