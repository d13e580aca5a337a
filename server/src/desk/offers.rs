//! Makers and their offers: posting, changing, pausing, opening again, withdrawing.

use bitcoin::Address;
use uuid::Uuid;

use super::secrets::random;
use super::{Desk, Done, Error};
use crate::domain::offer::{OfferAccount, OfferInput, OfferState, PauseReason};
use crate::domain::refusal::Problems;
use crate::domain::{
    Currency, KeyId, OfferDraft, OfferId, PaymentAccountId, PublicRef, Rate, Refusal, RefusalKind, UserId,
};
use crate::escrow::address::{AddressRefusal, payable};
use crate::store::offers::{self, OfferPlace};
use crate::store::{GenericClient, board, payment_accounts, rates, watched};

pub use crate::store::offers::{Halts, OfferRow, UsableKey};

/// Open and paused offers of one account; a market maker needs a few dozen.
pub const OFFERS_LIVE_MAX: i64 = 100;

/// What was typed: the offer, the key to sign with, and where its maker gets bitcoin.
#[derive(Debug, Clone, Default)]
pub struct OfferForm {
    pub input: OfferInput,
    pub key: String,
    pub address: String,
}

/// An offer that can be written down.
struct Ready {
    draft: OfferDraft,
    key: KeyId,
    address: String,
}

/// Posts an offer; it stands on the board at once.
pub async fn post(desk: &Desk, maker: UserId, form: &OfferForm) -> Done<PublicRef> {
    let mut client = desk.store.connection().await?;
    let work = client.transaction().await?;
    refuse_when_halted(&work, maker).await?;
    let ready = read(desk, &work, maker, form).await?;
    if offers::count_live(&work, maker).await? >= OFFERS_LIVE_MAX {
        return Err(Refusal::conflict(format!("You have {OFFERS_LIVE_MAX} offers. Withdraw one first.")).into());
    }
    let place = OfferPlace { key: ready.key, address: &ready.address, at: desk.now(&work).await? };
    let reference = insert(&work, maker, &ready.draft, &place).await?;
    board::bump(&work).await?;
    work.commit().await?;
    tracing::info!(user.id = %maker, offer = %reference, "an offer was posted");
    Ok(reference)
}

/// Forty random bits collide once in a very long life; then others are drawn.
async fn insert(
    work: &impl GenericClient,
    maker: UserId,
    draft: &OfferDraft,
    place: &OfferPlace<'_>,
) -> Done<PublicRef> {
    for _ in 0..5 {
        let reference = PublicRef::from_bits(random());
        if offers::insert(work, OfferId(Uuid::now_v7()), reference, maker, draft, place).await? {
            return Ok(reference);
        }
    }
    Err(Error::broken("no free reference for an offer"))
}

/// Writes new terms into an offer of one's own; `seen_version` is the one the form was made from.
pub async fn edit(desk: &Desk, maker: UserId, reference: PublicRef, form: &OfferForm, seen_version: i64) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let work = client.transaction().await?;
    refuse_when_halted(&work, maker).await?;
    let row = locked(&work, maker, reference).await?;
    if row.offer.version != seen_version {
        let words = "This offer was changed in another window since you opened it. Look at it again, then change it.";
        return Err(Refusal::conflict(words).into());
    }
    let ready = read(desk, &work, maker, form).await?;
    row.offer.check_edit(&ready.draft)?;
    let place = OfferPlace { key: ready.key, address: &ready.address, at: desk.now(&work).await? };
    offers::change(&work, row.offer.id, &ready.draft, &place).await?;
    board::bump(&work).await?;
    work.commit().await?;
    Ok(())
}

/// Pauses, opens again or withdraws an offer of one's own. Asking for what is already so changes nothing.
pub async fn turn(desk: &Desk, maker: UserId, reference: PublicRef, to: OfferState) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let work = client.transaction().await?;
    if to == OfferState::Open {
        refuse_when_halted(&work, maker).await?;
    }
    let row = locked(&work, maker, reference).await?;
    let next = row.offer.turn(to)?;
    if next != row.offer.state {
        let at = desk.now(&work).await?;
        offers::set_state(&work, row.offer.id, next, Some(PauseReason::ByMaker), at).await?;
        board::bump(&work).await?;
    }
    work.commit().await?;
    Ok(())
}

/// One's own offers, those that are over last.
pub async fn mine(desk: &Desk, maker: UserId) -> Done<Vec<OfferRow>> {
    Ok(offers::of_account(&desk.store.connection().await?, maker).await?)
}

/// An offer of one's own; of anybody else there is nothing.
pub async fn own(desk: &Desk, maker: UserId, reference: PublicRef) -> Done<OfferRow> {
    let found = offers::find(&desk.store.connection().await?, reference).await?;
    Ok(found.filter(|row| row.offer.maker == maker).ok_or_else(Refusal::not_found)?)
}

/// Keys this account can sign new trades with.
pub async fn usable_keys(desk: &Desk, account: UserId) -> Done<Vec<UsableKey>> {
    Ok(offers::usable_keys(&desk.store.connection().await?, account).await?)
}

/// Why there are no new offers or takes now, if so.
pub async fn halts(desk: &Desk, account: Option<UserId>) -> Done<Halts> {
    Ok(offers::halts(&desk.store.connection().await?, account).await?)
}

async fn locked(work: &impl GenericClient, maker: UserId, reference: PublicRef) -> Done<OfferRow> {
    let found = offers::lock(work, reference).await?;
    Ok(found.filter(|row| row.offer.maker == maker).ok_or_else(Refusal::not_found)?)
}

/// A suspended account and a paused desk make no new promises.
pub(super) async fn refuse_when_halted(client: &impl GenericClient, account: UserId) -> Done<()> {
    let halts = offers::halts(client, Some(account)).await?;
    if let Some(why) = halts.suspended_why {
        let words =
            format!("This account is suspended: {why}. Running trades go on; new offers and takes are not possible.");
        return Err(Refusal::new(RefusalKind::Forbidden, words).into());
    }
    if let Some(why) = halts.paused_why {
        let words = format!("The desk is paused: {why}. Running trades go on; come back later for new ones.");
        return Err(Refusal::new(RefusalKind::Unavailable, words).into());
    }
    Ok(())
}

/// Everything that is wrong with a form is said at once.
async fn read(desk: &Desk, work: &impl GenericClient, maker: UserId, form: &OfferForm) -> Done<Ready> {
    let own = own_accounts(work, maker).await?;
    let rate = match Currency::parse(&form.input.currency) {
        Ok(currency) => rates::of(work, currency).await?,
        Err(_) => None,
    };
    let keys = offers::usable_keys(work, maker).await?;
    let mut input = form.input.clone();
    if input.confirmations.trim() == "0" {
        input.confirmations.clear();
    }
    let draft = OfferDraft::read(&input, &own, rate.as_ref());
    let mut problems = Problems::default();
    if let Err(refused) = &draft {
        refused.fields.iter().for_each(|wrong| problems.add(wrong.field.clone(), wrong.words.clone()));
    }
    check_has_rate(&input, rate.as_ref(), &mut problems);
    let key = problems.check("key", read_key(&form.key, keys.iter().map(|key| key.id)));
    let address = problems.check("address", read_address(desk, work, &form.address).await?);
    problems.ok()?;
    let draft = draft?;
    let (Some(key), Some(address)) = (key, address) else { return Err(Error::broken("a form without problems")) };
    let ids: Vec<PaymentAccountId> = draft.accounts.iter().map(|account| account.account).collect();
    if !payment_accounts::hold(work, maker, &ids).await? {
        return Err(Refusal::field("accounts", "One of these accounts was removed meanwhile. Choose again.").into());
    }
    Ok(Ready { draft, key, address: address.to_string() })
}

/// An address that a payout may pay; no trade's escrow is one.
pub(super) async fn read_address(
    desk: &Desk,
    client: &impl GenericClient,
    text: &str,
) -> Done<Result<Address, AddressRefusal>> {
    let address = match payable(text, desk.rules.network) {
        Ok(address) => address,
        Err(why) => return Ok(Err(why)),
    };
    let escrows = watched::escrows_among(client, &[address.script_pubkey()]).await?;
    Ok(if escrows.is_empty() { Ok(address) } else { Err(AddressRefusal::Escrow) })
}

async fn own_accounts(client: &impl GenericClient, owner: UserId) -> Done<Vec<OfferAccount>> {
    let saved = payment_accounts::of_account(client, owner).await?;
    Ok(saved.into_iter().map(|row| OfferAccount { account: row.id, method: row.method }).collect())
}

/// A price that floats needs something to float on.
fn check_has_rate(input: &OfferInput, rate: Option<&Rate>, problems: &mut Problems) {
    if input.pricing == "market" && rate.is_none() && Currency::parse(&input.currency).is_ok() {
        problems.add("percent", "This desk has no market price for this currency. Use a fixed price.");
    }
}

/// The key that signs, of those the account can use.
pub(super) fn read_key(text: &str, usable: impl Iterator<Item = KeyId>) -> Result<KeyId, &'static str> {
    let mut usable = usable.peekable();
    if usable.peek().is_none() {
        return Err("You have no signing key yet. Make or register one first.");
    }
    let wanted = Uuid::parse_str(text.trim()).map_err(|_| "Choose one of your signing keys.")?;
    usable.find(|key| key.0 == wanted).ok_or("Choose one of your signing keys.")
}
