//! Everything an operator decides, read once at the start: from the environment first, then the settings file, then defaults.
//!
//! The doc comments here are the settings file: `trine settings print` writes them out as an annotated template.
//! Reading is lenient about what is left out and strict about what is there; [`Settings::problems`] says every doubt in words.

mod check;
mod courier;
mod rules;
mod told;

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use bitcoin::Network;
use confique::{Config, toml::FormatOptions};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::{desk::rules::Registration, telemetry::LogFormat};

/// What a secret is called until somebody has made one.
pub const DEFAULT_SECRET: &str = "change-me";

/// The settings of a Trine desk. Lines with # are the defaults.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Settings {
    #[config(nested)]
    pub server: Server,
    #[config(nested)]
    pub database: Database,
    #[config(nested)]
    pub chain: Chain,
    #[config(nested)]
    pub secrets: Secrets,
    #[config(nested)]
    pub fees: Fees,
    #[config(nested)]
    pub windows: Windows,
    #[config(nested)]
    pub confirmations: Confirmations,
    #[config(nested)]
    pub limits: Limits,
    #[config(nested)]
    pub mail: Mail,
    #[config(nested)]
    pub webhooks: Webhooks,
    #[config(nested)]
    pub log: Log,
}

/// Who can reach the desk, and by which names.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Server {
    /// The address to listen on. Put a reverse proxy with TLS, or an onion service, in front of it.
    #[config(env = "TRINE_LISTEN", default = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// The public addresses of this desk, like ["https://desk.example"]. Forms are accepted from these only. The host
    /// name of the first is the desk's name in every contract: choose it once, for a trade in flight cannot change it.
    #[config(env = "TRINE_ORIGINS", default = ["http://127.0.0.1:8080"], parse_env = confique::env::parse::list_by_comma)]
    pub origins: Vec<String>,

    /// Proxies whose word about a visitor's address is believed. Everyone else's counts as their own.
    #[config(env = "TRINE_TRUSTED_PROXIES", default = [], parse_env = confique::env::parse::list_by_comma)]
    pub trusted_proxies: Vec<IpAddr>,

    /// Who may register: "open", "invitation" (`trine invite` makes one) or "closed".
    #[config(env = "TRINE_REGISTRATION", default = "invitation", deserialize_with = registration)]
    pub registration: Registration,

    /// How many threads answer requests; 0 means one per processor.
    #[config(env = "TRINE_WORKERS", default = 0)]
    pub workers: usize,
}

/// The desk's PostgreSQL, version 15 or newer.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Database {
    /// Like "postgresql://trine:password@127.0.0.1/trine". Without a host it is the PostgreSQL of this machine, by the
    /// socket in /run/postgresql, as the user that the desk runs as.
    #[config(env = "DATABASE_URL", default = "postgresql:///trine", deserialize_with = secret)]
    pub url: SecretString,
}

/// Where the desk reads the chain and sends transactions.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Chain {
    /// "bitcoin", "testnet", "testnet4", "signet" or "regtest". The desk refuses to start on a node of another network.
    #[config(env = "TRINE_NETWORK", default = "bitcoin")]
    pub network: Network,

    /// "core": Bitcoin Core by JSON-RPC; it needs neither a wallet nor an index. "electrum" or "esplora": servers that are
    /// asked by address; what they leave out the desk cannot see, so let them be yours. "practice": a play chain in a
    /// file, regtest only.
    #[config(env = "TRINE_CHAIN", default = "core")]
    pub backend: Backend,

    /// Bitcoin Core's JSON-RPC.
    #[config(env = "TRINE_CORE_URL", default = "http://127.0.0.1:8332")]
    pub url: String,

    /// Bitcoin Core's cookie file; or name a user and a password instead.
    #[config(env = "TRINE_CORE_COOKIE")]
    pub cookie: Option<PathBuf>,

    #[config(env = "TRINE_CORE_USER")]
    pub user: Option<String>,

    #[config(env = "TRINE_CORE_PASSWORD", deserialize_with = secret)]
    pub password: Option<SecretString>,

    /// The fee rate for payouts, in sat/vB, as long as the node has seen too little to estimate one. A payout can be
    /// sent with a higher fee later.
    #[config(env = "TRINE_FALLBACK_SAT_PER_VB", default = 5)]
    pub fallback_sat_per_vb: u32,

    /// Electrum: ["tls://host:50002", "tcp://127.0.0.1:50001"]. Esplora: ["https://host/api"]. The first that answers
    /// right is heard, and the others when it may be behind. Esplora is asked for each address at each block: from some
    /// hundreds of trades on take Electrum.
    #[config(env = "TRINE_CHAIN_SERVERS", default = [], parse_env = confique::env::parse::list_by_comma)]
    pub servers: Vec<String>,

    /// A SOCKS5 proxy to reach those servers through, like Tor's "127.0.0.1:9050". Names are resolved behind it.
    #[config(env = "TRINE_CHAIN_PROXY")]
    pub proxy: Option<String>,

    /// A PEM file with the server's own certificate (self-signed is fine) or its authority's, for tls:// and https://.
    /// Without it the authorities of this machine are believed.
    #[config(env = "TRINE_CHAIN_CERTIFICATE")]
    pub certificate: Option<PathBuf>,

    /// The file of the practice chain.
    #[config(env = "TRINE_PRACTICE_CHAIN", default = "practice.chain")]
    pub file: PathBuf,

    /// The practice chain mines a block this often; 0 means only when asked.
    #[config(env = "TRINE_PRACTICE_BEAT", default = 0)]
    pub beat_seconds: u64,
}

/// Two secrets of 32 bytes each, different, in hexadecimal: `openssl rand -hex 32`. The desk refuses to start on
/// the defaults. Keep them apart from the database's backups: these never leave this machine together.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Secrets {
    /// Ties the token in each form to its session.
    #[config(env = "TRINE_SESSION_KEY", default = "change-me", deserialize_with = secret)]
    pub session_key: SecretString,

    /// Encrypts payment details, payer fields and attachments at rest. Never change it: nothing that was written with
    /// another key opens any more, and the desk refuses to start.
    #[config(env = "TRINE_DATA_KEY", default = "change-me", deserialize_with = secret)]
    pub data_key: SecretString,

    /// The number of the data key, which every backup names. There is one key: never change its number either.
    #[config(env = "TRINE_DATA_KEY_VERSION", default = 1)]
    pub data_key_version: u8,
}

/// What the desk takes, in basis points (100 = 1 %) of the amount. Fixed in the contract at the take.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Fees {
    #[config(env = "TRINE_DESK_FEE_BUYER_BP", default = 0)]
    pub desk_fee_buyer_bp: u32,

    #[config(env = "TRINE_DESK_FEE_SELLER_BP", default = 0)]
    pub desk_fee_seller_bp: u32,

    /// Taken from the winner in a ruling, so zero is kind; at most 200.
    #[config(env = "TRINE_ARBITRATOR_FEE_BP", default = 0)]
    pub arbitrator_fee_bp: u32,

    /// A watch-only account of yours, like "xpub6C…" ("tpub…" on networks without worth); each trade's fees go to a fresh
    /// address of it. Needed as soon as a fee is not zero.
    #[config(env = "TRINE_DESK_FEE_XPUB")]
    pub desk_fee_xpub: Option<String>,

    /// No payout pays the miners more than this, whatever the estimate says.
    #[config(env = "TRINE_MINER_FEE_CAP_SAT", default = 100_000)]
    pub miner_fee_cap_sat: u64,
}

/// How long each side has, in minutes. The payment and release windows come from the payment method and the offer.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Windows {
    /// Both sign the contract.
    #[config(default = 60)]
    pub signing_minutes: u32,

    /// The seller's deposit is seen.
    #[config(default = 180)]
    pub deposit_minutes: u32,

    /// A deposit seen in time confirms.
    #[config(default = 1440)]
    pub confirmation_minutes: u32,

    /// The side that is not paid may object to a ruling, or to a refund by the arbitrator.
    #[config(default = 1440)]
    pub objection_minutes: u32,

    /// The other side answers a dispute.
    #[config(default = 1440)]
    pub answer_minutes: u32,

    /// The arbitrator rules, counted from the answer.
    #[config(default = 4320)]
    pub ruling_minutes: u32,

    /// The named trader signs beside the arbitrator; then the other one may.
    #[config(default = 1440)]
    pub cosign_minutes: u32,

    /// A rate that is older takes floating offers off the board.
    #[config(env = "TRINE_RATE_MAX_AGE_MINUTES", default = 60)]
    pub rate_max_age_minutes: u32,
}

/// How deep a deposit has to be buried before the buyer is asked to pay: one block, and more from these amounts on.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Confirmations {
    #[config(default = 5_000_000)]
    pub two_from_sat: u64,

    #[config(default = 50_000_000)]
    pub three_from_sat: u64,

    #[config(default = 200_000_000)]
    pub six_from_sat: u64,
}

/// How much of everything.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Limits {
    /// Below this amount a ruling needs no objection window; 0 means that it always has one.
    #[config(default = 0)]
    pub objection_free_below_sat: u64,

    /// An account without a completed trade may have this many unsigned takes, and this many funded trades, at a time.
    #[config(default = 1)]
    pub new_account_trades_max: u32,

    /// An arbitrator is on duty while his last drill is at most this old.
    #[config(default = 90)]
    pub drill_max_age_days: u32,

    /// A session that is not used ends after this many days.
    #[config(default = 30)]
    pub session_days: u32,
}

/// Mails to accounts that want them: reminders, "your turn". Off until a mail server is named. They carry no names, no
/// sums, nothing of what was said; but whoever carries them learns who has an account here.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Mail {
    /// Like "mail.example:587". The desk's machine is seen by it.
    #[config(env = "TRINE_MAIL_SERVER")]
    pub server: Option<String>,

    /// "starttls" (usually port 587), "tls" (465), or "none", for a mail server on this machine only.
    #[config(env = "TRINE_MAIL_SECURITY", default = "starttls")]
    pub security: MailSecurity,

    /// The sender, like "Desk <notices@desk.example>".
    #[config(env = "TRINE_MAIL_FROM")]
    pub from: Option<String>,

    /// User and password, if the mail server wants them.
    #[config(env = "TRINE_MAIL_USER")]
    pub user: Option<String>,

    #[config(env = "TRINE_MAIL_PASSWORD", deserialize_with = secret)]
    pub password: Option<SecretString>,

    /// A PEM file with the mail server's own authority. Without it the authorities of this machine are believed.
    #[config(env = "TRINE_MAIL_CERTIFICATE")]
    pub certificate: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    None,
    StartTls,
    Tls,
}

/// Webhooks of accounts that want them, signed. Off by default: each receiver sees this machine's own address, which a
/// desk behind an onion service may want to keep to itself.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Webhooks {
    #[config(env = "TRINE_WEBHOOKS", default = false)]
    pub enabled: bool,

    /// Also plain http and addresses inside your own network. Then anyone with an account can make this machine call
    /// what only it can reach: for a desk of your own people only.
    #[config(env = "TRINE_WEBHOOKS_ALLOW_PRIVATE", default = false)]
    pub allow_private: bool,
}

/// What the server says about itself, on standard error.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Log {
    /// "text" or "json".
    #[config(env = "TRINE_LOG_FORMAT", default = "text")]
    pub format: LogFormat,

    /// Which events, in the syntax of RUST_LOG (which wins over this).
    #[config(env = "TRINE_LOG", default = "info,tokio_postgres=warn,refinery_core=warn")]
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    Practice,
    Core,
    Electrum,
    Esplora,
}

impl Settings {
    /// From the environment, then the file (if one is named), then the defaults. Nothing is judged yet.
    pub fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut layers = Self::builder().env();
        if let Some(path) = file {
            std::fs::metadata(path).with_context(|| format!("the settings file {} cannot be read", path.display()))?;
            layers = layers.file(path);
        }
        layers.load().map_err(|error| {
            anyhow!("the settings do not fit: {}", told::without_values(&format!("{:#}", anyhow::Error::from(error))))
        })
    }

    /// The annotated template of a settings file.
    pub fn template() -> String {
        confique::toml::template::<Self>(FormatOptions::default())
    }

    /// The first origin's host name without its port: the desk's name in contracts and signed messages.
    pub fn desk_host(&self) -> &str {
        self.server.origins.first().map_or("", |origin| host_of(origin))
    }

    /// Whether browsers reach the desk by https, so that its cookies may insist on it.
    pub fn is_https(&self) -> bool {
        self.server.origins.first().is_some_and(|origin| origin.starts_with("https://"))
    }
}

/// `https://desk.example:8443` → `desk.example`; an IPv6 address keeps its brackets.
fn host_of(origin: &str) -> &str {
    let authority = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<SecretString, D::Error> {
    String::deserialize(from).map(SecretString::from)
}

fn registration<'de, D: Deserializer<'de>>(from: D) -> Result<Registration, D::Error> {
    match String::deserialize(from)?.as_str() {
        "open" => Ok(Registration::Open),
        "invitation" => Ok(Registration::Invitation),
        "closed" => Ok(Registration::Closed),
        other => Err(serde::de::Error::custom(format!("{other:?} is none of open, invitation, closed"))),
    }
}
