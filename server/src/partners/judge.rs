//! The practice arbitrator: waits until both have spoken and one of them has said how to rule, then rules like that.
//! When nobody says it for a while, both get half.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Context;

use super::door::{Door, attribute, has_link, tags};
use super::keys::Wallet;
use super::memory::Memory;
use super::papers::{Expected, Signer};
use super::scene::{Line, Speaker, lines};
use super::trader::{say, sign_page};
use crate::domain::{Party, PublicRef, Wish};

/// So long the arbitrator waits for a wish once both have spoken.
const PATIENCE: Duration = Duration::from_secs(180);

const ASKS: &str = "Hello, I am the practice arbitrator. I have read both sides. You choose how I rule: write, or press, \
                    please rule for me, please rule against me, or please split it.";

/// The arbitrator at his door.
#[derive(Debug)]
pub struct Judge<'a> {
    pub name: &'a str,
    pub wallet: &'a Wallet,
    pub door: &'a Door,
    pub memory: &'a Memory,
    /// Since when each dispute waits for a wish, as far as this process has seen it.
    pub waiting: &'a RefCell<BTreeMap<PublicRef, Instant>>,
}

/// What the workplace of a dispute shows.
#[derive(Debug)]
struct Case {
    page: String,
    /// Name and role of those who trade, and how much each has said.
    sides: Vec<(String, Party, usize)>,
    said: Vec<Line>,
}

impl Judge<'_> {
    pub async fn round(&self) -> anyhow::Result<()> {
        let page = self.door.page("/arbitration").await?;
        let (open, _) = page.split_once("closed-title").unwrap_or((&page, ""));
        let mut outcome = Ok(());
        for (trade, disputed) in cases(open) {
            let done = if disputed { self.judge(trade).await } else { self.refund(trade).await };
            outcome = outcome.and(done.with_context(|| format!("{} in trade {trade}", self.name)));
        }
        outcome
    }

    /// A refund that waits for his signature, when the time to object is over.
    async fn refund(&self, trade: PublicRef) -> anyhow::Result<()> {
        let (page, path) = (format!("/trades/{trade}"), format!("/trades/{trade}/refund"));
        if has_link(&self.door.page(&page).await?, &path) {
            self.sign(trade, &path, Expected::Refund).await
        } else {
            Ok(())
        }
    }

    async fn judge(&self, trade: PublicRef) -> anyhow::Result<()> {
        let place = format!("/arbitration/{trade}");
        let case = Case::read(self.door.page(&place).await?);
        if has_link(&case.page, &format!("{place}/payout")) {
            return self.sign(trade, &format!("{place}/payout"), Expected::Ruling).await;
        }
        let completion = format!("/trades/{trade}/settlement/completion");
        if has_link(&case.page, &completion) {
            return self.sign(trade, &completion, Expected::Settlement).await;
        }
        let Some(form) = super::door::form(&case.page, &format!("{place}/ruling")) else { return Ok(()) };
        if case.sides.len() < 2 || case.sides.iter().any(|(_, _, said)| *said == 0) {
            return Ok(());
        }
        let Some(outcome) = self.outcome(trade, &case).await? else { return Ok(()) };
        let form = form
            .with("outcome", outcome)
            .with("unit", "percent")
            .with("buyer", if outcome == "split" { "50" } else { "" })
            .with("facts", "Both sides were heard. This is a practice dispute.")
            .with("reasons", "A trader of this practice trade asked for this ruling.");
        let draft = self.door.send(&form).await?;
        self.sign(trade, &format!("{draft}/signature"), Expected::RulingText).await
    }

    /// How to rule, if that is decided: by a wish, or by waiting long enough for one.
    async fn outcome(&self, trade: PublicRef, case: &Case) -> anyhow::Result<Option<&'static str>> {
        if let Some(outcome) = case.wished() {
            return Ok(Some(outcome));
        }
        if !case.said.iter().any(|line| line.by == Speaker::Me && line.text == ASKS) {
            say(self.door, trade, ASKS).await?;
        }
        let since = *self.waiting.borrow_mut().entry(trade).or_insert_with(Instant::now);
        Ok((since.elapsed() > PATIENCE).then_some("split"))
    }

    async fn sign(&self, trade: PublicRef, path: &str, expected: Expected) -> anyhow::Result<()> {
        let signer = Signer { name: self.name, wallet: self.wallet };
        sign_page(self.door, &signer, self.memory, trade, path, expected).await
    }
}

impl Case {
    fn read(page: String) -> Self {
        let side = |(tag, _): (&str, &str)| {
            let class = attribute(tag, "class")?;
            let role = class.split(' ').find_map(Party::from_word)?;
            Some((attribute(tag, "data-name")?, role, attribute(tag, "data-said")?.parse().ok()?))
        };
        let sides = tags(&page, "data-said").into_iter().filter_map(side).collect();
        Self { sides, said: lines(&page), page }
    }

    /// The last wish, as an outcome: "for me" means whoever said it.
    fn wished(&self) -> Option<&'static str> {
        let heard = |line: &Line| {
            let Speaker::Other(name) = &line.by else { return None };
            let wish = Wish::heard(&line.text).filter(|wish| wish.is_for_arbitrator())?;
            let (_, role, _) = self.sides.iter().find(|(whose, _, _)| whose == name)?;
            Some(match (wish, role) {
                (Wish::RuleForMe, Party::Buyer) | (Wish::RuleAgainstMe, Party::Seller) => "release",
                (Wish::RuleForMe, _) | (Wish::RuleAgainstMe, _) => "refund",
                _ => "split",
            })
        };
        self.said.iter().rev().find_map(heard)
    }
}

/// The open trades of the queue, each with whether it is a dispute (else a refund).
fn cases(page: &str) -> Vec<(PublicRef, bool)> {
    let find = |start: &'static str, disputed| {
        page.split(start).skip(1).filter_map(move |rest| Some((rest.split_once('"')?.0.parse().ok()?, disputed)))
    };
    find("href=\"/arbitration/", true).chain(find("href=\"/trades/", false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(said: &[(&str, &str)]) -> Case {
        let side = |role: &str, name: &str| {
            format!("<section class=\"card side {role}\" data-name=\"{name}\" data-said=\"1\"></section>")
        };
        let said: String = said
            .iter()
            .map(|(who, text)| format!("<article class=\"msg other\" data-by=\"{who}\"><p>{text}</p></article>"))
            .collect();
        Case::read(side("buyer", "nora") + &side("seller", "miro") + &said)
    }

    #[test]
    fn the_last_wish_counts_for_who_said_it() {
        assert_eq!(case(&[]).wished(), None);
        assert_eq!(case(&[("nora", "please rule for me")]).wished(), Some("release"));
        assert_eq!(case(&[("nora", "please rule against me.")]).wished(), Some("refund"));
        assert_eq!(case(&[("miro", "Please rule for me")]).wished(), Some("refund"));
        assert_eq!(case(&[("nora", "please rule for me"), ("miro", "please split it")]).wished(), Some("split"));
        assert_eq!(case(&[("nora", "please cancel"), ("zoe", "please rule for me")]).wished(), None);
    }

    #[test]
    fn disputes_and_refunds_are_told_apart() {
        let page =
            "<a href=\"/arbitration\">x</a><a href=\"/arbitration/7KQ2M4XN\">1</a><a href=\"/trades/8KQ2M4XN\">2</a>";
        assert_eq!(cases(page), [("7KQ2M4XN".parse().unwrap(), true), ("8KQ2M4XN".parse().unwrap(), false)]);
    }
}
