//! User names: one that is let through keeps the rules, and its key is that of all its spellings.

use common::limits::{NAME_BYTES_MAX, NAME_CHARS_MAX};
use common::user_name::{NameKey, UserName};

use super::text;

/// Reads the bytes as a name that somebody typed.
pub fn user_names(bytes: &[u8]) {
    let text = text(bytes);
    let _ = NameKey::of(&text);
    let Ok(name) = UserName::parse(&text) else { return };
    let shown = name.as_str();
    assert!((1..=NAME_CHARS_MAX).contains(&shown.chars().count()) && shown.len() <= NAME_BYTES_MAX);
    assert!(!shown.chars().any(char::is_control) && shown.trim() == shown, "{shown:?}");
    assert_eq!(UserName::parse(shown).as_ref(), Ok(&name), "{shown:?}");
    let key = name.key();
    assert!(!key.as_str().is_empty(), "{shown:?}");
    assert_eq!(NameKey::of(&shown.to_ascii_uppercase()), key, "{shown:?}");
    // Not so for every sign: that of "%" is made of signs that another name may not be spelt with.
    if shown.chars().all(|it| it.is_ascii_alphanumeric() || it == ' ') {
        assert_eq!(NameKey::of(key.as_str()), key, "{shown:?}");
    }
}
