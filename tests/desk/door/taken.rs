//! Every dress in which wallets give a signature back.

use bitcoin::Psbt;
use bitcoin::consensus::encode::{serialize, serialize_hex};

use super::forge::{finalised, honest, papers, raw, send, send_files, version_2};
use crate::harness::cast::story;

/// What a wallet makes of a signed PSBT, with its name.
type Dress<T> = (&'static str, fn(&Psbt) -> T);

fn wrapped(psbt: &Psbt) -> String {
    let text = psbt.to_string();
    let lines: Vec<&str> = text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\r\n")
}

/// As text: each dress on a desk of its own is the whole way to `payment_sent` and back to the buyer's coins.
#[tokio::test]
async fn a_signature_is_taken_as_text_in_every_dress() {
    let dresses: [Dress<String>; 5] = [
        ("base64 in lines", wrapped),
        ("hexadecimal", |psbt| psbt.serialize_hex()),
        ("version 2", |psbt| data_encoding::BASE64.encode(&version_2(psbt))),
        ("finalised", |psbt| finalised(psbt).to_string()),
        ("raw transaction", |psbt| serialize_hex(&raw(psbt))),
    ];
    for (name, dress) in dresses {
        let story = story().await;
        let trade = story.funded().await;
        let papers = papers(&story.alice, trade, "payment").await;
        let upload = dress(&honest(&story.alice, &papers[0]));
        let seen = send(&story, &story.alice, trade, "payment", &upload).await;
        assert_eq!(seen.status, 303, "{name}:\n{}", seen.words());
        assert_eq!(story.stage(trade).await, "payment_sent", "{name}");
        story.check_log(trade).await;
    }
}

#[tokio::test]
async fn a_signature_is_taken_as_a_file_in_every_dress() {
    let dresses: [Dress<Vec<u8>>; 4] = [
        ("binary", Psbt::serialize),
        ("base64", |psbt| psbt.to_string().into_bytes()),
        ("version 2", version_2),
        ("raw transaction", |psbt| serialize(&raw(psbt))),
    ];
    for (name, dress) in dresses {
        let story = story().await;
        let trade = story.paid().await;
        let papers = papers(&story.bob, trade, "release").await;
        // It is not bob who bears the fee, so he signs each up to the usual one.
        let signed = papers[..2].iter().map(|psbt| dress(&honest(&story.bob, psbt))).collect();
        let seen = send_files(&story, &story.bob, trade, "release", signed).await;
        assert_eq!(seen.status, 303, "{name}:\n{}", seen.words());
        story.work().await;
        story.mine(2).await;
        assert_eq!(story.stage(trade).await, "completed", "{name}");
        assert!(story.got(&story.alice).await.to_sat() > 900_000, "{name}");
        story.check_log(trade).await;
    }
}

/// Who bears the fee may sign one step only. Signatures for others complete nothing.
#[tokio::test]
async fn two_signatures_for_different_fees_are_told_apart() {
    let story = story().await;
    let trade = story.funded().await;
    let steps = papers(&story.alice, trade, "payment").await;
    assert!(steps.len() > 2, "this test needs several fee steps");
    let seen = send(&story, &story.alice, trade, "payment", &honest(&story.alice, &steps[2]).to_string()).await;
    assert_eq!(seen.status, 303, "{}", seen.words());
    let before = story.site.ledger().await;
    let some =
        |some: &[Psbt]| some.iter().map(|psbt| honest(&story.bob, psbt).to_string()).collect::<Vec<_>>().join("\n");
    let seen = send(&story, &story.bob, trade, "release", &some(&steps[..2])).await;
    assert_eq!(seen.status, 422, "{}", seen.words());
    assert!(seen.words().contains("for different miner fees"), "{}", seen.words());
    story.site.ledger().await.assert_same(&before, "the other fee steps");
    let seen = send(&story, &story.bob, trade, "release", &some(&steps)).await;
    assert_eq!(seen.status, 303, "{}", seen.words());
    story.work().await;
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    story.check_log(trade).await;
}
