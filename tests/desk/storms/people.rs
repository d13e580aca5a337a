//! What people do: they open a page of the trade and do what it asks for, whatever that is.

use trine::domain::PublicRef;

use super::Storm;
use crate::harness::Dice;
use crate::harness::Seen;
use crate::harness::cast::Person;
use crate::harness::forms::{Form, Kind};

/// Not a part of what is tried: words to each other, and what cannot be undone for the storms after.
const LEFT_OUT: [&str; 5] = ["/messages", "/reads", "/report", "/feedback", "/conflict"];

const WORDS: &str = "It was not as it should have been, and I say so.";

/// The pages that somebody is led to from the pages of a trade, with what they ask for.
pub(super) async fn pages(who: &Person, trade: PublicRef) -> Vec<(String, Seen)> {
    let mut to_open = vec![format!("/trades/{trade}"), format!("/arbitration/{trade}")];
    let (mut opened, mut pages) = (Vec::new(), Vec::new());
    while let Some(path) = to_open.pop() {
        if opened.contains(&path) || !is_a_page(&path) {
            continue;
        }
        let seen = who.browser.get(&path).await;
        assert!(seen.status < 500, "{} opens {path}: {}", who.name, seen.words());
        opened.push(path.clone());
        if seen.status == 200 {
            for beginning in [format!("/trades/{trade}/"), format!("/arbitration/{trade}/")] {
                to_open.extend(seen.links(&beginning));
            }
            pages.push((path, seen));
        } else {
            let is_linked = path.matches('/').count() > 2;
            assert!(!is_linked, "{} is led to {path}, which says {}: {}", who.name, seen.status, seen.words());
        }
    }
    pages
}

fn is_a_page(path: &str) -> bool {
    let other =
        [".json", ".ics", ".txt", "/files/", "/attachments/", "/stream", "/contracts", "/signatures", "/conflict"];
    !path.contains('?') && !other.iter().any(|part| path.contains(part))
}

/// The forms of these pages, each with the page it is on.
pub(super) fn forms(pages: Vec<(String, Seen)>, trade: PublicRef) -> Vec<(String, Seen, Form)> {
    let trade = trade.to_string();
    let is_tried = |form: &Form| form.action.contains(&trade) && !LEFT_OUT.iter().any(|one| form.action.ends_with(one));
    let of_page = |(path, seen): (String, Seen)| {
        let forms = seen.forms().into_iter().filter(is_tried).collect::<Vec<_>>();
        forms.into_iter().map(move |form| (path.clone(), seen.clone(), form))
    };
    pages.into_iter().flat_map(of_page).collect()
}

/// Fills in a form; nothing if a wallet has nothing to sign on it.
pub(super) fn filled(who: &Person, page: &Seen, form: &Form, dice: &mut Dice) -> Option<Vec<(String, String)>> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for field in form.fields.iter().filter(|one| one.name != "csrf") {
        let value = match (field.kind, field.name.as_str()) {
            (Kind::File, _) => continue,
            (Kind::Choice, name) => {
                if fields.iter().any(|(known, _)| known == name) {
                    continue;
                }
                let all: Vec<&str> =
                    form.fields.iter().filter(|one| one.name == name).map(|one| one.value.as_str()).collect();
                dice.one_of(&all).to_owned()
            }
            // A child of a payout spends what is in the own wallet already.
            (Kind::Words, "signatures") if !page.body.contains("id=\"envelope\">") => return None,
            (Kind::Words, "signatures") => who.signed(page).ok()?,
            (Kind::Words, "evidence") => "ab".repeat(32),
            (Kind::Words, "buyer") => dice.one_of(&["0", "30", "60", "100"]).to_owned(),
            (Kind::Words, _) if field.value.trim().is_empty() => WORDS.to_owned(),
            _ => field.value.clone(),
        };
        fields.push((field.name.clone(), value));
    }
    if fields.iter().any(|(name, _)| name == "unit") {
        fields.retain(|(name, _)| name != "unit");
        fields.push(("unit".into(), "percent".into()));
    }
    Some(fields)
}

pub(super) async fn send(who: &Person, form: &Form, fields: &[(String, String)]) -> Seen {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = who.browser.post(&form.action, &fields).await;
    assert!(answer.status < 500, "{} sends {}: {}", who.name, form.action, answer.words());
    answer
}

impl Storm {
    /// Somebody opens the pages of the trade, and presses one of the buttons that are there. What a page offers is
    /// taken, as long as nothing has changed since.
    pub(super) async fn somebody_acts(&mut self) {
        let who = [0, 0, 1, 1, 2][self.dice.below(5)];
        let (trade, name) = (self.trade, self.everybody()[who].name);
        let mut forms = forms(pages(self.everybody()[who], trade).await, trade);
        if forms.is_empty() {
            return;
        }
        let (path, page, form) = forms.swap_remove(self.dice.below(forms.len()));
        let mut dice = Dice(self.dice.below(usize::MAX).try_into().unwrap());
        let Some(fields) = filled(self.everybody()[who], &page, &form, &mut dice) else { return };
        let answer = send(self.everybody()[who], &form, &fields).await;
        let why = if answer.status == 303 { String::new() } else { answer.words() };
        self.tells(format!("{name} on {path} sends {}: {} {why}", form.action, answer.status));
        assert_ne!(answer.status, 409, "{name} on {path} is offered {}, which is refused: {why}", form.action);
    }
}
