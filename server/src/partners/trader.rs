//! A partner who trades: reads its trades, and does in each the one thing that waits for it.

use anyhow::Context;

use super::door::{Door, Form, has_form, has_link, tags};
use super::habits::{self, Deed};
use super::keys::Wallet;
use super::memory::Memory;
use super::papers::{Envelope, Expected, Signer};
use super::scene::Scene;
use crate::domain::{Party, PublicRef};

/// Boxes that a signing page asks to tick. A partner's bank is a play, so what it ticks is true there.
const TICKS: [&str; 6] = ["sent", "own_account", "amount", "payer", "not_paid", "final"];

/// Statements of a partner in a dispute.
const PAID: &str = "I sent the money as agreed and marked it. This is a practice partner's statement.";
const NOT_SEEN: &str =
    "I was asked not to release, so this is for the arbitrator. This is a practice partner's statement.";

/// One partner at its door.
#[derive(Debug)]
pub struct Trader<'a> {
    pub name: &'a str,
    pub wallet: &'a Wallet,
    pub door: &'a Door,
    pub memory: &'a Memory,
}

impl Trader<'_> {
    /// Looks at every trade that is not over. One that goes wrong stops no other; the first trouble is told.
    pub async fn round(&self) -> anyhow::Result<()> {
        let page = self.door.page("/trades").await?;
        let mut outcome = Ok(());
        for trade in open_trades(&page) {
            let done = self.look(trade).await.with_context(|| format!("{} in trade {trade}", self.name));
            outcome = outcome.and(done);
        }
        outcome
    }

    async fn look(&self, trade: PublicRef) -> anyhow::Result<()> {
        let scene = Scene::read(trade, self.door.page(&format!("/trades/{trade}")).await?)?;
        match habits::next(&scene) {
            Some(deed) => self.perform(&scene, deed).await,
            None => Ok(()),
        }
    }

    async fn perform(&self, scene: &Scene, deed: Deed) -> anyhow::Result<()> {
        let trade = format!("/trades/{}", scene.reference);
        match deed {
            Deed::Say(words) => say(self.door, scene.reference, words).await,
            Deed::Sign(place) => self.sign(scene, place, expected(place)).await,
            Deed::Press(place) => self.send(&trade, &scene.place(place)).await,
            Deed::Deposit => self.send(&trade, "/practice/deposit").await,
            Deed::OpenDispute => self.open_dispute(scene).await,
            Deed::Speak { propose } => self.speak(scene, propose).await,
            Deed::Settle { propose } => self.settle(scene, propose).await,
            Deed::Ruling => self.ruling(scene).await,
            Deed::Reinstate => self.send(&scene.place("reinstatement"), &scene.place("reinstatement")).await,
        }
    }

    /// Sends a form as the page proposes it.
    async fn send(&self, page: &str, action: &str) -> anyhow::Result<()> {
        let form = self.door.form(page, action).await?;
        self.door.send(&form).await.map(drop)
    }

    async fn sign(&self, scene: &Scene, place: &str, expected: Expected) -> anyhow::Result<()> {
        let signer = Signer { name: self.name, wallet: self.wallet };
        sign_page(self.door, &signer, self.memory, scene.reference, &scene.place(place), expected).await
    }

    async fn open_dispute(&self, scene: &Scene) -> anyhow::Result<()> {
        let place = scene.place("dispute");
        let form = self.door.form(&place, &place).await?;
        let (reason, wanted) = match scene.role {
            Party::Buyer => ("not_released", "release"),
            _ => ("not_received", "refund"),
        };
        let form = form.with("reason", reason).with("wanted", wanted).with("statement", statement(scene.role));
        self.door.send(&form).await.map(drop)
    }

    /// Tells its side once; then there may be a settlement to look at.
    async fn speak(&self, scene: &Scene, propose: bool) -> anyhow::Result<()> {
        let place = scene.place("dispute");
        let page = self.door.page(&place).await?;
        let said = tags(&page, "data-said").into_iter().find_map(|(tag, _)| {
            let whose = super::door::attribute(tag, "data-name")?;
            (whose == self.name).then(|| super::door::attribute(tag, "data-said"))?
        });
        if said.as_deref() == Some("0") {
            let form = super::door::form(&page, &format!("{place}/statements")).context("the dispute takes no word")?;
            return self.door.send(&form.with("statement", statement(scene.role))).await.map(drop);
        }
        self.settle(scene, propose).await
    }

    /// Accepts a fair proposal of the other side; proposes half and half when asked to.
    async fn settle(&self, scene: &Scene, propose: bool) -> anyhow::Result<()> {
        let place = scene.place("settlement");
        let page = self.door.page(&place).await?;
        if has_link(&page, &format!("{place}/acceptance")) {
            return self.sign(scene, "settlement/acceptance", Expected::Settlement).await;
        }
        let mine = has_form(&page, &format!("{place}/withdrawal"));
        match super::door::form(&page, &place) {
            Some(form) if propose && !mine => self.door.send(&half(form)).await.map(drop),
            _ => Ok(()),
        }
    }

    /// Co-signs what is in its favour, and accepts what is not once the other has co-signed.
    async fn ruling(&self, scene: &Scene) -> anyhow::Result<()> {
        let place = scene.place("ruling");
        let page = self.door.page(&place).await?;
        if page.contains("data-favoured=\"true\"") && has_link(&page, &format!("{place}/cosignature")) {
            return self.sign(scene, "ruling/cosignature", Expected::Ruling).await;
        }
        match super::door::form(&page, &format!("{place}/acceptance")) {
            Some(form) if !page.contains("data-cosigned=\"0\"") => self.door.send(&form).await.map(drop),
            _ => Ok(()),
        }
    }
}

/// Opens a signing page, checks all of it, signs, and sends the signatures.
pub async fn sign_page(
    door: &Door,
    signer: &Signer<'_>,
    memory: &Memory,
    trade: PublicRef,
    path: &str,
    expected: Expected,
) -> anyhow::Result<()> {
    let page = door.page(path).await?;
    let paper = Envelope::of(&page)?.check(trade, signer, expected)?;
    if expected == Expected::Contract {
        memory.sign(signer.name, &paper)?;
    }
    let mut signed = Vec::with_capacity(paper.psbts.len());
    for mut psbt in paper.psbts {
        signer.wallet.sign(&mut psbt)?;
        signed.push(psbt.to_string());
    }
    let form = super::door::form(&page, path).with_context(|| format!("{path} has no form to send signatures with"))?;
    let form = TICKS.into_iter().fold(form, Form::ticked).with("signatures", signed.join("\n"));
    door.send_with_file(&form, None).await.map(drop)
}

/// Says something in the room of a trade.
pub async fn say(door: &Door, trade: PublicRef, words: &str) -> anyhow::Result<()> {
    let form = door.form(&format!("/trades/{trade}"), &format!("/trades/{trade}/messages")).await?;
    door.send_with_file(&form.with("text", words), None).await.map(drop)
}

fn half(form: Form) -> Form {
    form.with("unit", "percent").with("buyer", "50").with("seller", "50").with("do", "propose")
}

fn statement(role: Party) -> &'static str {
    if role == Party::Buyer { PAID } else { NOT_SEEN }
}

fn expected(place: &str) -> Expected {
    match place {
        "contract-signature" => Expected::Contract,
        "payment" | "payment-release" | "release" => Expected::Release,
        "settlement/completion" => Expected::Settlement,
        _ => Expected::Refund,
    }
}

/// The trades of a list, in its order, without those that are over.
fn open_trades(page: &str) -> Vec<PublicRef> {
    let (open, _) = page.split_once("data-over").unwrap_or((page, ""));
    let mut all = Vec::new();
    for rest in open.split("href=\"/trades/").skip(1) {
        let reference = rest.split_once('"').and_then(|(reference, _)| reference.parse().ok());
        all.extend(reference.filter(|one| !all.contains(one)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trades_that_are_over_are_left_alone() {
        let page = "<a href=\"/trades\">x</a><a href=\"/trades/7KQ2M4XN\">1</a><a href=\"/trades/7KQ2M4XN\">1</a>\
                    <section data-over><a href=\"/trades/8KQ2M4XN\">2</a>";
        assert_eq!(open_trades(page), ["7KQ2M4XN".parse().unwrap()]);
    }

    #[test]
    fn a_split_is_proposed_half_and_half() {
        let form = super::super::door::form("<form action=\"/x\"></form>", "/x").unwrap();
        let sent = format!("{:?}", half(form));
        assert!(sent.contains("(\"buyer\", \"50\"), (\"seller\", \"50\"), (\"do\", \"propose\")"), "{sent}");
    }
}
