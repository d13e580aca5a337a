use bitcoin::OutPoint;
use proptest::prelude::*;

use super::*;
use crate::domain::Party;
use crate::escrow::contract::Payee;
use crate::escrow::signature::SignedPayout;
use crate::escrow::testing::{self, consensus_verifies, rate, wallet};

fn agreed() -> Agreed {
    testing::contract().agreed().unwrap()
}

fn funding(sats: &[u64]) -> Vec<Coin> {
    testing::deposit(&testing::lock(), sats)
}

fn all_steps(kind: PayoutKind, sats: &[u64], sat_per_vb: u64) -> Vec<Payout> {
    Payout::of_all_steps(&agreed(), kind, &funding(sats), rate(sat_per_vb)).unwrap()
}

#[test]
fn the_canonical_form_is_the_protocols() {
    let payout = all_steps(PayoutKind::Release, &[700_000, 350_000], 5).remove(0);
    let (tx, psbt) = (payout.spend().transaction(), payout.spend().psbt());
    assert_eq!((tx.version.0, tx.lock_time.to_consensus_u32()), (2, 0));
    assert!(tx.input.iter().all(|input| input.sequence.0 == 0xffff_fffd && input.script_sig.is_empty()));
    let ids: Vec<String> = tx.input.iter().map(|input| input.previous_output.txid.to_string()).collect();
    assert!(ids.is_sorted() && ids.len() == 2, "BIP-69");
    assert!(tx.output.is_sorted_by_key(|output| (output.value, output.script_pubkey.to_bytes())), "BIP-69");
    assert_eq!((psbt.version, psbt.xpub.len()), (0, 3));
    for (xpub, (fingerprint, path)) in &psbt.xpub {
        assert_eq!(usize::from(xpub.depth), path.len());
        assert!(Party::ALL.iter().any(|p| testing::lock().key(*p).fingerprint() == *fingerprint));
    }
    for (place, input) in psbt.inputs.iter().enumerate() {
        let spent = input.non_witness_utxo.as_ref().unwrap();
        assert_eq!(spent.compute_txid(), tx.input[place].previous_output.txid);
        assert_eq!(input.witness_utxo.as_ref(), spent.output.first());
        assert_eq!(input.witness_script.as_ref(), Some(testing::lock().witness_script()));
        assert_eq!(input.bip32_derivation.len(), 3);
        assert_eq!(input.sighash_type.unwrap().to_u32(), 1);
        assert!(input.partial_sigs.is_empty());
        let paths: Vec<String> = input.bip32_derivation.values().map(|(_, path)| path.to_string()).collect();
        assert!(paths.contains(&"48'/1'/0'/2'/7/0/3".to_owned()), "the arbitrator's extra level");
        assert_eq!(paths.iter().filter(|path| *path == "48'/1'/0'/2'/0/3").count(), 2);
    }
    assert_eq!(Psbt::deserialize(&psbt.serialize()).as_ref().ok(), Some(psbt));
}

#[test]
fn steps_cost_one_two_and_five_times_the_estimate_and_equal_ones_are_one() {
    let steps = all_steps(PayoutKind::Release, &[1_002_000], 5);
    let fees: Vec<u64> = steps.iter().map(|payout| payout.fee().to_sat()).collect();
    assert_eq!(fees, [885, 1_770, 4_425]);
    // 10 % of the outputs is 91,090 sat: above 257 sat/vB ×2 and ×5 come out equal.
    let merged = all_steps(PayoutKind::Release, &[1_002_000], 300);
    assert_eq!(merged.len(), 2);
    assert_eq!(merged[1].steps(), [FeeStep::Two, FeeStep::Five]);
    assert_eq!(merged[1].fee(), Amount::from_sat(1_002_000 / 11));
    let minimal = Payout::of_all_steps(&agreed(), PayoutKind::Refund, &funding(&[20_000]), FeeRate::ZERO).unwrap();
    assert_eq!((minimal.len(), minimal[0].fee()), (1, Amount::from_sat(146)));
}

#[test]
fn a_surplus_at_the_edge_of_dust_leaves_every_step_of_the_release() {
    // At ×5 the seller's output of the surplus is dust or not, as a satoshi of the fee falls.
    let agreed =
        testing::contract_of(Amount::from_sat(995_000), Amount::from_sat(5_000), Amount::ZERO).agreed().unwrap();
    let coins = funding(&[1_000_723]);
    let made = Payout::of_all_steps(&agreed, PayoutKind::Release, &coins, FeeRate::from_sat_per_kwu(285)).unwrap();
    assert_eq!(made.iter().flat_map(Payout::steps).copied().collect::<Vec<_>>(), FeeStep::ALL);
}

#[test]
fn a_step_that_leaves_too_little_is_left_out_and_only_without_any_it_is_refused() {
    let dear = |sat| Agreed { arbitrator_fee: Amount::from_sat(sat), arbitrator: Some(agreed().seller), ..agreed() };
    let kind = PayoutKind::Ruling { buyer: Amount::from_sat(1_002_000), seller: Amount::ZERO };
    let made = |sat| Payout::of_all_steps(&dear(sat), kind, &funding(&[1_002_000]), rate(10));
    let steps = made(990_000).unwrap();
    assert_eq!(steps.iter().flat_map(Payout::steps).copied().collect::<Vec<_>>(), [FeeStep::One, FeeStep::Two]);
    assert!(made(998_000).unwrap_err().words.contains("too little"));
}

#[test]
fn a_payout_of_the_smallest_deposit_can_be_built_at_any_fee_rate() {
    for sat_per_vb in [1, 30, 300, 5_000] {
        for sats in [vec![2_000], vec![200; 10]] {
            let built = Payout::of_all_steps(&agreed(), PayoutKind::Refund, &funding(&sats), rate(sat_per_vb)).unwrap();
            assert!(built.iter().all(|payout| payout.amount_to(Payee::Seller) >= fees::DUST));
        }
    }
}

#[test]
fn a_deposit_transaction_that_does_not_fit_is_refused() {
    let mut coins = funding(&[1_002_000]);
    coins[0].value += Amount::ONE_SAT;
    let made = |coins: &[Coin]| Payout::of_step(&agreed(), PayoutKind::Release, coins, FeeStep::One, rate(5));
    assert!(made(&coins).is_err(), "another value");
    coins[0].transaction = None;
    assert!(made(&coins).is_ok(), "nothing to compare with");
    assert!(made(&[]).is_err());
    assert!(made(&[coins[0].clone(), coins[0].clone()]).is_err(), "the same twice");
    assert!(made(&funding(&[200_000; 11])).is_err(), "more than ten");
}

#[test]
fn what_was_stored_is_built_again_and_must_be_the_same() {
    let coins = funding(&[700_000, 350_000]);
    let payout = all_steps(PayoutKind::Release, &[700_000, 350_000], 5).remove(1);
    let restore = |agreed: &Agreed, kind, coins: &[Coin], psbt: &Psbt| {
        Payout::restore(agreed, kind, coins, vec![FeeStep::Two], &psbt.serialize())
    };
    let stored = payout.spend().psbt();
    assert_eq!(restore(&agreed(), PayoutKind::Release, &coins, stored), Ok(payout.clone()));
    assert!(restore(&agreed(), PayoutKind::Refund, &coins, stored).is_err());
    assert!(restore(&agreed(), PayoutKind::Release, &funding(&[700_001, 350_000]), stored).is_err());
    let mut elsewhere = agreed();
    elsewhere.buyer = testing::address(8).script_pubkey();
    assert!(restore(&elsewhere, PayoutKind::Release, &coins, stored).is_err());
    let mut moved = stored.clone();
    let [small, large] = [1, 2].map(|place| moved.unsigned_tx.output[place].value);
    moved.unsigned_tx.output[1].value = small + Amount::ONE_SAT;
    moved.unsigned_tx.output[2].value = large - Amount::ONE_SAT;
    assert!(restore(&agreed(), PayoutKind::Release, &coins, &moved).is_err(), "one satoshi moved");
    let mut cheap = stored.clone();
    cheap.unsigned_tx.output[2].value += payout.fee() - Amount::from_sat(100);
    assert!(restore(&agreed(), PayoutKind::Release, &coins, &cheap).is_err(), "below the relay fee");
}

#[test]
fn check_refuses_everything_that_was_not_agreed() {
    let coins = funding(&[700_000, 350_000]);
    let payout = all_steps(PayoutKind::Release, &[700_000, 350_000], 5).remove(0);
    assert_eq!(payout.check(&agreed(), &coins), Ok(()));
    assert!(payout.check(&agreed(), &coins[..1]).is_err());
    assert!(payout.check(&agreed(), &funding(&[700_000, 350_001])).is_err());
    let change = |change: &dyn Fn(&mut Agreed)| {
        let mut agreed = agreed();
        change(&mut agreed);
        payout.check(&agreed, &coins).is_err()
    };
    assert!(change(&|agreed| agreed.seller = testing::address(8).script_pubkey()));
    assert!(change(&|agreed| agreed.desk = None));
    assert!(change(&|agreed| agreed.fee_cap = Amount::from_sat(400)));
    assert!(change(&|agreed| agreed.desk_fee = Amount::from_sat(3_999)));
    assert!(change(&|agreed| agreed.lock = testing::lock_at(4)));
}

/// 20,000 sat to 10 BTC.
fn amounts() -> impl Strategy<Value = u64> {
    prop_oneof![20_000_u64..2_000_000, 20_000_u64..1_000_000_000]
}

/// A trade, deposits that reach its due, and a part for the buyer.
fn trades() -> impl Strategy<Value = (Agreed, Vec<u64>, Amount)> {
    let arbitrator = prop_oneof![Just(0_u64), Just(100), Just(50)];
    (amounts(), 0_u64..200, arbitrator, 0_u64..60_000, 1_usize..=10, 0_u64..=1_000, 0_u64..=10).prop_map(
        |(amount, fee_ppt, arbitrator, surplus, inputs, part, edge)| {
            let fee = Some(amount * fee_ppt / 10_000).filter(|fee| *fee * 2 >= 546).unwrap_or(0);
            let arbitrator = Some(amount.checked_div(arbitrator).unwrap_or(0)).filter(|fee| *fee >= 546).unwrap_or(0);
            let [sat, fee, arbitrator] = [amount, fee, arbitrator].map(Amount::from_sat);
            let agreed = testing::contract_of(sat, fee, arbitrator).agreed().unwrap();
            let total = agreed.deposit.to_sat() + surplus;
            let each = total / u64::try_from(inputs).unwrap();
            let mut sats = vec![each; inputs];
            sats[0] += total - each * u64::try_from(inputs).unwrap();
            // Parts all over, and close to both ends, where dust is.
            let due = agreed.deposit.to_sat();
            let buyer = match edge {
                0 => part.min(due),
                1 => due - part.min(due),
                _ => due / 1_000 * part,
            };
            (agreed, sats, Amount::from_sat(buyer))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_payout_balances_pays_no_dust_and_stands_its_own_check(
        (agreed, sats, buyer) in trades(),
        sat_per_vb in prop_oneof![Just(1_u64), Just(30), Just(300)],
    ) {
        let coins = testing::deposit(&agreed.lock, &sats);
        let seller = agreed.deposit - buyer;
        let kinds = [
            PayoutKind::Release,
            PayoutKind::Refund,
            PayoutKind::Settlement { buyer, seller },
            PayoutKind::Ruling { buyer, seller },
        ];
        let total: u64 = sats.iter().sum();
        let mut inputs: Vec<Vec<OutPoint>> = Vec::new();
        for kind in kinds {
            let payouts = Payout::of_all_steps(&agreed, kind, &coins, rate(sat_per_vb)).unwrap();
            for payout in payouts {
                let tx = payout.spend().transaction();
                let paid: Amount = tx.output.iter().map(|output| output.value).sum();
                prop_assert_eq!(paid.to_sat() + payout.fee().to_sat(), total);
                prop_assert!(tx.output.iter().all(|output| output.value >= fees::DUST));
                prop_assert!(payout.fee() <= paid / 10 || payout.fee().to_sat() == payout.vbytes());
                prop_assert!(payout.fee() <= fees::FEE_MAX && payout.fee().to_sat() >= payout.vbytes());
                prop_assert!(payout.check(&agreed, &coins).is_ok());
                let stored = payout.spend().psbt().serialize();
                let restored = Payout::restore(&agreed, kind, &coins, payout.steps().to_vec(), &stored);
                prop_assert_eq!(restored.as_ref(), Ok(&payout));
                inputs.push(tx.input.iter().map(|input| input.previous_output).collect());
            }
        }
        prop_assert!(inputs.iter().all(|one| *one == inputs[0]), "any two payouts of a trade conflict");
    }
}

/// A deposit with a surplus or a part that is dust or not by a few satoshis of some step's fee.
fn edges() -> impl Strategy<Value = (Agreed, Vec<u64>, PayoutKind, FeeRate)> {
    let rates = prop_oneof![250_u64..3_000, 250_u64..1_250_000];
    let step = prop_oneof![Just(FeeStep::Two), Just(FeeStep::Five)];
    let amounts = prop_oneof![20_000_u64..2_000_000, 20_000_u64..1_000_000_000];
    (rates, step, amounts, prop_oneof![Just(0_u64), 300_u64..6_000], 1_usize..=4, 0_u64..=2, 0_u8..8).prop_map(
        |(kwu, step, amount, fee, inputs, off, kind)| {
            let [sat, desk] = [amount, fee].map(Amount::from_sat);
            let agreed = testing::contract_of(sat, desk, Amount::ZERO).agreed().unwrap();
            // What the output and further inputs cost, and 546 sat.
            let own_wu = 124 + 418 * (u64::try_from(inputs).unwrap() - 1);
            let edge = own_wu * kwu * u64::from(step.multiple()) / 1_000 + 545 + off;
            let due = agreed.deposit.to_sat();
            let parts = |seller: u64| (Amount::from_sat(due - seller.min(due)), Amount::from_sat(seller.min(due)));
            let (surplus, kind) = match kind {
                0 => (0, PayoutKind::Refund),
                1 => (0, PayoutKind::Stray),
                2 => {
                    let (buyer, seller) = parts(546 + off);
                    (off, PayoutKind::Settlement { buyer, seller })
                }
                3 => {
                    let (seller, buyer) = parts(edge);
                    (0, PayoutKind::Ruling { buyer, seller })
                }
                _ => (edge, PayoutKind::Release),
            };
            let total = due + surplus;
            let mut sats = vec![total / u64::try_from(inputs).unwrap(); inputs];
            sats[0] += total - sats.iter().sum::<u64>();
            (agreed, sats, kind, FeeRate::from_sat_per_kwu(kwu))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_step_is_built_again_as_it_was_built_at_every_rate_and_edge((agreed, sats, kind, estimate) in edges()) {
        let coins = testing::deposit(&agreed.lock, &sats);
        for step in FeeStep::ALL {
            let built = Payout::of_step(&agreed, kind, &coins, step, estimate);
            prop_assert!(built.is_ok(), "{step:?}: {built:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn signed_payouts_satisfy_bitcoins_own_code((agreed, sats, buyer) in trades(), sat_per_vb in 1_u64..300) {
        let coins = testing::deposit(&agreed.lock, &sats);
        let kind = PayoutKind::Settlement { buyer, seller: agreed.deposit - buyer };
        for payout in Payout::of_all_steps(&agreed, kind, &coins, rate(sat_per_vb)).unwrap() {
            let [one, other] = [Party::Seller, Party::Buyer].map(|p| wallet(p).party_signature(payout.spend(), p));
            let signed = SignedPayout::new(&payout, &one, &other).unwrap();
            prop_assert!(consensus_verifies(payout.spend(), signed.transaction()));
        }
    }
}

#[test]
fn a_kind_is_named_by_its_word_and_its_parts() {
    let (buyer, seller) = (Amount::from_sat(600_000), Amount::from_sat(402_000));
    for kind in [
        PayoutKind::Release,
        PayoutKind::Refund,
        PayoutKind::Settlement { buyer, seller },
        PayoutKind::Ruling { buyer, seller },
        PayoutKind::Stray,
    ] {
        assert_eq!(PayoutKind::from_word(kind.as_str(), buyer, seller), Some(kind));
    }
    assert_eq!(PayoutKind::from_word("gift", buyer, seller), None);
}

#[test]
fn an_output_of_546_satoshis_is_no_dust_and_another_lock_is_another_payout() {
    let payout = all_steps(PayoutKind::Release, &[1_002_000], 5).remove(0);
    let elsewhere = Agreed { lock: testing::lock_at(4), ..agreed() };
    assert!(payout.check(&elsewhere, &funding(&[1_002_000])).unwrap_err().words.contains("its inputs"));
    // The desk's part of a settlement is 546 satoshis, then 545.
    let settled = |buyer: u64| {
        let (buyer, seller) = (Amount::from_sat(buyer), Amount::from_sat(1_002_000 - buyer));
        let payout = all_steps(PayoutKind::Settlement { buyer, seller }, &[1_002_000], 5).remove(0);
        assert_eq!(payout.check(&agreed(), &funding(&[1_002_000])), Ok(()));
        payout.amount_to(Payee::Desk).to_sat()
    };
    assert_eq!((settled(136_773), settled(136_772)), (546, 0));
}

#[test]
fn inputs_stand_in_their_order_however_they_are_given() {
    let mut coins = funding(&[400_000, 350_000, 300_000]);
    let build = |coins: &[Coin]| {
        let payout = Payout::of_all_steps(&agreed(), PayoutKind::Release, coins, rate(5)).unwrap().remove(0);
        payout.spend().psbt().serialize()
    };
    let first = build(&coins);
    for _ in 0..3 {
        coins.rotate_left(1);
        assert_eq!(build(&coins), first, "BIP-69");
        let mut reversed = coins.clone();
        reversed.reverse();
        assert_eq!(build(&reversed), first, "BIP-69");
    }
}

#[test]
fn a_plan_that_was_dust_when_built_is_dust_when_built_again() {
    // At 470 sat/vB the seller's 600 satoshis are dust in three outputs, and would not be at the fee of two.
    let (buyer, seller) = (Amount::from_sat(1_001_400), Amount::from_sat(600));
    let (kind, coins) = (PayoutKind::Settlement { buyer, seller }, funding(&[1_002_000]));
    let payouts = all_steps(kind, &[1_002_000], 235);
    assert!(payouts.iter().any(|payout| payout.amount_to(Payee::Seller) == Amount::ZERO));
    for payout in payouts {
        let stored = payout.spend().psbt().serialize();
        let again = Payout::restore(&agreed(), kind, &coins, payout.steps().to_vec(), &stored).unwrap();
        assert_eq!((again.check(&agreed(), &coins), again), (Ok(()), payout));
    }
}
