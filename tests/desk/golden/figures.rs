//! Whoever reads the README's figures can have each printed, and none is printed of which the README does not tell.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::promises::rust_files;
use super::root;

fn is_name(word: &str) -> bool {
    word.contains('_') && word.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands after the word at the beginning of strings, as tests and scripts print them.
fn said(text: &str) -> impl Iterator<Item = &str> {
    let said = ['"', '\''].map(|quote| format!("{quote}figure "));
    let names = said.into_iter().flat_map(|mark| text.split(&*mark).skip(1).collect::<Vec<_>>());
    names.filter_map(|rest| rest.split([' ', '{']).next()).filter(|name| is_name(name))
}

/// The benches print tuples of a name, a number and a unit: `("name", number, "unit")`.
fn measured(text: &str) -> impl Iterator<Item = &str> {
    text.split("(\"").skip(1).filter_map(|rest| {
        let (tuple, _) = rest.split_once("\")")?;
        let (name, rest) = tuple.split_once("\", ")?;
        let (_, unit) = rest.rsplit_once(", \"")?;
        (is_name(name) && unit.chars().all(|one| one.is_alphanumeric() || one == '_')).then_some(name)
    })
}

#[test]
fn the_readme_names_every_figure_that_is_printed_and_no_other() {
    let mut files = Vec::new();
    rust_files(&root().join("tests/desk"), &mut files);
    let scripts = fs::read_dir(root().join("script")).unwrap().map(|entry| entry.unwrap().path());
    files.extend(scripts.filter(|path| path.is_file()));
    let mut printed: BTreeSet<String> = files.iter().flat_map(|file| owned(said(&read(file)))).collect();
    let mut benches = Vec::new();
    rust_files(&root().join("tests/bench"), &mut benches);
    printed.extend(benches.iter().flat_map(|file| owned(measured(&read(file)))));
    assert!(printed.len() > 20, "{printed:?}");

    let readme = read(&root().join("README.md"));
    let (_, figures) = readme.split_once("\n## Figures\n").unwrap();
    let (figures, _) = figures.split_once("\n## ").unwrap();
    let named: BTreeSet<String> = figures.split('`').filter(|word| is_name(word)).map(ToOwned::to_owned).collect();
    assert_eq!(named.difference(&printed).collect::<Vec<_>>(), Vec::<&String>::new(), "nothing prints these");
    assert_eq!(printed.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "the README names none of these");
}

fn owned<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(ToOwned::to_owned).collect()
}
