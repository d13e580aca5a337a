//! Which windows run, who must act in them, and what their end brings.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lifecycle::Stage;
use super::people::{Party, Side, words};
use super::trade::{Deposit, PayoutKind, Settlement, Trade};

/// A window of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Signing,
    Deposit,
    Confirmation,
    Payment,
    Release,
    Objection,
    Answer,
    Ruling,
    Cosignature,
}

words!(What {
    Signing = "signing",
    Deposit = "deposit",
    Confirmation = "confirmation",
    Payment = "payment",
    Release = "release",
    Objection = "objection",
    Answer = "answer",
    Ruling = "ruling",
    Cosignature = "cosignature",
});

/// A window in which nobody must act: what its end brings comes by itself.
const CLOCK: &str = "clock";

/// A window that runs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    pub what: What,
    /// One of the parties, `both` traders, `chain` or `clock`.
    pub who: &'static str,
    pub started_at: Timestamp,
    pub due_at: Timestamp,
    /// What its end brings, in words.
    pub at_zero: &'static str,
}

impl Trade {
    /// The windows that run in this stage, the one that matters most first.
    pub fn deadlines(&self) -> Vec<Deadline> {
        if self.frozen {
            // Clocks stand still.
            return Vec::new();
        }
        let since = self.stage_since;
        let deadline = |what, who, due_at: Option<Timestamp>, at_zero| {
            due_at.map(|due_at| Deadline { what, who, started_at: since, due_at, at_zero })
        };
        let settlement = self.settlement.as_ref().filter(|_| self.holds_money() && self.paying_out.is_none());
        let mut running = match self.stage {
            _ if settlement.is_some() => self.windows_beside(settlement),
            Stage::Proposed => vec![deadline(What::Signing, "both", Some(self.sign_by), "the trade is cancelled")],
            Stage::AwaitingDeposit => match self.confirm_by {
                Some(by) => vec![deadline(
                    What::Confirmation,
                    "chain",
                    Some(by),
                    "the trade is cancelled; what is confirmed goes back",
                )],
                None => vec![deadline(
                    What::Deposit,
                    "seller",
                    self.deposit_by,
                    "the trade is cancelled, unless a deposit waits for confirmation",
                )],
            },
            Stage::Funded => vec![deadline(
                What::Payment,
                if self.may_be_paid() { "buyer" } else { CLOCK },
                self.pay_by,
                "the seller may take the coins back; either may open a dispute",
            )],
            Stage::PaymentSent => {
                let who = match self.release_waits_for().as_slice() {
                    [one] => one.as_str(),
                    _ => "both",
                };
                vec![deadline(What::Release, who, self.release_by, "the arbitrator is called")]
            }
            Stage::RefundDue => {
                vec![deadline(What::Objection, "buyer", self.refund_objection_by, "the arbitrator may sign the refund")]
            }
            Stage::Disputed => match &self.dispute {
                Some(dispute) if !(dispute.buyer_spoke && dispute.seller_spoke) => vec![
                    deadline(
                        What::Answer,
                        match (dispute.buyer_spoke, dispute.seller_spoke) {
                            (false, false) => "both",
                            (true, _) => "seller",
                            (false, true) => "buyer",
                        },
                        Some(dispute.answer_by),
                        "the arbitrator may rule on what is there",
                    ),
                    deadline(
                        What::Ruling,
                        "arbitrator",
                        Some(dispute.rule_by),
                        "the operator is told; it counts in the arbitrator's record",
                    ),
                ],
                Some(dispute) => vec![deadline(
                    What::Ruling,
                    "arbitrator",
                    Some(dispute.rule_by),
                    "the operator is told; it counts in the arbitrator's record",
                )],
                None => Vec::new(),
            },
            Stage::Ruled => match &self.ruling {
                Some(ruling) => vec![
                    deadline(
                        What::Objection,
                        ruling.favours.other().as_str(),
                        Some(ruling.objection_by),
                        "the arbitrator may sign the payout",
                    ),
                    deadline(
                        What::Cosignature,
                        ruling.favours.as_str(),
                        self.cosign_by,
                        "the other trader may co-sign",
                    ),
                ],
                None => Vec::new(),
            },
            Stage::PayingOut | Stage::Completed | Stage::Cancelled => Vec::new(),
        };
        if let Some(proposed) = &self.amendment {
            let at_zero = "the proposal lapses and the contract stays as it is";
            running.push(Some(Deadline {
                what: What::Signing,
                who: "both",
                started_at: proposed.since.max(since),
                due_at: proposed.sign_by,
                at_zero,
            }));
        }
        running.into_iter().flatten().collect()
    }

    /// An accepted settlement is the only payout: beside it runs only what still brings something, a dispute.
    fn windows_beside(&self, settlement: Option<&Settlement>) -> Vec<Option<Deadline>> {
        let Some(Settlement { proposer, accepted_at, arbitrator_from, .. }) = settlement else { return Vec::new() };
        let cosignature = Deadline {
            what: What::Cosignature,
            who: proposer.as_str(),
            started_at: *accepted_at,
            due_at: *arbitrator_from,
            at_zero: "in a dispute the arbitrator may sign the settlement in his place",
        };
        let beside = match self.stage {
            Stage::Funded => Some((What::Payment, CLOCK, self.pay_by, "either may open a dispute")),
            Stage::PaymentSent => Some((What::Release, proposer.as_str(), self.release_by, "the arbitrator is called")),
            _ => None,
        };
        let beside = beside.and_then(|(what, who, due_at, at_zero)| {
            Some(Deadline { what, who, started_at: self.stage_since, due_at: due_at?, at_zero })
        });
        vec![Some(cosignature), beside]
    }

    /// The buyer may still pay: nothing of the escrow is missing, and he has signed nothing of it away.
    fn may_be_paid(&self) -> bool {
        !self.is_short() && !self.buyer_gave_up()
    }

    /// Whose signature comes next after the payment: a release is never signed ahead of the buyer. Of less than was
    /// agreed there may be none at all, and both have to find a way.
    fn release_waits_for(&self) -> Vec<Party> {
        if self.has_signed(PayoutKind::Release, Party::Buyer) || self.buyer_gave_up() {
            vec![Party::Seller]
        } else if self.is_short() {
            vec![Party::Buyer, Party::Seller]
        } else {
            vec![Party::Buyer]
        }
    }

    /// The time that kept the arbitrator from acting is over, as of the last change. The clock makes one when it ends.
    fn is_over(&self, by: Timestamp) -> bool {
        self.as_of >= by
    }

    /// Who must act now; empty when only clock or chain can.
    pub fn turn(&self) -> Vec<Party> {
        if self.frozen {
            return Vec::new();
        }
        let unsigned = |kind, party| !self.has_signed(kind, party);
        if let Some(settlement) = &self.settlement
            && self.stage != Stage::PayingOut
            && self.stage != Stage::Completed
        {
            let mut turn = vec![settlement.proposer.into()];
            let called =
                matches!(self.stage, Stage::Disputed | Stage::Ruled) && self.is_over(settlement.arbitrator_from);
            turn.extend(called.then_some(Party::Arbitrator));
            return turn;
        }
        match self.stage {
            Stage::Proposed => [(Party::Buyer, self.buyer_agreed), (Party::Seller, self.seller_agreed)]
                .into_iter()
                .filter_map(|(party, agreed)| (!agreed).then_some(party))
                .collect(),
            Stage::AwaitingDeposit => self.turn_before_the_deposit(),
            Stage::Funded => self.may_be_paid().then_some(Party::Buyer).into_iter().collect(),
            Stage::PaymentSent => self.release_waits_for(),
            Stage::RefundDue if !self.reinstating.is_empty() => {
                let asked = |party: &Party| party.side().is_some_and(|side| !self.reinstating.contains(&side));
                Party::ALL.into_iter().filter(asked).collect()
            }
            Stage::RefundDue if unsigned(PayoutKind::Refund, Party::Seller) => vec![Party::Seller],
            Stage::RefundDue => {
                let called = self.refund_objection_by.is_some_and(|by| self.is_over(by));
                [Some(Party::Buyer), called.then_some(Party::Arbitrator)].into_iter().flatten().collect()
            }
            Stage::Disputed => {
                let mut turn = vec![Party::Arbitrator];
                if let Some(dispute) = &self.dispute {
                    turn.extend((!dispute.buyer_spoke).then_some(Party::Buyer));
                    turn.extend((!dispute.seller_spoke).then_some(Party::Seller));
                }
                turn
            }
            Stage::Ruled => {
                let favours = self.ruling.as_ref().map_or(Side::Buyer, |ruling| ruling.favours);
                let mut turn = Vec::new();
                // To an objection he answers at once: he may withdraw the ruling.
                let called = self.ruling.as_ref().is_some_and(|one| one.objected || self.is_over(one.objection_by));
                if called && unsigned(PayoutKind::Ruling, Party::Arbitrator) {
                    turn.push(Party::Arbitrator);
                }
                if unsigned(PayoutKind::Ruling, favours.into()) {
                    turn.push(favours.into());
                }
                turn
            }
            _ => Vec::new(),
        }
    }

    /// Whoever has not signed the proposed contract; else the seller, while something is missing.
    fn turn_before_the_deposit(&self) -> Vec<Party> {
        if let Some(proposed) = &self.amendment {
            let unsigned = |party: &Party| party.side().is_some_and(|side| !proposed.signed.contains(&side));
            return Party::ALL.into_iter().filter(unsigned).collect();
        }
        let Deposit { seen, confirmed, counted, .. } = self.deposit;
        let all_judged = confirmed == seen && counted > bitcoin::Amount::ZERO;
        let missing = seen < self.deposit_due || (all_judged && counted < self.deposit_due);
        missing.then_some(Party::Seller).into_iter().collect()
    }
}
