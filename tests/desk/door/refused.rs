//! Everything that is not a signature of the sender for exactly this payout.

use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{Amount, EcdsaSighashType, OutPoint, Psbt, ScriptBuf, Sequence, TxIn, TxOut, Txid, hashes::Hash};
use trine::desk::Rules;
use trine::domain::PublicRef;

use super::forge::{self, altered, honest, papers, send, send_at, send_file};
use crate::harness::Start;
use crate::harness::cast::{Person, Story, story, story_with};

/// Every forgery of a payout, and words its refusal must have.
pub fn forgeries(me: &Person, other: &Person, psbt: &Psbt) -> Vec<(&'static str, String, &'static str)> {
    let sighash = |kind| forge::with_sighash(me, psbt, kind).to_string();
    let altered = |alter: fn(&mut Psbt)| altered(me, psbt, alter).to_string();
    let mut all = vec![
        ("NONE", sighash(EcdsaSighashType::None), "is marked"),
        ("SINGLE", sighash(EcdsaSighashType::Single), "is marked"),
        ("ALL|ANYONECANPAY", sighash(EcdsaSighashType::AllPlusAnyoneCanPay), "is marked"),
        ("NONE|ANYONECANPAY", sighash(EcdsaSighashType::NonePlusAnyoneCanPay), "is marked"),
        ("SINGLE|ANYONECANPAY", sighash(EcdsaSighashType::SinglePlusAnyoneCanPay), "is marked"),
        ("high-S", forge::high_s(&honest(me, psbt)).to_string(), "low"),
        ("a key of nobody", forge::with_foreign_key(me, psbt, false).to_string(), "none of the three keys"),
        ("another key under my name", forge::with_foreign_key(me, psbt, true).to_string(), "is not one of"),
        ("the other's signature", honest(other, psbt).to_string(), "none with your key"),
        ("unsigned", psbt.to_string(), "no signature"),
        ("nothing", String::new(), "nothing in the upload"),
        ("blanks", " \n\t ".into(), "nothing in the upload"),
        ("garbage", "please release my coins".into(), "cannot be read"),
        ("garbage in base64", "cHNidP8BAHECAAAAAQ==".into(), "cannot be read"),
        ("cut off", honest(me, psbt).to_string()[..300].to_owned(), "cannot be read"),
        ("script", "<script>alert(1)</script>".into(), "cannot be read"),
        ("too big", "A".repeat(63 * 1024), "cannot be read"),
        ("unsigned transaction", serialize_hex(&psbt.unsigned_tx), "no signature"),
    ];
    all.extend([
        ("an output more", altered(output_more), "was changed"),
        ("an output less", altered(output_less), "was changed"),
        ("a smaller output", altered(smaller), "other amounts"),
        ("another address", altered(redirected), "does not pay"),
        ("an input more", altered(input_more), "inputs were changed"),
        ("another input", altered(input_other), "another trade"),
        ("another sequence", altered(|psbt| psbt.unsigned_tx.input[0].sequence = Sequence::MAX), "was changed"),
        ("another lock time", altered(lock_time), "was changed"),
        ("another version", altered(|psbt| psbt.unsigned_tx.version.0 = 1), "was changed"),
    ]);
    all
}

fn output_more(psbt: &mut Psbt) {
    psbt.unsigned_tx.output.push(TxOut { value: Amount::from_sat(1000), script_pubkey: ScriptBuf::new_op_return([]) });
    psbt.outputs.push(bitcoin::psbt::Output::default());
}

/// Of two outputs the first goes; of one, it is there twice in half.
fn output_less(psbt: &mut Psbt) {
    if psbt.unsigned_tx.output.len() > 1 {
        psbt.unsigned_tx.output.pop();
        psbt.outputs.pop();
    } else {
        let half = psbt.unsigned_tx.output[0].value / 2;
        psbt.unsigned_tx.output[0].value = half;
        psbt.unsigned_tx.output.push(psbt.unsigned_tx.output[0].clone());
        psbt.outputs.push(bitcoin::psbt::Output::default());
    }
}

fn smaller(psbt: &mut Psbt) {
    let value = &mut psbt.unsigned_tx.output[0].value;
    // A message pays nothing; there it is one more.
    *value = value.checked_sub(Amount::ONE_SAT).unwrap_or(Amount::ONE_SAT);
}

fn redirected(psbt: &mut Psbt) {
    psbt.unsigned_tx.output[0].script_pubkey = ScriptBuf::from_hex(&format!("0014{}", "42".repeat(20))).unwrap();
}

fn lock_time(psbt: &mut Psbt) {
    psbt.unsigned_tx.lock_time = bitcoin::absolute::LockTime::from_consensus(1);
}

fn input_more(psbt: &mut Psbt) {
    let previous_output = OutPoint { txid: Txid::from_byte_array([9; 32]), vout: 0 };
    let first = psbt.unsigned_tx.input[0].clone();
    psbt.unsigned_tx.input.push(TxIn { previous_output, ..first });
    let mut input = psbt.inputs[0].clone();
    input.non_witness_utxo = None;
    psbt.inputs.push(input);
}

fn input_other(psbt: &mut Psbt) {
    psbt.unsigned_tx.input[0].previous_output = OutPoint { txid: Txid::from_byte_array([9; 32]), vout: 0 };
    psbt.inputs[0].non_witness_utxo = None;
}

/// Each is refused beside the field, in words, and nothing is written.
async fn refuses(story: &Story, me: &Person, trade: PublicRef, place: &str, cases: Vec<(&str, String, &str)>) {
    refuses_at(story, me, trade, &format!("/trades/{trade}/{place}"), cases).await;
}

/// The same, by its whole path.
pub async fn refuses_at(story: &Story, me: &Person, trade: PublicRef, place: &str, cases: Vec<(&str, String, &str)>) {
    let before = story.site.ledger().await;
    for (name, upload, words) in cases {
        let seen = send_at(story, me, trade, place, &upload).await;
        assert_eq!(seen.status, 422, "{place}, {name}:\n{}", seen.words());
        assert!(seen.problem().contains(words) || seen.words().contains(words), "{place}, {name}: {}", seen.problem());
        assert!(!seen.body.contains("<script>alert"), "{place}, {name}: served as it came");
        story.site.ledger().await.assert_same(&before, &format!("{place}, {name}"));
    }
}

#[tokio::test]
async fn the_buyers_door_takes_nothing_but_his_signature_for_this_payout() {
    let story = story().await;
    let trade = story.funded().await;
    for place in ["payment", "cancellation"] {
        let psbt = papers(&story.alice, trade, place).await.remove(0);
        refuses(&story, &story.alice, trade, place, forgeries(&story.alice, &story.bob, &psbt)).await;
    }
}

#[tokio::test]
async fn the_sellers_door_takes_nothing_but_his_signature_for_this_payout() {
    let story = story().await;
    let trade = story.paid().await;
    for place in ["release", "refund"] {
        let psbt = papers(&story.bob, trade, place).await.remove(0);
        let mut bare = psbt.clone();
        bare.inputs.iter_mut().for_each(|input| input.partial_sigs.clear());
        refuses(&story, &story.bob, trade, place, forgeries(&story.bob, &story.alice, &bare)).await;
    }
}

#[tokio::test]
async fn a_signature_for_another_payout_is_refused() {
    let story = story().await;
    let trade = story.funded().await;
    let refund = papers(&story.alice, trade, "cancellation").await.remove(0);
    let release = papers(&story.alice, trade, "payment").await.remove(0);
    let contract = {
        let (row, _) = trine::desk::trade_facts::party(&story.site.desk, trade, story.alice.id).await.unwrap();
        trine::desk::contracts::psbts_to_sign(&row).unwrap().remove(0).1.parse::<Psbt>().unwrap()
    };
    let signed = |psbt: &Psbt| honest(&story.alice, psbt).to_string();
    let for_release = vec![
        ("the refund", signed(&refund), "was changed"),
        ("the contract's message", signed(&contract), "another trade"),
        ("both", format!("{}\n{}", signed(&release), signed(&refund)), "was changed"),
    ];
    refuses(&story, &story.alice, trade, "payment", for_release).await;
    let for_refund = vec![("the release", signed(&release), "was changed")];
    refuses(&story, &story.alice, trade, "cancellation", for_refund).await;
}

#[tokio::test]
async fn a_signature_for_another_trade_is_refused() {
    let rules = Rules { new_account_trades_max: 2, ..Rules::default() };
    let story = story_with(Start { rules, ..Start::default() }).await;
    let (one, other) = (story.funded().await, story.funded().await);
    let theirs = papers(&story.alice, other, "payment").await;
    let cases = theirs.iter().map(|psbt| ("another trade's", honest(&story.alice, psbt).to_string(), "another trade"));
    refuses(&story, &story.alice, one, "payment", cases.collect()).await;
    let mut half = papers(&story.alice, one, "payment").await.remove(0);
    half = honest(&story.alice, &half);
    let both = format!("{half} {}", honest(&story.alice, &theirs[0]));
    refuses(&story, &story.alice, one, "payment", vec![("one of each", both, "another trade")]).await;
}

#[tokio::test]
async fn files_are_measured_and_read_before_anything_else() {
    let story = story().await;
    let trade = story.funded().await;
    let before = story.site.ledger().await;
    let mut padded = honest(&story.alice, &papers(&story.alice, trade, "payment").await[0]).serialize();
    padded.extend(vec![0; 200 * 1024]);
    let files = [
        ("too big", padded, "too big"),
        ("far too big", vec![0x55; 10 * 1024 * 1024], "too big"),
        ("a picture", b"\x89PNG\r\n\x1a\n0000".to_vec(), "cannot be read"),
        ("only the magic", b"psbt\xff".to_vec(), "cannot be read"),
        ("no text", vec![0xff, 0xfe, 0x00], "cannot be read"),
    ];
    for (name, bytes, words) in files {
        let seen = send_file(&story, &story.alice, trade, "payment", bytes).await;
        assert_eq!(seen.status, 422, "{name}:\n{}", seen.words());
        assert!(seen.words().contains(words), "{name}: {}", seen.words());
        story.site.ledger().await.assert_same(&before, name);
    }
    let seen = send(&story, &story.alice, trade, "payment", &"A".repeat(100 * 1024)).await;
    assert_eq!(seen.status, 422, "{}", seen.words());
    story.site.ledger().await.assert_same(&before, "too much text");
}

#[tokio::test]
async fn a_missing_tick_and_an_old_page_are_told() {
    let story = story().await;
    let trade = story.paid().await;
    let before = story.site.ledger().await;
    let signatures = story.bob.signatures(&format!("/trades/{trade}/release")).await;
    let version = story.version(trade, &story.bob).await;
    let path = format!("/trades/{trade}/release");
    let ticks = [("own_account", "yes"), ("amount", "yes"), ("payer", "yes")];
    for missing in 0..ticks.len() {
        let mut fields = vec![("version", version.as_str()), ("signatures", signatures.as_str())];
        fields.extend(ticks.iter().enumerate().filter(|(place, _)| *place != missing).map(|(_, tick)| *tick));
        assert_eq!(story.bob.browser.post(&path, &fields).await.status, 422);
    }
    for old in ["0", "", "-1", "99999999999999999999", "３"] {
        let mut fields = vec![("version", old), ("signatures", signatures.as_str())];
        fields.extend(ticks);
        assert_eq!(story.bob.browser.post(&path, &fields).await.status, 409, "version {old}");
    }
    story.site.ledger().await.assert_same(&before, "refused releases");
}
