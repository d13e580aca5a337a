//! Puts a desk together from its settings and serves it, or says in words why it will not.

use std::{io::Read, path::Path, sync::Arc, time::Duration};

use actix_web::{HttpServer, dev::ServerHandle};
use anyhow::{Context, bail, ensure};
use bitcoin::FeeRate;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_postgres::NoTls;

use crate::{
    chain::{
        Chain, Trouble,
        core::{Core, CoreAuth},
        electrum::electrum,
        esplora::esplora,
        link::Way,
        practice::Practice,
    },
    desk::{Desk, Secrets, admin, delivery, live, worker},
    settings::{Backend, Settings},
    store::{
        self, Store,
        migrate::{self, Schema},
    },
    telemetry,
    web::{self, Site, site::Outside},
};

/// Requests in flight have this long to be answered when the server is told to stop.
const STOP_SECONDS: u64 = 10;

/// Ended sessions and full buckets are no burden for an hour.
const TIDY: Duration = Duration::from_secs(3600);

/// How the server is told to stop, beside SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Told,
    /// Also when standard input closes: whoever started the server is gone.
    StdinCloses,
}

/// Serves until told to stop.
pub fn serve(file: Option<&Path>, until: Until) -> anyhow::Result<()> {
    let settings = Settings::read(file)?;
    telemetry::start(settings.log.format, &settings.log.filter)?;
    let problems = settings.problems();
    ensure!(problems.is_empty(), "the desk does not start with these settings:\n  - {}", problems.join("\n  - "));
    actix_web::rt::System::new().block_on(run(settings, until))
}

async fn run(settings: Settings, until: Until) -> anyhow::Result<()> {
    migrate(&settings).await?;
    let (chain, practice) = chain(&settings).await?;
    let desk = Arc::new(desk(&settings, chain)?.with_practice(practice).with_courier(settings.courier()?));
    admin::settle(&desk).await?;
    actix_web::rt::spawn(tidy_now_and_then(desk.clone()));
    actix_web::rt::spawn(worker::run(desk.clone()));
    actix_web::rt::spawn(live::run(desk.clone()));
    actix_web::rt::spawn(delivery::run(desk.clone()));
    let site = Arc::new(Site::new(desk.clone(), outside(&settings))?);
    let mut server = HttpServer::new(move || web::app(site.clone())).shutdown_timeout(STOP_SECONDS);
    if settings.server.workers > 0 {
        server = server.workers(settings.server.workers);
    }
    let listen = settings.server.listen;
    let server = server.bind(listen).with_context(|| format!("the address {listen} cannot be used"))?.run();
    let_go_when_told(desk.live.clone())?;
    if until == Until::StdinCloses {
        stop_when_stdin_closes(server.handle(), desk.live.clone());
    }
    tracing::info!(%listen, desk = settings.desk_host(), network = %settings.chain.network, "the desk is open");
    server.await?;
    tracing::info!("the desk is closed");
    Ok(())
}

async fn tidy_now_and_then(desk: Arc<Desk>) {
    let mut hours = actix_web::rt::time::interval(TIDY);
    loop {
        hours.tick().await;
        if let Err(error) = admin::tidy(&desk).await {
            tracing::error!(%error, "tidying up failed; it is tried again in an hour");
        }
    }
}

/// The desk with its store and chain; connects to nothing yet.
pub fn desk(settings: &Settings, chain: Arc<dyn Chain>) -> anyhow::Result<Desk> {
    let secret = |secret| Settings::secret_bytes(secret).context("a secret is not 32 bytes in hexadecimal");
    let keys = &settings.secrets;
    Ok(Desk::new(
        Store::open(settings.database.url.expose_secret())?,
        chain,
        settings.rules(),
        Secrets::new(secret(&keys.session_key)?, secret(&keys.data_key)?, keys.data_key_version),
    ))
}

/// Brings the schema up to date; a schema this program does not know is left alone.
async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let place = store::place(settings.database.url.expose_secret()).context("database.url cannot be read")?;
    let (mut client, connection) = place.connect(NoTls).await.context("the database cannot be reached")?;
    let connection = actix_web::rt::spawn(connection);
    if migrate::check(&mut client).await? == Schema::Ahead {
        bail!(
            "the database was made by a newer Trine than this one. Start that one; this one would not understand it."
        );
    }
    migrate::run(&mut client).await.context(
        "the database's migrations are half done or not this program's, so the desk does not start. Restore the last backup, or mend \
         what is named here",
    )?;
    drop(client);
    connection.await??;
    Ok(())
}

async fn chain(settings: &Settings) -> anyhow::Result<(Arc<dyn Chain>, Option<Arc<Practice>>)> {
    let (chain, practice): (Arc<dyn Chain>, _) = match settings.chain.backend {
        Backend::Practice => {
            let practice = practice(settings)?;
            (practice.clone(), Some(practice))
        }
        Backend::Core => (core(settings)?, None),
        Backend::Electrum | Backend::Esplora => (light(settings)?, None),
    };
    check_network(chain.as_ref(), settings).await?;
    Ok((chain, practice))
}

/// A node of another network would make every address here a trap.
async fn check_network(chain: &dyn Chain, settings: &Settings) -> anyhow::Result<()> {
    let network = settings.chain.network;
    let ours = bitcoin::constants::genesis_block(network).block_hash();
    let theirs = match chain.cursor_at(0).await {
        Ok(first) => first.hash,
        // It is asked again at each reading, and nothing is counted until it has answered.
        Err(error) if matches!(error.trouble(), Some(Trouble::Absent | Trouble::Hanging | Trouble::Loading)) => {
            tracing::warn!(%error, "the chain is out of sight; the desk opens without it");
            return Ok(());
        }
        Err(error) => return Err(error).context("the chain's first block cannot be read"),
    };
    ensure!(
        ours == theirs,
        "the node is on another network: chain.network is \"{network}\", whose first block is {ours}, and the node's is {theirs}"
    );
    Ok(())
}

fn core(settings: &Settings) -> anyhow::Result<Arc<dyn Chain>> {
    let node = &settings.chain;
    let auth = match (&node.cookie, &node.user, &node.password) {
        (Some(file), _, _) => CoreAuth::Cookie(file.clone()),
        (None, Some(user), Some(password)) => CoreAuth::Password { user: user.clone(), password: password.clone() },
        _ => bail!("Bitcoin Core wants chain.cookie, or chain.user and chain.password"),
    };
    let fallback = FeeRate::from_sat_per_vb_u32(node.fallback_sat_per_vb);
    Ok(Arc::new(Core::new(&node.url, auth, node.network)?.with_unknown_fee_rate(fallback)))
}

/// Servers that are asked by script.
fn light(settings: &Settings) -> anyhow::Result<Arc<dyn Chain>> {
    let chain = &settings.chain;
    let proxy = chain.proxy.as_deref().map(str::parse).transpose()?;
    let way = Way { proxy, certificate: chain.certificate.clone(), ..Way::default() };
    let light = if chain.backend == Backend::Electrum {
        let servers = chain.servers.iter().map(|server| server.parse()).collect::<Result<Vec<_>, _>>()?;
        electrum(&servers, &way, chain.network)?
    } else {
        let servers = chain.servers.iter().map(|server| server.parse()).collect::<Result<Vec<_>, _>>()?;
        esplora(&servers, &way, chain.network)?
    };
    let fallback = FeeRate::from_sat_per_vb_u32(chain.fallback_sat_per_vb);
    Ok(Arc::new(light.with_unknown_fee_rate(fallback)))
}

fn practice(settings: &Settings) -> anyhow::Result<Arc<Practice>> {
    let file = &settings.chain.file;
    let chain = Arc::new(Practice::open(file).with_context(|| format!("the practice chain {}", file.display()))?);
    chain.prepare(Timestamp::now())?;
    if let Some(seconds) = Some(settings.chain.beat_seconds).filter(|seconds| *seconds > 0) {
        beat(chain.clone(), Duration::from_secs(seconds));
    }
    Ok(chain)
}

/// The practice chain's heart: it waits for the disk, so it beats in a thread of its own.
fn beat(chain: Arc<Practice>, pause: Duration) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(pause);
            if let Err(error) = chain.beat(Timestamp::now()) {
                tracing::error!(%error, "the practice chain missed a beat");
            }
        }
    });
}

/// `http://` and a name that ends with `.onion`, with or without a port.
fn is_onion(origin: &str) -> bool {
    origin.split_once("://").is_some_and(|(_, host)| {
        let name = host.split_once(':').map_or(host, |(name, _)| name);
        name.trim_end_matches('/').ends_with(".onion")
    })
}

fn outside(settings: &Settings) -> Outside {
    let server = &settings.server;
    Outside {
        origins: server.origins.clone(),
        trusted_proxies: server.trusted_proxies.clone(),
        throttle_addresses: true,
        onion: server.origins.iter().any(|origin| is_onion(origin)),
    }
}

/// Open pages are let go at the first word: the server waits for every answer that is under way, and theirs has no end.
fn let_go_when_told(live: Arc<live::Live>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    actix_web::rt::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        live.close();
    });
    Ok(())
}

fn stop_when_stdin_closes(server: ServerHandle, live: Arc<live::Live>) {
    let (closed, is_closed) = oneshot::channel();
    std::thread::spawn(move || {
        let mut nothing = [0; 64];
        while std::io::stdin().read(&mut nothing).is_ok_and(|bytes| bytes > 0) {}
        let _ = closed.send(());
    });
    actix_web::rt::spawn(async move {
        if is_closed.await.is_ok() {
            live.close();
            server.stop(true).await;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::is_onion;

    #[test]
    fn onion_services_are_known_by_their_name() {
        assert!(is_onion("http://abc.onion") && is_onion("http://abc.onion:8080"));
        assert!(!is_onion("https://abc.onion.example") && !is_onion("https://desk.example"));
    }
}
