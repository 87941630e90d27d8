//! Makes text from the network safe to show: what a person sees is what there is. Nothing here is
//! markup; widgets show these strings literally.

/// Stands for a character that must not be shown as such.
const REPLACEMENT: char = '\u{FFFD}';

/// `text` with every control character but line feed and tab made visible as U+FFFD.
///
/// C strings, which the toolkit deals in, end at NUL; ESC and its kind have no business in a window.
#[must_use]
pub fn shown(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| if is_harmless(c) { c } else { REPLACEMENT })
        .collect()
}

/// `name` for one line: like [`shown`], and nothing in it can turn the direction of the text round it, so
/// that `photo\u{202E}gpj.exe` cannot pass for a picture.
#[must_use]
pub fn shown_name(name: &str) -> String {
    let is_plain = |c: char| is_harmless(c) && !matches!(c, '\n' | '\t') && !turns_direction(c);
    name.chars().map(|c| if is_plain(c) { c } else { REPLACEMENT }).collect()
}

fn is_harmless(c: char) -> bool {
    !c.is_control() || matches!(c, '\n' | '\t')
}

/// The explicit directional characters of UAX #9, section 2, and the line and paragraph separators.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, text: &str, name: &str) {
        assert_eq!(shown(raw), text, "as a text");
        assert_eq!(shown_name(raw), name, "as a name");
    }

    #[test]
    fn markup_stays_literal() {
        check("<b>&amp;</b>", "<b>&amp;</b>", "<b>&amp;</b>");
    }

    #[test]
    fn lines_are_kept_in_texts_only() {
        check("a\r\nb\tc", "a\nb\tc", "a\u{FFFD}\u{FFFD}b\u{FFFD}c");
    }

    #[test]
    fn controls_become_visible() {
        check("a\0b\u{1b}[31m", "a\u{FFFD}b\u{FFFD}[31m", "a\u{FFFD}b\u{FFFD}[31m");
    }

    #[test]
    fn reversed_extension_is_unmasked() {
        assert_eq!(shown_name("photo\u{202E}gpj.exe"), "photo\u{FFFD}gpj.exe");
    }
}
