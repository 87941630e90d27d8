//! From what a person types to what the index is asked: words, quoted, so that nothing in them has a meaning
//! of its own, among what the person may read.

use std::borrow::Cow;

use crate::log::event::Identity;
use crate::log::event::room::RoomId;
use crate::state::history::Reader;

/// Words of one question at most; the rest is not looked for.
const WORDS_MAX: usize = 16;

/// Characters from which on a word is found by its beginning, and within others: with fewer, almost
/// everything would be.
const PART_CHARS_MIN: usize = 3;

/// Who may read a message to everybody. With bars around it, like all others: `words` does not see them, and
/// to `parts` they tell 7 from 17.
pub(super) const EVERYBODY: &str = "|lobby|";

/// Who may read a message of these two.
pub(super) fn people(one: Identity, other: Identity) -> String {
    format!("|{}|{}|", one.0, other.0)
}

/// Who may read a message in this room: whoever is in it.
pub(super) fn room(room: RoomId) -> String {
    format!("|room{:016x}|", room.0)
}

/// The words that are looked for.
#[derive(Debug)]
pub(super) struct Terms(Vec<String>);

impl Terms {
    /// `None` if there are none.
    pub(super) fn of(text: &str) -> Option<Self> {
        let words = text.split(|it: char| it.is_whitespace() || it.is_control());
        let words = words.filter(|word| !word.is_empty()).take(WORDS_MAX).map(str::to_owned);
        let terms = Self(words.collect());
        let finds_any = terms.0.iter().any(|word| has_letters(word) || is_part(word));
        finds_any.then_some(terms)
    }

    /// For the table of whole words. `None` if it can find nothing.
    pub(super) fn words(&self, reader: &Reader) -> Option<String> {
        let words = self.0.iter().filter(|word| has_letters(word));
        let phrases: Vec<String> = words.map(|word| phrase(word)).collect();
        (!phrases.is_empty()).then(|| expression(reader, &phrases))
    }

    /// For the table of parts of words. `None` if it can find nothing.
    pub(super) fn parts(&self, reader: &Reader) -> Option<String> {
        let phrases: Vec<String> = self.0.iter().map(|word| quoted(word)).collect();
        self.0.iter().all(|word| is_part(word)).then(|| expression(reader, &phrases))
    }
}

/// Text with spaces around each sign of a script that puts none between words: each is a word then.
pub(super) fn apart(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_word_of_its_own) {
        return Cow::Borrowed(text);
    }
    let mut apart = String::with_capacity(text.len() * 2);
    for sign in text.chars() {
        if is_word_of_its_own(sign) {
            apart.extend([' ', sign, ' ']);
        } else {
            apart.push(sign);
        }
    }
    Cow::Owned(apart)
}

/// Kana, Han and Hangul (Unicode 16, by blocks).
fn is_word_of_its_own(sign: char) -> bool {
    matches!(sign,
        '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

fn has_letters(word: &str) -> bool {
    word.chars().any(char::is_alphanumeric)
}

fn is_part(word: &str) -> bool {
    word.chars().count() >= PART_CHARS_MIN
}

/// One word, or several that follow one another where signs stand between them; the last one may go on.
fn phrase(word: &str) -> String {
    let goes_on = is_part(word)
        && word.chars().last().is_some_and(|it| it.is_alphanumeric() && !is_word_of_its_own(it));
    let end = if goes_on { " *" } else { "" };
    format!("{}{end}", quoted(&apart(word)))
}

/// A string of the query language (SQLite FTS5, section 3.1): only quotes have a meaning in it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn expression(reader: &Reader, phrases: &[String]) -> String {
    let own = format!("|{}|", reader.identity.0);
    let rooms = reader.rooms.iter().map(|it| room(it.id));
    let who: Vec<String> = [EVERYBODY.to_owned(), own].into_iter().chain(rooms).collect();
    let who: Vec<String> = who.iter().map(|it| quoted(it)).collect();
    format!("who : ({}) AND text : ({})", who.join(" OR "), phrases.join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(identity: u64) -> Reader {
        Reader::outside(Identity(identity))
    }

    #[track_caller]
    fn check(text: &str, words: Option<&str>, parts: Option<&str>) {
        let who = "who : (\"|lobby|\" OR \"|7|\") AND text : ";
        let expected = |phrases: Option<&str>| phrases.map(|it| format!("{who}({it})"));
        let terms = Terms::of(text).unwrap();
        assert_eq!(terms.words(&reader(7)), expected(words), "words of {text:?}");
        assert_eq!(terms.parts(&reader(7)), expected(parts), "parts of {text:?}");
    }

    #[test]
    fn words_are_found_by_their_beginnings_and_by_what_is_in_them() {
        check("Grüße ann", Some("\"Grüße\" * AND \"ann\" *"), Some("\"Grüße\" AND \"ann\""));
    }

    #[test]
    fn a_short_word_is_a_whole_one() {
        check("is tea", Some("\"is\" AND \"tea\" *"), None);
        check("c++", Some("\"c++\""), Some("\"c++\""));
    }

    #[test]
    fn signs_without_letters_are_parts_of_words() {
        check("?!?", None, Some("\"?!?\""));
        for nothing in ["", " \t\n", "?", "-- ..", "\0"] {
            assert!(Terms::of(nothing).is_none(), "{nothing:?}");
        }
    }

    #[test]
    fn scripts_without_spaces_are_looked_for_sign_by_sign() {
        check("東京", Some("\" 東  京 \""), None);
        assert_eq!(apart("in東京at"), "in 東  京 at");
    }

    #[test]
    fn nothing_has_a_meaning_of_its_own() {
        check("a\" OR who:*", Some("\"a\"\"\" AND \"OR\" AND \"who:*\""), None);
    }

    #[test]
    fn of_very_many_words_the_first_are_looked_for() {
        let many = "word ".repeat(WORDS_MAX + 5);
        let words = Terms::of(&many).unwrap().words(&reader(1)).unwrap();
        assert_eq!(words.matches("word").count(), WORDS_MAX);
    }
}
