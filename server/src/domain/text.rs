//! Text that people type: brought to one form (NFC), and free of letters that hide or turn around what is written.
//!
//! Unpaired surrogates cannot exist in a Rust string; bytes that are not UTF-8 are refused where they are read.

use unicode_normalization::UnicodeNormalization;

/// Lines of a message or of an offer's terms: more is a wall, not a text.
pub const LINES_MAX: usize = 60;

/// Characters of one chat message.
pub const MESSAGE_CHARS_MAX: usize = 2_000;

/// Characters of an offer's terms, markdown source.
pub const TERMS_CHARS_MAX: usize = 2_000;

/// Characters of a statement in a dispute, of findings and of reasons.
pub const STATEMENT_CHARS_MAX: usize = 6_000;

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextRefusal {
    #[error("Fill this in.")]
    Empty,
    #[error("At most {0} characters.")]
    TooLong(usize),
    #[error("At most {0} lines.")]
    TooManyLines(usize),
    #[error("This contains characters that cannot be seen. Type it instead of pasting it.")]
    Invisible,
    #[error("This contains characters that turn the direction of writing around. Remove them.")]
    Direction,
}

/// One line: trimmed, blanks in a row made one; not empty.
pub fn clean_line(text: &str, chars_max: usize) -> Result<String, TextRefusal> {
    let line = clean_optional_line(text, chars_max)?;
    if line.is_empty() { Err(TextRefusal::Empty) } else { Ok(line) }
}

/// Like [`clean_line`]; may be empty.
pub fn clean_optional_line(text: &str, chars_max: usize) -> Result<String, TextRefusal> {
    // Ten times the limit is refused before any work is done on it.
    if text.len() > chars_max.saturating_mul(10) {
        return Err(TextRefusal::TooLong(chars_max));
    }
    let line = text.split([' ', '\t', '\u{a0}']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let line: String = line.nfc().collect();
    refuse_hidden(&line)?;
    if line.chars().count() > chars_max { Err(TextRefusal::TooLong(chars_max)) } else { Ok(line) }
}

/// Several lines: line ends made `\n`, blanks at their ends and empty lines at both ends dropped; not empty.
pub fn clean_text(text: &str, chars_max: usize) -> Result<String, TextRefusal> {
    let text = clean_optional_text(text, chars_max)?;
    if text.is_empty() { Err(TextRefusal::Empty) } else { Ok(text) }
}

/// Like [`clean_text`]; may be empty.
pub fn clean_optional_text(text: &str, chars_max: usize) -> Result<String, TextRefusal> {
    if text.len() > chars_max.saturating_mul(10) {
        return Err(TextRefusal::TooLong(chars_max));
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', "    ");
    let lines: Vec<String> = text.split('\n').map(|line| line.trim_end().nfc().collect()).collect();
    for line in &lines {
        refuse_hidden(line)?;
    }
    let text = lines.join("\n").trim_matches('\n').to_owned();
    if text.split('\n').count() > LINES_MAX {
        return Err(TextRefusal::TooManyLines(LINES_MAX));
    }
    if text.chars().count() > chars_max { Err(TextRefusal::TooLong(chars_max)) } else { Ok(text) }
}

fn refuse_hidden(line: &str) -> Result<(), TextRefusal> {
    for letter in line.chars() {
        match letter {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => return Err(TextRefusal::Direction),
            // Line and paragraph separators, byte order mark, interlinear marks, tags, and what is no character.
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}' | '\u{e0000}' | '\u{e0001}' => {
                return Err(TextRefusal::Invisible);
            }
            other if other.is_control() || u32::from(other) & 0xfffe == 0xfffe => return Err(TextRefusal::Invisible),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_brought_to_one_form() {
        assert_eq!(clean_line("  Zoe\u{308}   Müller\u{a0}", 40).as_deref(), Ok("Zoë Müller"));
        assert_eq!(clean_text("\r\n a \r\nb\tc \r\r", 40).as_deref(), Ok(" a\nb    c"));
        assert_eq!(clean_optional_text("", 10).as_deref(), Ok(""));
        assert_eq!(clean_line(" \t ", 10), Err(TextRefusal::Empty));
    }

    #[test]
    fn hidden_and_turning_letters_are_refused() {
        for hidden in ["a\0", "a\u{7}b", "a\u{85}b", "a\u{2028}b", "\u{feff}a", "a\u{fffd}", "a\u{ffff}"] {
            assert_eq!(clean_line(hidden, 40), Err(TextRefusal::Invisible), "{hidden:?}");
            assert_eq!(clean_text(hidden, 40), Err(TextRefusal::Invisible), "{hidden:?}");
        }
        for turned in ["a\u{202e}b", "\u{2066}a", "a\u{202a}"] {
            assert_eq!(clean_line(turned, 40), Err(TextRefusal::Direction), "{turned:?}");
        }
        assert_eq!(clean_line("a\nb", 40), Err(TextRefusal::Invisible), "a line is one line");
        assert!(clean_line("שלום 👩‍👩‍👧 สวัสดี", 40).is_ok(), "every script and joined emoji are welcome");
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(clean_line(&"ü".repeat(40), 40).is_ok());
        assert_eq!(clean_line(&"ü".repeat(41), 40), Err(TextRefusal::TooLong(40)));
        assert_eq!(clean_text(&"x".repeat(1_000_000), 40), Err(TextRefusal::TooLong(40)));
        assert_eq!(clean_text(&"x\n".repeat(61), 2_000), Err(TextRefusal::TooManyLines(60)));
    }

    #[test]
    fn limits_are_the_last_that_is_accepted() {
        // Ten bytes for one character are looked at, eleven are not.
        for clean in [clean_optional_line, clean_optional_text] {
            assert_eq!(clean(&" ".repeat(10), 1).as_deref(), Ok(""));
            assert_eq!(clean(&" ".repeat(11), 1), Err(TextRefusal::TooLong(1)));
        }
        assert!(clean_text("xxxx", 4).is_ok());
        assert!(clean_text(&format!("{}x", "x\n".repeat(59)), 2_000).is_ok());
    }
}
