//! Real payouts of random trades on this chain: whatever two signatures of two parties are brought, one payout of a
//! trade is confirmed, and every other one is refused from then on.

use super::*;
use crate::domain::Party;
use crate::escrow::payout::PayoutKind;
use crate::escrow::testing::{contract_of, rate, wallet};
use crate::escrow::{Coin, Payout, SignedPayout};

const PAIRS: [[Party; 2]; 3] =
    [[Party::Buyer, Party::Seller], [Party::Buyer, Party::Arbitrator], [Party::Seller, Party::Arbitrator]];

/// The deposit, in several outputs, paid by the faucet and confirmed.
fn deposited(chain: &Practice, script: &ScriptBuf, values: &[Amount]) -> Vec<Coin> {
    let txids: Vec<Txid> = values.iter().map(|value| chain.pay(script, *value).unwrap()).collect();
    let tip = chain.mine(1, after(30)).unwrap();
    let block = chain.block(tip.block.height).unwrap();
    let paid = |(txid, value): (Txid, &Amount)| {
        let transaction = block.txdata.iter().find(|transaction| transaction.compute_txid() == txid).unwrap().clone();
        let vout = transaction.output.iter().position(|output| output.script_pubkey == *script).unwrap();
        let outpoint = OutPoint { txid, vout: u32::try_from(vout).unwrap() };
        Coin { outpoint, value: *value, transaction: Some(transaction.into()) }
    };
    txids.into_iter().zip(values).map(paid).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn of_all_payouts_of_a_trade_exactly_one_is_confirmed(
        amount in prop_oneof![Just(20_000_u64), 20_000_u64..1_000_000_000, Just(1_000_000_000)],
        inputs in 1_u64..=3,
        surplus in prop_oneof![Just(0_u64), 0_u64..20_000],
        part in 0_u64..=100,
        sat_per_vb in prop_oneof![Just(1_u64), Just(30), Just(300)],
        choices in prop::array::uniform4(any::<prop::sample::Index>()),
    ) {
        let fee = Some(amount / 200).filter(|fee| *fee * 2 >= 546).unwrap_or(0);
        let agreed = contract_of(sats(amount), sats(fee), Amount::ZERO).agreed().unwrap();
        let total = agreed.deposit() + sats(surplus);
        let mut values = vec![total / inputs; usize::try_from(inputs).unwrap()];
        let rest = total - values.iter().copied().sum::<Amount>();
        values[0] += rest;
        let chain = ready_chain();
        let coins = deposited(&chain, &agreed.lock().script_pubkey(), &values);

        let buyer = agreed.deposit() / 100 * part;
        let seller = agreed.deposit() - buyer;
        let kinds = [
            PayoutKind::Release,
            PayoutKind::Refund,
            PayoutKind::Settlement { buyer, seller },
            PayoutKind::Ruling { buyer, seller },
        ];
        let built = |kind: PayoutKind| Payout::of_all_steps(&agreed, kind, &coins, rate(sat_per_vb)).unwrap();
        let payouts: Vec<Payout> = kinds.into_iter().flat_map(built).collect();
        let signed = |payout: &Payout, by: [Party; 2]| {
            let [one, other] = by.map(|party| wallet(party).party_signature(payout.spend(), party));
            SignedPayout::new(payout, &one, &other).unwrap().transaction().clone()
        };

        let winner = signed(choices[0].get(&payouts), *choices[1].get(&PAIRS));
        let rival = signed(choices[2].get(&payouts), *choices[3].get(&PAIRS));
        let spent: Amount = winner.output.iter().map(|output| output.value).sum();
        let fee = payouts.iter().find(|payout| payout.spend().txid() == winner.compute_txid()).unwrap().fee();
        prop_assert_eq!(spent + fee, total);

        chain.lock().accept(&winner).unwrap();
        // A rival with a higher fee may take its place while both wait; one with a lower fee may not.
        let _ = chain.lock().accept(&rival);
        prop_assert_eq!(chain.waiting(), 1, "two payouts never wait together");
        let tip = chain.mine(1, after(60)).unwrap();
        let confirmed: Vec<Txid> = chain.block(tip.block.height).unwrap().txdata.iter().skip(1).map(Transaction::compute_txid).collect();
        prop_assert_eq!(confirmed.len(), 1);
        prop_assert!([winner.compute_txid(), rival.compute_txid()].contains(&confirmed[0]));
        for payout in payouts.iter().filter(|payout| payout.spend().txid() != confirmed[0]) {
            let late = signed(payout, PAIRS[0]);
            prop_assert!(chain.lock().accept(&late).is_err(), "a second payout was accepted");
        }
        prop_assert_eq!(chain.waiting(), 0);
    }
}
