//! What a partner sees of a trade: its page, read by what is made for programs (data attributes, addresses of links and
//! forms, who said what), never by its words.

use anyhow::Context;

use super::door::{attribute, has_form, has_link, tags, unescaped};
use crate::domain::{Party, PublicRef, Stage, Wish};

/// Who said something in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speaker {
    Me,
    /// Somebody else, by name.
    Other(String),
    Arbitrator,
}

/// Something said in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub by: Speaker,
    pub text: String,
}

/// One trade at one moment.
#[derive(Debug, Clone)]
pub struct Scene {
    pub reference: PublicRef,
    pub stage: Stage,
    pub role: Party,
    pub said: Vec<Line>,
    page: String,
}

impl Scene {
    /// Reads a trade's page.
    pub fn read(reference: PublicRef, page: String) -> anyhow::Result<Self> {
        let shape = "the page of a trade says its stage and one's role";
        let (tag, _) = *tags(&page, "data-stage").first().context(shape)?;
        let stage = attribute(tag, "data-stage").and_then(|word| Stage::from_word(&word)).context(shape)?;
        let role = attribute(tag, "data-role").and_then(|word| Party::from_word(&word)).context(shape)?;
        let said = lines(&page);
        Ok(Self { reference, stage, role, said, page })
    }

    pub fn place(&self, place: &str) -> String {
        format!("/trades/{}/{place}", self.reference)
    }

    /// Whether the page leads to a place of this trade.
    pub fn leads_to(&self, place: &str) -> bool {
        has_link(&self.page, &self.place(place))
    }

    /// Whether the page has a button for a place of this trade.
    pub fn has_button(&self, place: &str) -> bool {
        has_form(&self.page, &self.place(place))
    }

    /// Whether the practice desk offers to pay the deposit.
    pub fn can_deposit(&self) -> bool {
        has_form(&self.page, "/practice/deposit")
    }

    /// Whether the other trader's key is shown as signed.
    pub fn other_has_signed(&self) -> bool {
        let other = if self.role == Party::Buyer { Party::Seller } else { Party::Buyer };
        self.page.contains(&format!("class=\"key {other} in\""))
    }

    /// Whether I have said exactly this.
    pub fn have_said(&self, words: &str) -> bool {
        self.said.iter().any(|line| line.by == Speaker::Me && line.text == words)
    }

    /// The wishes of others, in order, each with its place among what was said.
    pub fn wishes(&self) -> impl Iterator<Item = (usize, Wish)> {
        let others = self.said.iter().enumerate().filter(|(_, line)| matches!(line.by, Speaker::Other(_)));
        others.filter_map(|(place, line)| Some((place, Wish::heard(&line.text)?)))
    }

    /// Whether I have said something after a place in the room that starts like this.
    pub fn answered_since(&self, place: usize, words: &str) -> bool {
        self.said.iter().skip(place).any(|line| line.by == Speaker::Me && line.text == words)
    }
}

/// What was said on a page with a room, the oldest first.
pub fn lines(page: &str) -> Vec<Line> {
    let read = |(tag, rest): (&str, &str)| {
        let kind = attribute(tag, "class")?;
        let by = match kind.strip_prefix("msg ")? {
            "me" => Speaker::Me,
            "arbitrator" => Speaker::Arbitrator,
            _ => Speaker::Other(attribute(tag, "data-by")?),
        };
        let (article, _) = rest.split_once("</article>")?;
        let (_, text) = article.split_once("<p>")?;
        Some(Line { by, text: unescaped(text.split_once("</p>")?.0) })
    };
    tags(page, "data-by").into_iter().filter_map(read).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub const REFERENCE: &str = "7KQ2M4XN";

    /// A page with this stage, role, inner HTML and lines of `me`, `other` or `arbitrator`.
    pub fn scene(stage: &str, role: &str, inner: &str, said: &[(&str, &str)]) -> Scene {
        let said: String = said
            .iter()
            .map(|(who, text)| {
                format!("<article class=\"msg {who}\" data-by=\"{who}\">\n <b>x</b> <p>{text}</p></article>")
            })
            .collect();
        let page = format!("<div class=\"trade\" data-stage=\"{stage}\" data-role=\"{role}\">{inner}{said}</div>");
        Scene::read(REFERENCE.parse().unwrap(), page).unwrap()
    }

    #[test]
    fn a_page_is_read_by_its_marks() {
        let inner = "<a href=\"/trades/7KQ2M4XN/payment\">x</a><form action=\"/trades/7KQ2M4XN/cancel\"></form>";
        let scene = scene(
            "funded",
            "buyer",
            inner,
            &[("other", "Please don&#x27;t"), ("me", "Hello"), ("other", "please do not pay.")],
        );
        assert_eq!((scene.stage, scene.role), (Stage::Funded, Party::Buyer));
        assert!(scene.leads_to("payment") && !scene.leads_to("cancel") && scene.has_button("cancel"));
        assert_eq!(scene.said[0], Line { by: Speaker::Other("other".into()), text: "Please don't".into() });
        assert!(scene.have_said("Hello") && !scene.have_said("Please don't"));
        assert_eq!(scene.wishes().collect::<Vec<_>>(), [(2, Wish::DoNotPay)]);
        assert!(!scene.answered_since(2, "Hello") && scene.answered_since(1, "Hello"));
    }

    #[test]
    fn a_page_that_is_no_trade_is_refused() {
        assert!(Scene::read(REFERENCE.parse().unwrap(), "<p>Not here</p>".into()).is_err());
    }
}
