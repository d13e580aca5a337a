//! `trine practice`: a whole desk to play with, from one command. A supervisor starts a private PostgreSQL, the server and
//! the practice partners, does for them what an operator does at the command line, and stops all of it in order.
//!
//! Whatever way the last run ended, kill -9 included, the next one goes on with the same data.

pub mod folder;
pub mod postgres;
pub mod server;
mod table;
mod user;

use std::{cell::RefCell, net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use bitcoin::Network;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep},
};

use folder::{StateFolder, write_secret_file};
use postgres::{Found, PrivatePostgres, Stop};
use server::{Program, Server};

use crate::partners::{
    people::{self, Part, Person},
    seed::{READY, Seeding},
};

/// The practice chain goes by regtest's rules.
const NETWORK: Network = Network::Regtest;
/// Reference rates to play with, set anew at each start.
const RATES: [(&str, &str); 4] = [("EUR", "58420.10"), ("CHF", "54900.00"), ("GBP", "50310.50"), ("USD", "67240.00")];
/// The desk's database in the private PostgreSQL.
const DATABASE: &str = "trine";

/// Everyone makes a key, which is slow on purpose, and posts offers.
const PARTNERS_READY_SECONDS: u64 = 120;
const POLL: Duration = Duration::from_millis(100);

/// What was started beside PostgreSQL, in this order.
#[derive(Debug, Default)]
struct Running {
    server: Option<Server>,
    partners: Option<Server>,
}

/// Starts everything, waits for the word to stop, stops everything: partners, then the server, then PostgreSQL.
pub async fn run(listen: SocketAddr, with_partners: bool) -> anyhow::Result<()> {
    let state = StateFolder::open()?;
    let postgres = PrivatePostgres::at(&state.postgres())?;
    let mut running = Running::default();
    let outcome = tokio::select! {
        outcome = play(&state, &postgres, listen, with_partners, &mut running) => outcome,
        word = told_to_stop() => word,
    };
    say("\nStopping.");
    let mut stopped = Ok(());
    for child in [running.partners.as_mut(), running.server.as_mut()].into_iter().flatten() {
        stopped = stopped.and(child.stop().await);
    }
    let postgres_stopped = postgres.stop(Stop::Fast).await;
    say("Stopped. Everything is kept for the next time.");
    outcome.and(stopped).and(postgres_stopped)
}

/// Runs until something goes wrong.
async fn play(
    state: &StateFolder,
    postgres: &PrivatePostgres,
    listen: SocketAddr,
    with_partners: bool,
    running: &mut Running,
) -> anyhow::Result<()> {
    say(&format!("A practice desk, kept in {}.", state.path().display()));
    match postgres.start().await? {
        Found::Nothing => say("PostgreSQL: set up and started, for this desk alone."),
        Found::Stopped => say("PostgreSQL: started."),
        Found::Running => say("PostgreSQL: still running from before; going on with it."),
    }
    postgres.create_database(DATABASE).await?;
    let database_url = postgres.url(DATABASE);
    let folder = state.partners()?;
    let file = folder.join("people.json");
    let people = people::cast(&file, NETWORK, write_secret_file)?;
    let operator = people.iter().find(|person| person.part == Part::Operator).context("a desk has an operator")?;
    let fee_xpub = operator.wallet(NETWORK)?.receiving_xpub()?.to_string();
    let program = Program {
        exe: std::env::current_exe()?,
        settings: state.settings(&database_url, &fee_xpub)?,
        database_url,
        listen,
        log: state.server_log(),
    };
    let server = running.server.insert(Server::start(&program).await?);
    server.wait_until_ready(&program.origin()).await?;
    let people = RefCell::new(people);
    let seeding = Seeding { origin: program.origin(), network: NETWORK, people, file, keep: write_secret_file };
    appoint_everyone(&program, &seeding).await?;
    let partners = match with_partners {
        true => {
            let command = program.partners(&folder);
            let partners =
                running.partners.insert(Server::spawn("the partners", command, &state.partners_log()).await?);
            wait_for(partners, &seeding).await?;
            Some(partners)
        }
        false => None,
    };
    say(&table::of(&seeding.everyone()));
    match &partners {
        Some(_) => say(&format!(
            "All but {} are played by practice partners, a program of their own: take their offers, they answer.\nNew here? The tour: {}/tour",
            seeding.everyone().iter().find(|p| p.part == Part::Operator).map_or("", |p| p.name.as_str()),
            program.origin()
        )),
        None => say("Nobody plays them: sign in as each of them yourself, in a browser profile of its own."),
    }
    say(&format!("The desk is open at {} and writes its log to {}.", program.origin(), program.log.display()));
    say("Ctrl-C stops it.");
    match partners {
        Some(partners) => tokio::select! { why = server.ended() => Err(why), why = partners.ended() => Err(why) },
        None => Err(server.ended().await),
    }
}

/// What an operator does at the command line, for people who have registered at the desk's door.
async fn appoint_everyone(program: &Program, seeding: &Seeding) -> anyhow::Result<()> {
    seeding.accounts().await?;
    let is = |part| move |person: &Person| person.part == part;
    let add = async |person: &Person| program.run(&["operator", "add", &person.name, "--existing"]).await.map(drop);
    seeding.each("operator", is(Part::Operator), add).await?;
    let appoint = async |person: &Person| {
        let contact = format!("{}@desk.example", person.name);
        program.run(&["arbitrator", "appoint", &person.name, "--contact", &contact]).await.map(drop)
    };
    seeding.each("arbitrator", is(Part::Arbitrator), appoint).await?;
    for (currency, price) in RATES {
        program.run(&["rate", "set", currency, price]).await?;
    }
    Ok(())
}

/// Until every partner has noted in the partners' own folder that it is ready.
async fn wait_for(partners: &mut Server, seeding: &Seeding) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_secs(PARTNERS_READY_SECONDS);
    while Instant::now() < until {
        partners.still_runs()?;
        let people = people::read(&seeding.file)?;
        if people.iter().all(|person| person.part == Part::Operator || person.has_done(READY)) {
            return Ok(());
        }
        sleep(POLL).await;
    }
    bail!("the partners are not ready after {PARTNERS_READY_SECONDS} seconds; their log says why")
}

async fn told_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        word = tokio::signal::ctrl_c() => word?,
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// To the terminal, if there still is one.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}
