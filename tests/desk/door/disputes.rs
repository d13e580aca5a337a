//! The doors of settlements, rulings and their payouts: as narrow as the others.

use super::forge::{honest, papers_at, send_at};
use super::refused::{forgeries, refuses_at};
use crate::harness::Seen;
use crate::harness::cast::{Person, Story, story};
use trine::domain::PublicRef;

async fn posted(story: &Story, who: &Person, trade: PublicRef, path: &str, fields: &[(&str, &str)]) -> Seen {
    let version = story.version(trade, who).await;
    let seen = who.browser.post(path, &[&[("version", version.as_str())], fields].concat()).await;
    assert_eq!(seen.status, 303, "{path}: {}", seen.words());
    story.work().await;
    seen
}

#[tokio::test]
async fn a_settlement_takes_nothing_but_the_acceptors_signature() {
    let story = story().await;
    let trade = story.paid().await;
    let page = format!("/trades/{trade}/settlement");
    let offer = [("unit", "percent"), ("buyer", "50"), ("note", ""), ("do", "propose")];
    posted(&story, &story.bob, trade, &page, &offer).await;
    let (acceptance, completion) = (format!("{page}/acceptance"), format!("{page}/completion"));
    let psbts = papers_at(&story.alice, &acceptance).await;
    refuses_at(&story, &story.alice, trade, &acceptance, forgeries(&story.alice, &story.bob, &psbts[0])).await;
    let release = papers_at(&story.bob, &format!("/trades/{trade}/release")).await.remove(0);
    // Both bear the fee, so one of them alone chooses none.
    let signed = psbts.iter().map(|psbt| honest(&story.alice, psbt).to_string()).collect::<Vec<_>>().join("\n");
    let seen = send_at(&story, &story.alice, trade, &acceptance, &signed).await;
    assert_eq!(seen.status, 303, "{}", seen.words());
    let mut bare = papers_at(&story.bob, &completion).await.remove(0);
    bare.inputs.iter_mut().for_each(|input| input.partial_sigs.clear());
    refuses_at(&story, &story.bob, trade, &completion, forgeries(&story.bob, &story.alice, &bare)).await;
    let other = vec![("the release", honest(&story.bob, &release).to_string(), "was changed")];
    refuses_at(&story, &story.bob, trade, &completion, other).await;
    story.check_log(trade).await;
}

#[tokio::test]
async fn a_ruling_and_its_payout_take_nothing_but_the_arbitrators_signature() {
    let story = story().await;
    let (alice, bob, carol) = (&story.alice, &story.bob, &story.carol);
    let trade = story.paid().await;
    let dispute = [("reason", "silent"), ("wanted", "split"), ("statement", "Nothing."), ("evidence-0", "None.")];
    posted(&story, alice, trade, &format!("/trades/{trade}/dispute"), &dispute).await;
    posted(&story, bob, trade, &format!("/trades/{trade}/dispute/statements"), &[("statement", "No.")]).await;
    let ruling = [("outcome", "split"), ("unit", "percent"), ("buyer", "60"), ("facts", "F."), ("reasons", "R.")];
    let draft = posted(&story, carol, trade, &format!("/arbitration/{trade}/ruling"), &ruling).await;
    let signature = format!("{}/signature", draft.location.unwrap());
    let psbt = papers_at(carol, &signature).await.remove(0);
    refuses_at(&story, carol, trade, &signature, forgeries(carol, bob, &psbt)).await;
    let seen = send_at(&story, carol, trade, &signature, &honest(carol, &psbt).to_string()).await;
    assert_eq!(seen.status, 303, "{}", seen.words());
    story.later(24 * 60 + 1).await;
    let payout = format!("/arbitration/{trade}/payout");
    let psbt = papers_at(carol, &payout).await.remove(0);
    refuses_at(&story, carol, trade, &payout, forgeries(carol, alice, &psbt)).await;
    let cosign = format!("/trades/{trade}/ruling/cosignature");
    let psbt = papers_at(alice, &cosign).await.remove(0);
    refuses_at(&story, alice, trade, &cosign, forgeries(alice, bob, &psbt)).await;
    story.check_log(trade).await;
}
