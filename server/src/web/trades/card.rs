//! The one card: what this viewer should do now, or whom they wait for and until when.

mod deposit;
mod later;
mod payment;

use serde::Serialize;

use super::weather;
use crate::desk::trade_facts::{self, TradeFacts};
use crate::domain::money::btc_words;
use crate::domain::trade::PayoutKind;
use crate::domain::{Party, Stage, Wish};
use crate::web::site::Site;
use crate::web::times::Moment;

/// Something to press. `post` is sent with the trade's version; the others are links.
#[derive(Debug, Clone, Serialize)]
pub struct Button {
    pub label: String,
    pub href: String,
    pub post: bool,
    /// `big`, `quiet`, or empty for a plain link.
    pub style: &'static str,
}

/// A fact to act on, with its plain text to copy.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    pub label: String,
    pub value: String,
    pub copy: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Due {
    pub at: Moment,
    /// The desk's time when the page was made: what counts down does not trust the reader's clock.
    pub now: String,
    pub words: String,
    pub then: String,
    /// Nothing counts down: the deposit is not confirmed, or the chain is out of sight.
    pub stands_still: bool,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct Card {
    pub title: String,
    pub words: String,
    pub due: Option<Due>,
    pub facts: Vec<Fact>,
    /// The facts hold payment details, which this page does not check: the page that does.
    pub unchecked: Option<Button>,
    pub note_head: String,
    pub note: String,
    pub acts: Vec<Button>,
    /// A practice desk offers to pay the deposit or to mine.
    pub practice_deposit: Option<String>,
    pub practice_mine: bool,
    /// Sentences that a practice partner understands now.
    pub wishes: Vec<&'static str>,
}

impl Card {
    pub(super) fn new(title: impl Into<String>, words: impl Into<String>) -> Self {
        Self { title: title.into(), words: words.into(), ..Self::default() }
    }

    fn note(mut self, head: &str, words: &str) -> Self {
        (self.note_head, self.note) = (head.into(), words.into());
        self
    }

    pub(super) fn act(mut self, label: impl Into<String>, href: String, style: &'static str) -> Self {
        self.acts.push(Button { label: label.into(), href, post: false, style });
        self
    }

    fn press(mut self, label: impl Into<String>, href: String, style: &'static str) -> Self {
        self.acts.push(Button { label: label.into(), href, post: true, style });
        self
    }

    /// Payment details are among the facts.
    fn checked_at(mut self, label: &str, href: String) -> Self {
        self.unchecked = Some(Button { label: label.into(), href, post: false, style: "" });
        self
    }

    fn fact(mut self, label: impl Into<String>, value: impl Into<String>, copy: impl Into<String>) -> Self {
        self.facts.push(Fact { label: label.into(), value: value.into(), copy: copy.into() });
        self
    }
}

/// The trade waits for the payment, and there is something to pay for.
pub fn may_pay(facts: &TradeFacts) -> bool {
    !facts.row.state.frozen && !payment::must_not_pay(facts)
}

/// The card for this viewer.
pub fn card(site: &Site, facts: &TradeFacts) -> Card {
    let trade = &facts.row.state;
    let weather = weather::frozen_card(facts).or_else(|| weather::spent_card(facts));
    let mut card = match trade.stage {
        _ if let Some(card) = weather => card,
        _ if trade.settlement.is_some() && !matches!(trade.stage, Stage::PayingOut | Stage::Completed) => {
            later::settling(facts)
        }
        Stage::Proposed => proposed(facts),
        Stage::AwaitingDeposit => deposit::awaited(facts),
        Stage::Funded => payment::funded(facts),
        Stage::PaymentSent => payment::payment_sent(facts),
        Stage::RefundDue => later::refund_due(facts),
        Stage::Disputed => later::disputed(facts),
        Stage::Ruled => later::ruled(facts),
        Stage::PayingOut => later::paying_out(facts),
        Stage::Completed => later::completed(facts),
        Stage::Cancelled => deposit::cancelled(facts),
    };
    // The end of a window brings nothing to a ruling that cannot be paid out.
    let fits = trade.stage != Stage::Ruled || weather::ruling_fits(facts);
    card.due = trade_facts::next_end(&facts.deadlines, facts.now).filter(|_| fits).map(|deadline| Due {
        at: deadline.due_at.into(),
        now: Moment::from(facts.now).iso,
        words: left(deadline.due_at.duration_since(facts.now).as_mins()),
        then: deadline.at_zero.clone(),
        stands_still: trade.frozen || facts.out_of_sight.is_some(),
    });
    if site.desk.rules.practice {
        let waits = trade.stage == Stage::AwaitingDeposit;
        card.practice_deposit =
            facts.missing.filter(|_| waits && facts.party == Party::Seller).map(|missing| btc_words(missing.top_up));
        let unconfirmed = waits && trade.deposit.seen.to_sat() > 0;
        card.wishes = Wish::offered(facts.party, trade.stage).iter().map(|wish| wish.as_str()).collect();
        card.practice_mine = unconfirmed || matches!(trade.stage, Stage::PayingOut | Stage::Cancelled);
    }
    card
}

/// `41 min left`, `3 h 5 min left`, `over`.
fn left(minutes: i64) -> String {
    match minutes {
        ..=0 => "over".into(),
        1..=119 => format!("{minutes} min left"),
        120..=2879 if minutes % 60 == 0 => format!("{} h left", minutes / 60),
        120..=2879 => format!("{} h {} min left", minutes / 60, minutes % 60),
        _ => format!("{} days left", minutes / 1440),
    }
}

fn at(facts: &TradeFacts, place: &str) -> String {
    format!("/trades/{}/{place}", facts.row.reference)
}

/// The name of the other trader.
fn other(facts: &TradeFacts) -> &str {
    facts.row.name_of(if facts.party == Party::Buyer { Party::Seller } else { Party::Buyer })
}

fn proposed(facts: &TradeFacts) -> Card {
    let (trade, row) = (&facts.row.state, &facts.row);
    let mine = if facts.party == Party::Buyer { trade.buyer_agreed } else { trade.seller_agreed };
    if facts.party == Party::Arbitrator {
        return Card::new("Not signed yet", "You are this trade's arbitrator. There is nothing for you to do.");
    }
    if mine {
        let card = Card::new(
            format!("Waiting for {} to sign", other(facts)),
            "You have signed the contract. Nobody sends anything before both have signed.",
        );
        return leave(card, facts);
    }
    let card = Card::new("Sign the contract", format!("Price, fees and the escrow's three keys are fixed. Your signature proves that your key works; it moves no coins. {} signs too.", other(facts)))
        .fact("You send", sends(facts), "")
        .fact("You receive", receives(facts), "")
        .fact("Arbitrator", row.arbitrator_name.clone(), "")
        .note("Know this before.", "Two of the three keys together can take everything in the escrow. One lost key is harmless, two are final.")
        .act("Read and sign the contract", at(facts, "contract-signature"), "big");
    leave(card, facts)
}

/// The way out before both have signed: the taker withdraws, the maker declines.
fn leave(card: Card, facts: &TradeFacts) -> Card {
    let maker = facts.party == Party::from(facts.row.state.maker);
    let (label, place) = if maker { ("Decline the trade", "decline") } else { ("Withdraw", "withdrawal") };
    card.press(label, at(facts, place), "")
}

fn sends(facts: &TradeFacts) -> String {
    match facts.party {
        Party::Buyer => facts.fiat.to_string(),
        _ => format!("{} into the escrow", btc_words(facts.row.deposit)),
    }
}

fn receives(facts: &TradeFacts) -> String {
    match facts.party {
        Party::Buyer => {
            let entry = facts.book.contract.payouts.release.first();
            format!("{} before the miner fee", entry.map(|entry| btc_words(entry.sat)).unwrap_or_default())
        }
        _ => facts.fiat.to_string(),
    }
}

/// A release was built over what is in escrow: of less than was agreed, or of a deposit that came too late, there is none.
pub fn can_be_released(facts: &TradeFacts) -> bool {
    facts.book.live(PayoutKind::Release.as_str()).next().is_some()
}
