//! Text of others on a terminal: it must not move the cursor, change colours or reorder what was
//! printed, and a message must not look like a line of ours.

use std::fmt::Write;

/// In front of every further line of a message.
const CONTINUATION: &str = "    | ";

/// One line: everything that a terminal would act upon is written out.
#[must_use]
pub fn line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        push(&mut safe, c);
    }
    safe
}

/// Several lines, each but the first marked as belonging to the one before.
#[must_use]
pub fn lines(text: &str) -> String {
    let safe: Vec<String> = text.lines().map(line).collect();
    safe.join(&format!("\n{CONTINUATION}"))
}

/// JSON keeps control characters below U+0020 out by itself; this does so for the others. Only strings
/// hold characters beyond ASCII, so the result is the same JSON.
#[must_use]
pub fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_active(c) && !c.is_ascii_whitespace() {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

fn push(safe: &mut String, c: char) {
    match c {
        '\n' => safe.push_str("\\n"),
        '\t' => safe.push_str("\\t"),
        c if is_active(c) => {
            // Writing to a string cannot fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
        }
        c => safe.push(c),
    }
}

/// Control characters (C0, DEL, C1), line separators, and those that reorder text (Unicode Standard
/// Annex 9, section 2).
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, printed: &str) {
        assert_eq!(lines(text), printed);
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        check("Grüße, 你好 🙂", "Grüße, 你好 🙂");
    }

    #[test]
    fn terminals_are_told_nothing() {
        check("a\x1b[2Jb", "a\\u{1b}[2Jb");
        check("a\u{9b}31m", "a\\u{9b}31m");
        check("bell\x07 del\x7f", "bell\\u{7} del\\u{7f}");
        check("over\rwrite", "over\\u{d}write");
    }

    #[test]
    fn text_is_not_turned_around() {
        check("photo\u{202e}gpj.exe", "photo\\u{202e}gpj.exe");
    }

    #[test]
    fn no_message_makes_a_line_of_ours() {
        check("hi\n* eve joined", "hi\n    | * eve joined");
        assert_eq!(line("hi\n* eve joined"), "hi\\n* eve joined");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({ "text": "a\u{9b}b\u{202e}c\nü🙂\x1b" });
        let printed = json(&value.to_string());
        assert!(!printed.contains(['\u{9b}', '\u{202e}', '\x1b', '\n']), "{printed}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
    }
}
