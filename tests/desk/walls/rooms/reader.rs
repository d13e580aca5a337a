//! Reads a source file for what it names: uses, paths, what macros and attributes are given, and texts.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

/// The paths a file names, each in full: `crate::store::trades`, `std::fs`.
pub struct Named {
    /// Where the file stands: `domain::money` without `crate`.
    module: Vec<String>,
    pub paths: BTreeSet<String>,
    pub texts: Vec<String>,
    pub waits: bool,
    /// Modules in files of their own, those of tests left out.
    pub files: Vec<String>,
}

impl Named {
    /// Turns `self` and `super` into a path from the crate.
    fn note(&mut self, path: &[String]) {
        let mut module = self.module.clone();
        let mut rest = path;
        let mut relative = false;
        while let [first, after @ ..] = rest {
            match first.as_str() {
                "self" => {}
                "super" => drop(module.pop()),
                _ => break,
            }
            relative = true;
            rest = after;
        }
        let full = if relative { [&["crate".to_owned()], module.as_slice(), rest].concat() } else { rest.to_vec() };
        if full.len() > 1 {
            self.paths.insert(full.join("::"));
        }
    }

    fn note_use(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.note_use(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) if name.ident == "self" => self.note(before),
            syn::UseTree::Name(name) => self.note(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.note(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.note(&[before, &["*".to_owned()]].concat()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.note_use(item, before)),
        }
    }

    /// What a macro is given is only words to the parser; paths in it are read off, texts left out.
    fn note_tokens(&mut self, tokens: &str) {
        let mut quoted = false;
        let bare: String = tokens
            .chars()
            .map(|c| {
                quoted ^= c == '"';
                if quoted { ' ' } else { c }
            })
            .collect();
        for path in bare.replace(" :: ", "::").split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
            if path.contains("::") {
                self.note(&path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>());
            }
        }
    }
}

fn only_in_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        list.path.is_ident("cfg") && list.tokens.to_string() == "test"
    })
}

impl<'ast> Visit<'ast> for Named {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !only_in_tests(&item.attrs) {
            self.note_use(&item.tree, &[]);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if only_in_tests(&item.attrs) {
            return;
        }
        if item.content.is_none() {
            self.files.push(item.ident.to_string());
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !only_in_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !only_in_tests(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.note(&path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.note_tokens(&item.tokens.to_string());
        visit::visit_macro(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.note_tokens(&list.tokens.to_string());
        }
        visit::visit_path(self, attribute.path());
    }

    /// `site.desk.store.connection()` names a room without a path.
    fn visit_expr_field(&mut self, field: &'ast syn::ExprField) {
        if let syn::Member::Named(name) = &field.member {
            self.paths.insert(format!(".{name}"));
        }
        visit::visit_expr_field(self, field);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.waits |= signature.asyncness.is_some();
        visit::visit_signature(self, signature);
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.texts.push(text.value());
    }
}

/// All that one source text names.
pub fn named(source: &str, module: Vec<String>) -> Named {
    let file = syn::parse_file(source).unwrap();
    let mut named = Named { module, paths: BTreeSet::new(), texts: Vec::new(), waits: false, files: Vec::new() };
    if !only_in_tests(&file.attrs) {
        named.visit_file(&file);
    }
    named
}
