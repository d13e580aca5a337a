//! What people are told outside of the desk's pages, and in which words. The words carry a trade's reference, whose turn
//! it is and until when: no names, no sums, no addresses, nothing of what was said.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::deadlines::What;
use super::ids::PublicRef;
use super::lifecycle::{Actor, Event, Stage};
use super::people::{Party, words};
use super::trade::{Act, Trade};

/// What a notice is about. It can be more than one thing; each can be switched off for each way of being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The reader must act now.
    Turn,
    /// Half, or nine tenths, of the time to act is over.
    Reminder,
    /// Somebody said something in the room.
    Message,
    /// Coins or money moved, or will not.
    Money,
    Dispute,
    /// The trade is over.
    End,
}

words!(Kind {
    Turn = "turn",
    Reminder = "reminder",
    Message = "message",
    Money = "money",
    Dispute = "dispute",
    End = "end",
});

impl Kind {
    pub const ALL: [Self; 6] = [Self::Turn, Self::Reminder, Self::Message, Self::Money, Self::Dispute, Self::End];
}

/// A way of being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// An Atom feed at a secret address.
    Feed,
    Mail,
    /// A webhook.
    Hook,
}

words!(Channel { Feed = "feed", Mail = "mail", Hook = "hook" });

impl Channel {
    /// What is told until its owner chooses: a feed and a program can look at everything; a mail should be worth opening.
    pub fn usual(self) -> Vec<Kind> {
        match self {
            Self::Feed | Self::Hook => Kind::ALL.to_vec(),
            Self::Mail => Kind::ALL.into_iter().filter(|kind| *kind != Kind::Money).collect(),
        }
    }
}

/// Whose turn it is, for who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Yours,
    Theirs,
    /// The reader may say something, and need not.
    Open,
    Nobody,
}

words!(Turn { Yours = "yours", Theirs = "theirs", Open = "open", Nobody = "nobody" });

/// What one party is told of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub party: Party,
    pub kinds: Vec<Kind>,
    pub turn: Turn,
    /// The window that runs, and its end.
    pub window: Option<(What, Timestamp)>,
    /// It follows from what this party did just now: waiting for him is enough, nobody is sent anything.
    pub own: bool,
}

/// Hundredths of a window that are over.
pub type Percent = i32;

/// One sentence or two. `7KQ2-M4XN: your turn until 22 Nov 14:20 UTC.`
pub fn words(trade: Option<PublicRef>, kinds: &[Kind], turn: Turn, until: Option<Timestamp>, over: Percent) -> String {
    let Some(trade) = trade else { return "A test. Notices reach you here.".into() };
    let time = until.map(|at| format!(" until {}", at.to_zoned(TimeZone::UTC).strftime("%-d %b %H:%M UTC")));
    let until = time.unwrap_or_default();
    let news = !kinds.iter().any(|kind| matches!(kind, Kind::Turn | Kind::Reminder));
    let what = match (kinds, turn) {
        ([Kind::Message], _) => "a new message".to_owned(),
        (_, Turn::Yours) if news => format!("news; your turn{until}"),
        (_, Turn::Yours) => format!("your turn{until}"),
        (_, Turn::Open) if kinds.contains(&Kind::Money) => "something is held up; you may act".to_owned(),
        (_, Turn::Open) => format!("you may still act{until}"),
        (_, Turn::Theirs) => format!("news; the others' turn{until}"),
        (_, Turn::Nobody) if kinds.contains(&Kind::End) => "it is over".to_owned(),
        (_, Turn::Nobody) => "news".to_owned(),
    };
    let rest = match over {
        50 => " Half of the time is over.",
        90 => " A tenth of the time is left.",
        _ => "",
    };
    format!("Trade {}: {what}.{rest}", trade.grouped())
}

/// Who is told what of a change.
pub fn of_change(before: &Trade, after: &Trade, event: Option<Event>, act: &Act, actor: Actor) -> Vec<Notice> {
    let (was, is) = (before.turn(), after.turn());
    let began = before.stage != after.stage;
    let over = matches!(act, Act::WindowPassed { what: What::Objection | What::Cosignature, .. });
    let told = |party: Party| {
        let mut kinds = Vec::new();
        // What the arbitrator could not do before, he can do now.
        let began = began || (over && party == Party::Arbitrator);
        if is.contains(&party) && (began || !was.contains(&party)) {
            kinds.push(Kind::Turn);
        }
        kinds.extend(happened(before, after, event, act).into_iter().filter(|kind| concerns(*kind, party, after)));
        let own = actor == Actor::from(party);
        // He knows what he did; what he has to do next waits for him all the same.
        kinds.retain(|kind| !own || *kind == Kind::Turn);
        (!kinds.is_empty()).then(|| Notice {
            party,
            kinds,
            turn: turn_of(after, party),
            window: window_of(after, party),
            own,
        })
    };
    Party::ALL.into_iter().filter_map(told).collect()
}

/// What the other trader is told of a taken offer.
pub fn of_take(trade: &Trade) -> Notice {
    let party = trade.maker.into();
    let window = window_of(trade, party);
    Notice { party, kinds: vec![Kind::Turn], turn: turn_of(trade, party), window, own: false }
}

/// What is told to whom a transaction pays that the network does not take, or lets wait: he can have more paid for it.
pub fn of_held_up(party: Party) -> Notice {
    Notice { party, kinds: vec![Kind::Turn, Kind::Money], turn: Turn::Open, window: None, own: false }
}

pub fn turn_of(trade: &Trade, party: Party) -> Turn {
    let turn = trade.turn();
    if turn.contains(&party) {
        Turn::Yours
    } else if turn.is_empty() {
        Turn::Nobody
    } else {
        Turn::Theirs
    }
}

/// The window that says until when: the reader's own, where he has one.
pub fn window_of(trade: &Trade, party: Party) -> Option<(What, Timestamp)> {
    let running = trade.deadlines();
    let own = |who: &str| who == party.as_str() || (who == "both" && party != Party::Arbitrator);
    let is_turn = trade.turn().contains(&party);
    let found = running.iter().find(|one| own(one.who) == is_turn);
    // A turn without a window of its own has no end to name.
    found.or_else(|| running.first().filter(|_| !is_turn)).map(|one| (one.what, one.due_at))
}

/// What kinds of things a change was.
fn happened(before: &Trade, after: &Trade, event: Option<Event>, act: &Act) -> Vec<Kind> {
    let over = |trade: &Trade| matches!(trade.stage, Stage::Completed | Stage::Cancelled);
    let mut kinds = Vec::new();
    let money = match event {
        Some(
            Event::DepositConfirmed
            | Event::DepositShort
            | Event::DepositGone
            | Event::DepositLost
            | Event::DepositReturned
            | Event::DepositReorganisedAway
            | Event::Reinstated
            | Event::PaymentMarkedSent
            | Event::PaymentMarkUndone
            | Event::PaymentSeen
            | Event::CancelledByBuyer
            | Event::ClosedUnpaid
            | Event::PayoutCompleted
            | Event::PayoutConfirmed
            | Event::PayoutReorganisedAway
            | Event::PayoutVoided
            | Event::SpentOtherwise,
        ) => true,
        Some(_) => false,
        None => before.frozen != after.frozen || matches!(act, Act::LosePart { .. } | Act::RegainPart { .. }),
    };
    kinds.extend(money.then_some(Kind::Money));
    let dispute = match event {
        Some(
            Event::DisputeOpened
            | Event::ReleaseWindowPassed
            | Event::PayoutVoided
            | Event::DepositReturned
            | Event::Ruled
            | Event::RulingWithdrawn,
        ) => true,
        Some(_) => false,
        None => matches!(act, Act::Speak | Act::Object | Act::AcceptRuling | Act::AcceptSettlement { .. }),
    };
    kinds.extend(dispute.then_some(Kind::Dispute));
    kinds.extend((over(after) && !over(before)).then_some(Kind::End));
    kinds
}

/// The arbitrator is told of what he is needed for, nothing else.
fn concerns(kind: Kind, party: Party, after: &Trade) -> bool {
    party != Party::Arbitrator || (kind != Kind::Money && after.dispute.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_carry_a_reference_a_turn_and_a_time() {
        let trade = "7KQ2M4XN".parse().ok();
        let until = "2026-11-22T14:20:00Z".parse().ok();
        let said = |kinds: &[Kind], turn, until, over| words(trade, kinds, turn, until, over);
        assert_eq!(
            said(&[Kind::Turn, Kind::Money], Turn::Yours, until, 0),
            "Trade 7KQ2-M4XN: your turn until 22 Nov 14:20 UTC."
        );
        assert_eq!(
            said(&[Kind::Reminder], Turn::Yours, until, 50),
            "Trade 7KQ2-M4XN: your turn until 22 Nov 14:20 UTC. Half of the time is over."
        );
        assert_eq!(
            said(&[Kind::Reminder], Turn::Open, until, 90),
            "Trade 7KQ2-M4XN: you may still act until 22 Nov 14:20 UTC. A tenth of the time is left."
        );
        assert_eq!(said(&[Kind::Message], Turn::Open, None, 0), "Trade 7KQ2-M4XN: a new message.");
        assert_eq!(
            said(&[Kind::Turn, Kind::Money], Turn::Open, None, 0),
            "Trade 7KQ2-M4XN: something is held up; you may act."
        );
        assert_eq!(
            said(&[Kind::Money], Turn::Theirs, until, 0),
            "Trade 7KQ2-M4XN: news; the others' turn until 22 Nov 14:20 UTC."
        );
        assert_eq!(
            said(&[Kind::Money], Turn::Yours, until, 0),
            "Trade 7KQ2-M4XN: news; your turn until 22 Nov 14:20 UTC."
        );
        assert_eq!(said(&[Kind::Money, Kind::End], Turn::Nobody, None, 0), "Trade 7KQ2-M4XN: it is over.");
        assert_eq!(said(&[Kind::Money], Turn::Nobody, None, 0), "Trade 7KQ2-M4XN: news.");
        assert_eq!(words(None, &[], Turn::Nobody, None, 0), "A test. Notices reach you here.");
    }

    #[test]
    fn coins_that_move_are_worth_no_mail_and_everything_else_is_told_everywhere() {
        assert_eq!((Channel::Feed.usual(), Channel::Hook.usual()), (Kind::ALL.to_vec(), Kind::ALL.to_vec()));
        let worth_a_mail = [Kind::Turn, Kind::Reminder, Kind::Message, Kind::Dispute, Kind::End];
        assert_eq!(Channel::Mail.usual(), worth_a_mail);
    }
}
