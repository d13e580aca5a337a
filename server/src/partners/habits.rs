//! What a partner does next in a trade. A pure decision over what the page shows, so a partner that was ended at any
//! moment goes on where the page says it stands. People get a sentence first, and the deed a moment later.

use super::scene::Scene;
use crate::domain::{Party, Stage, Wish};

/// The next thing to do; nothing else is done before the page is read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    Say(&'static str),
    /// Open the signing page at this place, check all of it, sign, send.
    Sign(&'static str),
    /// Press a button of the trade's page.
    Press(&'static str),
    /// Pay the deposit from the practice purse.
    Deposit,
    OpenDispute,
    /// Look at the dispute and say one's side if it is not said; then at the settlement.
    Speak {
        propose: bool,
    },
    /// Look at the settlement: accept a fair one, or make one when asked to.
    Settle {
        propose: bool,
    },
    /// Look at the ruling: accept it, co-sign it if it is in one's favour.
    Ruling,
    /// Look at what could take the trade up again.
    Reinstate,
}

pub const HELLO: &str =
    "Hello! I am a practice partner: a program that plays the other side. I sign the contract when you have signed it.";
const I_LOCK: &str = "I lock the coins now.";
const I_SEND: &str = "Hello, I will send it now.";
const I_RELEASE: &str = "The money is there, thank you. I release the coins.";
const I_REFUND: &str = "All right, the coins go back. I sign the refund.";
const I_CLOSE: &str = "The time to pay is over and nothing came. I close the trade.";

const CANCELS: &str = "All right, I cancel.";
const CANNOT_CANCEL: &str = "I cannot cancel now: the coins are in escrow and it is not mine to send them back.";
const WAITS_TO_PAY: &str = "All right, I do not pay until you write: please go on.";
const WAITS_TO_RELEASE: &str =
    "All right, I do not release the coins until you write: please go on. You can open a dispute.";
const GOES_ON: &str = "All right, I go on.";
const DISPUTES: &str = "All right, I open a dispute. Tell your side when it is open.";
const CANNOT_DISPUTE: &str = "A dispute can be opened once the payment is marked as sent. Ask me again then.";
const PROPOSES: &str = "All right, I propose half for each. Look at the settlement.";

/// What to do next; nothing when it is somebody else's turn.
pub fn next(scene: &Scene) -> Option<Deed> {
    if matches!(scene.stage, Stage::Completed | Stage::Cancelled | Stage::PayingOut) {
        return None;
    }
    if let Some(deed) = asked(scene) {
        return Some(deed);
    }
    match (scene.stage, scene.role) {
        (_, Party::Arbitrator) => None,
        _ if scene.leads_to("settlement/completion") => Some(Deed::Sign("settlement/completion")),
        (Stage::Proposed, _) => {
            // Second: a signature while the other reads the page would send him back to look again.
            let deed = said(scene, HELLO, scene.leads_to("contract-signature"), Deed::Sign("contract-signature"));
            deed.filter(|deed| matches!(deed, Deed::Say(_)) || scene.other_has_signed())
        }
        (Stage::AwaitingDeposit, Party::Seller) => said(scene, I_LOCK, scene.can_deposit(), Deed::Deposit),
        (Stage::AwaitingDeposit, _) => None,
        (Stage::Funded, Party::Buyer) if !holds(scene, Wish::DoNotPay) => {
            said(scene, I_SEND, scene.leads_to("payment"), Deed::Sign("payment")).or(SETTLE)
        }
        (Stage::Funded, _) => said(scene, I_CLOSE, scene.leads_to("unpaid"), Deed::Sign("unpaid")).or(SETTLE),
        (Stage::PaymentSent, Party::Seller) if !holds(scene, Wish::DoNotRelease) => {
            said(scene, I_RELEASE, scene.leads_to("release"), Deed::Sign("release")).or(SETTLE)
        }
        (Stage::PaymentSent, _) if scene.leads_to("payment-release") => Some(Deed::Sign("payment-release")),
        (Stage::PaymentSent, _) => SETTLE,
        (Stage::RefundDue, _) if scene.leads_to("reinstatement") => Some(Deed::Reinstate),
        (Stage::RefundDue, _) if scene.has_button("reinstatement/withdrawal") => None,
        (Stage::RefundDue, _) => said(scene, I_REFUND, scene.leads_to("refund"), Deed::Sign("refund")),
        (Stage::Disputed, _) => Some(Deed::Speak { propose: false }),
        (Stage::Ruled, _) => Some(Deed::Ruling),
        (Stage::PayingOut | Stage::Completed | Stage::Cancelled, _) => None,
    }
}

/// Somebody may have proposed a settlement.
const SETTLE: Option<Deed> = Some(Deed::Settle { propose: false });

/// A sentence before the deed, once; then the deed, if the page offers it.
fn said(scene: &Scene, words: &'static str, offered: bool, deed: Deed) -> Option<Deed> {
    offered.then(|| if scene.have_said(words) { deed } else { Deed::Say(words) })
}

/// Whether the last word about this is to wait.
fn holds(scene: &Scene, wish: Wish) -> bool {
    scene.wishes().filter(|(_, heard)| [wish, Wish::GoOn].contains(heard)).last().is_some_and(|(_, last)| last == wish)
}

/// What the newest wish asks for: an answer first, then the deed while the page offers it.
fn asked(scene: &Scene) -> Option<Deed> {
    let (place, wish) = scene.wishes().filter(|(_, wish)| !wish.is_for_arbitrator()).last()?;
    let (answer, deed) = match wish {
        Wish::Cancel => match cancelling(scene) {
            Some(deed) => (CANCELS, Some(deed)),
            None if scene.answered_since(place, CANCELS) => return None,
            None => (CANNOT_CANCEL, None),
        },
        Wish::DoNotPay => (WAITS_TO_PAY, None),
        Wish::DoNotRelease => (WAITS_TO_RELEASE, None),
        Wish::GoOn => (GOES_ON, None),
        Wish::OpenDispute => match scene.stage {
            Stage::PaymentSent => (DISPUTES, Some(Deed::OpenDispute)),
            _ if scene.answered_since(place, DISPUTES) => return None,
            _ => (CANNOT_DISPUTE, None),
        },
        Wish::Settle if scene.leads_to("settlement/completion") => return None,
        Wish::Settle => match scene.stage {
            Stage::Funded | Stage::PaymentSent => (PROPOSES, Some(Deed::Settle { propose: true })),
            Stage::Disputed => (PROPOSES, Some(Deed::Speak { propose: true })),
            _ => return None,
        },
        Wish::RuleForMe | Wish::RuleAgainstMe | Wish::SplitIt => return None,
    };
    if scene.answered_since(place, answer) { deed } else { Some(Deed::Say(answer)) }
}

fn cancelling(scene: &Scene) -> Option<Deed> {
    let pressed = ["decline", "withdrawal", "cancel"].into_iter().find(|place| scene.has_button(place));
    let signed = ["cancellation", "unpaid", "refund"].into_iter().find(|place| scene.leads_to(place));
    pressed.map(Deed::Press).or_else(|| signed.map(Deed::Sign))
}

#[cfg(test)]
mod tests;
