use bitcoin::Network;
use serde_json::{Value, json};

use super::*;
use crate::escrow::testing::{self, WORDS};
use crate::escrow::{FeeStep, Lock, arbiter};

/// Anna, the seller of escrow's own story, plays the partner.
fn anna() -> Wallet {
    Wallet::from_words(WORDS[1], Network::Regtest).unwrap()
}

fn contract() -> Contract {
    let mut contract = testing::contract();
    contract.payouts.refund[0].address = anna().receiving_address(2).unwrap().to_string();
    contract
}

fn envelope(contract: &Contract) -> Value {
    let text = contract.to_text().unwrap();
    json!({
        "act": "contract", "trade": contract.trade, "role": "seller",
        "contract": text, "contract_hash": contract.hash().unwrap().to_string(),
        "record": { "text": testing::record().to_text().unwrap(),
                    "path": arbiter::merkle_path(&testing::arbiter(), testing::level()) },
        "ruling": null, "ruling_signature": null, "psbts": [], "payout": null, "funding": [],
    })
}

fn payout(contract: &Contract, kind: PayoutKind) -> Value {
    let agreed = contract.agreed().unwrap();
    let coins = testing::deposit(agreed.lock(), &[agreed.deposit().to_sat()]);
    let payout = Payout::of_step(&agreed, kind, &coins, FeeStep::ALL[0], testing::rate(5)).unwrap();
    let mut envelope = envelope(contract);
    let (buyer, seller) = match kind {
        PayoutKind::Settlement { buyer, seller } | PayoutKind::Ruling { buyer, seller } => (buyer, seller),
        _ => (Amount::ZERO, Amount::ZERO),
    };
    envelope["act"] = "payout".into();
    envelope["psbts"] = json!([{ "step": 1, "base64": payout.spend().psbt().to_string() }]);
    envelope["payout"] = json!({ "kind": kind.as_str(), "buyer_sat": buyer.to_sat(), "seller_sat": seller.to_sat() });
    envelope["funding"] = json!([{ "outpoint": coins[0].outpoint, "sat": coins[0].value.to_sat(),
                                   "script_hex": agreed.lock().script_pubkey().to_hex_string() }]);
    envelope
}

fn checked(envelope: &Value, expected: Expected) -> anyhow::Result<Paper> {
    let wallet = anna();
    let page = format!("<script type=\"application/json\" id=\"envelope\">{envelope}</script>");
    let signer = Signer { name: "anna-k", wallet: &wallet };
    Envelope::of(&page)?.check("7KQ2M4XN".parse().unwrap(), &signer, expected)
}

fn refused(envelope: &Value, expected: Expected) -> String {
    format!("{:#}", checked(envelope, expected).expect_err("it was to be refused"))
}

#[test]
fn a_partner_signs_what_it_has_checked() {
    let contract = contract();
    let paper = checked(&envelope(&contract), Expected::Contract).unwrap();
    let lock: Lock = contract.lock().unwrap();
    for mut psbt in paper.psbts {
        anna().sign(&mut psbt).unwrap();
        message::verify(&psbt.serialize(), &lock, &contract.message().unwrap(), Party::Seller).unwrap();
    }
    for (kind, expected) in [(PayoutKind::Release, Expected::Release), (PayoutKind::Refund, Expected::Refund)] {
        let paper = checked(&payout(&contract, kind), expected).unwrap();
        assert_eq!(paper.psbts.len(), 1);
        anna().sign(&mut paper.psbts[0].clone()).unwrap();
    }
}

#[test]
fn a_partner_signs_nothing_that_does_not_fit() {
    let good = contract();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = envelope(&good);
        change(&mut changed);
        refused(&changed, Expected::Contract)
    };
    assert!(with(&|e| e["contract_hash"] = "00".repeat(32).into()).contains("hash"));
    assert!(with(&|e| e["trade"] = "8KQ2M4XN".into()).contains("another trade"));
    assert!(with(&|e| e["role"] = "buyer".into()).contains("my key"));
    assert!(with(&|e| e["record"]["path"][0] = "00".repeat(32).into()).contains("not of his record"));
    assert!(with(&|e| e["act"] = "payout".into()).contains("which payout"));
    // Another's address in my place, and another's name.
    assert!(refused(&envelope(&testing::contract()), Expected::Contract).contains("not mine"));
    let renamed = Contract { seller: crate::domain::AccountName::parse("anna-l").unwrap(), ..contract() };
    assert!(refused(&envelope(&renamed), Expected::Contract).contains("somebody else"));
}

#[test]
fn a_partner_signs_no_other_payout_than_the_one_it_means() {
    let good = contract();
    let release = payout(&good, PayoutKind::Release);
    assert!(refused(&release, Expected::Refund).contains("another payout"));
    assert!(refused(&release, Expected::Contract).contains("another payout"));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = release.clone();
        change(&mut changed);
        refused(&changed, Expected::Release)
    };
    assert!(with(&|e| e["funding"][0]["script_hex"] = "0014".into()).contains("not locked"));
    assert!(!with(&|e| e["funding"][0]["sat"] = 5_000_000.into()).is_empty());
    let refund = payout(&good, PayoutKind::Refund)["psbts"].clone();
    assert!(!with(&|e| e["psbts"] = refund.clone()).is_empty());
    // A split is fair, or it is not signed.
    let total = good.deposit_sat.to_sat();
    let split = |seller: u64| {
        let (buyer, seller) = (Amount::from_sat(total - seller), Amount::from_sat(seller));
        payout(&good, PayoutKind::Settlement { buyer, seller })
    };
    assert!(checked(&split(total / 2), Expected::Settlement).is_ok());
    assert!(refused(&split(total / 4), Expected::Settlement).contains("another payout"));
}

#[test]
fn a_partner_signs_no_ruling_that_the_arbitrator_has_not_signed() {
    let contract = contract();
    let ruling = Ruling { contract: contract.hash().unwrap(), ..testing::ruling() };
    let signed_by = |party: Party, ruling: &Ruling| -> Value {
        let message = ruling.message().unwrap();
        let to_sign = message::build(Form::Bip322, &contract.lock().unwrap(), &message).unwrap();
        testing::wallet(party).signed_psbt(&to_sign, party).to_string().into()
    };
    let mut good = payout(&contract, PayoutKind::Ruling { buyer: ruling.buyer_sat, seller: ruling.seller_sat });
    good["ruling"] = ruling.to_text().unwrap().into();
    good["ruling_signature"] = signed_by(Party::Arbitrator, &ruling);
    assert_eq!(checked(&good, Expected::Ruling).unwrap().psbts.len(), 1);

    let other = Ruling { reasons: vec!["None.".into()], ..ruling.clone() };
    for signature in [signed_by(Party::Buyer, &ruling), signed_by(Party::Arbitrator, &other)] {
        let mut changed = good.clone();
        changed["ruling_signature"] = signature;
        assert!(refused(&changed, Expected::Ruling).contains("has not signed this ruling"));
    }
    good["ruling_signature"] = Value::Null;
    assert!(refused(&good, Expected::Ruling).contains("without the arbitrator's signature"));
}
