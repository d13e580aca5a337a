//! The fixed sentences of a practice desk: typed into the room, or pressed there, they make a practice partner do what it
//! would not do by itself, so that one person alone can see every way a trade can go.

use super::lifecycle::Stage;
use super::people::{Party, words};

/// What a partner or the practice arbitrator is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wish {
    Cancel,
    DoNotPay,
    DoNotRelease,
    GoOn,
    OpenDispute,
    Settle,
    RuleForMe,
    RuleAgainstMe,
    SplitIt,
}

words!(Wish {
    Cancel = "please cancel",
    DoNotPay = "please do not pay",
    DoNotRelease = "please do not release",
    GoOn = "please go on",
    OpenDispute = "please open a dispute",
    Settle = "please propose a settlement",
    RuleForMe = "please rule for me",
    RuleAgainstMe = "please rule against me",
    SplitIt = "please split it",
});

impl Wish {
    /// What was typed, if it is one of the sentences: capitals, blanks around and a full stop make no difference.
    pub fn heard(text: &str) -> Option<Self> {
        let plain = text.trim().trim_end_matches(['.', '!']).trim_end().to_lowercase();
        Self::from_word(&plain)
    }

    /// For the arbitrator, not for the other trader.
    pub fn is_for_arbitrator(self) -> bool {
        matches!(self, Self::RuleForMe | Self::RuleAgainstMe | Self::SplitIt)
    }

    /// What is of use to this viewer in this stage, in the order of the buttons.
    pub fn offered(viewer: Party, stage: Stage) -> &'static [Self] {
        use Wish::{Cancel, DoNotPay, DoNotRelease, GoOn, OpenDispute, RuleAgainstMe, RuleForMe, Settle, SplitIt};
        match (viewer, stage) {
            (Party::Arbitrator, _) => &[],
            (_, Stage::Proposed) => &[Cancel],
            (Party::Buyer, Stage::AwaitingDeposit) => &[DoNotRelease, Cancel],
            (Party::Seller, Stage::AwaitingDeposit) => &[DoNotPay, Cancel],
            (Party::Buyer, Stage::Funded) => &[DoNotRelease, Settle],
            (Party::Seller, Stage::Funded) => &[DoNotPay, GoOn, Cancel, Settle],
            (Party::Buyer, Stage::PaymentSent) => &[DoNotRelease, GoOn, OpenDispute, Settle],
            (Party::Seller, Stage::PaymentSent) => &[OpenDispute, Settle],
            (_, Stage::Disputed) => &[RuleForMe, RuleAgainstMe, SplitIt, Settle],
            (_, Stage::RefundDue | Stage::Ruled | Stage::PayingOut | Stage::Completed | Stage::Cancelled) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_heard_however_it_is_typed_and_nothing_else_is() {
        for typed in ["please cancel", " Please cancel. ", "PLEASE CANCEL!"] {
            assert_eq!(Wish::heard(typed), Some(Wish::Cancel), "{typed}");
        }
        for typed in ["", "cancel", "please cancel the other one", "do not please cancel"] {
            assert_eq!(Wish::heard(typed), None, "{typed}");
        }
    }

    #[test]
    fn nobody_is_offered_what_the_other_side_cannot_do() {
        for stage in Stage::ALL {
            assert!(!Wish::offered(Party::Buyer, stage).contains(&Wish::DoNotPay), "{stage}");
            assert!(!Wish::offered(Party::Seller, stage).contains(&Wish::DoNotRelease), "{stage}");
            assert!(Wish::offered(Party::Arbitrator, stage).is_empty());
        }
    }
}
