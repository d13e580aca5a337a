//! Several statements as one: what is written together is sent, begun and answered once, which takes longer than the
//! writing itself where rows are few.

use tokio_postgres::types::ToSql;

/// The value of a parameter.
pub(super) type Value<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// Values as the driver takes them.
pub(super) fn borrowed<'a>(values: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| -> &(dyn ToSql + Sync) { &**value }).collect()
}

/// One statement of parts that write, each with parameters from $1. Their parameters come one part after the other. No
/// part sees the rows of another, but for what it returns under a name of its own (`WITH name AS (…)` before it); foreign
/// keys look when all are written.
pub(super) fn statement(parts: &[&str]) -> String {
    let mut before = 0;
    let part = |(place, part): (usize, &&str)| {
        let (text, count) = renumbered(part, before);
        before += count;
        match named(&text) {
            Some((first, rest)) => format!("{first},\npart_{place} AS ({rest})"),
            None => format!("part_{place} AS ({text})"),
        }
    };
    format!("WITH {} SELECT", parts.iter().enumerate().map(part).collect::<Vec<_>>().join(",\n"))
}

/// `name AS (…)` of a statement that begins with it, and what comes after it.
fn named(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start().strip_prefix("WITH ")?;
    let mut depth = 0_usize;
    let end = text.char_indices().find_map(|(place, c)| {
        depth = match c {
            '(' => depth.saturating_add(1),
            ')' => depth.saturating_sub(1),
            _ => return None,
        };
        (depth == 0).then_some(place.saturating_add(1))
    })?;
    text.split_at_checked(end)
}

/// The text with each $n as $(n + before), and how many there are.
fn renumbered(text: &str, before: usize) -> (String, usize) {
    let (mut new, mut count) = (String::with_capacity(text.len()), 0);
    let mut pieces = text.split('$');
    new.extend(pieces.next());
    for piece in pieces {
        let end = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
        let (digits, rest) = piece.split_at(end);
        new.push('$');
        match digits.parse::<usize>() {
            Ok(number) => {
                count = count.max(number);
                new.push_str(&number.saturating_add(before).to_string());
            }
            Err(_) => new.push_str(digits),
        }
        new.push_str(rest);
    }
    (new, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_own_numbers_and_become_one_statement() {
        let parts = ["INSERT INTO a SELECT $1, $2, $1", "UPDATE b SET c = '$' || $1", "DELETE FROM d WHERE e = $10"];
        let whole = "WITH part_0 AS (INSERT INTO a SELECT $1, $2, $1),\npart_1 AS (UPDATE b SET c = '$' || $3),\n\
                     part_2 AS (DELETE FROM d WHERE e = $13) SELECT";
        assert_eq!(statement(&parts), whole);
        let told = "
    WITH told AS (INSERT INTO a SELECT $1 WHERE f(g()) RETURNING id) INSERT INTO b SELECT id, $2 FROM told";
        let whole = "WITH part_0 AS (DELETE FROM d WHERE e = $1),\ntold AS (INSERT INTO a SELECT $2 WHERE f(g()) RETURNING id),\n\
                     part_1 AS ( INSERT INTO b SELECT id, $3 FROM told) SELECT";
        assert_eq!(statement(&["DELETE FROM d WHERE e = $1", told]), whole);
    }
}
