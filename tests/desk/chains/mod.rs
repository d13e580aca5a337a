//! What a chain promises, held against every backend: the practice chain, a real Bitcoin Core, and the same
//! node behind electrs and behind an Esplora server.

pub mod bitcoind;
pub mod coins;
mod deposits;
pub mod doors;
pub mod electrs;
pub mod esplora;
pub mod explorer;
mod odd;
pub mod packages;
mod refusals;
mod reorganisations;
mod restarts;
mod servers;
mod several;
mod spends;
mod whole_chain;
pub mod world;

/// Runs each promise on each backend, as tests of their own.
macro_rules! on_every_chain {
    ($($promise:ident),+ $(,)?) => {
        mod on_practice {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&mut $crate::chains::world::World::practice()).await;
            })+
        }
        mod on_core {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&mut $crate::chains::world::World::core().await).await;
            })+
        }
        mod on_electrum {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&mut $crate::chains::world::World::electrum().await).await;
            })+
        }
        mod on_esplora {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&mut $crate::chains::world::World::esplora().await).await;
            })+
        }
    };
}
use on_every_chain;
