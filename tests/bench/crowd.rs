//! Makers with an offer each, and takers: everyone different, each with an own key and payment account.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::{Address, CompressedPublicKey, Network};
use futures_util::StreamExt;
use trine::desk::Desk;
use trine::desk::keys::{self, Owner};
use trine::desk::offers::{self, OfferForm};
use trine::desk::payment_accounts::{self, AccountForm};
use trine::desk::take::{self, TakeForm};
use trine::domain::offer::OfferInput;
use trine::domain::{KeyId, PublicRef, Role, UserId};
use trine::partners::keys::Wallet;
use uuid::Uuid;

use super::harness::cast::{Story, offer_input, person};

/// Takes that are measured, each between two people who meet for the first time: some seconds of them.
pub const TAKES: usize = 9000;
/// Takes before that: like pgbench's, the connections have their plans when the measuring begins.
pub const WARM_UP: usize = 500;
/// Makers, and takers. Everybody trades with several of the others.
const PEOPLE: usize = 3500;
/// An arbitrator's key has a level for 4,095 pairs.
const MORE_ARBITRATORS: [&str; 2] = ["conny", "cleo"];
/// How many are prepared at a time.
const AT_ONCE: usize = 8;

#[derive(Clone)]
pub struct Someone {
    pub id: UserId,
    key: KeyId,
    account: String,
    address: String,
}

pub struct Crowd {
    pub takers: Vec<Someone>,
    pub offers: Vec<PublicRef>,
}

/// Trades between people who are all different: their buyers and sellers.
pub async fn trades(story: &Story, count: usize) -> Vec<(PublicRef, UserId, UserId)> {
    let desk = &story.site.desk;
    let no_limit = "UPDATE arbitrators SET exposure_limit_sat = 2100000000000000";
    story.site.sql().await.batch_execute(no_limit).await.unwrap();
    all((0..count).map(|number| trade(desk.clone(), number))).await
}

async fn trade(desk: Arc<Desk>, number: usize) -> (PublicRef, UserId, UserId) {
    let maker = someone(desk.clone(), format!("seller-{number}")).await;
    let taker = someone(desk.clone(), format!("buyer-{number}")).await;
    let seller = maker.id;
    let offer = offer(desk.clone(), maker).await;
    (take::take(&desk, taker.id, offer, &taker.take()).await.unwrap(), taker.id, seller)
}

pub async fn gather(story: &Story) -> Crowd {
    let desk = &story.site.desk;
    for name in MORE_ARBITRATORS {
        person(&story.site, name, Role::Arbitrator).await;
    }
    // No limit ends the run.
    let no_limit = "UPDATE arbitrators SET exposure_limit_sat = 2100000000000000";
    story.site.sql().await.batch_execute(no_limit).await.unwrap();
    let makers = all((0..PEOPLE).map(|number| someone(desk.clone(), format!("maker-{number}")))).await;
    let takers = all((0..PEOPLE).map(|number| someone(desk.clone(), format!("taker-{number}")))).await;
    let offers = all(makers.into_iter().map(|maker| offer(desk.clone(), maker))).await;
    Crowd { takers, offers }
}

async fn all<T: Send + 'static>(work: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    futures_util::stream::iter(work.map(tokio::spawn)).buffered(AT_ONCE).map(Result::unwrap).collect().await
}

/// The account is written down directly, for a password takes its time; everything else goes through the desk.
async fn someone(desk: Arc<Desk>, name: String) -> Someone {
    let id = UserId(Uuid::now_v7());
    let client = desk.store.connection().await.unwrap();
    let insert = "INSERT INTO accounts (id, name, skeleton, role, password_hash, created_at)
                  VALUES ($1, $2, $2, 'trader', '', now())";
    client.execute(insert, &[&id.0, &name]).await.unwrap();
    drop(client);
    let wallet = Wallet::new(Network::Regtest).unwrap();
    let text = format!("{}{}", wallet.origin(0).unwrap(), wallet.xpub(0).unwrap());
    let owner = Owner { account: id, name: &name, role: Role::Trader };
    let key = keys::register(&desk, owner, &text, None).await.unwrap();
    let fields = [("name", "Some One".to_owned()), ("iban", "DE89370400440532013000".to_owned())];
    let fields: BTreeMap<String, String> = fields.map(|(name, text)| (name.to_owned(), text)).into();
    let form = AccountForm { method: "sepa".into(), label: "my bank".into(), fields };
    let account = payment_accounts::add(&desk, id, &form).await.unwrap().to_string();
    let public = CompressedPublicKey(wallet.receiving_xpub().unwrap().public_key);
    Someone { id, key, account, address: Address::p2wpkh(&public, Network::Regtest).to_string() }
}

async fn offer(desk: Arc<Desk>, maker: Someone) -> PublicRef {
    let input = OfferInput { total: "100000".into(), ..offer_input("sell", &maker.account) };
    let form = OfferForm { input, key: maker.key.to_string(), address: maker.address };
    offers::post(&desk, maker.id, &form).await.unwrap()
}

impl Crowd {
    /// So many takes, no two of them by the same two people: everybody's first, then everybody's second.
    pub fn pairs(&self, count: usize) -> Vec<(&Someone, PublicRef)> {
        let round = |round| self.takers.iter().zip(self.offers.iter().cycle().skip(round));
        let all: Vec<_> = (0..).flat_map(round).map(|(taker, offer)| (taker, *offer)).take(count).collect();
        assert!(all.len() <= self.takers.len() * self.offers.len());
        all
    }
}

impl Someone {
    /// A take of 500 euros.
    pub fn take(&self) -> TakeForm {
        TakeForm {
            amount: "500".into(),
            payment_account: self.account.clone(),
            key: self.key.to_string(),
            address: self.address.clone(),
            offer_version: "1".into(),
            price_seen: "50000".into(),
        }
    }
}
