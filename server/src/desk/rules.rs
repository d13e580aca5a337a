//! What the operator decided: fees, windows, limits. Plain values; `settings` fills them.

use bitcoin::{Amount, Network};

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    Open,
    Invitation,
    Closed,
}

/// The rules of one desk.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Host name, ASCII: stands in contracts and signed messages.
    pub desk_name: String,
    pub network: Network,
    /// Play money on a private chain.
    pub practice: bool,
    pub registration: Registration,
    /// Hundredths of a percent of the amount, borne by the buyer.
    pub desk_fee_buyer_bp: u32,
    pub desk_fee_seller_bp: u32,
    /// The same in every ruling; at most 200 (2 %).
    pub arbitrator_fee_bp: u32,
    /// Watch-only account xpub for desk and arbitrator fees, without origin; no fee is taken without it.
    pub fee_xpub: Option<String>,
    pub signing_window_minutes: u32,
    pub deposit_window_minutes: u32,
    pub confirmation_window_minutes: u32,
    pub objection_window_minutes: u32,
    pub answer_window_minutes: u32,
    pub ruling_window_minutes: u32,
    pub cosign_window_minutes: u32,
    /// Below this amount a ruling has no objection window.
    pub objection_free_below: Amount,
    /// Highest miner fee of a payout written into contracts.
    pub fee_cap: Amount,
    /// A deposit above the amount needs this many confirmations; sorted, the last that fits counts.
    pub confirmations: Vec<(Amount, u32)>,
    /// A rate older than this takes floating offers off the board.
    pub rate_max_age_minutes: u32,
    pub drill_max_age_days: u32,
    /// New accounts (no completed trade): unsigned takes and funded trades at a time.
    pub new_account_trades_max: u32,
    pub sessions_days: u32,
}

impl Rules {}

impl Default for Rules {
    /// The defaults of the settings file, on a practice desk.
    fn default() -> Self {
        Self {
            desk_name: "127.0.0.1".into(),
            network: Network::Regtest,
            practice: true,
            registration: Registration::Open,
            desk_fee_buyer_bp: 50,
            desk_fee_seller_bp: 0,
            arbitrator_fee_bp: 0,
            fee_xpub: None,
            signing_window_minutes: 60,
            deposit_window_minutes: 180,
            confirmation_window_minutes: 1440,
            objection_window_minutes: 1440,
            answer_window_minutes: 1440,
            ruling_window_minutes: 4320,
            cosign_window_minutes: 1440,
            objection_free_below: Amount::ZERO,
            fee_cap: Amount::from_sat(100_000),
            confirmations: vec![
                (Amount::ZERO, 1),
                (Amount::from_sat(5_000_000), 2),
                (Amount::from_sat(50_000_000), 3),
                (Amount::from_sat(200_000_000), 6),
            ],
            rate_max_age_minutes: 60,
            drill_max_age_days: 90,
            new_account_trades_max: 1,
            sessions_days: 30,
        }
    }
}
