//! Weaves all mutants that cargo-mutants lists into one copy of the sources, each behind a switch, so that one build
//! tries them all: `TRINE_MUTANT=17` turns on the seventeenth of the list, without it nothing is changed.
//!
//!   weave LIST.json LEFT_OUT.txt FROM TO
//!   weave blamed MESSAGES.json TO          the mutants that do not compile, after a build of TO
//!
//! Writes the files of the list from the folder FROM into TO, TO/server/src/woven.rs, and TO/points.tsv: a line for each
//! mutant woven in, with its number and the number of the point where its code runs. Mutants numbered in LEFT_OUT do
//! not compile in this form; they and those in constants are not in points.tsv and need cargo-mutants itself.

mod edit;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use proc_macro2::{LineColumn, Span};
use serde_json::Value;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, UnOp};

use edit::{Edit, Kind, Mutant, Range, rendered};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["blamed", messages, to] => {
            blamed(&fs::read_to_string(messages).unwrap(), Path::new(to))
                .iter()
                .for_each(|number| println!("{number}"));
        }
        [list, left_out, from, to] => weave(list, left_out, from, to),
        _ => panic!("weave LIST.json LEFT_OUT.txt FROM TO, or weave blamed MESSAGES.json TO"),
    }
}

/// The mutants in whose code the compiler, asked for JSON, found an error.
fn blamed(messages: &str, to: &Path) -> BTreeSet<u32> {
    let messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let errors = messages.filter(|line| line["message"]["level"] == "error");
    let spans = errors.flat_map(|line| line["message"]["spans"].as_array().unwrap().clone());
    spans
        .filter(|span| span["is_primary"] == true)
        .filter_map(|span| {
            let source = fs::read_to_string(to.join(span["file_name"].as_str()?)).ok()?;
            innermost(source.get(..span["byte_start"].as_u64()? as usize)?)
        })
        .collect()
}

/// The last mutant that begins in this text and does not end in it.
fn innermost(before: &str) -> Option<u32> {
    let mut open = Vec::new();
    for comment in before.split("/*").skip(1).filter_map(|rest| Some(rest.split_once("*/")?.0)) {
        if let Some(number) = comment.strip_prefix('<').and_then(|number| number.parse().ok()) {
            open.push(number);
        } else if comment.strip_suffix('>').is_some_and(|number| number.parse::<u32>().is_ok()) {
            open.pop();
        }
    }
    open.pop()
}

fn weave(list: &str, left_out: &str, from: &str, to: &str) {
    let left_out: BTreeSet<u32> =
        fs::read_to_string(left_out).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    let list: Vec<Value> = serde_json::from_str(&fs::read_to_string(list).unwrap()).unwrap();
    let mut files: BTreeMap<&str, Wanted> = BTreeMap::new();
    for (number, mutant) in (1..).zip(&list) {
        if !left_out.contains(&number) {
            let place = |end: &str| {
                let at = |what: &str| mutant["span"][end][what].as_u64().unwrap() as usize;
                (at("line"), at("column"))
            };
            let key = Key(mutant["genre"].as_str().unwrap().to_owned(), place("start"));
            let replacement = mutant["replacement"].as_str().unwrap().to_owned();
            let file = mutant["file"].as_str().unwrap();
            files.entry(file).or_default().entry(key).or_default().push(Mutant { number, replacement });
        }
    }
    let mut points = String::new();
    for (file, wanted) in files {
        let source = fs::read_to_string(Path::new(from).join(file)).unwrap();
        let mut weaver = Weaver { wanted, edits: Vec::new() };
        weaver.visit_file(&syn::parse_file(&source).unwrap());
        let woven = rendered(&source, weaver.edits, &mut |mutant, point| {
            writeln!(points, "{mutant}\t{point}").unwrap();
        });
        fs::write(Path::new(to).join(file), woven).unwrap();
    }
    fs::write(Path::new(to).join("points.tsv"), points).unwrap();
    fs::write(Path::new(to).join("server/src/woven.rs"), include_str!("switch.rs")).unwrap();
}

type Wanted = BTreeMap<Key, Vec<Mutant>>;

/// The genre of a mutant and where what it changes begins: line and column, both from 1.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key(String, (usize, usize));

struct Weaver {
    wanted: Wanted,
    edits: Vec<Edit>,
}

impl Weaver {
    fn take(&mut self, genre: &str, span: Span) -> Vec<Mutant> {
        let LineColumn { line, column } = span.start();
        self.wanted.remove(&Key(genre.to_owned(), (line, column + 1))).unwrap_or_default()
    }

    fn edit(&mut self, range: Range, mutants: Vec<Mutant>, kind: Kind) {
        if !mutants.is_empty() {
            self.edits.push(Edit { range, mutants, kind });
        }
    }

    /// What a function gives back instead of its body.
    fn body(&mut self, output: &syn::ReturnType, block: &syn::Block) {
        // Behind `impl Trait` stands one type only.
        let hidden = matches!(output, syn::ReturnType::Type(_, kind) if matches!(**kind, syn::Type::ImplTrait(_)));
        if let Some(first) = block.stmts.first().filter(|_| !hidden) {
            let start = first.span().byte_range().start;
            let mutants = self.take("FnValue", first.span());
            self.edit(start..start, mutants, Kind::Body);
        }
    }
}

impl<'ast> Visit<'ast> for Weaver {
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if function.sig.constness.is_none() {
            self.body(&function.sig.output, &function.block);
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if function.sig.constness.is_none() {
            self.body(&function.sig.output, &function.block);
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        let mutants = self.take("BinaryOperator", binary.op.span());
        let operator = binary.op.span().byte_range();
        let (left, right) = (binary.left.span().byte_range(), binary.right.span().byte_range());
        let kind = match binary.op {
            BinOp::And(_) | BinOp::Or(_) if has_let(&binary.left) || has_let(&binary.right) => None,
            BinOp::And(_) | BinOp::Or(_) => Some(Kind::Logic { left, operator, right }),
            BinOp::Eq(_) | BinOp::Ne(_) => Some(Kind::Equality),
            _ => Some(Kind::Binary { left, operator, right }),
        };
        if let Some(kind) = kind {
            self.edit(binary.span().byte_range(), mutants, kind);
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        if let UnOp::Not(_) | UnOp::Neg(_) = unary.op {
            let mutants = self.take("UnaryOperator", unary.op.span());
            self.edit(unary.span().byte_range(), mutants, Kind::Unary { operand: unary.expr.span().byte_range() });
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let deleted = self.take("MatchArm", arm.span());
        if let Some((_, guard)) = &arm.guard {
            let mutants = self.take("MatchArmGuard", guard.span());
            let range = guard.span().byte_range();
            self.edit(range.clone(), deleted, Kind::GuardOfArm);
            self.edit(range, mutants, Kind::Guard);
        } else {
            let end = arm.pat.span().byte_range().end;
            self.edit(end..end, deleted, Kind::Arm);
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, expression: &'ast syn::ExprStruct) {
        let fields: Vec<Range> = expression.fields.iter().map(|field| field.span().byte_range()).collect();
        let mutants: Vec<Mutant> = expression
            .fields
            .iter()
            .zip(0..)
            .flat_map(|(field, index)| {
                let taken = self.take("StructField", field.span());
                taken.into_iter().map(move |mutant| Mutant { replacement: format!("{index}"), ..mutant })
            })
            .collect();
        self.edit(expression.span().byte_range(), mutants, Kind::Struct { fields });
        visit::visit_expr_struct(self, expression);
    }
}

/// Whether `&&` stands in a chain of `let`s, which knows no `||`.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}
