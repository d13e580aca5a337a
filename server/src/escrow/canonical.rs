//! Canonical JSON: RFC 8785 for what is allowed here. One value has one text, and the text is what is hashed.
//!
//! Objects with ASCII keys (sorted, no blanks), arrays, strings, integers from 0 to 2^53−1, booleans and null.
//! Strings are NFC, without control, direction-changing or line-separator characters; text of several lines is an
//! array of strings, see [`lines`].

use std::fmt::{self, Write as _};

use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::domain::Refusal;

/// A document has at most 16 KiB.
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024;

/// A contract is about as long.
const DOCUMENT_BYTES_USUAL: usize = 4 * 1024;

/// The largest integer that every JSON reader reads exactly.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalRefusal {
    #[error("The document is too long: {bytes} bytes, and {DOCUMENT_BYTES_MAX} are the limit. Shorten the texts.")]
    TooLong { bytes: usize },
    #[error("This is not a document that can be read: {0}.")]
    Unreadable(String),
    #[error("Numbers are whole, from 0 to 9007199254740991; {0} is not.")]
    Number(String),
    #[error("Names of fields are plain ASCII; {0:?} is not.")]
    Key(String),
    #[error(
        "The text has the character U+{0:04X}, which is not allowed: it cannot be seen, or changes the order of others."
    )]
    Character(u32),
    #[error("The text is not in Unicode's composed form (NFC).")]
    NotComposed,
    #[error("The document is not in its one canonical form, so its hash would not be the one that was signed.")]
    NotCanonical,
}

impl From<CanonicalRefusal> for Refusal {
    fn from(why: CanonicalRefusal) -> Self {
        Self::invalid(why.to_string())
    }
}

/// The canonical text of a value.
pub fn write(value: &impl Serialize) -> Result<String, CanonicalRefusal> {
    let value = serde_json::to_value(value).map_err(|e| CanonicalRefusal::Unreadable(e.to_string()))?;
    let mut text = String::with_capacity(DOCUMENT_BYTES_USUAL);
    put(&value, &mut text)?;
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(CanonicalRefusal::TooLong { bytes: text.len() });
    }
    Ok(text)
}

/// Reads a document. Its text must be exactly what [`write`] would write for it: so blanks, another order, missing
/// or unknown or double fields, floats and other escapes are all refused.
pub fn read<T: DeserializeOwned + Serialize>(text: &str) -> Result<T, CanonicalRefusal> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(CanonicalRefusal::TooLong { bytes: text.len() });
    }
    let unreadable = |e: serde_json::Error| CanonicalRefusal::Unreadable(e.to_string());
    let Strict(value) = serde_json::from_str(text).map_err(unreadable)?;
    let mut again = String::new();
    put(&value, &mut again)?;
    if again != text {
        return Err(CanonicalRefusal::NotCanonical);
    }
    let document: T = serde_json::from_value(value).map_err(unreadable)?;
    if write(&document)? == text { Ok(document) } else { Err(CanonicalRefusal::NotCanonical) }
}

/// Text as people type it, as lines that a document can hold: composed (NFC), line ends and blanks at their ends
/// dropped, tabs as blanks. Characters that are not allowed are refused, not dropped.
pub fn lines(text: &str) -> Result<Vec<String>, CanonicalRefusal> {
    let line = |line: &str| -> Result<String, CanonicalRefusal> {
        let line: String = line.replace('\t', " ").trim_end().nfc().collect();
        check_text(&line)?;
        Ok(line)
    };
    text.trim_end().lines().map(line).collect()
}

/// One line of text as people type it, trimmed and composed; refuses what a document may not hold.
pub fn line(text: &str) -> Result<String, CanonicalRefusal> {
    let text: String = text.trim().nfc().collect();
    check_text(&text)?;
    Ok(text)
}

fn put(value: &Value, text: &mut String) -> Result<(), CanonicalRefusal> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(yes) => text.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => {
            let whole = number.as_u64().filter(|n| *n <= INTEGER_MAX);
            let whole = whole.ok_or_else(|| CanonicalRefusal::Number(number.to_string()))?;
            write!(text, "{whole}").unwrap_or_default();
        }
        Value::String(string) => put_string(string, text)?,
        Value::Array(values) => {
            text.push('[');
            for (place, value) in values.iter().enumerate() {
                text.push_str(if place == 0 { "" } else { "," });
                put(value, text)?;
            }
            text.push(']');
        }
        Value::Object(fields) => put_object(fields, text)?,
    }
    Ok(())
}

fn put_object(fields: &Map<String, Value>, text: &mut String) -> Result<(), CanonicalRefusal> {
    let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
    fields.sort_by_key(|(key, _)| *key);
    text.push('{');
    for (place, (key, value)) in fields.into_iter().enumerate() {
        if !key.is_ascii() {
            return Err(CanonicalRefusal::Key(key.clone()));
        }
        text.push_str(if place == 0 { "" } else { "," });
        put_string(key, text)?;
        text.push(':');
        put(value, text)?;
    }
    text.push('}');
    Ok(())
}

/// Without control characters only `"` and `\` are ever escaped.
fn put_string(string: &str, text: &mut String) -> Result<(), CanonicalRefusal> {
    check_text(string)?;
    text.push('"');
    let mut rest = string;
    while let Some((before, after)) = rest.find(['"', '\\']).and_then(|place| rest.split_at_checked(place)) {
        text.push_str(before);
        text.push('\\');
        let mut escaped = after.chars();
        text.extend(escaped.next());
        rest = escaped.as_str();
    }
    text.push_str(rest);
    text.push('"');
    Ok(())
}

fn check_text(text: &str) -> Result<(), CanonicalRefusal> {
    // Most of it is plain: nothing of that is forbidden, and all of it is composed.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(());
    }
    let forbidden = |c: &char| {
        c.is_control()
            || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
    };
    if let Some(c) = text.chars().find(forbidden) {
        return Err(CanonicalRefusal::Character(c.into()));
    }
    if is_nfc(text) { Ok(()) } else { Err(CanonicalRefusal::NotComposed) }
}

/// A JSON value whose objects name no field twice; serde_json alone would keep the last.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, array, string, whole number, boolean or null")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(Value::Bool(yes))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = from.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((key, Strict(value))) = from.next_entry::<String, Strict>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("the field {key} is there twice")));
            }
            fields.insert(key, value);
        }
        Ok(fields.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        read::<Value>(text).unwrap_err().to_string()
    }

    #[test]
    fn a_value_has_one_text() {
        let value = serde_json::json!({"b": [1, true, null], "N": "ü \"\\ €", "a": {"é".repeat(0): 0, "z": 9007199254740991_u64}});
        let text = write(&value).unwrap();
        assert_eq!(text, r#"{"N":"ü \"\\ €","a":{"":0,"z":9007199254740991},"b":[1,true,null]}"#);
        for (string, text) in [("", "\"\""), ("\"", r#""\"""#), ("\\\\\"a\"", r#""\\\\\"a\"""#), ("é\\", r#""é\\""#)]
        {
            assert_eq!(write(&string).unwrap(), text);
            assert_eq!(read::<String>(text).unwrap(), string);
        }
        assert_eq!(read::<Value>(&text), Ok(value));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        assert!(refused(r#"{"a":1,"a":1}"#).contains("twice"));
        for float in ["1.0", "1e3", "-1", "-0"] {
            assert!(refused(float).contains("read"), "{float}");
        }
        assert!(refused("9007199254740992").contains("whole"));
        assert!(refused("18446744073709551616").contains("read"));
        for text in [r#"{ "a":1}"#, r#"{"b":1,"a":1}"#, r#""\u0041""#, "1 ", r#""\/""#] {
            assert!(refused(text).contains("canonical"), "{text}");
        }
        assert!(refused("\"e\u{301}\"").contains("NFC"));
        assert!(refused("\"\u{202e}x\"").contains("U+202E"));
        assert!(refused(r#""a\n""#).contains("U+000A"));
        assert!(refused(r#""\ud800""#).contains("read"), "an unpaired surrogate");
        assert!(refused(r#"{"é":1}"#).contains("ASCII"));
        assert!(refused(&format!("\"{}\"", "a".repeat(DOCUMENT_BYTES_MAX))).contains("too long"));
        assert!(refused(&"[".repeat(2000)).contains("read"));
    }

    #[test]
    fn typed_text_becomes_lines() {
        assert_eq!(lines("one \r\n\ttwo\n\ne\u{301}\n\n").unwrap(), ["one", " two", "", "é"]);
        assert_eq!(lines("a\u{0}"), Err(CanonicalRefusal::Character(0)));
    }

    #[test]
    fn a_document_has_sixteen_kib_at_most() {
        let text = format!("\"{}\"", "a".repeat(DOCUMENT_BYTES_MAX - 2));
        let value: String = read(&text).unwrap();
        assert_eq!(write(&value), Ok(text.clone()));
        let longer = text.replacen('a', "aa", 1);
        assert!(matches!(read::<String>(&longer), Err(CanonicalRefusal::TooLong { bytes: 16_385 })));
        assert!(matches!(write(&format!("a{value}")), Err(CanonicalRefusal::TooLong { bytes: 16_385 })));
        assert!(matches!(read::<String>(&format!("\"aa{text}")), Err(CanonicalRefusal::TooLong { .. })));
    }
}
