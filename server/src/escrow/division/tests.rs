use super::*;
use crate::escrow::testing;

/// What buyer, seller, desk and arbitrator get of these inputs at 10 sat/vB, and the fee.
fn shares(agreed: &Agreed, kind: PayoutKind, sats: &[u64]) -> Result<([u64; 4], u64), Refusal> {
    let total = Amount::from_sat(sats.iter().sum());
    let division = divide(agreed, kind, total, sats.len(), |vbytes| Amount::from_sat(10 * vbytes))?;
    let of = |payee| division.shares.iter().find(|s| s.payee == payee).map_or(0, |s| s.amount.to_sat());
    let shares = [Payee::Buyer, Payee::Seller, Payee::Desk, Payee::Arbitrator].map(of);
    assert_eq!(shares.iter().sum::<u64>() + division.fee.to_sat(), total.to_sat());
    Ok((shares, division.fee.to_sat()))
}

/// 1,000,000 sat, a desk fee of 2,000 each, so a deposit of 1,002,000.
fn agreed() -> Agreed {
    testing::contract().agreed().unwrap()
}

fn agreed_with(desk_fee: u64, arbitrator_fee: u64) -> Agreed {
    let [desk_fee, arbitrator_fee] = [desk_fee, arbitrator_fee].map(Amount::from_sat);
    testing::contract_of(Amount::from_sat(1_000_000), desk_fee, arbitrator_fee).agreed().unwrap()
}

fn parts(buyer: u64, seller: u64) -> (Amount, Amount) {
    (Amount::from_sat(buyer), Amount::from_sat(seller))
}

fn settlement(buyer: u64, seller: u64) -> PayoutKind {
    let (buyer, seller) = parts(buyer, seller);
    PayoutKind::Settlement { buyer, seller }
}

fn ruling(buyer: u64, seller: u64) -> PayoutKind {
    let (buyer, seller) = parts(buyer, seller);
    PayoutKind::Ruling { buyer, seller }
}

#[test]
fn a_release_pays_the_amount_less_the_buyers_fee_share_and_one_inputs_miner_fee() {
    // One input and two P2WPKH outputs are 177 vB.
    let (shares, fee) = shares(&agreed(), PayoutKind::Release, &[1_002_000]).unwrap();
    assert_eq!((shares, fee), ([998_000 - 1_770, 0, 4_000, 0], 1_770));
}

#[test]
fn further_inputs_and_the_surplus_output_are_paid_from_the_surplus() {
    let (shares, fee) = shares(&agreed(), PayoutKind::Release, &[700_000, 350_000]).unwrap();
    let [buyer, seller, desk, _] = shares;
    // 1250 WU = 313 vB; the buyer bears ⌊3130 × 708 / 1250⌋.
    assert_eq!((fee, buyer, desk), (3_130, 998_000 - 1_772, 4_000));
    assert_eq!(seller, 48_000 - (3_130 - 1_772));
}

#[test]
fn a_surplus_too_small_for_an_output_stays_with_the_buyer() {
    let (one, _) = shares(&agreed(), PayoutKind::Release, &[1_002_500]).unwrap();
    assert_eq!(one, [998_000 - 1_770 + 500, 0, 4_000, 0]);
    // A second input that brings less than it costs: the buyer bears what the surplus does not reach.
    let (two, fee) = shares(&agreed(), PayoutKind::Release, &[1_001_900, 200]).unwrap();
    assert_eq!(two, [998_000 + 100 - fee, 0, 4_000, 0]);
}

#[test]
fn a_short_escrow_cannot_be_released_but_refunded_and_split() {
    assert!(shares(&agreed(), PayoutKind::Release, &[1_001_999]).unwrap_err().words.contains("settlement"));
    assert_eq!(shares(&agreed(), PayoutKind::Refund, &[500_000]).unwrap().0, [0, 500_000 - 1_460, 0, 0]);
    let (split, fee) = shares(&agreed(), settlement(250_000, 250_000), &[500_000]).unwrap();
    let desk = 4_000 * 250_000 / 1_002_000;
    assert_eq!(split, [250_000 - desk - fee / 2, 250_000 - fee / 2, desk, 0]);
    assert!(shares(&agreed(), settlement(250_000, 250_001), &[500_000]).is_err());
}

#[test]
fn a_refund_is_everything_and_pays_no_desk_fee() {
    let (shares, fee) = shares(&agreed(), PayoutKind::Refund, &[1_002_000, 50_000]).unwrap();
    assert_eq!((shares, fee), ([0, 1_052_000 - fee, 0, 0], 2_510));
}

#[test]
fn a_split_bears_the_desk_fee_on_the_buyers_part_and_the_miner_fee_in_proportion() {
    // One input and three outputs: 832 WU, 208 vB.
    let (shares, fee) = shares(&agreed(), settlement(601_200, 400_800), &[1_002_000]).unwrap();
    let desk = 4_000_u64 * 601_200 / 1_002_000;
    assert_eq!((desk, fee), (2_400, 2_080));
    assert_eq!(shares, [601_200 - 2_400 - 1_248, 400_800 - 832, 2_400, 0]);
}

#[test]
fn rounding_leaves_the_remainder_with_the_larger_part() {
    let (shares, fee) = shares(&agreed(), settlement(333_333, 668_667), &[1_002_000]).unwrap();
    let larger = fee * 668_667 / 1_002_000;
    assert_eq!(shares[1], 668_667 - larger);
    assert_eq!(shares[0] + shares[2], 333_333 - (fee - larger));
}

#[test]
fn a_surplus_in_a_split_is_the_sellers_after_it_paid_for_its_inputs() {
    let (exact, _) = shares(&agreed(), settlement(601_200, 400_800), &[1_002_000]).unwrap();
    let (over, fee) = shares(&agreed(), settlement(601_200, 400_800), &[702_000, 350_000]).unwrap();
    let own = fee - fee * 832 / (832 + 418);
    assert_eq!(over[1] + over[0] + over[2], 1_052_000 - fee);
    assert!(over[0].abs_diff(exact[0]) <= 2, "the buyer bears one input's fee in both");
    assert!((over[1] - exact[1]).abs_diff(50_000 - own) <= 2);
}

#[test]
fn a_part_that_would_be_dust_goes_to_the_other_trader() {
    let all_to_buyer = shares(&agreed(), settlement(1_001_700, 300), &[1_002_000]).unwrap();
    assert_eq!(all_to_buyer, shares(&agreed(), settlement(1_002_000, 0), &[1_002_000]).unwrap());
    assert_eq!(all_to_buyer, shares(&agreed(), PayoutKind::Release, &[1_002_000]).unwrap());
    let all_to_seller = shares(&agreed(), settlement(500, 1_001_500), &[1_002_000]).unwrap();
    assert_eq!(all_to_seller, shares(&agreed(), PayoutKind::Refund, &[1_002_000]).unwrap());
    let nothing_left = shares(&agreed(), settlement(0, 700), &[700]);
    assert!(nothing_left.is_err(), "never to who was to get nothing");
}

#[test]
fn a_desk_fee_that_small_is_zero() {
    let (shares, _) = shares(&agreed(), settlement(100_000, 902_000), &[1_002_000]).unwrap();
    assert_eq!(shares[2], 0, "4,000 × 10 % is below 546");
}

#[test]
fn the_arbitrators_fee_is_the_same_in_every_ruling_and_only_there() {
    let agreed = agreed_with(0, 10_000);
    for (buyer, seller) in [(1_000_000, 0), (0, 1_000_000), (600_000, 400_000), (999_900, 100)] {
        let (shares, fee) = shares(&agreed, ruling(buyer, seller), &[1_000_000]).unwrap();
        assert_eq!(shares[3], 10_000);
        assert_eq!(shares[0] + shares[1], 990_000 - fee);
    }
    assert_eq!(shares(&agreed, settlement(600_000, 400_000), &[1_000_000]).unwrap().0[3], 0);
    assert_eq!(shares(&agreed, PayoutKind::Release, &[1_000_000]).unwrap().0[3], 0);
    let (split, fee) = shares(&agreed, ruling(600_000, 400_000), &[1_000_000]).unwrap();
    let own = |part: u64| part * fee / 1_000_000 + part / 100;
    assert_eq!((split[0], split[1]), (600_000 - own(600_000), 400_000 - (fee + 10_000 - own(600_000))));
}

#[test]
fn whoever_was_to_get_nothing_never_gets_what_is_too_little_for_the_other() {
    let tried = |agreed: &Agreed, kind, total, sat_per_vb| {
        divide(agreed, kind, Amount::from_sat(total), 1, |vbytes| Amount::from_sat(sat_per_vb * vbytes)).is_ok()
    };
    // The seller alone would be cheaper to pay: there is no fee for the desk in a refund.
    assert!(!tried(&agreed(), settlement(200_000, 0), 200_000, 1_127));
    // And the buyer alone, if the seller's address is a longer one.
    let long = Agreed { seller: testing::lock().script_pubkey(), ..agreed_with(0, 0) };
    assert!(!tried(&long, settlement(0, 150_000), 150_000, 1_000));
}

#[test]
fn all_to_the_buyer_is_a_release_with_its_surplus_too() {
    for sats in [[1_002_000, 0], [1_002_000, 500], [1_002_000, 50_000]] {
        let settled = shares(&agreed(), settlement(1_002_000, 0), &sats).unwrap();
        assert_eq!(settled, shares(&agreed(), PayoutKind::Release, &sats).unwrap(), "{sats:?}");
    }
}

#[test]
fn a_part_of_546_satoshis_is_paid() {
    let free = |buyer, seller| {
        let (kind, total) = (settlement(buyer, seller), Amount::from_sat(1_000_000));
        let division = divide(&agreed_with(0, 0), kind, total, 1, |_| Amount::ZERO).unwrap();
        division.shares.iter().map(|share| (share.payee, share.amount.to_sat())).collect::<Vec<_>>()
    };
    assert_eq!(free(546, 999_454), [(Payee::Buyer, 546), (Payee::Seller, 999_454)]);
    assert_eq!(free(999_454, 546), [(Payee::Buyer, 999_454), (Payee::Seller, 546)]);
    assert_eq!(free(545, 999_455), [(Payee::Seller, 1_000_000)]);
    assert_eq!(free(999_455, 545), [(Payee::Buyer, 1_000_000)]);
}
