//! Servers that are strange, far, silent, or not to be trusted.

use std::net::SocketAddr;
use std::time::Duration;

use bitcoin::Network;
use trine::chain::electrum::electrum;
use trine::chain::esplora::esplora;
use trine::chain::light::Light;
use trine::chain::link::Way;
use trine::chain::{Chain, ChainError, Cursor, Watched};

use super::coins::{Lock, pay};
use super::doors::{Change, Papers, dead, liar, silent, socks};
use super::explorer::{Explorer, Lie};
use super::world::World;

fn hasty() -> Way {
    Way { patience: Duration::from_millis(500), ..Way::default() }
}

fn by_electrum(servers: &[String], way: &Way) -> Light {
    let servers: Vec<_> = servers.iter().map(|server| server.parse().unwrap()).collect();
    electrum(&servers, way, Network::Regtest).unwrap()
}

fn by_esplora(servers: &[String], way: &Way) -> Light {
    let servers: Vec<_> = servers.iter().map(|server| server.parse().unwrap()).collect();
    esplora(&servers, way, Network::Regtest).unwrap().with_pace(Duration::ZERO)
}

fn tcp(address: SocketAddr) -> String {
    format!("tcp://{address}")
}

fn http(address: SocketAddr) -> String {
    format!("http://{address}")
}

#[tokio::test]
async fn a_server_that_is_away_is_called_absent_and_one_that_is_silent_hanging() {
    let (nobody, mute) = (dead().await, silent().await);
    for chain in [by_electrum(&[tcp(nobody)], &hasty()), by_esplora(&[http(nobody)], &hasty())] {
        let error = chain.tip().await.unwrap_err();
        assert!(matches!(error, ChainError::Unreachable(_)), "{error}");
    }
    for chain in [by_electrum(&[tcp(mute)], &hasty()), by_esplora(&[http(mute)], &hasty())] {
        let error = chain.tip().await.unwrap_err();
        assert!(matches!(error, ChainError::Hanging(_)), "{error}");
    }
    let behind_tls = by_electrum(&[format!("tls://{mute}")], &hasty()).tip().await.unwrap_err();
    assert!(matches!(behind_tls, ChainError::Hanging(_)), "{behind_tls}");
    let no_proxy = Way { proxy: Some(nobody.to_string().parse().unwrap()), ..hasty() };
    let error = by_electrum(&[tcp(mute)], &no_proxy).tip().await.unwrap_err();
    assert!(error.to_string().contains("the SOCKS proxy"), "{error}");
}

/// The named states of a server, on each of the two kinds.
async fn strange_servers(world: &mut World, of: impl Fn(&[String], Network) -> Light, right: String, scheme: &str) {
    let other = of(std::slice::from_ref(&right), Network::Signet).tip().await.unwrap_err();
    assert!(matches!(&other, ChainError::Confused(why) if why.contains("is on another network")), "{other}");

    let nobody = format!("{scheme}://{}", dead().await);
    let second = of(&[nobody, right.clone()], Network::Regtest);
    assert_eq!(second.tip().await.unwrap().block, world.tip().await, "the first is dead, the second right");

    let tip = world.tip().await;
    let far = Cursor { height: tip.height + 3, hash: tip.hash };
    let error = world.chain.facts_since(&far, &Watched::default()).await.unwrap_err();
    assert!(matches!(error, ChainError::Behind(_)), "{error}");

    world.mine(1).await;
    let lock = Lock::number(1);
    let mut desk = world.listener().await.watch_script(&lock.script());
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    world.mine(1).await;
    assert_eq!(desk.hear(world).await.len(), 1, "the same server, when it tells the truth");
}

mod on_electrum {
    use super::*;

    #[tokio::test]
    async fn every_state_of_a_server_has_its_name() {
        let mut world = World::electrum().await;
        let of = |servers: &[String], network| {
            let servers: Vec<_> = servers.iter().map(|server| server.parse().unwrap()).collect();
            electrum(&servers, &Way::default(), network).unwrap()
        };
        let right = tcp(world.electrs());
        strange_servers(&mut world, of, right, "tcp").await;
    }

    /// A transaction whose last bytes, its lock time, are others.
    fn another_transaction(line: String) -> String {
        let cut = line.rfind("00000000\"").filter(|_| line.len() > 300 && line.contains("\"result\":\"02000000"));
        match cut {
            Some(place) => format!("{}01000000{}", &line[..place], &line[place + 8..]),
            None => line,
        }
    }

    fn another_place(line: String) -> String {
        line.replace("\"pos\":1", "\"pos\":2")
    }

    /// An answer about a history is emptied; what was subscribed to is not.
    fn nothing_happened(line: String) -> String {
        match serde_json::from_str::<serde_json::Value>(&line) {
            Ok(mut answer) if answer["result"][0].get("tx_hash").is_some() => {
                answer["result"] = serde_json::json!([]);
                answer.to_string()
            }
            _ => line,
        }
    }

    #[tokio::test]
    async fn a_server_that_contradicts_itself_is_not_believed() {
        let mut world = World::electrum().await;
        let lock = Lock::number(1);
        let desk = world.listener().await.watch_script(&lock.script());
        let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
        world.broadcast(&deposit).await;
        world.mine(1).await;
        let lies: [(Change, &str); 3] = [
            (another_transaction, "is another one"),
            (another_place, "cannot prove it"),
            (nothing_happened, "its subscriptions and its histories differ"),
        ];
        for (lie, told) in lies {
            let server = by_electrum(&[tcp(liar(world.electrs(), lie).await)], &Way::default());
            let error = server.facts_since(&desk.cursor, &desk.watched).await.unwrap_err();
            assert!(matches!(&error, ChainError::Confused(why) if why.contains(told)), "{told}: {error}");
        }
        let honest = by_electrum(&[tcp(liar(world.electrs(), |line| line).await)], &Way::default());
        let facts = honest.facts_since(&desk.cursor, &desk.watched).await.unwrap();
        assert_eq!(facts.events.len(), 2, "the block and the deposit, by the same door");
    }

    #[tokio::test]
    async fn a_server_is_reached_through_a_socks_proxy_and_by_tls_with_the_certificate_that_was_named() {
        let world = World::electrum().await;
        let (tip, server, papers) = (world.tip().await, world.electrs(), Papers::new());
        let (proxy, asked) = socks().await;
        let proxy = Some(proxy.to_string().parse().unwrap());
        let far = Way { proxy: proxy.clone(), ..Way::default() };
        let by_name = format!("tcp://localhost:{}", server.port());
        assert_eq!(by_electrum(&[by_name], &far).tip().await.unwrap().block, tip);
        assert_eq!(*asked.lock().unwrap(), ["localhost"], "names are left to the proxy");

        let door = papers.door("self_signed", server).await;
        let with = |who: &str| Way { certificate: Some(papers.certificate(who)), ..Way::default() };
        let secret = [format!("tls://{door}")];
        assert_eq!(by_electrum(&secret, &with("self_signed")).tip().await.unwrap().block, tip, "pinned");
        let both = Way { proxy, ..with("self_signed") };
        assert_eq!(by_electrum(&secret, &both).tip().await.unwrap().block, tip, "pinned, through the proxy");
        for way in [Way::default(), with("localhost"), with("authority")] {
            let error = by_electrum(&secret, &way).tip().await.unwrap_err();
            assert!(matches!(&error, ChainError::Confused(why) if why.contains("is not trusted")), "{error}");
        }
        let named = [format!("tls://localhost:{}", papers.door("localhost", server).await.port())];
        assert_eq!(by_electrum(&named, &with("authority")).tip().await.unwrap().block, tip, "signed by the authority");
    }
}

mod on_esplora {
    use super::*;

    #[tokio::test]
    async fn every_state_of_a_server_has_its_name() {
        let mut world = World::explored().await;
        let of = |servers: &[String], network| {
            let servers: Vec<_> = servers.iter().map(|server| server.parse().unwrap()).collect();
            esplora(&servers, &Way::default(), network).unwrap().with_pace(Duration::ZERO)
        };
        let right = http(world.explorer().address);
        strange_servers(&mut world, of, right, "http").await;
    }

    #[tokio::test]
    async fn a_server_that_contradicts_itself_is_not_believed() {
        let mut world = World::explored().await;
        let lock = Lock::number(1);
        let desk = world.listener().await.watch_script(&lock.script());
        let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
        world.broadcast(&deposit).await;
        world.mine(1).await;
        let lies = [
            (Lie::AnotherTransaction, "is another one"),
            (Lie::AnotherPlace, "cannot prove it"),
            (Lie::AnotherHeader, "is something else"),
        ];
        for (lie, told) in lies {
            let server = Explorer::start(world.node()).await;
            server.lies(lie);
            let error = server.client().facts_since(&desk.cursor, &desk.watched).await.unwrap_err();
            assert!(matches!(&error, ChainError::Confused(why) if why.contains(told)), "{told}: {error}");
        }
    }

    /// It says that what waits is confirmed, in a block that does not hold it.
    #[tokio::test]
    async fn a_deposit_that_is_said_to_be_confirmed_has_to_be_proved() {
        let mut world = World::explored().await;
        let lock = Lock::number(1);
        let desk = world.listener().await.watch_script(&lock.script());
        world.mine(1).await;
        let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
        world.broadcast(&deposit).await;
        let server = world.explorer();
        server.lies(Lie::AlreadyConfirmed);
        let error = server.client().facts_since(&desk.cursor, &desk.watched).await.unwrap_err();
        assert!(matches!(&error, ChainError::Confused(why) if why.contains("cannot prove it")), "{error}");
    }

    #[tokio::test]
    async fn a_server_is_reached_through_a_socks_proxy_and_by_tls_with_the_certificate_that_was_named() {
        let world = World::explored().await;
        let (tip, server, papers) = (world.tip().await, world.explorer().address, Papers::new());
        let (proxy, asked) = socks().await;
        let far = Way { proxy: Some(proxy.to_string().parse().unwrap()), ..Way::default() };
        let by_name = [format!("http://localhost:{}", server.port())];
        assert_eq!(by_esplora(&by_name, &far).tip().await.unwrap().block, tip);
        assert!(asked.lock().unwrap().iter().all(|host| host == "localhost"), "names are left to the proxy");
        let with = |who: &str| Way { certificate: Some(papers.certificate(who)), ..Way::default() };
        let named = [format!("https://localhost:{}", papers.door("localhost", server).await.port())];
        assert_eq!(by_esplora(&named, &with("authority")).tip().await.unwrap().block, tip);
        let error = by_esplora(&named, &Way::default()).tip().await.unwrap_err();
        assert!(matches!(&error, ChainError::Confused(why) if why.contains("is not trusted")), "{error}");
    }

    #[tokio::test]
    async fn between_two_looks_a_server_is_left_in_peace() {
        let mut world = World::explored().await;
        let lock = Lock::number(1);
        let desk = world.listener().await.watch_script(&lock.script());
        let slow = world.explorer().client().with_pace(Duration::from_secs(3_600));
        let tip = slow.tip().await.unwrap();
        assert!(slow.facts_since(&desk.cursor, &desk.watched).await.unwrap().caught_up);
        let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
        world.broadcast(&deposit).await;
        world.mine(1).await;
        assert_eq!(slow.tip().await.unwrap(), tip, "as of the last look");
        assert_eq!(slow.facts_since(&desk.cursor, &desk.watched).await.unwrap().events, []);
        slow.broadcast(&deposit).await.unwrap();
        assert_ne!(slow.tip().await.unwrap(), tip, "whoever sends looks again");
    }
}
