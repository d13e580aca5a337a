//! The chain as Electrum servers tell it: lines of JSON over TCP or TLS, each watched script subscribed to.

mod session;
mod wire;

use std::fmt;
use std::time::Duration;

use bitcoin::block::Header;
use bitcoin::{FeeRate, Network, ScriptBuf, Transaction, Txid};
use tokio::sync::{Mutex, MutexGuard};

use self::session::Session;
use self::wire::Wire;
use super::light::Light;
use super::light::source::{History, Proof, Source};
use super::link::{Place, Road, Way};
use super::{Answer, ChainError};

/// One server, written `tcp://host:port` or `tls://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    place: Place,
    with_tls: bool,
}

/// That text is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an Electrum server is written as tcp://host:port or tls://host:port")]
pub struct NotAnAddress;

impl std::str::FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let (scheme, place) = text.split_once("://").ok_or(NotAnAddress)?;
        let with_tls = match scheme {
            "tcp" => false,
            "tls" | "ssl" => true,
            _ => return Err(NotAnAddress),
        };
        Ok(Self { place: place.parse().map_err(|_| NotAnAddress)?, with_tls })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.with_tls { "tls" } else { "tcp" }, self.place)
    }
}

/// Electrum servers, the first that answers right. Nothing is asked yet.
pub fn electrum(addresses: &[Address], way: &Way, network: Network) -> Result<Light, ChainError> {
    let road = Road::new(way)?;
    let source = |address: &Address| -> Box<dyn Source> {
        let session = Mutex::default();
        Box::new(Electrum { name: address.to_string(), address: address.clone(), road: road.clone(), session })
    };
    Ok(Light::new(addresses.iter().map(source).collect(), network, Duration::ZERO))
}

#[derive(Debug)]
struct Electrum {
    name: String,
    address: Address,
    road: Road,
    session: Mutex<Option<Session>>,
}

/// The session, held for one question.
#[derive(Debug)]
struct Turn<'a> {
    held: MutexGuard<'a, Option<Session>>,
    session: Session,
}

impl Turn<'_> {
    /// A connection on which something went wrong is given up.
    fn end<T>(mut self, answer: Result<T, ChainError>) -> Result<T, ChainError> {
        if matches!(answer, Ok(_) | Err(ChainError::Rejected(_))) {
            *self.held = Some(self.session);
        }
        answer
    }
}

impl Electrum {
    async fn turn(&self) -> Result<Turn<'_>, ChainError> {
        let mut held = self.session.lock().await;
        let session = match held.take() {
            Some(session) => session,
            None => {
                let stream = self.road.connect(&self.address.place, self.address.with_tls).await?;
                let wire = Wire::greet(stream, self.road.patience, &self.name).await?;
                Session::new(wire)
            }
        };
        Ok(Turn { held, session })
    }
}

impl Source for Electrum {
    fn name(&self) -> &str {
        &self.name
    }

    fn height(&self) -> Answer<'_, u32> {
        Box::pin(async move {
            let mut turn = self.turn().await?;
            let answer = turn.session.tip().await;
            turn.end(answer)
        })
    }

    fn headers(&self, from: u32, count: u32) -> Answer<'_, Vec<Header>> {
        Box::pin(async move {
            let mut turn = self.turn().await?;
            let answer = turn.session.headers(from, count).await;
            turn.end(answer)
        })
    }

    fn histories<'a>(&'a self, scripts: &'a [ScriptBuf], _: u32) -> Answer<'a, Vec<History>> {
        Box::pin(async move {
            let mut turn = self.turn().await?;
            let answer = turn.session.histories(scripts).await;
            turn.end(answer)
        })
    }

    fn transaction(&self, txid: Txid) -> Answer<'_, Option<Transaction>> {
        Box::pin(async move {
            let mut turn = self.turn().await?;
            let answer = turn.session.transaction(txid).await;
            turn.end(answer)
        })
    }

    fn knows<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, bool> {
        Box::pin(async move {
            let mut turn = self.turn().await?;
            let answer = turn.session.knows(transaction).await;
            turn.end(answer)
        })
    }

    fn proof(&self, txid: Txid, height: u32) -> Answer<'_, Option<Proof>> {
        Box::pin(async move {
            let mut turn = self.turn().await?;
            let answer = turn.session.proof(txid, height).await;
            turn.end(answer)
        })
    }

    fn send<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut turn = self.turn().await?;
            let answer = turn.session.send(transaction).await;
            turn.end(answer)
        })
    }

    fn estimate(&self, target_blocks: u16) -> Answer<'_, Option<FeeRate>> {
        Box::pin(async move {
            let mut turn = self.turn().await?;
            let answer = turn.session.estimate(target_blocks).await;
            turn.end(answer)
        })
    }
}

#[cfg(test)]
mod tests;
