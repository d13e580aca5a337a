//! The one program: what to do is the first word.

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;
use bitcoin::{Amount, Denomination, amount::ParseAmountError};
use clap::{Parser, Subcommand};
use rust_decimal::Decimal;
use trine::{
    app::{self, Until},
    commands::{self, desk::Act},
    practice,
    settings::Settings,
};

/// A self-hosted peer-to-peer bitcoin desk with non-custodial escrow.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    /// The settings file. The environment wins over it.
    #[arg(long, global = true, env = "TRINE_SETTINGS", value_name = "FILE")]
    settings: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the desk: production. Wants a PostgreSQL, a node and settings; see `settings print`.
    Serve {
        /// Stop when standard input closes, which it does when the program that started this one is gone.
        #[arg(long, hide = true)]
        until_stdin_closes: bool,
    },

    /// A whole desk to play with: its own PostgreSQL, a play chain, play accounts.
    Practice {
        /// Where to be reached.
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// Nobody plays the accounts of the desk but you.
        #[arg(long)]
        without_partners: bool,
    },

    /// Practice partners: they make offers on a practice desk and trade with whoever takes them, over HTTP like everyone.
    Partners {
        /// The practice desk's address.
        #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
        desk: String,
        /// Where their passwords and words are kept; nobody else may read it.
        #[arg(long, value_name = "FOLDER")]
        folder: PathBuf,
        /// Stop when standard input closes, which it does when the program that started this one is gone.
        #[arg(long, hide = true)]
        until_stdin_closes: bool,
    },

    /// Operators of the desk.
    #[command(subcommand)]
    Operator(OperatorCommand),

    /// Arbitrators of the desk.
    #[command(subcommand)]
    Arbitrator(ArbitratorCommand),

    /// Suspend or restore an account.
    #[command(subcommand)]
    Account(AccountCommand),

    /// Make an invitation: a code that lets one person register.
    Invite,

    /// The reference rates that floating offers follow.
    #[command(subcommand)]
    Rate(RateCommand),

    /// Stop new takes; running trades go on.
    Pause { why: String },

    /// Allow new takes again.
    Resume,

    /// Write a consistent copy of everything the desk knows, while it runs.
    Backup {
        /// Where the copies are kept, each in a folder of its own.
        folder: PathBuf,
        /// How many of them; older ones go.
        #[arg(long, default_value_t = 14)]
        keep: usize,
    },

    /// Bring a desk back from a backup, into an empty database.
    Restore {
        /// The folder of one backup.
        backup: PathBuf,
        /// Only see that it would work: in a database that is thrown away. The desk that runs is not touched.
        #[arg(long)]
        verify: bool,
    },

    /// Check a contract by yourself: no desk and no network needed.
    #[command(subcommand)]
    Contract(ContractCommand),

    /// Print or check the settings.
    #[command(subcommand)]
    Settings(SettingsCommand),
}

#[derive(Debug, Subcommand)]
enum OperatorCommand {
    /// Make an operator: a new account, whose password is printed.
    Add {
        name: String,
        /// The account of this name is there already, and is yours.
        #[arg(long)]
        existing: bool,
    },
    /// Make a trader like others of an operator, and sign him out everywhere.
    Remove { name: String },
}

#[derive(Debug, Subcommand)]
enum ArbitratorCommand {
    /// Make an arbitrator of an account: it cannot trade from then on, and is on duty after its first drill.
    Appoint {
        name: String,
        /// How to reach the arbitrator without the desk: stands in the public record.
        #[arg(long)]
        contact: String,
        /// Not drawn while open escrows come to more than this, in bitcoin.
        #[arg(long, default_value = "5", value_name = "BTC", value_parser = in_bitcoin)]
        exposure_limit: Amount,
    },
    /// End an appointment. Trades with a deposit keep their arbitrator: the key in the script rules.
    Dismiss { name: String },
}

#[derive(Debug, Subcommand)]
enum AccountCommand {
    /// No new offers and takes; running trades go on. The reason is shown to the account.
    Suspend {
        name: String,
        why: String,
    },
    Restore {
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum RateCommand {
    /// The price of one bitcoin, like: rate set EUR 58420.10
    Set { currency: String, price: Decimal },
}

#[derive(Debug, Subcommand)]
enum ContractCommand {
    /// Rebuild the address from the contract file and verify both traders' signatures.
    Check { file: PathBuf, signatures: PathBuf },
}

#[derive(Debug, Subcommand)]
enum SettingsCommand {
    /// Print an annotated settings file with the defaults.
    Print,
    /// Say what is wrong with a settings file, all of it.
    Check { file: Option<PathBuf> },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "trine: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let file = cli.settings.as_deref();
    let at_the_desk = |act: Act| say(&commands::desk::run(file, &act)?);
    match &cli.command {
        Command::Serve { until_stdin_closes: true } => app::serve(file, Until::StdinCloses),
        Command::Serve { until_stdin_closes: false } => app::serve(file, Until::Told),
        Command::Practice { listen, without_partners } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(practice::run(*listen, !without_partners))
        }
        Command::Partners { desk, folder, until_stdin_closes } => {
            commands::partners::run(desk, folder, *until_stdin_closes)
        }
        Command::Operator(OperatorCommand::Add { name, existing }) => {
            at_the_desk(Act::AddOperator { name: name.clone(), existing: *existing })
        }
        Command::Operator(OperatorCommand::Remove { name }) => at_the_desk(Act::RemoveOperator { name: name.clone() }),
        Command::Arbitrator(ArbitratorCommand::Appoint { name, contact, exposure_limit }) => {
            at_the_desk(Act::Appoint { name: name.clone(), contact: contact.clone(), exposure_limit: *exposure_limit })
        }
        Command::Arbitrator(ArbitratorCommand::Dismiss { name }) => at_the_desk(Act::Dismiss { name: name.clone() }),
        Command::Account(AccountCommand::Suspend { name, why }) => {
            at_the_desk(Act::Suspend { name: name.clone(), why: why.clone() })
        }
        Command::Account(AccountCommand::Restore { name }) => at_the_desk(Act::Restore { name: name.clone() }),
        Command::Invite => at_the_desk(Act::Invite),
        Command::Rate(RateCommand::Set { currency, price }) => {
            at_the_desk(Act::SetRate { currency: currency.clone(), price: *price })
        }
        Command::Pause { why } => at_the_desk(Act::Pause { why: why.clone() }),
        Command::Resume => at_the_desk(Act::Resume),
        Command::Backup { folder, keep } => say(&commands::backup::run(file, folder, *keep)?),
        Command::Restore { backup, verify: true } => say(&commands::restore::verify(file, backup)?),
        Command::Restore { backup, verify: false } => say(&commands::restore::run(file, backup)?),
        Command::Contract(ContractCommand::Check { file, signatures }) => {
            say(&commands::contract::check(file, signatures)?)
        }
        Command::Settings(SettingsCommand::Print) => say(&Settings::template()),
        Command::Settings(SettingsCommand::Check { file }) => check(file.as_deref().or(cli.settings.as_deref())),
    }
}

fn in_bitcoin(text: &str) -> Result<Amount, ParseAmountError> {
    Amount::from_str_in(text, Denomination::Bitcoin)
}

fn check(file: Option<&Path>) -> anyhow::Result<()> {
    let problems = Settings::read(file)?.problems();
    if problems.is_empty() {
        return say("The settings are fine.\n");
    }
    bail!("the settings are not ready:\n{}", listed(&problems))
}

fn listed(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("  - {problem}\n")).collect()
}

fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
