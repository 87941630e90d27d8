//! A configuration file as TOML, with the places of everything in it: problems are told with line and column,
//! and as many at once as there are.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use crate::config::template;

/// How alike two words are (1: the same) for one to be taken for the other misspelt.
const LIKENESS_MIN: f64 = 0.7;

/// Something that is wrong in a file, and where.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub sentence: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.sentence)
    }
}

/// Where each key is: dotted path (`limits.sessions`, `node.0.spki`) → byte.
pub(crate) type Places = BTreeMap<String, usize>;

/// Reads a file's text.
///
/// # Errors
/// Everything that is no TOML; otherwise every unknown key and every value of a wrong type. In the order of
/// the file.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<(T, Places), Vec<Problem>> {
    let (mut root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(in_order(errors.iter().map(|error| told(text, error)).collect()));
    }
    let mut places = Places::new();
    note_places(root.get_ref(), "", &mut places);
    let mut problems = Vec::new();
    let all_keys = template::with_every_key();
    if let Ok(known) = DeTable::parse(&all_keys) {
        remove_unknown(root.get_mut(), known.get_ref(), text, &mut problems);
    } else {
        debug_assert!(false, "the template is TOML");
    }
    // What is wrong is taken out, until the rest is right.
    let value = loop {
        match T::deserialize(Deserializer::from(root.clone())) {
            Ok(value) => break Some(value),
            Err(error) => {
                problems.push(told(text, &error));
                let at = error.span().unwrap_or_default();
                if !remove_at(root.get_mut(), &at) {
                    break None;
                }
            }
        }
    };
    match value {
        Some(value) if problems.is_empty() => Ok((value, places)),
        _ => Err(in_order(problems)),
    }
}

/// The problem at a byte of the text.
pub(crate) fn problem_at(text: &str, byte: usize, sentence: String) -> Problem {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    Problem { line: before.matches('\n').count() + 1, column, sentence }
}

fn told(text: &str, error: &toml::de::Error) -> Problem {
    let at = error.span().map_or(0, |span| span.start);
    problem_at(text, at, error.message().replace('\n', ", "))
}

/// The first of each line: what follows there is mostly a consequence.
fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort();
    problems.dedup_by_key(|problem| problem.line);
    problems
}

fn note_places(table: &DeTable<'_>, path: &str, places: &mut Places) {
    for (key, value) in table {
        let path = format!("{path}{}", key.get_ref());
        places.insert(path.clone(), key.span().start);
        match value.get_ref() {
            DeValue::Table(table) => note_places(table, &format!("{path}."), places),
            DeValue::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    let path = format!("{path}.{index}");
                    places.insert(path.clone(), element.span().start);
                    if let DeValue::Table(table) = element.get_ref() {
                        note_places(table, &format!("{path}."), places);
                    }
                }
            }
            _ => {}
        }
    }
}

fn remove_unknown(
    table: &mut DeTable<'_>,
    known: &DeTable<'_>,
    text: &str,
    problems: &mut Vec<Problem>,
) {
    let mut unknown = Vec::new();
    for (key, value) in table.iter_mut() {
        let Some(example) = known.get(key.get_ref().as_ref()) else {
            let sentence = unknown_key(key.get_ref(), known);
            problems.push(problem_at(text, key.span().start, sentence));
            unknown.push(key.get_ref().to_string());
            continue;
        };
        match (value.get_mut(), example.get_ref()) {
            (DeValue::Table(table), DeValue::Table(known)) => {
                remove_unknown(table, known, text, problems);
            }
            (DeValue::Array(elements), DeValue::Array(examples)) => {
                let Some(DeValue::Table(known)) = examples.first().map(Spanned::get_ref) else {
                    continue;
                };
                for element in elements.iter_mut() {
                    if let DeValue::Table(table) = element.get_mut() {
                        remove_unknown(table, known, text, problems);
                    }
                }
            }
            // Of the wrong type, which is told by whoever wants the right one.
            _ => {}
        }
    }
    for key in unknown {
        table.remove(key.as_str());
    }
}

fn unknown_key(found: &str, known: &DeTable<'_>) -> String {
    let known = known.keys().map(|key| key.get_ref().as_ref());
    let alike = known.map(|key| (strsim::jaro_winkler(found, key), key));
    let nearest = alike.max_by(|one, other| one.0.total_cmp(&other.0));
    let found = found.escape_debug();
    match nearest {
        Some((likeness, key)) if likeness >= LIKENESS_MIN => {
            format!("unknown key `{found}`, is `{key}` meant?")
        }
        _ => format!(
            "unknown key `{found}`: `chat-server init` writes a file with all that there are"
        ),
    }
}

/// Takes out the innermost entry that holds this place. False: there is none.
fn remove_at(table: &mut DeTable<'_>, at: &Range<usize>) -> bool {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        if remove_within(value, at) {
            return true;
        }
        if contains(&key.span(), at) || contains(&value.span(), at) {
            found = Some(key.get_ref().to_string());
            break;
        }
    }
    found.is_some_and(|key| table.remove(key.as_str()).is_some())
}

fn remove_within(value: &mut Spanned<DeValue<'_>>, at: &Range<usize>) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => remove_at(table, at),
        DeValue::Array(elements) => {
            if elements.iter_mut().any(|element| remove_within(element, at)) {
                return true;
            }
            let found = elements.iter().position(|element| contains(&element.span(), at));
            let Some(found) = found else { return false };
            let all = std::mem::replace(elements, DeArray::new()).into_iter().enumerate();
            *elements = all.filter(|(index, _)| *index != found).map(|(_, kept)| kept).collect();
            true
        }
        _ => false,
    }
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::ConfigFile;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let problems = parse::<ConfigFile>(text).map(|_| ()).err().unwrap_or_default();
        let found: Vec<_> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    #[test]
    fn a_misspelt_key_is_told_with_the_one_that_is_meant() {
        check("nmae = 'a'", &["1:1: unknown key `nmae`, is `name` meant?"]);
        check("[limits]\n  session = 3", &["2:3: unknown key `session`, is `sessions` meant?"]);
        check(
            "[[node]]\nspky = ''\naddress = 'a:1'\nkey_file = 'k'\nspki = ''",
            &["2:1: unknown key `spky`, is `spki` meant?"],
        );
        check("[[bans]]\nname = 'a'", &["1:3: unknown key `bans`, is `ban` meant?"]);
        check("zzz = 1", &["1:1: unknown key `zzz`: `chat-server init` writes"]);
    }

    #[test]
    fn several_problems_are_told_at_once_in_the_order_of_the_file() {
        check(
            "listen = ['x', '127.0.0.1:1', 'y']\nname = 3\n[limits]\nsessions = -1\nnewcomer = 2\n\
             [[ban]]\nuntil = 'soon'\nname = 'a'\n[[node]]\naddress = 'a:1'",
            &[
                "1:11: invalid socket address",
                "2:8: invalid type",
                "4:12: invalid value",
                "5:1: unknown key `newcomer`",
                "7:9: invalid type",
                "9:1: missing field `key_file`",
            ],
        );
    }

    #[test]
    fn what_is_no_toml_is_told_alone() {
        check("name = \n[limits]\nsessions = = 3\nunknown = 1", &["1:", "3:"]);
        check("name = 'a'\nname = 'b'", &["2:1: duplicate key"]);
        check("[limits", &["1:8: "]);
    }

    #[test]
    fn columns_count_characters() {
        check("[uploads]\nfolder = 'é' \nénabled = true", &["3:1: "]);
        check("uploads = { folder = 'é', enable = true }", &["1:27: unknown key `enable`"]);
    }

    #[test]
    fn places_are_those_of_the_keys() {
        let text = "name = 'a'\n[limits]\nsessions = 3\n[[ban]]\nname = 'b'";
        let (_, places) = parse::<ConfigFile>(text).unwrap();
        let line = |path: &str| problem_at(text, places[path], String::new()).line;
        assert_eq!(["name", "limits.sessions", "ban.0.name"].map(line), [1, 3, 5]);
    }
}
