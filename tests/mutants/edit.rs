//! The text of a file with its mutants in it. A mutant's own code stands between `/*<17*/` and `/*17>*/`, so that what
//! the compiler says against it can be laid at its door.

use std::cmp::Reverse;

/// Bytes of a source.
pub type Range = std::ops::Range<usize>;

pub struct Mutant {
    pub number: u32,
    /// An expression, an operator, `true` or `false`; of a struct's field its index.
    pub replacement: String,
}

pub struct Edit {
    pub range: Range,
    pub mutants: Vec<Mutant>,
    pub kind: Kind,
}

pub enum Kind {
    /// Before the first statement: give something else back.
    Body,
    /// After a pattern: it fits nothing any more.
    Arm,
    /// The same where the arm has a guard already.
    GuardOfArm,
    /// A guard that is always or never true.
    Guard,
    /// `&&` and `||`.
    Logic { left: Range, operator: Range, right: Range },
    /// `==` and `!=`.
    Equality,
    /// Every other operator between two, assignments too.
    Binary { left: Range, operator: Range, right: Range },
    /// `!` and `-` before one.
    Unary { operand: Range },
    /// A field that is left to `..base`.
    Struct { fields: Vec<Range> },
}

/// The whole source; `note` hears of each mutant and of the point at which its code runs.
pub fn rendered(source: &str, mut edits: Vec<Edit>, note: &mut impl FnMut(u32, u32)) -> String {
    // The outer one first; what only inserts something before all that begins at the same place.
    let rank = |kind: &Kind| match kind {
        Kind::Body | Kind::Arm => 0,
        Kind::GuardOfArm => 1,
        Kind::Guard => 2,
        _ => 3,
    };
    edits.sort_by_key(|edit| (edit.range.start, !edit.range.is_empty(), Reverse(edit.range.end), rank(&edit.kind)));
    for edit in &edits {
        // An arm's switch and a guard's are asked one by one, all others together.
        let alone = matches!(edit.kind, Kind::Guard);
        let first = edit.mutants[0].number;
        edit.mutants.iter().for_each(|mutant| note(mutant.number, if alone { mutant.number } else { first }));
    }
    Text { source, edits: &edits }.part(&(0..source.len()), 0)
}

struct Text<'a> {
    source: &'a str,
    edits: &'a [Edit],
}

impl Text<'_> {
    /// A part of the source with the edits in it, from the given one on.
    fn part(&self, range: &Range, from: usize) -> String {
        let mut text = String::new();
        let mut place = range.start;
        for (index, edit) in self.edits.iter().enumerate().skip(from) {
            if edit.range.start >= place && edit.range.end <= range.end {
                text.push_str(&self.source[place..edit.range.start]);
                text.push_str(&self.edited(edit, index + 1));
                place = edit.range.end;
            }
        }
        text + &self.source[place..range.end]
    }

    fn edited(&self, edit: &Edit, next: usize) -> String {
        let whole = || self.part(&edit.range, next);
        let first = edit.mutants[0].number;
        let numbered = |wanted: &str| edit.mutants.iter().find(|one| one.replacement == wanted).map(|one| one.number);
        match &edit.kind {
            Kind::Body => edit
                .mutants
                .iter()
                .map(|Mutant { number, replacement }| {
                    format!("if crate::woven::pick({first}) == {number} {{ /*<{number}*/ return ({replacement}); /*{number}>*/ }}\n")
                })
                .collect(),
            Kind::Arm => format!(" if !crate::woven::on({first})"),
            Kind::GuardOfArm => format!("(!crate::woven::on({first}) && ({}))", whole()),
            Kind::Guard => {
                let always = numbered("true").map(|n| format!("crate::woven::on({n}) || ")).unwrap_or_default();
                let never = numbered("false").map(|n| format!("!crate::woven::on({n}) && ")).unwrap_or_default();
                format!("({always}({never}({})))", whole())
            }
            Kind::Logic { left, operator, right } => {
                let (left, right) = (self.part(left, next), self.part(right, next));
                let operator = &self.source[operator.clone()];
                // De Morgan: with all three turned over, AND is OR.
                let flip = |inner: &str| format!("crate::woven::flipped({first}, {inner})");
                format!("({})", flip(&format!("{} {operator} {}", flip(&left), flip(&right))))
            }
            Kind::Equality => format!("(crate::woven::flipped({first}, {}))", whole()),
            Kind::Binary { left, operator, right } => {
                let (left, right) = (self.part(left, next), self.part(right, next));
                let arms = edit.mutants.iter().map(|one| (one.number, format!("({left}) {} ({right})", one.replacement)));
                let operator = &self.source[operator.clone()];
                picked(first, arms, &format!("({left}) {operator} ({right})"))
            }
            Kind::Unary { operand } => {
                let arms = edit.mutants.iter().map(|one| (one.number, format!("({})", self.part(operand, next))));
                picked(first, arms, &whole())
            }
            Kind::Struct { fields } => {
                let arms = edit.mutants.iter().map(|one| {
                    let field = &fields[one.replacement.parse::<usize>().unwrap()];
                    let comma = self.source[field.end..].find(',').unwrap() + field.end + 1;
                    let (before, after) = (edit.range.start..field.start, comma..edit.range.end);
                    (one.number, self.part(&before, next) + &self.part(&after, next))
                });
                picked(first, arms, &whole())
            }
        }
    }
}

/// One of several expressions, as the switch stands.
fn picked(first: u32, arms: impl Iterator<Item = (u32, String)>, unchanged: &str) -> String {
    let arms: String =
        arms.map(|(number, text)| format!("{number} => /*<{number}*/ {text} /*{number}>*/,\n")).collect();
    format!("(match crate::woven::pick({first}) {{\n{arms}_ => {unchanged},\n}})")
}
