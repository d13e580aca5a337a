//! How far a page has come.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use super::parts::TRADE_PARTS;

/// `1204.0f3a…`: the number of the last line of the room (`-` on a page without one), a dot, and a mark of eight hex
/// digits for each part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// `None`: the page has no room.
    pub number: Option<i64>,
    /// 0 for a part that the page does not have yet.
    pub marks: [u32; TRADE_PARTS.len()],
}

impl Default for Position {
    /// Before everything.
    fn default() -> Self {
        Self { number: Some(0), marks: [0; TRADE_PARTS.len()] }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{number}.")?,
            None => f.write_str("-.")?,
        }
        self.marks.iter().try_for_each(|mark| write!(f, "{mark:08x}"))
    }
}

impl FromStr for Position {
    type Err = Infallible;

    /// What is not a position is before everything; a mark that is not one is of no part.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (number, marks) = text.split_once('.').unwrap_or((text, ""));
        let number = if number == "-" { None } else { Some(number.parse().unwrap_or(0).max(0)) };
        let mut position = Self { number, ..Self::default() };
        for (at, mark) in position.marks.iter_mut().enumerate() {
            let digits = marks.get(at * 8..at * 8 + 8).unwrap_or_default();
            *mark = u32::from_str_radix(digits, 16).unwrap_or(0);
        }
        Ok(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_what_it_writes() {
        let mut position = Position { number: Some(1204), ..Position::default() };
        position.marks[1] = 0x0f3a_0001;
        for number in [Some(0), Some(i64::MAX), None] {
            position.number = number;
            assert_eq!(position.to_string().parse(), Ok(position.clone()));
        }
    }

    #[test]
    fn what_is_no_position_is_before_everything() {
        for odd in ["", ".", "x", "-1", "-1.zz", "99999999999999999999", "💩.💩💩", "0.+1234567"] {
            let read: Position = odd.parse().unwrap();
            assert_eq!(read.number, Some(0), "{odd}");
        }
        assert_eq!("7.".parse::<Position>().unwrap().number, Some(7));
    }
}
