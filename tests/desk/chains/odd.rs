//! Servers and nodes that are honest, and in a state in which what they say is easily misunderstood.

use std::collections::HashSet;
use std::time::Duration;

use bitcoin::hashes::Hash;
use bitcoin::{Network, Txid};
use serde_json::json;
use trine::chain::core::{Core, CoreAuth};
use trine::chain::practice::Fate;
use trine::chain::{BlockRef, Chain, ChainError, Cursor, Fact, Watched};

use super::coins::{Coin, Lock, anyones_script, coin_of, pay, spend_anyones};
use super::doors::liar;
use super::explorer::Lie;
use super::on_every_chain;
use super::world::{Listener, World, seen, spent};

on_every_chain! {
    what_waits_hides_nothing_that_is_confirmed,
}

/// More than a page of any server.
const MANY: u32 = 60;

async fn what_waits_hides_nothing_that_is_confirmed(world: &mut World) {
    hides_nothing(world).await;
}

async fn hides_nothing(world: &mut World) {
    let lock = Lock::number(1);
    let mut desk = world.listener().await.watch_script(&lock.script());
    let parts: Vec<_> = (0..MANY).map(|_| (anyones_script(), 20_000)).collect();
    let many = pay(&world.coin().await, &parts, 10_000);
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&many).await;
    world.broadcast(&deposit).await;
    world.mine(1).await;
    let block = world.tip().await;
    for part in 0..MANY {
        let small = spend_anyones(&[coin_of(&many, part)], &[(lock.script(), 19_000)]);
        world.chain.broadcast(&small).await.unwrap();
    }
    let heard = desk.hear(world).await;
    assert!(heard.contains(&seen(&deposit, 0, Some(block))), "one of {}", heard.len());
    world.mine(1).await;
    let block = Some(world.tip().await);
    let heard = desk.hear(world).await;
    let confirmed = heard.iter().filter(|fact| matches!(fact, Fact::OutputSeen { block: at, .. } if *at == block));
    assert_eq!(confirmed.count(), MANY as usize);
}

/// A deposit from this coin, confirmed, and the coin it makes.
async fn deposit_from(world: &World, coin: &Coin, lock: &Lock) -> (bitcoin::Transaction, Coin) {
    let deposit = pay(coin, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    world.mine(1).await;
    let escrow = coin_of(&deposit, 0);
    (deposit, escrow)
}

mod on_esplora_that_is_odd {
    use super::*;

    #[tokio::test]
    async fn where_what_waits_and_what_is_confirmed_share_a_page_nothing_is_hidden() {
        let mut world = World::explored().await;
        world.explorer().lies(Lie::OnePage);
        hides_nothing(&mut world).await;
    }

    #[tokio::test]
    async fn what_is_confirmed_does_not_wait_though_a_mempool_was_not_cleaned_yet() {
        let mut world = World::explored().await;
        world.explorer().lies(Lie::StillWaiting);
        let lock = Lock::number(1);
        let mut desk = world.listener().await.watch_script(&lock.script());
        let coin = world.coin().await;
        let (deposit, escrow) = deposit_from(&world, &coin, &lock).await;
        assert_eq!(desk.hear(&world).await, [seen(&deposit, 0, Some(world.tip().await))]);
        assert_eq!(desk.hear(&world).await, []);
        let unspent = world.chain.unspent(escrow.outpoint).await.unwrap().unwrap();
        assert_eq!(unspent.confirmations, 1);
        assert_eq!(world.chain.coins_at(&[lock.script()]).await.unwrap().len(), 1);

        desk.watched.outpoints.insert(escrow.outpoint);
        let payout = lock.spend(std::slice::from_ref(&escrow), &[(anyones_script(), 99_000)]);
        world.broadcast(&payout).await;
        world.mine(1).await;
        assert_eq!(desk.hear(&world).await, [spent(&escrow, &payout, Some(world.tip().await))]);
        assert_eq!(desk.hear(&world).await, []);
    }

    #[tokio::test]
    async fn a_server_that_knows_no_scripts_is_no_esplora_server() {
        let world = World::explored().await;
        world.explorer().lies(Lie::NoScripts);
        let desk = world.listener().await.watch_script(&Lock::number(1).script());
        let error = world.chain.facts_since(&desk.cursor, &desk.watched).await.unwrap_err();
        assert!(matches!(&error, ChainError::Confused(why) if why.contains("is no Esplora server")), "{error}");
    }

    #[tokio::test]
    async fn a_strangers_history_that_is_refused_hides_nobody_elses() {
        let mut world = World::explored().await;
        for lie in [Lie::TooLong, Lie::NothingLong] {
            world.explorer().lies(lie);
            hides_nobody_elses(&mut world).await;
        }
        let error = world.chain.coins_at(&[anyones_script()]).await.unwrap_err();
        assert!(error.to_string().contains("Too many history entries"), "{error}");
    }

    async fn hides_nobody_elses(world: &mut World) {
        let lock = Lock::number(1);
        let coin = world.coin().await;
        let mut desk = world.listener().await.watch_script(&lock.script()).watch_outpoint(coin.outpoint);
        let (deposit, _) = deposit_from(world, &coin, &lock).await;
        let block = Some(world.tip().await);
        let told = [spent(&coin, &deposit, block), seen(&deposit, 0, block)];
        assert_eq!(desk.hear(world).await, told, "the deposit itself says what it spends");
        assert_eq!(desk.hear(world).await, []);
    }

    #[tokio::test]
    async fn a_strangers_transaction_that_is_refused_hides_nobody_elses() {
        let mut world = World::explored().await;
        let coin = world.coin_at(1).await;
        world.explorer().lies(Lie::NotThis(coin.outpoint.txid));
        let lock = Lock::number(1);
        let mut desk = world.listener().await.watch_script(&lock.script()).watch_outpoint(coin.outpoint);
        world.coin().await;
        let other = world.coin().await;
        let (deposit, _) = deposit_from(&world, &other, &lock).await;
        assert_eq!(desk.hear(&world).await, [seen(&deposit, 0, Some(world.tip().await))]);
        world.mine(1).await;
        assert_eq!(desk.hear(&world).await, []);
    }

    #[tokio::test]
    async fn nobody_is_asked_for_what_a_confirmed_deposit_spends_until_a_reorganisation_takes_it_away() {
        let mut world = World::explored().await;
        let lock = Lock::number(1);
        let coin = world.coin().await;
        let mut desk = world.listener().await.watch_script(&lock.script()).watch_outpoint(coin.outpoint);
        let deposit = pay(&coin, &[(lock.script(), 100_000)], 1_000);
        desk.watched.inputs.insert((coin.outpoint, deposit.compute_txid()));
        world.broadcast(&deposit).await;
        assert_eq!(desk.hear(&world).await, [seen(&deposit, 0, None), spent(&coin, &deposit, None)]);
        let asked = || world.explorer().asked(&anyones_script());
        assert_eq!(asked(), 1);
        world.mine(1).await;
        let first = world.tip().await;
        assert_eq!(desk.hear(&world).await, [spent(&coin, &deposit, Some(first)), seen(&deposit, 0, Some(first))]);
        world.mine(1).await;
        assert_eq!(desk.hear(&world).await, []);
        assert_eq!(asked(), 1);

        let second = world.tip().await;
        world.reorganise(2, Fate::Waiting).await;
        let elsewhere = pay(&coin, &[(Lock::number(2).script(), 100_000)], 5_000);
        world.broadcast(&elsewhere).await;
        world.mine(1).await;
        let gone = |block| Fact::BlockDisconnected { block };
        let told = [gone(second), gone(first), spent(&coin, &elsewhere, Some(world.tip().await))];
        assert_eq!(desk.hear(&world).await, told);
        assert_eq!(asked(), 2);
    }

    #[tokio::test]
    async fn a_confirmation_that_is_listed_one_look_late_is_told() {
        let mut world = World::explored().await;
        let lock = Lock::number(1);
        let mut desk = world.listener().await.watch_script(&lock.script());
        let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
        let escrow = coin_of(&deposit, 0);
        let payout = lock.spend(std::slice::from_ref(&escrow), &[(anyones_script(), 99_000)]);
        desk.watched.outpoints.insert(escrow.outpoint);
        world.broadcast(&deposit).await;
        assert_eq!(desk.hear(&world).await, [seen(&deposit, 0, None)]);
        desk.remember_unconfirmed(deposit.compute_txid());
        let late = is_mined_in_secret(&mut world, &mut desk).await;
        assert_eq!(desk.hear(&world).await, [seen(&deposit, 0, Some(late))]);
        desk.forget_unconfirmed(deposit.compute_txid());
        world.mine(1).await;
        desk.hear(&world).await;
        assert_eq!(desk.hear(&world).await, [], "it is told until the caller has gone on");

        world.broadcast(&payout).await;
        assert_eq!(desk.hear(&world).await, [spent(&escrow, &payout, None)]);
        desk.remember_unconfirmed(payout.compute_txid());
        let late = is_mined_in_secret(&mut world, &mut desk).await;
        // Much later, as when the server was down meanwhile.
        world.explorer().lies(Lie::FromCache);
        world.mine(10).await;
        assert_eq!(desk.hear(&world).await, []);
        world.explorer().is_honest_again();
        assert_eq!(desk.hear(&world).await, [spent(&escrow, &payout, Some(late))]);
    }

    /// A block with what waits, while the server's histories come from its cache; nothing of it is heard.
    async fn is_mined_in_secret(world: &mut World, desk: &mut Listener) -> BlockRef {
        world.explorer().lies(Lie::FromCache);
        world.mine(1).await;
        assert_eq!(desk.hear(world).await, []);
        assert_eq!(desk.cursor, world.tip().await);
        world.explorer().is_honest_again();
        desk.cursor
    }

    #[tokio::test]
    async fn what_was_never_heard_of_and_is_listed_some_blocks_late_is_told() {
        let mut world = World::explored().await;
        let lock = Lock::number(1);
        let mut desk = world.listener().await.watch_script(&lock.script());
        assert_eq!(desk.hear(&world).await, []);
        world.explorer().lies(Lie::FromCache);
        let coin = world.coin().await;
        let (deposit, escrow) = deposit_from(&world, &coin, &lock).await;
        let below = Some(world.tip().await);
        assert_eq!(desk.hear(&world).await, []);
        let payout = lock.spend(std::slice::from_ref(&escrow), &[(anyones_script(), 99_000)]);
        world.broadcast(&payout).await;
        world.mine(1).await;
        let above = Some(world.tip().await);
        assert_eq!(desk.hear(&world).await, []);
        world.mine(1).await;
        assert_eq!(desk.hear(&world).await, []);
        world.explorer().is_honest_again();
        assert_eq!(desk.hear(&world).await, [seen(&deposit, 0, below), spent(&escrow, &payout, above)]);
    }

    /// A look that came to nothing has told nobody.
    #[tokio::test]
    async fn what_a_look_that_failed_has_listed_is_told_when_it_is_listed_again() {
        let mut world = World::explored().await;
        let lock = Lock::number(1);
        let mut desk = world.listener().await.watch_script(&lock.script());
        assert_eq!(desk.hear(&world).await, []);
        let coin = world.coin().await;
        let (deposit, _) = deposit_from(&world, &coin, &lock).await;
        let block = Some(world.tip().await);
        world.explorer().lies(Lie::AnotherPlace);
        world.chain.facts_since(&desk.cursor, &desk.watched).await.unwrap_err();
        world.explorer().lies(Lie::FromCache);
        assert_eq!(desk.hear(&world).await, []);
        assert_eq!(Some(desk.cursor), block);
        world.explorer().is_honest_again();
        assert_eq!(desk.hear(&world).await, [seen(&deposit, 0, block)]);
    }

    #[tokio::test]
    async fn what_is_said_to_be_in_a_block_that_was_read_has_to_be_proved() {
        let mut world = World::explored().await;
        let lock = Lock::number(1);
        let mut desk = world.listener().await.watch_script(&lock.script());
        let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
        world.broadcast(&deposit).await;
        assert_eq!(desk.hear(&world).await, [seen(&deposit, 0, None)]);
        desk.remember_unconfirmed(deposit.compute_txid());
        world.explorer().lies(Lie::AlreadyConfirmed);
        let error = world.chain.facts_since(&desk.cursor, &desk.watched).await.unwrap_err();
        assert!(matches!(&error, ChainError::Confused(why) if why.contains("cannot prove it")), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_is_busy_with_estimates_tells_the_chain() {
        let world = World::explored().await;
        let server = world.explorer();
        let slow = server.client().with_pace(Duration::from_secs(3_600));
        server.lies(Lie::BusyWithEstimates);
        let error = slow.fee_rate(6).await.unwrap_err();
        assert!(matches!(error, ChainError::Busy(_)), "{error}");
        slow.tip().await.unwrap();
        let cursor = world.tip().await;
        slow.facts_since(&cursor, &Watched::default()).await.unwrap();
        server.is_honest_again();
        assert_eq!(slow.fee_rate(6).await, Err(error), "it is not asked for them again so soon");
    }

    #[tokio::test]
    async fn a_server_that_asks_for_patience_is_left_in_peace() {
        let world = World::explored().await;
        let server = world.explorer();
        let slow = server.client().with_pace(Duration::from_secs(3_600));
        server.lies(Lie::Busy);
        let error = slow.tip().await.unwrap_err();
        assert!(matches!(error, ChainError::Busy(_)), "{error}");
        server.is_honest_again();
        assert_eq!(slow.tip().await, Err(error.clone()), "it is not asked again so soon");
        assert_eq!(slow.fee_rate(6).await, Err(error), "for nothing");
        server.client().tip().await.unwrap();

        let client = server.client();
        client.fee_rate(1).await.unwrap();
        server.lies(Lie::Busy);
        client.fee_rate(144).await.unwrap();
        assert!(
            matches!(server.client().fee_rate(144).await, Err(ChainError::Busy(_))),
            "one answer is about every wait"
        );
    }
}

mod on_electrum_that_is_odd {
    use super::*;

    /// A history of more than twenty is refused.
    fn nothing_long(line: String) -> String {
        match serde_json::from_str::<serde_json::Value>(&line) {
            Ok(answer) if answer["result"].as_array().is_some_and(|history| history.len() > 20) => {
                json!({ "id": answer["id"], "error": { "code": 1, "message": "history too large" } }).to_string()
            }
            _ => line,
        }
    }

    #[tokio::test]
    async fn a_strangers_history_that_is_refused_hides_nobody_elses() {
        let mut world = World::electrum().await;
        let lock = Lock::number(1);
        let coin = world.coin().await;
        let desk = world.listener().await.watch_script(&lock.script()).watch_outpoint(coin.outpoint);
        let (deposit, escrow) = deposit_from(&world, &coin, &lock).await;
        let payout = lock.spend(std::slice::from_ref(&escrow), &[(anyones_script(), 99_000)]);
        world.broadcast(&payout).await;

        let door = format!("tcp://{}", liar(world.electrs(), nothing_long).await);
        let server =
            trine::chain::electrum::electrum(&[door.parse().unwrap()], &Default::default(), Network::Regtest).unwrap();
        for _ in 0..2 {
            server.tip().await.unwrap();
            let facts = server.facts_since(&desk.cursor, &desk.watched).await.unwrap();
            let told: Vec<Fact> =
                facts.events.into_iter().filter(|fact| !matches!(fact, Fact::BlockConnected { .. })).collect();
            let block = Some(world.tip().await);
            let seen = seen(&deposit, 0, block);
            assert!(told.contains(&seen) && told.contains(&spent(&escrow, &payout, None)), "{told:?}");
        }
        for one in [&deposit, &payout] {
            let found = server.transaction(one.compute_txid(), None).await.unwrap();
            assert_eq!(found.as_ref(), Some(one), "its outputs are a stranger's too");
        }
        let own = world.listener().await.watch_script(&anyones_script());
        let error = server.facts_since(&own.cursor, &own.watched).await.unwrap_err();
        assert!(matches!(&error, ChainError::Confused(why) if why.contains("history too large")), "{error}");
    }
}

mod on_core_that_is_odd {
    use super::*;

    #[tokio::test]
    async fn a_node_that_is_behind_is_told_from_a_reorganisation() {
        let mut world = World::core().await;
        let lock = Lock::number(1);
        let mut desk = world.listener().await.watch_script(&lock.script());
        let coin = world.coin().await;
        deposit_from(&world, &coin, &lock).await;
        assert_eq!(desk.hear(&world).await.len(), 1);
        // It has the header and not the block, as a node that was set back and catches up.
        let tip = world.tip().await;
        world.node().rpc("invalidateblock", json!([tip.hash])).await;
        let error = world.chain.facts_since(&desk.cursor, &desk.watched).await.unwrap_err();
        assert!(matches!(error, ChainError::Behind(_)), "{error}");
        world.node().rpc("reconsiderblock", json!([tip.hash])).await;
        assert_eq!(desk.hear(&world).await, []);

        let strange = |height| Cursor { height, hash: bitcoin::BlockHash::from_byte_array([7; 32]) };
        let error = world.chain.facts_since(&strange(tip.height + 1), &Watched::default()).await.unwrap_err();
        assert!(matches!(error, ChainError::Behind(_)), "{error}");
        let error = world.chain.facts_since(&strange(tip.height), &Watched::default()).await.unwrap_err();
        assert!(matches!(error, ChainError::Confused(_)), "{error}");
    }

    /// The same number of letters, so that the answer has the length it was announced with.
    fn still_loading(line: String) -> String {
        line.replace("\"loaded\":true,\"size\":", "\"loaded\":false,\"siz\":")
    }

    #[tokio::test]
    async fn nothing_is_called_evicted_while_a_node_reads_its_old_mempool() {
        let world = World::core().await;
        let node = world.node();
        let at = node.url().trim_start_matches("http://").parse().unwrap();
        let door = format!("http://{}", liar(at, still_loading).await);
        let loading = Core::new(&door, CoreAuth::Cookie(node.cookie()), Network::Regtest).unwrap();
        let txid = Txid::from_byte_array([7; 32]);
        let watched = Watched { unconfirmed: HashSet::from([txid]), ..Watched::default() };
        let cursor = world.tip().await;
        let facts = loading.facts_since(&cursor, &watched).await.unwrap();
        assert_eq!((facts.caught_up, facts.events), (true, vec![]));
        let facts = world.chain.facts_since(&cursor, &watched).await.unwrap();
        assert_eq!((facts.caught_up, facts.events), (true, vec![Fact::Evicted { txid }]));
    }
}
