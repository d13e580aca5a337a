//! What takes are decided from, and the decision: one take after the other, each with what those before it have taken.

use std::collections::{BTreeSet, HashMap, HashSet};

use bitcoin::{FeeRate, ScriptBuf};
use jiff::Timestamp;
use uuid::Uuid;

use super::batch::Ask;
use super::{new_accounts_go_slowly, no_node, still_as_seen};
use crate::desk::draw::{self, DrawnArbitrator, Draws};
use crate::desk::error::{Done, Error};
use crate::desk::keys::Indexes;
use crate::desk::levels::Levels;
use crate::desk::payment_accounts::Opened;
use crate::desk::quotes::{Market, Priced, TakeReview};
use crate::desk::secrets::random;
use crate::desk::{Desk, keys, payment_accounts, quotes};
use crate::domain::hours::Week;
use crate::domain::{AccountName, Fiat, KeyId, OfferId, PaymentAccountId, PublicRef, Refusal, Side, TradeId, UserId};
use crate::escrow::address::{self, AddressRefusal};
use crate::escrow::{AccountKey, ArbiterLevel, EscrowIndex, Lock, fees};
use crate::store::draws::Pair;
use crate::store::keys::HeldKey;
use crate::store::offers::{self, HeldOffer};
use crate::store::payment_accounts::PaymentAccountRow;
use crate::store::takes::{self, AccountRecord};
use crate::store::{self, Batch};

/// One side of the trade that is being made.
#[derive(Debug)]
pub(super) struct Person {
    pub account: UserId,
    pub name: AccountName,
    pub key_id: KeyId,
    pub key: AccountKey,
    pub address: String,
    pub accounts: Opened,
    pub hours: Option<Week>,
}

/// A take that will be made, unless the whole batch comes to nothing.
#[derive(Debug)]
pub(super) struct Decided {
    pub id: TradeId,
    pub reference: PublicRef,
    pub taker: UserId,
    pub offer: PublicRef,
    pub level: ArbiterLevel,
    pub deal: Deal,
}

/// What nothing speaks against.
#[derive(Debug)]
pub(super) struct Deal {
    pub review: TakeReview,
    pub buyer: Person,
    pub seller: Person,
    pub arbitrator: DrawnArbitrator,
    pub index: EscrowIndex,
    /// Satoshis per virtual byte, as the contract names it.
    pub feerate: u32,
}

impl Deal {
    /// Those of the two traders.
    pub(super) fn keys(&self) -> [&AccountKey; 2] {
        [&self.buyer.key, &self.seller.key]
    }
}

/// Everything that the takes of a batch are decided from. It is held, so that it stays true until they are written; and
/// every decision changes it.
#[derive(Debug)]
pub(super) struct Table {
    offers: HashMap<PublicRef, Held>,
    people: HashMap<UserId, takes::Person>,
    /// Of takers; who never traded is not there.
    records: HashMap<UserId, AccountRecord>,
    /// Those of the takers, in whatever state, and those that stand in the offers.
    keys: Vec<HeldKey>,
    /// The same of payment accounts.
    accounts: Vec<PaymentAccountRow>,
    /// Those of the takers' addresses that are escrows.
    escrows: HashSet<ScriptBuf>,
    pub draws: Draws,
    pub levels: Levels,
    pub indexes: Indexes,
    pub now: Timestamp,
}

#[derive(Debug)]
struct Held {
    priced: Priced,
    /// The maker's; none: day and night.
    hours: Option<Week>,
}

/// The two people of a take and their keys, as far as they can be known yet.
fn pair(ask: &Ask, held: &[HeldOffer]) -> Option<(Pair, [KeyId; 2])> {
    let row = &held.iter().find(|one| one.row.offer.reference == ask.offer)?.row;
    let typed = Uuid::parse_str(ask.form.key.trim()).map(KeyId).unwrap_or(row.key);
    Some((draw::ordered([row.offer.maker, ask.taker]), [row.key, typed]))
}

impl Table {
    pub(super) async fn read(desk: &Desk, batch: &Batch, asks: &[Ask], fee_rate: FeeRate) -> Done<Option<Self>> {
        let tx = batch.client()?;
        let wanted: BTreeSet<PublicRef> = asks.iter().map(|ask| ask.offer).collect();
        let wanted: Vec<PublicRef> = wanted.into_iter().collect();
        takes::ready(tx).await?;
        let ((), held) = tokio::try_join!(biased; batch.begin(), offers::hold(tx, &wanted))?;
        let Some(first) = held.first() else { return Ok(None) };
        let now = desk.clock.shifted(first.at);
        let takers: BTreeSet<UserId> = asks.iter().map(|ask| ask.taker).collect();
        let takers: Vec<UserId> = takers.into_iter().collect();
        let (pairs, keys): (Vec<Pair>, Vec<[KeyId; 2]>) = asks.iter().filter_map(|ask| pair(ask, &held)).unzip();
        let people: BTreeSet<UserId> = pairs.as_flattened().iter().copied().collect();
        let people: Vec<UserId> = people.into_iter().collect();
        let maker_keys: Vec<KeyId> = held.iter().map(|one| one.row.key).collect();
        let maker_accounts = held.iter().flat_map(|one| &one.row.offer.accounts).map(|one| one.account);
        let maker_accounts: Vec<PaymentAccountId> = maker_accounts.collect();
        let network = desk.rules.network;
        let addresses = asks.iter().filter_map(|ask| address::payable(&ask.form.address, network).ok());
        let scripts: Vec<ScriptBuf> = addresses.map(|address| address.script_pubkey()).collect();
        let (people, records, draws, levels, keys, accounts, escrows) = tokio::try_join!(
            biased;
            async { Ok::<_, Error>(takes::hold_people(tx, &people).await?) },
            async { Ok(takes::records(tx, &takers, now).await?) },
            Draws::read(desk, tx, &pairs, now),
            Levels::read(tx, &keys),
            async { Ok(store::keys::for_takes(tx, &takers, &maker_keys).await?) },
            async { Ok(store::payment_accounts::for_takes(tx, &takers, &maker_accounts).await?) },
            async { Ok(store::watched::escrows_among(tx, &scripts).await?) },
        )?;
        let priced = |held: HeldOffer| {
            let market = Market::new(&desk.rules, held.rate, now);
            let priced = Priced::new(&desk.rules, held.row, market, fee_rate);
            (priced.row.offer.reference, Held { priced, hours: held.hours })
        };
        let offers = held.into_iter().map(priced).collect();
        let indexes = Indexes::of(&keys);
        Ok(Some(Self { offers, people, records, keys, accounts, escrows, draws, levels, indexes, now }))
    }

    pub(super) fn offer(&self, reference: PublicRef) -> Option<&Priced> {
        self.offers.get(&reference).map(|held| &held.priced)
    }

    /// What has hold of an offer's total now.
    pub(super) fn reserved(&self, reference: PublicRef) -> Option<(OfferId, Fiat)> {
        let offer = &self.offer(reference)?.row.offer;
        Some((offer.id, offer.reserved))
    }

    /// Decides one take. One that is refused leaves nothing behind.
    pub(super) fn decide(&mut self, desk: &Desk, ask: &Ask) -> Done<Decided> {
        let deal = self.checked(desk, ask)?;
        let offer = &mut self.offers.get_mut(&ask.offer).ok_or_else(Refusal::not_found)?.priced.row.offer;
        let reserved = offer.reserve(deal.review.quote.fiat)?;
        let level = self.levels.give(desk, &deal.arbitrator, deal.keys())?;
        offer.reserved = reserved;
        for account in [ask.taker, offer.maker] {
            let record = self.records.entry(account).or_default();
            record.proposed = record.proposed.saturating_add(1);
        }
        let id = TradeId(Uuid::now_v7());
        self.draws.fix([deal.buyer.account, deal.seller.account], &deal.arbitrator, deal.review.quote.deposit);
        self.indexes.give(deal.keys(), deal.index, id);
        let reference = PublicRef::from_bits(random());
        Ok(Decided { id, reference, taker: ask.taker, offer: ask.offer, level, deal })
    }

    fn checked(&self, desk: &Desk, ask: &Ask) -> Done<Deal> {
        let Ask { taker, offer, form } = ask;
        let held = self.offers.get(offer).ok_or_else(Refusal::not_found)?;
        let priced = &held.priced;
        let who = self.people.get(taker).ok_or_else(Refusal::not_found)?;
        let maker = self.people.get(&priced.row.offer.maker).ok_or_else(Refusal::not_found)?;
        let usable = self.keys.iter().filter(|key| key.row.account == *taker && key.row.is_in_use());
        let usable = usable.map(|key| key.row.id);
        let review = quotes::check(desk, *taker, priced, form, &self.accounts, usable)?;
        let address = address::payable(&review.address, desk.rules.network).map_err(Refusal::from)?;
        if self.escrows.contains(&address.script_pubkey()) {
            return Err(Refusal::field("address", AddressRefusal::Escrow.to_string()).into());
        }
        fees::take_is_affordable(review.quote.deposit, priced.fee_rate)?;
        still_as_seen(*taker, priced, (&who.halts, &maker.halts), &review, form)?;
        new_accounts_go_slowly(desk, &self.records.get(taker).copied().unwrap_or_default())?;
        if self.draws.blocked([*taker, priced.row.offer.maker]) {
            return Err(Refusal::conflict("One of you two does not trade with the other. Nothing was changed.").into());
        }
        let feerate = u32::try_from(priced.fee_rate.to_sat_per_vb_ceil()).map_err(|_| no_node())?;
        let (buyer, seller) = self.both_sides(desk, held, (*taker, who), &review)?;
        let arbitrator = self.draws.arbitrator_for(desk, [buyer.account, seller.account])?;
        let index = self.indexes.lowest([&buyer.key, &seller.key])?;
        Lock::refuse_alike([&buyer.key, &seller.key, &arbitrator.key]).map_err(Refusal::from)?;
        Ok(Deal { review, buyer, seller, arbitrator, index, feerate })
    }

    /// Maker and taker as buyer and seller.
    fn both_sides(
        &self,
        desk: &Desk,
        held: &Held,
        (taker, who): (UserId, &takes::Person),
        review: &TakeReview,
    ) -> Done<(Person, Person)> {
        let (row, offer) = (&held.priced.row, &held.priced.row.offer);
        let their = offer
            .account_for(review.method)
            .ok_or_else(|| Refusal::conflict("This offer does not take that way to pay."))?;
        let maker_key = self.key(offer.maker, row.key).ok_or_else(|| {
            Refusal::conflict("The maker's signing key is not in use any more, so this offer cannot be taken.")
        })?;
        let taker_key = self.key(taker, review.key).ok_or_else(Refusal::not_found)?;
        let maker = Person {
            account: offer.maker,
            name: AccountName::parse(&row.maker_name).map_err(Error::broken)?,
            key_id: row.key,
            key: keys::held(desk, maker_key)?,
            address: row.address.clone(),
            accounts: self.opened(desk, offer.maker, their.account)?,
            hours: held.hours.clone(),
        };
        let taker = Person {
            account: taker,
            name: AccountName::parse(&who.name).map_err(Error::broken)?,
            key_id: review.key,
            key: keys::held(desk, taker_key)?,
            address: review.address.clone(),
            accounts: self.opened(desk, taker, review.payment_account)?,
            hours: who.hours.clone(),
        };
        Ok(match offer.side {
            Side::Buyer => (maker, taker),
            Side::Seller => (taker, maker),
        })
    }

    /// This account's key, if it may make new trades with it.
    fn key(&self, account: UserId, id: KeyId) -> Option<&HeldKey> {
        self.keys.iter().find(|key| key.row.id == id && key.row.account == account && key.row.is_in_use())
    }

    fn opened(&self, desk: &Desk, owner: UserId, id: PaymentAccountId) -> Done<Opened> {
        let row = self.accounts.iter().find(|row| row.id == id && row.owner == owner);
        payment_accounts::opened(desk, row.ok_or_else(Refusal::not_found)?.clone())
    }
}
