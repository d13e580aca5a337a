//! `trine practice`: a whole desk to play with, from one command. A supervisor starts a private PostgreSQL and the server,
//! gives it play accounts through the same doors as everyone, and stops all of it in order.
//!
//! Whatever way the last run ended, kill -9 included, the next one goes on with the same data.

pub mod folder;
pub mod postgres;
pub mod server;
mod table;
mod user;

use std::net::SocketAddr;

use anyhow::Context;
use bitcoin::Network;
use jiff::Zoned;
use tokio::signal::unix::{SignalKind, signal};

use folder::{StateFolder, write_secret_file};
use postgres::{Found, PrivatePostgres, Stop};
use server::{Program, Server};

use crate::partners::{
    door::Door,
    people::{self, Part, Person},
    seed::Seeding,
};

/// The practice chain goes by regtest's rules.
const NETWORK: Network = Network::Regtest;
/// Reference rates to play with, set anew at each start.
const RATES: [(&str, &str); 4] = [("EUR", "58420.10"), ("CHF", "54900.00"), ("GBP", "50310.50"), ("USD", "67240.00")];
/// The desk's database in the private PostgreSQL.
const DATABASE: &str = "trine";

/// Starts everything, waits for the word to stop, stops everything: the server first, then PostgreSQL.
pub async fn run(listen: SocketAddr) -> anyhow::Result<()> {
    let state = StateFolder::open()?;
    let postgres = PrivatePostgres::at(&state.postgres())?;
    let mut server = None;
    let outcome = tokio::select! {
        outcome = play(&state, &postgres, listen, &mut server) => outcome,
        word = told_to_stop() => word,
    };
    say("\nStopping.");
    let server_stopped = match server.as_mut() {
        Some(server) => server.stop().await,
        None => Ok(()),
    };
    let postgres_stopped = postgres.stop(Stop::Fast).await;
    say("Stopped. Everything is kept for the next time.");
    outcome.and(server_stopped).and(postgres_stopped)
}

/// Runs until something goes wrong.
async fn play(
    state: &StateFolder,
    postgres: &PrivatePostgres,
    listen: SocketAddr,
    server: &mut Option<Server>,
) -> anyhow::Result<()> {
    say(&format!("A practice desk, kept in {}.", state.path().display()));
    match postgres.start().await? {
        Found::Nothing => say("PostgreSQL: set up and started, for this desk alone."),
        Found::Stopped => say("PostgreSQL: started."),
        Found::Running => say("PostgreSQL: still running from before; going on with it."),
    }
    postgres.create_database(DATABASE).await?;
    let database_url = postgres.url(DATABASE);
    let file = state.partners()?.join("people.json");
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
    let server = server.insert(Server::start(&program).await?);
    server.wait_until_ready(&program.origin()).await?;
    let mut seeding = Seeding { origin: program.origin(), network: NETWORK, people, file, keep: write_secret_file };
    bring_everyone(&program, &mut seeding).await?;
    say(&table::of(&seeding.people));
    say(&format!("The desk is open at {} and writes its log to {}.", program.origin(), program.log.display()));
    say("Ctrl-C stops it.");
    Err(server.ended().await)
}

/// The cast takes its places: what people do at the desk's doors, what an operator does at the command line.
async fn bring_everyone(program: &Program, seeding: &mut Seeding) -> anyhow::Result<()> {
    seeding.accounts().await?;
    let is = |part| move |person: &Person| person.part == part;
    let add = async |person: &Person, _: &Door, _| program.run(&["operator", "add", &person.name]).await.map(drop);
    seeding.each("operator", is(Part::Operator), add).await?;
    let appoint = async |person: &Person, _: &Door, _| {
        let contact = format!("{}@desk.example", person.name);
        program.run(&["arbitrator", "appoint", &person.name, "--contact", &contact]).await.map(drop)
    };
    seeding.each("arbitrator", is(Part::Arbitrator), appoint).await?;
    for (currency, price) in RATES {
        program.run(&["rate", "set", currency, price]).await?;
    }
    seeding.keys().await?;
    seeding.drills(&Zoned::now().strftime("%Y-%m").to_string()).await?;
    seeding.wares().await
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
