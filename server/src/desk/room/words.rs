//! What the room says when something happens: one short sentence per event, with the facts of this trade in it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::deadlines::What;
use crate::domain::money::btc_words;
use crate::domain::trade::{Act, Outage, Outcome, PartGone, PayoutKind, Trade};
use crate::domain::{Actor, Event, Stage};

/// What the sentences are made of.
#[derive(Debug, Clone, Copy)]
pub struct EventFacts<'a> {
    /// The trade after the change.
    pub after: &'a Trade,
    pub actor: Actor,
    pub buyer: &'a str,
    pub seller: &'a str,
    pub arbitrator: &'a str,
    /// `500.00 EUR`.
    pub fiat: &'a str,
}

impl EventFacts<'_> {
    fn who(&self) -> &str {
        match self.actor {
            Actor::Buyer => self.buyer,
            Actor::Seller => self.seller,
            Actor::Arbitrator => self.arbitrator,
            Actor::Desk => "The desk",
            Actor::Clock => "The clock",
            Actor::Chain => "The chain",
        }
    }

    /// Both are told when the arbitrator may come in.
    fn enters(&self) -> String {
        format!("{}, the arbitrator, can now read this room.", self.arbitrator)
    }

    /// Where the coins of a payout go.
    fn payout(&self) -> String {
        match self.after.paying_out {
            Some(PayoutKind::Release) => format!("to {}", self.buyer),
            Some(PayoutKind::Refund) => format!("back to {}", self.seller),
            Some(PayoutKind::Settlement) => "as both agreed".into(),
            Some(PayoutKind::Ruling) => "as ruled".into(),
            None => "out of escrow".into(),
        }
    }

    /// How the trade ended.
    fn ending(&self) -> String {
        match self.after.outcome {
            Some(Outcome::Released) => format!("{} has the coins.", self.buyer),
            Some(Outcome::Refunded) => format!("{} has the coins back.", self.seller),
            Some(Outcome::Split) => "Each has the agreed or ruled part of the coins.".into(),
            Some(Outcome::Other) => "The coins went to addresses that are not in the contract.".into(),
            Some(Outcome::Lost) => "The deposit is lost.".into(),
            None => "The trade is over.".into(),
        }
    }

    fn ruled(&self) -> String {
        match self.after.ruling.as_ref().map(|ruling| ruling.outcome) {
            Some(Outcome::Released) => format!("the coins go to {}", self.buyer),
            Some(Outcome::Refunded) => format!("the coins go back to {}", self.seller),
            _ => "the coins are split".into(),
        }
    }
}

/// The sentence for an event of the lifecycle.
pub fn of_event(event: Event, facts: &EventFacts<'_>) -> String {
    let EventFacts { buyer, seller, arbitrator, fiat, .. } = *facts;
    let who = facts.who();
    match event {
        Event::ContractSigned => format!("Both have signed the contract. {seller} locks the coins next."),
        Event::Declined => format!("{who} declined the trade."),
        Event::Withdrawn => format!("{who} withdrew from the trade."),
        Event::SigningWindowPassed => "The contract was not signed in time. The trade is cancelled.".into(),
        Event::ArbitratorUnavailable => {
            format!("{arbitrator}, the arbitrator, is no longer on duty. The trade is cancelled; no coins were locked.")
        }
        Event::ContractAmended => format!(
            "Both have signed the changed contract. {} are due{}, and {buyer} pays {fiat}.",
            btc_words(facts.after.deposit_due),
            facts.after.deposit_by.map(|by| format!(" until {}", by.strftime("%-d %b %H:%M UTC"))).unwrap_or_default()
        ),
        Event::DepositConfirmed if facts.after.stage == Stage::Funded => {
            format!("Coins arrived in escrow. {buyer} sends {fiat} next.")
        }
        Event::DepositConfirmed => {
            format!("Coins arrived after the end of the trade. They go back to {seller}. {}", facts.enters())
        }
        Event::Cancelled => format!("{who} cancelled the trade. No coins were locked."),
        Event::DepositWindowPassed => "No deposit came in time. The trade is cancelled.".into(),
        Event::ConfirmationWindowPassed => {
            format!("The deposit was not confirmed in time. The trade is cancelled; later coins go back to {seller}.")
        }
        Event::DepositShort => {
            format!("The deposit was too little or too late. It goes back to {seller}. {}", facts.enters())
        }
        Event::Reinstated => format!("Both took the trade up again. {buyer} sends {fiat} next."),
        Event::DisputeOpened => format!("{who} opened a dispute. {}", facts.enters()),
        Event::DepositGone => "The deposit vanished from the chain. Nothing is left to send back.".into(),
        Event::PaymentMarkedSent => format!("{buyer} marked {fiat} as sent."),
        Event::PaymentSeen => format!("{seller} sees money that {buyer} had not marked as sent."),
        Event::CancelledByBuyer => format!("{buyer} cancelled. The coins go back to {seller}. {}", facts.enters()),
        Event::ClosedUnpaid => {
            format!("{seller} closed the trade as unpaid. The coins go back to {seller}. {}", facts.enters())
        }
        Event::DepositReorganisedAway => {
            format!("The chain dropped the block with the deposit. {buyer}, do not pay until the coins are back.")
        }
        Event::PaymentMarkUndone => format!("{buyer} took the mark back: {fiat} is not sent yet."),
        Event::ReleaseWindowPassed => {
            format!("The time to release is over and the arbitrator was called. {}", facts.enters())
        }
        Event::PayoutCompleted => format!("Two keys have signed. The coins are on their way {}.", facts.payout()),
        Event::Ruled => format!("{arbitrator} ruled: {}.", facts.ruled()),
        Event::RulingWithdrawn => format!("{arbitrator} withdrew the ruling."),
        Event::PayoutConfirmed => format!("The payout is confirmed. {}", facts.ending()),
        Event::PayoutEvicted => "The payout fell out of the network's memory. The desk sends it again.".into(),
        Event::PayoutReorganisedAway => {
            "The chain dropped the block with the payout. It waits for confirmation again.".into()
        }
        Event::PayoutVoided => {
            format!("The payout will not arrive as it was signed. There are coins in escrow. {}", facts.enters())
        }
        Event::SpentOtherwise => {
            format!("Another transaction with two valid signatures spent the escrow. {}", facts.ending())
        }
        Event::DepositLost => {
            format!("The deposit does not come back: it is lost. {buyer}, money that you paid is owed back.")
        }
        Event::DepositReturned => {
            format!("The deposit that was lost is in the chain again. {}", facts.enters())
        }
    }
}

/// The sentence for an act that changed no stage; some are not worth one.
pub fn of_act(act: &Act, facts: &EventFacts<'_>) -> Option<String> {
    let who = facts.who();
    Some(match act {
        Act::SignContract => format!("{who} signed the contract."),
        Act::SignAmendment => format!("{who} signed the changed contract."),
        Act::AgreeToReinstate => format!("{who} wants to take the trade up again. It goes on when both do."),
        Act::TakeBackReinstatement => format!("{who} does not want to take the trade up again any more."),
        Act::WindowPassed { what: What::Signing, .. } => {
            "The proposed change was not signed by both in time. The contract stays as it is.".into()
        }
        Act::WindowPassed { what: What::Deposit, .. } => {
            "The deposit was seen in time and waits for its confirmation.".into()
        }
        Act::WindowPassed { what: What::Objection, .. } => {
            format!("The time to object is over. It is {}'s turn.", facts.arbitrator)
        }
        Act::WindowPassed { what: What::Cosignature, .. } => {
            format!("The settlement was not completed in time. {} is called.", facts.arbitrator)
        }
        Act::AnswerMark => format!("{who} is looking for the money. The mark stands."),
        Act::SignPayout { kind: PayoutKind::Release } => format!("{who} signed the release."),
        Act::SignPayout { kind: PayoutKind::Refund } => format!("{who} signed the refund."),
        Act::SignPayout { kind: PayoutKind::Settlement } => format!("{who} signed the settlement."),
        Act::SignPayout { kind: PayoutKind::Ruling } => format!("{who} signed the payout of the ruling."),
        Act::AcceptSettlement { .. } => format!("{who} accepted the settlement."),
        Act::Speak => format!("{who} made a statement in the dispute."),
        Act::LosePart { why, .. } => {
            format!("{} What is left can go back, or be divided as both agree.", part_gone(*why))
        }
        Act::RegainPart { .. } => {
            "A part of the deposit that had vanished is confirmed again, and belongs to this trade as before. What was \
             signed over the rest alone is signed again."
                .into()
        }
        Act::Object => format!("{who} objected to the ruling."),
        Act::AcceptRuling => format!("{who} accepted the ruling."),
        Act::SitOut { why, from, until } => sat_out(*why, *from, *until, facts.after),
        Act::RaiseFee { fee, .. } => format!("{who} wants the payout sent with a miner fee of {} sat.", fee.to_sat()),
        Act::SignHigherFee => format!("{who} signed the payout with higher miner fees."),
        _ => return None,
    })
}

fn part_gone(why: PartGone) -> &'static str {
    match why {
        PartGone::Spent => "Another transaction spent a part of the escrow: two of the three keys have signed it.",
        PartGone::Undone => {
            "A reorganisation took a part of the deposit out of the chain, and what it was made of was spent elsewhere: it \
             does not come back."
        }
        PartGone::Forgotten => {
            "A reorganisation took a part of the deposit out of the chain, and nobody has known of it for long. The trade \
             goes on without it."
        }
    }
}

/// Both are told by how much, and what that comes to.
fn sat_out(why: Outage, from: Timestamp, until: Timestamp, after: &Trade) -> String {
    let what = match why {
        Outage::Desk => "The desk was not running",
        Outage::Chain => "The desk could not see the chain",
    };
    let time = |at: Timestamp| at.to_zoned(TimeZone::UTC).strftime("%-d %b %H:%M").to_string();
    let windows = after.deadlines().into_iter().map(|one| format!("{} until {}", one.what, time(one.due_at)));
    format!(
        "{what} from {} to {} UTC. The clock stood still for {}: {} UTC.",
        time(from),
        time(until),
        how_long(from, until),
        windows.collect::<Vec<_>>().join(", ")
    )
}

/// `48 min`, `3 h 5 min`.
pub fn how_long(from: Timestamp, until: Timestamp) -> String {
    match until.duration_since(from).as_mins() {
        minutes @ ..=119 => format!("{minutes} min"),
        minutes => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests;
