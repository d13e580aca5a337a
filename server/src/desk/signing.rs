//! What a person is asked to sign, in words and as files: for the browser's signer and for a wallet of one's own.

use bitcoin::{Amount, Txid};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::error::{Done, Error};
use super::escrow_book::EscrowBook;
use super::fees::{self, FeeView};
use super::payouts::is_usual;
use super::take::{payee_place, payer_place};
use super::{Desk, alive, arbitrators, funding, keys};
use crate::domain::money::btc_words;
use crate::domain::trade::PayoutKind;
use crate::domain::{MethodId, Party, Refusal, Stage};
use crate::escrow::contract::{Payee, PayoutEntry};
use crate::escrow::message::{self, Form};
use crate::escrow::payout::PayoutKind as Kind;
use crate::escrow::{ArbiterLevel, FeeStep, Payout};
use crate::store::GenericClient;
use crate::store::contracts;
use crate::store::payouts::{self, PayoutRow};
use crate::store::trades::TradeRow;

/// What is to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paper {
    /// The contract, as a message.
    Contract,
    /// The proposed contract that would supersede the one in force.
    Amendment,
    /// A ruling's text, as a message of the arbitrator.
    RulingText { text: String, message: String },
    /// The live payouts of a kind: `release`, `refund`, `settlement`, `ruling`. A ruling comes with what was signed.
    Payout { kind: String, about: Option<uuid::Uuid>, ruling: Option<SignedRuling> },
    /// Further fees of the payout on its way.
    Higher { kind: String, txids: Vec<Txid>, ruling: Option<SignedRuling> },
    /// One stray's refund.
    Stray { txid: String },
    /// Nothing: the page only checks and shows the address or the payment details.
    Check,
}

/// The text of a ruling, and the message PSBT by which its arbitrator signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRuling {
    pub text: String,
    pub psbt: Vec<u8>,
}

/// A file to sign in one's own wallet.
#[derive(Debug, Clone, Serialize)]
pub struct PsbtView {
    pub name: String,
    pub label: String,
    pub base64: String,
    /// The one an own wallet should sign if it signs only one.
    pub usual: bool,
    /// It has to be signed, with all others of which this is said.
    pub needed: bool,
}

/// One line of what is signed.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub label: String,
    pub amount: String,
    pub address: String,
}

/// A signing page's content, ready to be shown.
#[derive(Debug, Clone, Serialize)]
pub struct SigningView {
    /// The signer's envelope, as JSON.
    pub envelope: String,
    pub reference: String,
    pub grouped: String,
    pub version: u64,
    pub role: &'static str,
    /// Whether the key is a browser key; else the page opens with the files for the own wallet.
    pub browser_key: bool,
    pub psbts: Vec<PsbtView>,
    /// More than one of them has to be signed.
    pub several: bool,
    pub lines: Vec<Line>,
    /// The exact text of the contract that is signed; empty for anything else.
    pub contract: String,
    /// What each miner fee costs and how long it is expected to take.
    pub fees: Vec<FeeView>,
    /// This viewer bears the fee, and may say which.
    pub bears_fee: bool,
    /// Each signature alive for this deposit, in words.
    pub alive: Vec<String>,
    pub message: String,
    /// When the page was made, by the database.
    #[serde(skip)]
    pub now: Timestamp,
}

/// The content of a signing page.
pub async fn view(
    desk: &Desk,
    client: &impl GenericClient,
    row: &TradeRow,
    party: Party,
    paper: &Paper,
) -> Done<SigningView> {
    let book = EscrowBook::read(client, row).await?;
    let mut envelope = envelope(desk, client, row, party, &book).await?;
    let mut view = SigningView {
        envelope: String::new(),
        reference: row.reference.to_string(),
        grouped: row.reference.grouped(),
        version: row.state.version,
        role: party.as_str(),
        browser_key: envelope.pointer("/key/file").is_some_and(|file| !file.is_null()),
        psbts: Vec::new(),
        several: false,
        lines: Vec::new(),
        contract: String::new(),
        fees: Vec::new(),
        bears_fee: false,
        alive: alive::of(row, &book, party),
        message: String::new(),
        now: desk.now(client).await?,
    };
    match paper {
        Paper::Contract => {
            message_paper(&mut view, &mut envelope, row, &book, "contract", &book.contract.message()?)?;
            view.lines = contract_lines(row, &book);
            view.contract = row.contract_text.clone();
        }
        Paper::RulingText { text, message } => {
            message_paper(&mut view, &mut envelope, row, &book, "ruling", message)?;
            set(&mut envelope, "ruling", json!(text));
        }
        Paper::Payout { kind, about, ruling } => {
            let rows: Vec<&PayoutRow> =
                book.live(kind).filter(|payout| about.is_none() || payout.about == *about).collect();
            row.state.not_frozen()?;
            payout_paper(&mut view, &mut envelope, (row, party), &book, &rows)?;
            (view.fees, view.bears_fee) = fees::to_choose(row, &book, &rows, party)?;
            set_ruling(&mut envelope, ruling.as_ref());
        }
        Paper::Higher { kind, txids, ruling } => {
            let rows: Vec<&PayoutRow> = book.live(kind).filter(|payout| txids.contains(&payout.txid)).collect();
            payout_paper(&mut view, &mut envelope, (row, party), &book, &rows)?;
            (view.fees, view.bears_fee) = fees::to_choose(row, &book, &rows, party)?;
            set_ruling(&mut envelope, ruling.as_ref());
        }
        Paper::Stray { txid } => {
            payout_paper(&mut view, &mut envelope, (row, party), &book, &book.refunds_of_stray(&row.state, txid)?)?;
        }
        Paper::Check => {
            set(&mut envelope, "act", json!("check"));
            // What the seller is asked for now: the deposit, or what is missing of it.
            let missing = funding::missing(client, row).await?;
            set(&mut envelope, "top_up_sat", json!(missing.map(|missing| missing.top_up.to_sat())));
        }
        Paper::Amendment => return Err(Error::broken("a changed contract is shown as the contract it is")),
    }
    view.several = view.psbts.iter().filter(|psbt| psbt.needed).count() > 1;
    set(&mut envelope, "alive", json!(view.alive));
    view.envelope = for_html(&envelope);
    Ok(view)
}

fn set(envelope: &mut Value, field: &str, value: Value) {
    if let Some(object) = envelope.as_object_mut() {
        object.insert(field.to_owned(), value);
    }
}

fn set_ruling(envelope: &mut Value, ruling: Option<&SignedRuling>) {
    set(envelope, "ruling", json!(ruling.map(|ruling| &ruling.text)));
    set(envelope, "ruling_signature", json!(ruling.map(|ruling| data_encoding::BASE64.encode(&ruling.psbt))));
}

/// JSON that can stand inside a script element: nothing in it can end the element or begin a comment.
pub fn for_html(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// What every envelope holds: the contract, the keys, who has signed, and what may be shown to this party.
async fn envelope(
    desk: &Desk,
    client: &impl GenericClient,
    row: &TradeRow,
    party: Party,
    book: &EscrowBook,
) -> Done<Value> {
    let (key_row, key) = keys::registered(desk, client, row.key_of(party)).await?;
    let signed = payouts::contract_signatures(client, row.id, &row.contract_hash).await?;
    let signature =
        |party: Party| signed.iter().find(|(by, _)| *by == party).map(|(_, psbt)| data_encoding::BASE64.encode(psbt));
    let level = ArbiterLevel::new(book.contract.level).ok_or_else(|| Error::broken("the contract's level"))?;
    let record_hash: [u8; 32] = *book.contract.arbitrator.as_ref();
    let record = arbitrators::record_proof(desk, client, &record_hash, level).await?;
    let file: Option<Value> = key_row.key_file.as_deref().map(serde_json::from_str).transpose()?;
    let superseded = match book.contract.supersedes {
        Some(hash) => contracts::text_of(client, row.id, hash.as_ref()).await?,
        None => None,
    };
    Ok(json!({
        "v": 1,
        "desk": desk.rules.desk_name,
        "network": desk.rules.network.to_string(),
        "trade": row.reference,
        "role": party,
        "account": row.name_of(party),
        "method": MethodId::parse(&row.method).ok().map(|method| method.method().label.as_str()),
        "key": { "origin": key.origin(), "xpub": key.xpub().to_string(), "file": file },
        "contract": row.contract_text,
        "contract_hash": data_encoding::HEXLOWER.encode(&row.contract_hash),
        "superseded": superseded,
        "contract_signatures": { "buyer": signature(Party::Buyer), "seller": signature(Party::Seller) },
        "record": { "text": record.text, "hash": record.hash, "path": record.path },
        "payee_details": text_of(payee_details(desk, row, party)?),
        "payer_details": text_of(payer_details(desk, row, party)?),
        "message": null,
        "ruling": null,
        "ruling_signature": null,
        "psbts": [],
        "payout": null,
        "funding": [],
    }))
}

fn text_of(details: Option<String>) -> Value {
    details.map_or(Value::Null, |text| json!({ "text": text }))
}

/// The seller's payment details, for whom they may be shown to: himself always; the buyer from `funded` on, and no
/// more once he has signed the coins away; the arbitrator in a dispute.
pub fn payee_details(desk: &Desk, row: &TradeRow, party: Party) -> Done<Option<String>> {
    let trade = &row.state;
    let may = match party {
        Party::Seller => true,
        Party::Buyer => trade.ever_funded && !trade.buyer_gave_up() && trade.stage != Stage::AwaitingDeposit,
        Party::Arbitrator => trade.dispute.is_some(),
    };
    may.then(|| opened(desk, &payee_place(row.id), &row.payee_sealed)).transpose()
}

/// The buyer's payer fields: himself always; the seller from `funded` on; the arbitrator in a dispute.
pub fn payer_details(desk: &Desk, row: &TradeRow, party: Party) -> Done<Option<String>> {
    let may = match party {
        Party::Buyer => true,
        Party::Seller => row.state.ever_funded,
        Party::Arbitrator => row.state.dispute.is_some(),
    };
    may.then(|| opened(desk, &payer_place(row.id), &row.payer_sealed)).transpose()
}

fn opened(desk: &Desk, place: &str, sealed: &[u8]) -> Done<String> {
    String::from_utf8(desk.secrets.open(place, sealed)?).map_err(|_| Error::broken("sealed text is not text"))
}

fn message_paper(
    view: &mut SigningView,
    envelope: &mut Value,
    row: &TradeRow,
    book: &EscrowBook,
    act: &str,
    text: &str,
) -> Done<()> {
    for form in Form::ALL {
        let base64 = message::build(form, book.agreed.lock(), text)?.psbt().to_string();
        if form == Form::Bip322 {
            set(envelope, "psbts", json!([{ "step": 1, "base64": base64, "txid": "" }]));
        }
        let label = match form {
            Form::Bip322 => "Message (BIP-322)",
            Form::DryRun => "Dry run, for wallets that refuse the message (BitBox02, Trezor)",
        };
        view.psbts.push(PsbtView {
            name: format!("trine-{}-{act}-{form}.psbt", row.reference),
            label: label.into(),
            base64,
            usual: form == Form::Bip322,
            needed: false,
        });
    }
    set(envelope, "act", json!(act));
    set(envelope, "message", json!(text));
    view.message = text.to_owned();
    Ok(())
}

fn payout_paper(
    view: &mut SigningView,
    envelope: &mut Value,
    (row, party): (&TradeRow, Party),
    book: &EscrowBook,
    rows: &[&PayoutRow],
) -> Done<()> {
    let Some(first) = rows.first() else {
        return Err(Refusal::conflict("There is nothing to sign for this just now. Look at the trade again.").into());
    };
    // What he signed before that counts no more he is asked for again, and wallets sign nothing that is signed.
    let counts = PayoutKind::from_word(&first.kind).is_none_or(|kind| row.state.has_signed(kind, party));
    let mut psbts = Vec::new();
    for one in rows {
        let payout = book.payout(one)?;
        let signatures = book.signatures_for(one, &payout)?;
        let given = signatures.iter().filter(|signature| counts || signature.party() != party);
        let base64 = payout.spend().with_signatures(given).to_string();
        psbts.push(json!({ "step": one.steps.first(), "base64": base64, "txid": one.txid.to_string() }));
        let usual = payout.steps().contains(&FeeStep::OWN_WALLET);
        let alone = Kind::from_word(&one.kind, one.buyer, one.seller) == Some(Kind::Stray)
            || PayoutKind::from_word(&one.kind).is_some_and(|kind| row.state.bears_alone(kind, party));
        if usual || rows.len() == 1 {
            view.lines = lines(book, &payout);
        }
        view.psbts.push(PsbtView {
            name: format!("trine-{}-{}-{}.psbt", row.reference, one.kind, payout.fee().to_sat()),
            label: format!("Miner fee {} sat", payout.fee().to_sat()),
            base64,
            usual: usual && alone,
            needed: is_usual(one) && !alone,
        });
    }
    let parts = match Kind::from_word(&first.kind, first.buyer, first.seller) {
        Some(Kind::Settlement { buyer, seller } | Kind::Ruling { buyer, seller }) => (buyer, seller),
        _ => (Amount::ZERO, Amount::ZERO),
    };
    let payout = book.payout(first)?;
    let funding: Vec<Value> = payout
        .spend()
        .transaction()
        .input
        .iter()
        .zip(payout.spend().values())
        .map(|(input, value)| {
            json!({
                "outpoint": input.previous_output.to_string(),
                "sat": value.to_sat(),
                "script_hex": row.script.to_hex_string(),
            })
        })
        .collect();
    set(envelope, "act", json!("payout"));
    set(envelope, "psbts", json!(psbts));
    set(envelope, "funding", json!(funding));
    set(
        envelope,
        "payout",
        json!({ "kind": first.kind, "buyer_sat": parts.0.to_sat(), "seller_sat": parts.1.to_sat(),
                "desk_sat": payout.amount_to(Payee::Desk).to_sat(), "arbitrator_sat": payout.amount_to(Payee::Arbitrator).to_sat() }),
    );
    Ok(())
}

/// The contract in short, for whoever reads it without the signer.
fn contract_lines(row: &TradeRow, book: &EscrowBook) -> Vec<Line> {
    let contract = &book.contract;
    let method = MethodId::parse(&row.method).map_or(row.method.as_str(), |method| method.method().label.as_str());
    let line =
        |label: &str, amount: String, address: &str| Line { label: label.into(), amount, address: address.into() };
    let payout = |entry: Option<&PayoutEntry>, label| {
        entry.map(|entry| line(label, format!("{} less the miner fee", btc_words(entry.sat)), &entry.address))
    };
    let mut lines = vec![
        line("The buyer pays", format!("{} by {method}", row.fiat_words()), ""),
        line("The seller locks", btc_words(contract.deposit_sat), &contract.address),
    ];
    lines.extend(payout(contract.payouts.release.first(), "On release, to the buyer"));
    lines.extend(payout(contract.payouts.refund.first(), "On refund, to the seller"));
    lines.push(line("Arbitrator", row.arbitrator_name.clone(), ""));
    lines
}

/// Who gets how much, where.
pub fn lines(book: &EscrowBook, payout: &Payout) -> Vec<Line> {
    let mut lines: Vec<Line> = payout
        .shares()
        .iter()
        .map(|share| Line {
            label: match share.payee {
                Payee::Buyer => "To the buyer",
                Payee::Seller => "To the seller",
                Payee::Desk => "Desk fee",
                Payee::Arbitrator => "Arbitrator's fee",
            }
            .into(),
            amount: btc_words(share.amount),
            address: bitcoin::Address::from_script(&share.script, book.contract.network)
                .map(|address| address.to_string())
                .unwrap_or_default(),
        })
        .collect();
    lines.push(Line { label: "Miner fee".into(), amount: btc_words(payout.fee()), address: String::new() });
    lines
}
