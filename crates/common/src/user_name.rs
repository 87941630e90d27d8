//! Names of people: what is a name, and which two names are one.
//!
//! Two rules meet here. A [`UserName`] is well-formed: no part of it hides, moves or stacks on its
//! neighbours. A [`NameKey`] is what a reader's eye makes of it: names with equal keys belong to one
//! owner, so nobody is a second `admin` by case, by compatibility forms or by look-alikes from other
//! scripts (Unicode Technical Standard 39, section 4).

use std::fmt;

use unicode_general_category::{GeneralCategory as Category, get_general_category};
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

use crate::limits::{NAME_BYTES_MAX, NAME_CHARS_MAX};
pub use crate::wire::NameProblem;

/// Names that would speak for the server, and their look-alikes.
const RESERVED: [&str; 9] =
    ["server", "system", "admin", "administrator", "root", "everyone", "here", "all", "moderator"];

/// More stacked marks than any living script needs on one letter.
const MARKS_IN_A_ROW_MAX: usize = 2;

/// A well-formed name, in Unicode normalization form C. Its existence is the proof.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UserName(String);

/// What identifies a name: `lower(skeleton(lower(NFKC(name))))`.
///
/// Lower case comes first because skeletons are not: `ADMIN` and `admin` have different ones.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NameKey(String);

impl UserName {
    /// Checks a name as somebody typed it.
    ///
    /// # Errors
    /// The first [`NameProblem`] found, never `Unspecified`.
    pub fn parse(text: &str) -> Result<Self, NameProblem> {
        if text.len() > NAME_BYTES_MAX {
            return Err(NameProblem::TooLong);
        }
        let name: String = text.nfc().collect();
        match problem_of(&name) {
            Some(problem) => Err(problem),
            None => Ok(Self(name)),
        }
    }

    /// The name as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What makes it one name with its look-alikes.
    #[must_use]
    pub fn key(&self) -> NameKey {
        NameKey::of(&self.0)
    }

    /// Whether two names differ in case or compatibility forms at most, so that a person would call
    /// them the same and not merely similar.
    #[must_use]
    pub fn is_same_spelling(&self, other: &Self) -> bool {
        folded(&self.0) == folded(&other.0)
    }

    /// Whether it, or what it looks like, is kept for the server.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        let key = self.key();
        RESERVED.iter().any(|reserved| NameKey::of(reserved) == key)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl NameKey {
    /// Key of any text; a name that is searched for need not be well-formed.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let visible: String = skeleton(&folded(text)).collect();
        Self(visible.to_lowercase())
    }

    /// A key that was stored as text. Not made anew from it: tables of Unicode change, and what was
    /// stored must be found again.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The key as text, to be stored or looked up.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `lower(NFKC(text))`.
fn folded(text: &str) -> String {
    text.nfkc().collect::<String>().to_lowercase()
}

fn problem_of(name: &str) -> Option<NameProblem> {
    if name.is_empty() {
        return Some(NameProblem::Empty);
    }
    if name.len() > NAME_BYTES_MAX || name.chars().count() > NAME_CHARS_MAX {
        return Some(NameProblem::TooLong);
    }
    if let Some(problem) = name.chars().find_map(problem_of_char) {
        return Some(problem);
    }
    let has_stray_blank = name.starts_with(' ') || name.ends_with(' ') || name.contains("  ");
    if has_stray_blank {
        return Some(NameProblem::Blanks);
    }
    if name.starts_with(['#', '@']) {
        return Some(NameProblem::Prefix);
    }
    has_stacked_marks(name).then_some(NameProblem::Marks)
}

fn problem_of_char(c: char) -> Option<NameProblem> {
    if is_invisible(c) {
        return Some(NameProblem::Invisible);
    }
    match get_general_category(c) {
        Category::Control | Category::LineSeparator | Category::ParagraphSeparator => {
            Some(NameProblem::Control)
        }
        Category::SpaceSeparator if c != ' ' => Some(NameProblem::Blanks),
        _ => None,
    }
}

/// Format, unassigned and private characters, and the letters and marks that Unicode calls
/// default-ignorable (DerivedCoreProperties) or that print as nothing.
fn is_invisible(c: char) -> bool {
    let by_category = matches!(
        get_general_category(c),
        Category::Format | Category::Unassigned | Category::PrivateUse | Category::Surrogate
    );
    by_category
        || matches!(c,
            '\u{34F}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{1D159}'
            | '\u{E0000}'..='\u{E0FFF}')
}

fn has_stacked_marks(name: &str) -> bool {
    // A mark in front has no letter to stand on, which is one mark too many.
    let mut marks_in_a_row = MARKS_IN_A_ROW_MAX;
    // Taken apart first: NFC hides marks inside precomposed letters.
    for c in name.nfd() {
        marks_in_a_row = if is_mark(c) { marks_in_a_row + 1 } else { 0 };
        if marks_in_a_row > MARKS_IN_A_ROW_MAX {
            return true;
        }
    }
    false
}

fn is_mark(c: char) -> bool {
    matches!(
        get_general_category(c),
        Category::NonspacingMark | Category::SpacingMark | Category::EnclosingMark
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One `name TAB key` a line, the key as other implementations must compute it.
    const GOLDEN_KEYS: &str = include_str!("../tests/golden/name_keys.tsv");

    #[test]
    fn keys_match_the_golden_vectors() {
        let mut checked = 0;
        for line in GOLDEN_KEYS.lines().filter(|line| !line.starts_with('#')) {
            let (name, key) = line.split_once('\t').unwrap();
            assert_eq!(NameKey::of(name).as_str(), key, "key of {name:?}");
            checked += 1;
        }
        assert!(checked > 20);
    }

    #[track_caller]
    fn check_refused(name: &str, problem: NameProblem) {
        assert_eq!(UserName::parse(name), Err(problem), "{name:?}");
    }

    #[track_caller]
    fn check_one_owner(names: &[&str]) {
        let keys: Vec<_> = names.iter().map(|name| UserName::parse(name).unwrap().key()).collect();
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{names:?}: {keys:?}");
    }

    #[test]
    fn ordinary_names_of_many_scripts_pass() {
        for name in [
            "bob",
            "Ann-Marie O'Neill",
            "Zoë",
            "Ngô Thị Bích",
            "Юрий",
            "山田 太郎",
            "محمد",
            "नमस्ते",
            "🦀",
        ] {
            assert!(UserName::parse(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn emptiness_and_length_are_refused() {
        check_refused("", NameProblem::Empty);
        check_refused(&"x".repeat(33), NameProblem::TooLong);
        check_refused(&"x".repeat(10_000), NameProblem::TooLong);
        assert!(UserName::parse(&"x".repeat(32)).is_ok());
        assert!(UserName::parse(&"🦀".repeat(32)).is_ok());
    }

    #[test]
    fn stray_blanks_are_refused() {
        for name in [" bob", "bob ", "bo  b", " ", "bo\u{A0}b", "bo\u{3000}b"] {
            check_refused(name, NameProblem::Blanks);
        }
    }

    #[test]
    fn control_characters_are_refused() {
        for name in ["bo\0b", "bob\r\n", "bo\tb", "bo\u{1b}[31mb", "bo\u{85}b", "bo\u{2028}b"] {
            check_refused(name, NameProblem::Control);
        }
    }

    #[test]
    fn what_cannot_be_seen_is_refused() {
        for c in [
            '\u{202E}',
            '\u{2066}',
            '\u{200B}',
            '\u{200D}',
            '\u{FEFF}',
            '\u{AD}',
            '\u{E0041}',
            '\u{3164}',
            '\u{FE0F}',
            '\u{115F}',
            '\u{E000}',
            '\u{2800}',
        ] {
            check_refused(&format!("bo{c}b"), NameProblem::Invisible);
        }
    }

    #[test]
    fn stacked_or_leading_marks_are_refused() {
        check_refused(&format!("z{}", "\u{301}".repeat(15)), NameProblem::Marks);
        check_refused("e\u{301}\u{302}\u{303}", NameProblem::Marks);
        check_refused("\u{301}bob", NameProblem::Marks);
        check_refused(&"\u{301}".repeat(30), NameProblem::Marks);
    }

    #[test]
    fn prefixes_with_a_meaning_are_refused() {
        check_refused("#lobby", NameProblem::Prefix);
        check_refused("@bob", NameProblem::Prefix);
    }

    #[test]
    fn look_alikes_have_one_owner() {
        check_one_owner(&["admin2", "ADMIN2", "Аdmin2", "ａｄｍｉｎ２"]);
        check_one_owner(&["dog", "d0g", "DOG"]);
        check_one_owner(&["Zoë", "Zoe\u{308}"]);
        check_one_owner(&["Bill", "Bi1l", "bi|l"]);
    }

    #[test]
    fn similar_and_same_are_told_apart() {
        let bob = UserName::parse("bob").unwrap();
        assert!(bob.is_same_spelling(&UserName::parse("BOB").unwrap()));
        let similar = UserName::parse("b0b").unwrap();
        assert!(!bob.is_same_spelling(&similar));
        assert_eq!(bob.key(), similar.key());
    }

    #[test]
    fn reserved_names_are_found_behind_look_alikes() {
        for name in ["server", "Admin", "r00t", "sуstem", "EVERYONE", "ｈｅｒｅ"] {
            assert!(UserName::parse(name).unwrap().is_reserved(), "{name}");
        }
        assert!(!UserName::parse("sarah").unwrap().is_reserved());
    }
}
