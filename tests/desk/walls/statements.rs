//! Every statement of the store prepares on the real schema; every table says what it is for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, ExprLit, ItemConst, ItemMacro, Lit, LitStr, Token};

use crate::golden::root;
use crate::harness::postgres::fresh_database;

/// The constants of one file, and the macros that build some of them from pieces.
#[derive(Default)]
struct Reader {
    /// Names of the parameters, and the pieces: a text, or a parameter.
    macros: BTreeMap<String, (Vec<String>, Vec<Piece>)>,
    texts: Vec<(String, String)>,
}

enum Piece {
    Text(String),
    Parameter(String),
}

impl<'a> Visit<'a> for Reader {
    fn visit_item_macro(&mut self, item: &'a ItemMacro) {
        if let Some(name) = &item.ident {
            let (pattern, body) = item
                .mac
                .tokens
                .to_string()
                .split_once("=>")
                .map_or_else(Default::default, |(p, b)| (p.to_owned(), b.to_owned()));
            let parameters = names_after_dollar(&pattern);
            self.macros.insert(name.to_string(), (parameters, pieces(&body)));
        }
    }

    fn visit_item_const(&mut self, item: &'a ItemConst) {
        let text = match &*item.expr {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            Expr::Macro(call) => self.built(&call.mac),
            _ => None,
        };
        if let Some(text) = text {
            self.texts.push((item.ident.to_string(), text));
        }
        visit::visit_item_const(self, item);
    }
}

impl Reader {
    fn built(&self, call: &syn::Macro) -> Option<String> {
        let given = call.parse_body_with(Punctuated::<LitStr, Token![,]>::parse_terminated).ok()?;
        let given: Vec<String> = given.iter().map(LitStr::value).collect();
        let name = call.path.get_ident()?.to_string();
        if name == "concat" {
            return Some(given.concat());
        }
        let (parameters, pieces) = self.macros.get(&name)?;
        let value = |wanted: &String| given.get(parameters.iter().position(|name| name == wanted)?).cloned();
        let texts = pieces.iter().map(|piece| match piece {
            Piece::Text(text) => Some(text.clone()),
            Piece::Parameter(name) => value(name),
        });
        texts.collect()
    }
}

fn names_after_dollar(text: &str) -> Vec<String> {
    let names = text
        .split('$')
        .skip(1)
        .map(|rest| rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>());
    names.collect()
}

/// The texts and parameters of a `concat!`, in order.
fn pieces(body: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.find(['"', '$']) {
        rest = &rest[at..];
        if rest.starts_with('$') {
            let name = names_after_dollar(rest).remove(0);
            rest = &rest[1..];
            found.push(Piece::Parameter(name));
        } else {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            let (text, after) = rest.split_at(end.expect("a text ends").0 + 1);
            found.push(Piece::Text(syn::parse_str::<LitStr>(text).unwrap().value()));
            rest = after;
        }
    }
    found
}

fn files(folder: PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> = entries.flat_map(|path| if path.is_dir() { files(path) } else { vec![path] }).collect();
    all.sort();
    all
}

fn is_sql(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    matches!(first, "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "WITH")
}

#[tokio::test]
async fn every_statement_of_the_store_prepares() {
    let database = fresh_database().await;
    let client = database.client().await;
    let (mut prepared, mut wrong) = (0, Vec::new());
    for path in files(root().join("server/src/store")) {
        let source = std::fs::read_to_string(&path).unwrap();
        let mut reader = Reader::default();
        reader.visit_file(&syn::parse_file(&source).unwrap());
        let statements = reader.texts.iter().filter(|(_, text)| is_sql(text));
        let named = source.matches("prepare_cached(").count();
        for (name, text) in statements.clone() {
            prepared += 1;
            if let Err(error) = client.prepare(text).await {
                let why = error.as_db_error().map(ToString::to_string).unwrap_or_default();
                wrong.push(format!("{}: {name}: {why}", path.display()));
            }
        }
        assert!(named == 0 || statements.count() > 0, "{}: no statement was found in it", path.display());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(prepared > 150, "only {prepared} statements were found");
}

/// What is asked in every round, or with every block, goes by an index made for it, however many rows there are by then.
const IN_EVERY_ROUND: [(&str, &str, &str); 4] = [
    ("outbox", "NEXT", "outbox_to_do"),
    ("outbox", "BROADCAST_DONE", "broadcasts_of_a_trade"),
    ("watched", "WAIT_FOR_BLOCKS", "trades_paying_out"),
    ("watched", "SCRIPTS_SINCE", "trades_by_making"),
];

#[tokio::test]
async fn what_every_round_asks_goes_by_an_index_of_its_own() {
    let database = fresh_database().await;
    let client = database.client().await;
    // In empty tables everything is quick; so only what cannot go by an index does not.
    let quickly = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan";
    client.batch_execute(quickly).await.unwrap();
    for (file, name, index) in IN_EVERY_ROUND {
        let source = std::fs::read_to_string(root().join(format!("server/src/store/{file}.rs"))).unwrap();
        let mut reader = Reader::default();
        reader.visit_file(&syn::parse_file(&source).unwrap());
        let (_, text) = reader.texts.iter().find(|(one, _)| one == name).expect("the statement");
        client.batch_execute(&format!("PREPARE asked AS {text}")).await.unwrap();
        let values =
            (1..=9).take_while(|n| text.contains(&format!("${n}"))).map(|_| "NULL").collect::<Vec<_>>().join(", ");
        let plan = client.query(&format!("EXPLAIN EXECUTE asked ({values})"), &[]).await.unwrap();
        let plan: String = plan.iter().map(|row| row.get::<_, String>(0) + "\n").collect();
        assert!(plan.contains(index), "{name}:\n{plan}");
        client.batch_execute("DEALLOCATE asked").await.unwrap();
    }
}

#[tokio::test]
async fn every_table_says_what_it_is_for() {
    let database = fresh_database().await;
    let client = database.client().await;
    let bare = "
        SELECT c.relname::text FROM pg_class c
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
          AND c.relname <> 'refinery_schema_history' AND obj_description(c.oid, 'pg_class') IS NULL";
    let bare: Vec<String> = client.query(bare, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(bare.is_empty(), "tables without a comment: {bare:?}");
    let sealed = "
        SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0
          AND a.attname LIKE '%sealed%' AND col_description(c.oid, a.attnum) IS NULL
          AND obj_description(c.oid, 'pg_class') NOT LIKE '%encrypted%'";
    let sealed: Vec<String> = client.query(sealed, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(sealed.is_empty(), "columns that hide something and do not say what: {sealed:?}");
}
