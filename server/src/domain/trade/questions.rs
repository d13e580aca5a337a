//! What can be asked of a trade about the coins and what was signed for them.

use super::super::lifecycle::Stage;
use super::super::people::Party;
use super::{PayoutKind, Trade, chain};

impl Trade {
    pub fn has_signed(&self, kind: PayoutKind, party: Party) -> bool {
        self.signed.contains(&(kind, party))
    }

    /// The buyer has signed something that does not pay him in full: final, he must never pay in this trade again.
    pub fn buyer_gave_up(&self) -> bool {
        self.gave_up || chain::GIVES_UP.into_iter().any(|kind| self.has_signed(kind, Party::Buyer))
    }

    /// The funding set is fixed; every other output at the address is a stray.
    pub fn funding_is_fixed(&self) -> bool {
        self.stage == Stage::Completed
            || (self.stage != Stage::AwaitingDeposit && (self.ever_funded || !self.signed.is_empty()))
    }

    /// Coins are, or may be, at the escrow address.
    pub fn holds_money(&self) -> bool {
        !matches!(self.stage, Stage::Proposed | Stage::AwaitingDeposit | Stage::Completed | Stage::Cancelled)
    }
}
