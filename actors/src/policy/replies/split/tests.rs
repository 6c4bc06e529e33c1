use proptest::prelude::*;

use super::*;
use crate::model::DEFAULT_POST_CHARS;

/// The limit of a server that takes a million characters.
const LARGE: usize = 1 << 20;

/// Returns the words without fences: their marks are repeated at each cut.
fn words(texts: &[String]) -> Vec<String> {
    let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| !is_fence(line));
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

#[test]
fn a_text_that_fits_is_unchanged() {
    for text in
        ["", " a ", "```\ncode", &"x".repeat(DEFAULT_POST_CHARS), &"ü😀".repeat(DEFAULT_POST_CHARS / 2)]
    {
        assert_eq!(split_text(text, DEFAULT_POST_CHARS).unwrap(), [text]);
    }
}

#[test]
fn a_text_is_cut_at_a_line_or_between_words_or_anywhere() {
    for (text, parts) in [
        ("one two three", vec!["one two", "three"]),
        ("aaaa bb\ncc dd", vec!["aaaa bb", "cc dd"]),
        ("aaa bbb\n\ncc dd", vec!["aaa bbb", "cc dd"]),
        ("aaaaaa\n\nb\nc\nd\ne", vec!["aaaaaa", "b\nc\nd\ne"]),
        ("aa\n\nbbbb\nc dd", vec!["aa\n\nbbbb", "c dd"]),
        ("aaaaaaaaaabbbbb", vec!["aaaaaaaaaa", "bbbbb"]),
        ("a bbbbbbbbbbbbb", vec!["a bbbbbbbb", "bbbbb"]),
        ("üüüüüüüüüü😀😀", vec!["üüüüüüüüüü", "😀😀"]),
        ("one two     three", vec!["one two", "three"]),
        ("1234567890\n\n  x", vec!["1234567890", "x"]),
    ] {
        assert_eq!(split_at(text, 10), parts, "{text:?}");
    }
}

#[test]
fn code_stays_code() {
    let text = "before\n```rust\nlet a = 1;\nlet b = 2;\n```\nafter";
    let parts = split_at(text, 34);
    assert_eq!(parts, ["before\n```rust\nlet a = 1;\n```", "```rust\nlet b = 2;\n```\nafter"]);
    let parts = split_at("some words here ```\n```sh\nls\n```", 20);
    assert_eq!(parts[1..], ["```sh\nls\n```"], "not within the line that opens it: {parts:?}");
}

#[test]
fn the_indentation_of_code_stays() {
    let parts = split_at("```py\nif a:\n    bbbbb()\n    ccccc()\n```", 28);
    assert_eq!(parts, ["```py\nif a:\n    bbbbb()\n```", "```py\n    ccccc()\n```"]);
}

#[test]
fn a_text_with_too_many_parts_is_refused_not_truncated() {
    for limit in [4_000, DEFAULT_POST_CHARS, LARGE] {
        let words = "word ".repeat(MOST_PARTS * (limit / 5));
        assert_eq!(split_text(words.trim_end(), limit).unwrap().len(), MOST_PARTS);
        let longest = limit * MOST_PARTS;
        let long = "x".repeat(longest + 1);
        assert_eq!(split_text(&long, limit), Err(TextTooLong { characters: longest + 1, limit: longest }));
    }
}

/// Servers count characters, not bytes.
#[test]
fn a_text_has_as_many_parts_as_the_servers_limit_makes() {
    for (characters, limit, parts) in [
        (10_000, 4_000, 3),
        (300_000, LARGE, 1),
        (300_000, DEFAULT_POST_CHARS * 2, 10),
        (4_000, 4_000, 1),
        (4_001, 4_000, 2),
    ] {
        for letter in ["x", "😀"] {
            let text = letter.repeat(characters);
            assert_eq!(split_text(&text, limit).unwrap().len(), parts, "{characters} {letter} by {limit}");
        }
    }
}

#[test]
fn a_fence_that_fills_a_part_is_not_repeated() {
    let text = format!("```{}\n{}\n```", "r".repeat(30), "code ".repeat(8));
    for limit in [1, 2, 5, 20, 40, 60] {
        let parts = split_at(&text, limit);
        assert!(parts.iter().all(|part| part.chars().count() <= limit), "{limit}: {parts:?}");
    }
}

proptest! {
    /// For any text: each part fits, is not empty and closes its fences, and no word is lost or changed unless it
    /// is longer than a part.
    #[test]
    fn parts_fit_and_nothing_is_lost(
        pieces in proptest::collection::vec(
            prop_oneof![
                "[a-zü😀]{1,12}", Just(" ".to_owned()), Just("\n".to_owned()), Just("\n```rs\n".to_owned()),
                Just("\n```\n".to_owned()), Just("\n~~~~\n".to_owned()), Just("    ".to_owned()),
            ],
            0..60,
        ),
        limit in 40usize..80,
    ) {
        let text = pieces.concat();
        let parts = split_at(&text, limit);
        prop_assume!(parts.len() <= MOST_PARTS);
        for part in &parts {
            prop_assert!(part.chars().count() <= limit, "{part:?}");
        }
        let (last, others) = parts.split_last().unwrap();
        for part in others {
            prop_assert!(open_after(part, None).is_none(), "{part:?}");
        }
        prop_assert_eq!(open_after(last, None).is_some(), open_after(&text, None).is_some());
        let joined = |words: Vec<String>| words.concat();
        prop_assert_eq!(joined(words(&parts)), joined(words(std::slice::from_ref(&text))));
    }
}
