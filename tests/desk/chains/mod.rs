//! What a chain promises, held against every backend: the practice chain and a real Bitcoin Core.

pub mod bitcoind;
pub mod coins;
mod deposits;
mod packages;
mod refusals;
mod reorganisations;
mod restarts;
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
    };
}
use on_every_chain;
