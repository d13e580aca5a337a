//! What a dispute is about: reasons from a list, what is wanted, and what each side has to show.

use super::methods::Method;
use super::people::{Side, words};

/// Why a dispute is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    NotReleased,
    Silent,
    NotReceived,
    WrongAmount,
    WrongSender,
    Reversed,
    Bank,
    Refund,
    Other,
    /// The release window passed and the clock opened it; nobody chooses this.
    ReleaseOverdue,
    /// The chain undid what a payout spends, and other coins are in escrow; nobody chooses this.
    PayoutVoided,
    /// What was told to be lost is in escrow again; nobody chooses this.
    DepositReturned,
}

words!(Reason {
    NotReleased = "not_released",
    Silent = "silent",
    NotReceived = "not_received",
    WrongAmount = "wrong_amount",
    WrongSender = "wrong_sender",
    Reversed = "reversed",
    Bank = "bank",
    Refund = "refund",
    Other = "other",
    ReleaseOverdue = "release_overdue",
    PayoutVoided = "payout_voided",
    DepositReturned = "deposit_returned",
});

impl Reason {
    /// What this side may choose from.
    pub fn of_side(side: Side) -> &'static [Self] {
        match side {
            Side::Buyer => &[Self::NotReleased, Self::Silent, Self::WrongAmount, Self::Bank, Self::Refund, Self::Other],
            Side::Seller => &[
                Self::NotReceived,
                Self::WrongAmount,
                Self::WrongSender,
                Self::Reversed,
                Self::Silent,
                Self::Bank,
                Self::Other,
            ],
        }
    }

    /// For the list and for everybody who reads the dispute.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::NotReleased => "The money was sent and the coins are not released",
            Self::Silent => "The other side does not answer",
            Self::NotReceived => "The payment is marked as sent but did not arrive",
            Self::WrongAmount => "Another amount arrived or was asked for than agreed",
            Self::WrongSender => "The money came from somebody else's account",
            Self::Reversed => "The payment arrived and was taken back",
            Self::Bank => "A bank holds the payment or asks questions",
            Self::Refund => "The coins are to go back although money was sent",
            Self::Other => "Something else, as the statement says",
            Self::ReleaseOverdue => "The time to release passed without an answer",
            Self::PayoutVoided => "The payout will not arrive as it was signed, and there are coins in escrow",
            Self::DepositReturned => "The deposit was told to be lost, and is in escrow again",
        }
    }
}

/// How the one who opens it wants it to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Release,
    Refund,
    Split,
}

words!(Wanted { Release = "release", Refund = "refund", Split = "split" });

impl Wanted {
    pub const ALL: [Self; 3] = [Self::Release, Self::Refund, Self::Split];

    pub fn in_words(self) -> &'static str {
        match self {
            Self::Release => "The coins go to the buyer",
            Self::Refund => "The coins go back to the seller",
            Self::Split => "The coins are split",
        }
    }
}

/// What this side has to show for this way to pay: the questions, in order.
pub fn owed_by(method: &Method, side: Side) -> &[String] {
    match side {
        Side::Buyer => &method.evidence.buyer,
        Side::Seller => &method.evidence.seller,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_choose_what_only_clock_and_chain_say() {
        for side in [Side::Buyer, Side::Seller] {
            for not_theirs in [Reason::ReleaseOverdue, Reason::PayoutVoided, Reason::DepositReturned] {
                assert!(!Reason::of_side(side).contains(&not_theirs));
            }
            for reason in Reason::of_side(side) {
                assert_eq!(Reason::from_word(reason.as_str()), Some(*reason));
            }
        }
    }

    #[test]
    fn every_way_to_pay_asks_both_sides_for_something() {
        for method in Method::all() {
            for side in [Side::Buyer, Side::Seller] {
                assert!(!owed_by(method, side).is_empty(), "{}", method.id);
            }
        }
    }

    #[test]
    fn reasons_and_wishes_have_words_of_their_own() {
        let of_both = [Side::Buyer, Side::Seller].map(Reason::of_side).concat();
        for side in [Side::Buyer, Side::Seller] {
            assert!(Reason::of_side(side).contains(&Reason::Other));
        }
        let words: std::collections::BTreeSet<&str> = of_both.iter().map(|reason| reason.in_words()).collect();
        assert_eq!(words.len(), 9, "of thirteen in both lists four are the same");
        assert!(words.iter().all(|words| words.len() > 10));
        let words: std::collections::BTreeSet<&str> = Wanted::ALL.map(Wanted::in_words).into();
        assert!(words.len() == 3 && words.iter().all(|words| words.starts_with("The coins ")));
    }

    #[test]
    fn what_each_owes_is_what_the_method_says() {
        for method in Method::all() {
            assert_eq!(owed_by(method, Side::Buyer), method.evidence.buyer);
            assert_eq!(owed_by(method, Side::Seller), method.evidence.seller);
        }
    }
}
