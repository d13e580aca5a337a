//! Signing pages: what is signed, said in words; the browser's signer, or a file for the own wallet; one door for both.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::web;
use bitcoin::Amount;
use jiff::Timestamp;
use serde::Serialize;

use super::{file, reference};
use crate::desk::error::Error;
use crate::desk::payouts::{self, Sent};
use crate::desk::signing::{Paper, SigningView};
use crate::desk::trades::TradeRow;
use crate::desk::{contracts, trade_facts};
use crate::domain::trade::{Act, PayoutKind};
use crate::domain::{Party, PublicRef, Refusal, RefusalKind, Stage};
use crate::web::error::{Answer, status_of};
use crate::web::headers::SignerPage;
use crate::web::page::{Page, see_other};
use crate::web::posted::{Errors, Fields, Posted};
use crate::web::shown::account_rows;
use crate::web::site::{Site, signer_hash};
use crate::web::visitor::{SignedIn, Visitor};

/// A box to tick before signing.
#[derive(Debug, Clone, Serialize)]
pub struct Tick {
    pub name: &'static str,
    pub label: String,
}

/// The words around one signature.
#[derive(Debug, Clone, Serialize)]
pub struct Sheet {
    pub title: String,
    pub words: String,
    pub warning: String,
    pub button: String,
    /// Where the signature is sent, and where "back" leads.
    pub action: String,
    pub back: String,
    pub ticks: Vec<Tick>,
    /// Where the files for the own wallet are.
    pub files: String,
}

/// One signing page.
#[derive(Debug, Serialize)]
pub struct SigningPage {
    pub sheet: Sheet,
    pub view: SigningView,
    pub bundle_hash: String,
    /// Where the buyer pays, and who pays; the signer puts in their place what the contract's hashes stand for.
    pub payee: Vec<(String, String)>,
    pub payer: Vec<(String, String)>,
    /// What else belongs to the payment.
    pub also: Vec<(&'static str, String)>,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for SigningPage {
    const TEMPLATE: &'static str = "trades/signing.html";
}

impl SigningPage {
    pub fn new(sheet: Sheet, view: SigningView) -> Self {
        let (typed, errors) = (Fields::default(), Errors::default());
        Self {
            sheet,
            view,
            bundle_hash: signer_hash(),
            payee: Vec::new(),
            payer: Vec::new(),
            also: Vec::new(),
            typed,
            errors,
        }
    }

    /// With the policy of pages that use a key.
    pub fn sign(&self, status: StatusCode, site: &Site, visitor: &Visitor) -> Answer {
        let mut answer = self.answer_with(status, site, visitor)?;
        answer.extensions_mut().insert(SignerPage);
        Ok(answer)
    }
}

/// What was posted to a signing page: the uploaded files, or the typed text. Several files are one text, as if pasted.
pub fn upload(posted: &Posted) -> Cow<'_, [u8]> {
    match posted.files("file").as_slice() {
        [] => Cow::Borrowed(posted.fields.raw("signatures").as_bytes()),
        [file] => Cow::Borrowed(file),
        files => Cow::Owned(files.iter().map(|file| as_text(file)).collect::<Vec<_>>().join("\n").into_bytes()),
    }
}

/// A PSBT in base64, a transaction in hexadecimal; what is text already stays as it is.
fn as_text(file: &[u8]) -> String {
    match std::str::from_utf8(file) {
        Ok(text) if !file.starts_with(b"psbt") => text.to_owned(),
        _ if file.starts_with(b"psbt") => data_encoding::BASE64.encode(file),
        _ => data_encoding::HEXLOWER.encode(file),
    }
}

/// The same with what was said of the miner fee; nothing, or what is no number, leaves it to the desk.
pub fn sent(posted: &Posted) -> Sent<'_> {
    let fee = posted.fields.text("fee").parse().ok().map(Amount::from_sat);
    Sent { upload: upload(posted), fee }
}

/// Every box of a sheet must be ticked.
pub fn ticked(sheet: &Sheet, posted: &Posted) -> Result<(), Refusal> {
    match sheet.ticks.iter().find(|tick| !posted.fields.has(tick.name)) {
        None => Ok(()),
        Some(tick) => Err(Refusal::field(tick.name, "Tick this only if it is true; without it nothing is signed.")),
    }
}

/// The signatures that a trade page leads to, by their place in the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slip {
    Contract,
    Payment,
    /// The buyer's signature for a payment the seller saw first.
    PaymentRelease,
    Release,
    Cancellation,
    Unpaid,
    Refund,
}

impl Slip {
    fn place(self) -> &'static str {
        match self {
            Self::Contract => "contract-signature",
            Self::Payment => "payment",
            Self::PaymentRelease => "payment-release",
            Self::Release => "release",
            Self::Cancellation => "cancellation",
            Self::Unpaid => "unpaid",
            Self::Refund => "refund",
        }
    }

    fn paper(self) -> Paper {
        let kind = match self {
            Self::Contract => return Paper::Contract,
            Self::Payment | Self::PaymentRelease | Self::Release => PayoutKind::Release,
            Self::Cancellation | Self::Unpaid | Self::Refund => PayoutKind::Refund,
        };
        Paper::Payout { kind: kind.as_str().to_owned(), about: None, ruling: None }
    }

    fn sheet(self, row: &TradeRow, party: Party) -> Sheet {
        let reference = row.reference;
        let (fiat, other) = (row.fiat_words(), if party == Party::Buyer { &row.seller_name } else { &row.buyer_name });
        let (title, words, warning, button) = match self {
            Self::Contract => (
                "Sign the contract".to_owned(),
                "Your signature proves that your key can sign for exactly this escrow. It moves no coins.".to_owned(),
                "Two of the three keys together can take everything in the escrow. One lost key is harmless, two are final.".to_owned(),
                "Send my signature",
            ),
            Self::Payment => (
                format!("I have sent {fiat}"),
                if row.state.has_signed(PayoutKind::Release, Party::Buyer) {
                    "Your signature for the release is in already: open the own-wallet part below and mark, nothing is to be signed.".to_owned()
                } else {
                    format!("Your mark goes to {other} with your signature for the release. It pays only you, and needs {other}'s signature too.")
                },
                "Mark the payment only after you have sent it. You can undo the mark once, until the seller answers.".to_owned(),
                "Mark as sent",
            ),
            Self::PaymentRelease => (
                "Sign the release".to_owned(),
                format!("Your signature for the release pays only you, and needs {other}'s signature too."),
                String::new(),
                "Send my signature",
            ),
            Self::Release => (
                "Release the coins".to_owned(),
                format!("{other} says that {fiat} is on its way. Look into your own account first; a receipt or a message is no proof."),
                "This cannot be undone: with your signature the release is complete and leaves at once.".to_owned(),
                "Release the coins",
            ),
            Self::Cancellation => (
                "Cancel the purchase".to_owned(),
                format!("The coins go back to {other}. Your signature for the refund stays valid for ever."),
                "If you have paid already, do not cancel: open a dispute instead. After this you must never pay in this trade.".to_owned(),
                "Cancel and sign the refund",
            ),
            Self::Unpaid => (
                "Close as unpaid".to_owned(),
                format!("The payment window is over and {other} has marked nothing. You ask for your coins back."),
                "If money has arrived after all, do not close the trade: say that you see it.".to_owned(),
                "Close and sign the refund",
            ),
            Self::Refund => (
                "Sign the refund".to_owned(),
                "The whole deposit goes back to the seller's refund address.".to_owned(),
                String::new(),
                "Send my signature",
            ),
        };
        Sheet {
            title,
            words,
            warning,
            button: button.to_owned(),
            action: format!("/trades/{reference}/{}", self.place()),
            back: format!("/trades/{reference}"),
            ticks: self.ticks(row, &fiat),
            files: format!("/trades/{reference}/{}/files", self.place()),
        }
    }

    fn ticks(self, row: &TradeRow, fiat: &str) -> Vec<Tick> {
        let tick = |name, label: String| Tick { name, label };
        match self {
            Self::Release => vec![
                tick("own_account", "I have logged in to my own account, not followed a link.".into()),
                tick("amount", format!("Exactly {fiat} is there, booked, not only announced.")),
                tick(
                    "payer",
                    format!("It came from {}'s own account, under the payer's name in this trade.", row.buyer_name),
                ),
            ],
            Self::Cancellation => vec![tick("not_paid", "I have not paid, and I will not pay in this trade.".into())],
            Self::Payment => vec![tick("sent", format!("I have sent {fiat} from my own account."))],
            _ => Vec::new(),
        }
    }
}

async fn show_slip(site: &Site, who: &SignedIn, path: &str, slip: Slip) -> Answer {
    let reference = reference(path)?;
    let (row, party, view) = trade_facts::signing_page(&site.desk, reference, who.account.id, &slip.paper()).await?;
    fits(slip, &row, party, view.now)?;
    slip_page(site, slip, &row, party, view)?.sign(StatusCode::OK, site, &who.visitor)
}

fn slip_page(site: &Site, slip: Slip, row: &TradeRow, party: Party, view: SigningView) -> Result<SigningPage, Error> {
    let mut page = SigningPage::new(slip.sheet(row, party), view);
    let [payee, payer] = trade_facts::details(&site.desk, row, party)?;
    match slip {
        Slip::Payment => {
            page.payee = account_rows(&payee);
            page.also = vec![("Amount", row.fiat_words()), ("Reference", row.reference.to_string())];
        }
        Slip::Release => page.payer = account_rows(&payer),
        _ => {}
    }
    Ok(page)
}

/// Whether this party could sign this now; the trade page offers only what fits, an old link may not.
fn fits(slip: Slip, row: &TradeRow, party: Party, now: Timestamp) -> Result<(), Refusal> {
    let (stage, trade) = (row.state.stage, &row.state);
    let ok = match slip {
        Slip::Contract => stage == Stage::Proposed && party != Party::Arbitrator,
        Slip::Payment if stage == Stage::Funded && party == Party::Buyer => return trade.may_be_marked(),
        Slip::Payment => false,
        Slip::PaymentRelease => {
            party == Party::Buyer && stage != Stage::Funded && trade.holds_money() && !trade.buyer_gave_up()
        }
        Slip::Release => party == Party::Seller && trade.has_signed(PayoutKind::Release, Party::Buyer),
        Slip::Cancellation => stage == Stage::Funded && party == Party::Buyer,
        Slip::Unpaid => return trade.apply(&Act::CloseUnpaid, party.into(), now).map(|_| ()),
        Slip::Refund => matches!(stage, Stage::RefundDue | Stage::PaymentSent | Stage::Disputed | Stage::Ruled),
    };
    if ok {
        Ok(())
    } else {
        Err(Refusal::conflict(
            "This is not to be signed in this trade now. Go back to the trade to see where it stands.",
        ))
    }
}

async fn take_slip(site: &Site, who: &SignedIn, path: &str, posted: &Posted, slip: Slip) -> Answer {
    let reference = reference(path)?;
    let done = signed(site, who, reference, posted, slip).await;
    match done {
        Ok(()) => Ok(see_other(format!("/trades/{reference}"))),
        Err(Error::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => {
            let again = trade_facts::signing_page(&site.desk, reference, who.account.id, &slip.paper()).await;
            let Ok((row, party, view)) = again else { return Err(refusal.into()) };
            let mut page = slip_page(site, slip, &row, party, view)?;
            page.typed = posted.fields.clone();
            page.errors = Errors::from(&refusal);
            page.sign(status_of(refusal.kind), site, &who.visitor)
        }
        Err(error) => Err(error.into()),
    }
}

async fn signed(site: &Site, who: &SignedIn, reference: PublicRef, posted: &Posted, slip: Slip) -> Result<(), Error> {
    let (desk, me, seen, sent) = (&site.desk, who.account.id, posted.fields.text("version"), sent(posted));
    let facts = trade_facts::party(desk, reference, me).await?;
    ticked(&slip.sheet(&facts.0, facts.1), posted)?;
    match slip {
        Slip::Contract => contracts::sign(desk, reference, me, seen, &sent.upload).await,
        Slip::Payment => payouts::mark_paid(desk, reference, me, seen, sent).await,
        Slip::Unpaid => payouts::close_unpaid(desk, reference, me, seen, sent).await,
        Slip::Release | Slip::PaymentRelease => {
            payouts::sign(desk, reference, me, seen, PayoutKind::Release, sent).await
        }
        Slip::Cancellation | Slip::Refund => payouts::sign(desk, reference, me, seen, PayoutKind::Refund, sent).await,
    }
    .map(|_| ())
}

async fn slip_file(site: &Site, who: &SignedIn, path: &str, number: usize, slip: Slip) -> Answer {
    let (_, _, view) = trade_facts::signing_page(&site.desk, reference(path)?, who.account.id, &slip.paper()).await?;
    psbt_file(&view, number)
}

/// A PSBT as a file, in binary as wallets read it.
pub fn psbt_file(view: &SigningView, number: usize) -> Answer {
    let psbt = view.psbts.get(number).ok_or_else(Refusal::not_found)?;
    let bytes = data_encoding::BASE64.decode(psbt.base64.as_bytes()).map_err(anyhow::Error::from)?;
    Ok(file(&psbt.name, "application/octet-stream", bytes))
}

macro_rules! slips {
    ($($slip:ident: $form:ident, $send:ident, $files:ident;)*) => {$(
        pub async fn $form(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
            show_slip(&site, &who, &path, Slip::$slip).await
        }
        pub async fn $send(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
            take_slip(&site, &who, &path, &posted, Slip::$slip).await
        }
        pub async fn $files(site: web::Data<Site>, who: SignedIn, path: web::Path<(String, usize)>) -> Answer {
            slip_file(&site, &who, &path.0, path.1, Slip::$slip).await
        }
    )*};
}

slips! {
    Contract: contract_form, sign_contract, contract_psbt;
    Payment: payment_form, mark_payment, payment_psbt;
    PaymentRelease: payment_release_form, sign_payment_release, payment_release_psbt;
    Release: release_form, release, release_psbt;
    Cancellation: cancellation_form, cancel_purchase, cancellation_psbt;
    Unpaid: unpaid_form, close_unpaid, unpaid_psbt;
    Refund: refund_form, sign_refund, refund_psbt;
}
