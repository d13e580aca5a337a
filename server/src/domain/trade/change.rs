//! What an accepted act makes of a trade, and what follows from it.

use super::super::lifecycle::Event;
use super::{PayoutKind, Trade};

/// What follows from a change, for the desk to do in the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Give the offer back what this trade had reserved.
    ReturnReservation,
    /// The offer's maker let a window pass: pause it.
    PauseOffer,
    /// These outputs are the funding set from now on; build release and refund over it.
    FixFundingSet,
    /// Build the refund over everything at the address.
    BuildRefund,
    /// The funding set is what is left of it; build everything over that.
    KeepTheRest,
    /// A part that the trade had gone on without is in the chain again.
    TakeBack,
    /// What another transaction took before a deposit counted is what was in escrow.
    FixTaken,
    /// The accepted settlement was over outputs that are gone.
    ForgetSettlement,
    /// Hand the complete payout to the chain.
    Broadcast(PayoutKind),
    /// Unaccepted proposals end with the stage.
    LapseProposals,
    /// The proposed contract is not signed any more.
    LapseAmendment,
    /// The offer holds this trade's amount again, as far as there is room.
    ReserveAgain,
    /// What stands at the address means something else now.
    JudgeAgain,
    OpenDispute,
    CloseDispute,
    /// The ruling goes into the public log.
    PublishRuling,
    /// There is no ruling in force any more, which goes there too.
    WithdrawRuling,
}

/// An accepted act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub trade: Trade,
    /// The event of the lifecycle table, if the act was one; else only a field changed.
    pub event: Option<Event>,
    pub effects: Vec<Effect>,
}

impl Change {
    pub(super) fn with(mut self, change: impl FnOnce(&mut Trade)) -> Self {
        change(&mut self.trade);
        self
    }

    pub(super) fn and(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}
