//! What an operator does at the desk from the command line. Each command is one act of `desk::admin`, in a process of its
//! own beside the server; both meet in the database.

use std::{path::Path, sync::Arc};

use anyhow::{anyhow, ensure};
use bitcoin::Amount;
use rust_decimal::Decimal;

use super::programs::Place;
use crate::{
    app,
    chain::practice::Practice,
    desk::{
        Desk, Error,
        admin::{self, Operator},
        arbitrators,
    },
    settings::Settings,
    store::Store,
};

/// One act, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    AddOperator { name: String, existing: bool },
    RemoveOperator { name: String },
    Appoint { name: String, contact: String, exposure_limit: Amount },
    Dismiss { name: String },
    Suspend { name: String, why: String },
    Restore { name: String },
    Invite,
    SetRate { currency: String, price: Decimal },
    Pause { why: String },
    Resume,
}

/// Does it and says what was done; a refusal is an error in the desk's own words.
pub fn run(file: Option<&Path>, act: &Act) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let desk = open(&settings(file)?)?;
        perform(&desk, act).await.map_err(in_words)
    })
}

async fn perform(desk: &Desk, act: &Act) -> Result<String, Error> {
    admin::settle(desk).await?;
    Ok(match act {
        Act::AddOperator { name, existing } => match admin::first_operator(desk, name, *existing).await? {
            Operator::Promoted => format!("{name} is an operator now.\n"),
            Operator::Created { password } => format!(
                "{name} is an operator now. The account is new, with the password\n  {password}\nSign in and change it.\n"
            ),
        },
        Act::RemoveOperator { name } => {
            admin::remove_operator(desk, name).await?;
            format!("{name} is a trader like others now, and signed out everywhere.\n")
        }
        Act::Appoint { name, contact, exposure_limit } => {
            arbitrators::appoint(desk, name, contact, *exposure_limit).await?;
            format!("{name} is an arbitrator now, and on duty after making a key and a drill.\n")
        }
        Act::Dismiss { name } => {
            arbitrators::dismiss(desk, name).await?;
            format!("{name} is dismissed, and keeps the duty in trades that have a deposit.\n")
        }
        Act::Suspend { name, why } => {
            admin::suspend(desk, name, why).await?;
            format!("{name} is suspended: no new offers and takes; running trades go on.\n")
        }
        Act::Restore { name } => {
            admin::restore(desk, name).await?;
            format!("{name} is restored.\n")
        }
        Act::Invite => format!("{}\n", admin::invite(desk).await?),
        Act::SetRate { currency, price } => {
            admin::set_rate(desk, currency, *price).await?;
            format!("One bitcoin is {price} {}.\n", currency.to_uppercase())
        }
        Act::Pause { why } => {
            admin::pause(desk, why).await?;
            "The desk is paused: no new takes; running trades go on.\n".to_owned()
        }
        Act::Resume => {
            admin::resume(desk).await?;
            "The desk goes on.\n".to_owned()
        }
    })
}

/// The settings, if they are ready.
pub(super) fn settings(file: Option<&Path>) -> anyhow::Result<Settings> {
    let settings = Settings::read(file)?;
    let problems = settings.problems();
    ensure!(problems.is_empty(), "these settings are not ready:\n  - {}", problems.join("\n  - "));
    Ok(settings)
}

/// The desk without its server. None of these acts asks the chain, so it gets an empty one: the real one may be a file that
/// the server holds.
pub(super) fn open(settings: &Settings) -> anyhow::Result<Desk> {
    app::desk(settings, Arc::new(Practice::in_memory()))
}

/// The same on a database that is being restored, whose every row is looked at.
pub(super) fn open_at(settings: &Settings, place: &Place) -> anyhow::Result<Desk> {
    let mut desk = open(settings)?;
    desk.store = Store::open_with(place.config().clone())?.patient()?;
    Ok(desk)
}

pub(super) fn in_words(error: Error) -> anyhow::Error {
    match error {
        Error::Refused(refusal) => {
            let fields = refusal.fields.iter().map(|field| field.words.as_str());
            let all: Vec<&str> =
                std::iter::once(refusal.words.as_str()).chain(fields).filter(|w| !w.is_empty()).collect();
            anyhow!("{}", all.join(" "))
        }
        Error::Failed(failure) => failure.0,
    }
}
