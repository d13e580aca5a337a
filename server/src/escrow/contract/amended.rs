//! A contract that supersedes another: other sums and another deposit window, everything else as it was.

use bitcoin::Amount;
use jiff::Timestamp;

use super::{Contract, FeeShares, Payee, PayoutEntry, Payouts};
use crate::domain::Refusal;
use crate::escrow::fees;

/// What an amendment may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amended {
    pub amount: Amount,
    pub fiat: String,
    pub fees: FeeShares,
    pub arbitrator_fee: Amount,
    /// Length of the deposit window, from where it began.
    pub deposit_minutes: u32,
    pub created: Timestamp,
    pub sign_by: Timestamp,
}

impl Contract {
    /// The same contract with other sums, as the one that supersedes it. Keys, escrow and addresses stay.
    pub fn amended(&self, change: &Amended) -> Result<Self, Refusal> {
        let to = |entries: &[PayoutEntry], payee| {
            entries.iter().find(|entry| entry.to == payee).map(|entry| entry.address.clone())
        };
        let payouts = Payouts::new(
            change.amount,
            change.fees,
            to(&self.payouts.release, Payee::Buyer).unwrap_or_default(),
            to(&self.payouts.refund, Payee::Seller).unwrap_or_default(),
            to(&self.payouts.release, Payee::Desk),
            self.payouts.arbitrator.clone().filter(|_| change.arbitrator_fee > Amount::ZERO),
        )?;
        let deposit = payouts.refund.first().map_or(Amount::ZERO, |entry| entry.sat);
        let mut windows = self.windows;
        windows.deposit = change.deposit_minutes;
        let amended = Self {
            created: change.created,
            sign_by: change.sign_by,
            supersedes: Some(self.hash()?),
            amount_sat: change.amount,
            deposit_sat: deposit,
            fiat: change.fiat.clone(),
            windows,
            fee_cap_sat: self.fee_cap_sat.min(fees::cap_of(deposit)),
            desk_fee_sat: change.fees,
            arbitrator_fee_sat: change.arbitrator_fee,
            payouts,
            ..self.clone()
        };
        amended.check()?;
        Ok(amended)
    }

    /// Refuses a contract that does not supersede `before`, or that changes more than sums and deposit window.
    pub fn check_amends(&self, before: &Self) -> Result<(), Refusal> {
        let change = Amended {
            amount: self.amount_sat,
            fiat: self.fiat.clone(),
            fees: self.desk_fee_sat,
            arbitrator_fee: self.arbitrator_fee_sat,
            deposit_minutes: self.windows.deposit,
            created: self.created,
            sign_by: self.sign_by,
        };
        if before.amended(&change)? != *self || self.created < before.created {
            return Err(Refusal::invalid(
                "The changed contract does not supersede the one in force, or changes more than sums and deposit window.",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::escrow::testing;

    fn change(of: &Contract) -> Amended {
        Amended {
            amount: of.amount_sat / 2,
            fiat: "100.00".into(),
            fees: FeeShares { buyer: of.desk_fee_sat.buyer / 2, seller: of.desk_fee_sat.seller / 2 },
            arbitrator_fee: of.arbitrator_fee_sat / 2,
            deposit_minutes: of.windows.deposit + 60,
            created: of.created + SignedDuration::from_mins(60),
            sign_by: of.created + SignedDuration::from_mins(90),
        }
    }

    #[test]
    fn an_amended_contract_has_the_same_escrow_and_names_what_it_supersedes() {
        let before = testing::contract();
        let amended = before.amended(&change(&before)).unwrap();
        assert_eq!(amended.supersedes, Some(before.hash().unwrap()));
        assert_eq!((&amended.address, &amended.descriptor), (&before.address, &before.descriptor));
        assert_eq!(amended.lock().unwrap().address(), before.lock().unwrap().address());
        assert_eq!(amended.deposit_sat, amended.amount_sat + amended.desk_fee_sat.seller);
        assert_ne!(amended.message().unwrap(), before.message().unwrap());
        assert_eq!(Contract::parse(&amended.to_text().unwrap()).unwrap(), amended);
        amended.check_amends(&before).unwrap();
    }

    #[test]
    fn fees_that_became_nothing_have_no_address() {
        let [amount, desk_fee, arbitrator_fee] = [1_000_000, 2_000, 10_000].map(Amount::from_sat);
        let before = testing::contract_of(amount, desk_fee, arbitrator_fee);
        assert!(before.payouts.arbitrator.is_some());
        let none = FeeShares { buyer: Amount::ZERO, seller: Amount::ZERO };
        let change = Amended { fees: none, arbitrator_fee: Amount::ZERO, ..change(&before) };
        let amended = before.amended(&change).unwrap();
        assert_eq!((amended.payouts.release.len(), &amended.payouts.arbitrator), (1, &None));
        amended.check_amends(&before).unwrap();
    }

    #[test]
    fn nothing_else_may_change_with_it() {
        let before = testing::contract();
        let amended = before.amended(&change(&before)).unwrap();
        let changes: [fn(&mut Contract); 8] = [
            |one| one.supersedes = None,
            |one| one.price = "60000.00".into(),
            |one| one.confirmations += 1,
            |one| one.windows.payment += 1,
            |one| one.terms = Some(vec!["other terms".into()]),
            |one| one.details = one.rules,
            |one| one.feerate += 1,
            |one| std::mem::swap(&mut one.payouts.release[0].address, &mut one.payouts.refund[0].address),
        ];
        for (place, alter) in changes.iter().enumerate() {
            let mut other = amended.clone();
            alter(&mut other);
            assert!(other.check_amends(&before).is_err(), "change {place} was accepted");
        }
        assert!(amended.check_amends(&amended).is_err(), "it supersedes another");
        let at_once = before.amended(&Amended { created: before.created, ..change(&before) }).unwrap();
        at_once.check_amends(&before).unwrap();
        let earlier =
            before.amended(&Amended { created: before.created - SignedDuration::from_secs(1), ..change(&before) });
        assert!(earlier.unwrap().check_amends(&before).is_err(), "it is older than what it changes");
    }

    #[test]
    fn every_change_is_in_the_amended_contract() {
        let before =
            testing::contract_of(Amount::from_sat(1_000_000), Amount::from_sat(2_000), Amount::from_sat(10_000));
        let change = change(&before);
        let amended = before.amended(&change).unwrap();
        assert_eq!((amended.amount_sat, &amended.fiat), (change.amount, &change.fiat));
        assert_eq!((amended.desk_fee_sat, amended.arbitrator_fee_sat), (change.fees, change.arbitrator_fee));
        assert_eq!((amended.created, amended.sign_by), (change.created, change.sign_by));
        assert_eq!(amended.windows.deposit, change.deposit_minutes);
        assert_eq!(amended.payouts.arbitrator, before.payouts.arbitrator);
    }
}
