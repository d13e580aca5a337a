//! From what the operator wrote to the rules the desk goes by.

use super::{Backend, Settings};
use crate::desk::Rules;

impl Settings {
    /// The rules the desk goes by.
    pub fn rules(&self) -> Rules {
        let sat = bitcoin::Amount::from_sat;
        let depth = &self.confirmations;
        Rules {
            desk_name: self.desk_host().to_owned(),
            network: self.chain.network,
            practice: self.chain.backend == Backend::Practice,
            registration: self.server.registration,
            desk_fee_buyer_bp: self.fees.desk_fee_buyer_bp,
            desk_fee_seller_bp: self.fees.desk_fee_seller_bp,
            arbitrator_fee_bp: self.fees.arbitrator_fee_bp,
            fee_xpub: self.fees.desk_fee_xpub.clone(),
            signing_window_minutes: self.windows.signing_minutes,
            deposit_window_minutes: self.windows.deposit_minutes,
            confirmation_window_minutes: self.windows.confirmation_minutes,
            objection_window_minutes: self.windows.objection_minutes,
            answer_window_minutes: self.windows.answer_minutes,
            ruling_window_minutes: self.windows.ruling_minutes,
            cosign_window_minutes: self.windows.cosign_minutes,
            objection_free_below: sat(self.limits.objection_free_below_sat),
            fee_cap: sat(self.fees.miner_fee_cap_sat),
            confirmations: vec![
                (sat(0), 1),
                (sat(depth.two_from_sat), 2),
                (sat(depth.three_from_sat), 3),
                (sat(depth.six_from_sat), 6),
            ],
            rate_max_age_minutes: self.windows.rate_max_age_minutes,
            drill_max_age_days: self.limits.drill_max_age_days,
            new_account_trades_max: self.limits.new_account_trades_max,
            sessions_days: self.limits.session_days,
        }
    }
}
