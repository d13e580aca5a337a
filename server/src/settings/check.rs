//! What is wrong with these settings, said in words: every doubt at once, so that an operator mends them in one go.

use bitcoin::bip32::Xpub;
use bitcoin::{Network, NetworkKind};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::config::SslMode;

use crate::chain::link::Place;
use crate::chain::{electrum, esplora};
use crate::domain::fees::{ARBITRATOR_FEE_BP_MAX, DESK_FEE_BP_MAX};
use crate::store;

use super::{Backend, DEFAULT_SECRET, Settings, host_of};

/// Protocol §7: no payout pays the miners more than 0.01 BTC.
const MINER_FEE_CAP_SAT_MAX: u64 = 1_000_000;
/// As high as any estimate is believed.
const FALLBACK_SAT_PER_VB_MAX: u32 = 500;
const SECRET_BYTES: usize = 32;

impl Settings {
    /// Reasons not to start, each a sentence that says what to do. Empty when all is well.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.check_secrets(&mut found);
        self.check_server(&mut found);
        self.check_database(&mut found);
        self.check_chain(&mut found);
        self.check_money(&mut found);
        self.check_courier(&mut found);
        found
    }

    /// A secret as its 32 bytes; `None` when it is not one.
    pub fn secret_bytes(secret: &SecretString) -> Option<[u8; SECRET_BYTES]> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(secret.expose_secret().as_bytes()).ok()?;
        bytes.try_into().ok()
    }

    fn check_secrets(&self, found: &mut Vec<String>) {
        let secrets = [("session_key", &self.secrets.session_key), ("data_key", &self.secrets.data_key)];
        for (name, secret) in secrets {
            if secret.expose_secret() == DEFAULT_SECRET {
                found.push(format!("secrets.{name} is still the default. Make one with: openssl rand -hex 32"));
                continue;
            }
            match Self::secret_bytes(secret) {
                None => found.push(format!(
                    "secrets.{name} is not 32 bytes in hexadecimal (64 digits). Make one with: openssl rand -hex 32"
                )),
                Some(bytes) if bytes.iter().all(|b| bytes.first() == Some(b)) => {
                    found
                        .push(format!("secrets.{name} is one byte over and over. Make one with: openssl rand -hex 32"));
                }
                Some(_) => {}
            }
        }
        let [(_, session), (_, data)] = secrets.map(|(name, secret)| (name, secret.expose_secret()));
        if session == data && session != DEFAULT_SECRET {
            found.push("the two secrets are the same. Each needs its own.".to_owned());
        }
        if self.secrets.data_key_version < 1 {
            found.push("secrets.data_key_version counts from 1.".to_owned());
        }
    }

    fn check_server(&self, found: &mut Vec<String>) {
        if self.server.origins.is_empty() {
            found.push(
                "server.origins is empty. Name at least one public address, like \"https://desk.example\".".to_owned(),
            );
        }
        for origin in &self.server.origins {
            let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            if rest.is_none_or(|rest| rest.is_empty() || !rest.is_ascii() || rest.contains(['/', ' ', '?', '#', '@'])) {
                found.push(format!(
                    "server.origins: {origin:?} is no origin. It is a scheme and a host, like \"https://desk.example\", with no path and no slash at the end."
                ));
            }
        }
        let is_play = self.chain.network == Network::Regtest;
        let local = |origin: &String| {
            let host = host_of(origin);
            host == "localhost" || host == "127.0.0.1" || host == "[::1]" || host.ends_with(".onion")
        };
        if !is_play && self.server.origins.iter().any(|origin| origin.starts_with("http://") && !local(origin)) {
            found
                .push("server.origins: plain http is for onion addresses and this machine only. Use https.".to_owned());
        }
    }

    fn check_database(&self, found: &mut Vec<String>) {
        // What is wrong with it may be beside its password, so none of it is repeated.
        match store::place(self.database.url.expose_secret()) {
            Err(_) => found.push(
                "database.url cannot be read. Write it like \"postgresql://trine:password@127.0.0.1/trine\"; letters \
                 like @, / and % in a password are written as %40, %2F and %25."
                    .to_owned(),
            ),
            Ok(place) if place.get_ssl_mode() == SslMode::Require => found.push(
                "database.url asks for TLS, which Trine does not speak to its database. Reach it by a socket, on this \
                 machine, or through a tunnel."
                    .to_owned(),
            ),
            Ok(_) => {}
        }
    }

    fn check_chain(&self, found: &mut Vec<String>) {
        let chain = &self.chain;
        match chain.backend {
            Backend::Practice if chain.network != Network::Regtest => found.push(format!(
                "chain.backend is \"practice\", a play chain of this desk alone, but chain.network is \"{}\". Set the network to \"regtest\", or the backend to \"core\".",
                chain.network
            )),
            Backend::Practice => {}
            Backend::Core => {
                if chain.cookie.is_none() && (chain.user.is_none() || chain.password.is_none()) {
                    found.push("chain: Bitcoin Core wants chain.cookie, or chain.user and chain.password.".to_owned());
                }
                if !(1..=FALLBACK_SAT_PER_VB_MAX).contains(&chain.fallback_sat_per_vb) {
                    found.push(format!(
                        "chain.fallback_sat_per_vb is {}. It is a fee rate in sat/vB, from 1 to {FALLBACK_SAT_PER_VB_MAX}.",
                        chain.fallback_sat_per_vb
                    ));
                }
                if !chain.url.starts_with("http://") {
                    found.push("chain.url: Bitcoin Core's JSON-RPC speaks plain http; reach a far node through a tunnel.".to_owned());
                }
            }
            Backend::Electrum => {
                let what = |error: electrum::NotAnAddress| error.to_string();
                self.check_servers(found, |server| server.parse::<electrum::Address>().map(drop).map_err(what));
            }
            Backend::Esplora => {
                let what = |error: esplora::NotAnAddress| error.to_string();
                self.check_servers(found, |server| server.parse::<esplora::Address>().map(drop).map_err(what));
            }
        }
    }

    fn check_servers(&self, found: &mut Vec<String>, read: impl Fn(&str) -> Result<(), String>) {
        let chain = &self.chain;
        if chain.servers.is_empty() {
            found.push("chain.servers is empty. Name at least one server to read the chain from.".to_owned());
        }
        for server in &chain.servers {
            if let Err(why) = read(server) {
                found.push(format!("chain.servers: {server:?}: {why}."));
            }
            if server.contains(".onion") && chain.proxy.is_none() {
                found.push(format!(
                    "chain.servers: {server:?} is an onion service, and chain.proxy is missing. Tor's is \"127.0.0.1:9050\"."
                ));
            }
        }
        if let Some(proxy) = &chain.proxy
            && let Err(why) = proxy.parse::<Place>()
        {
            found.push(format!("chain.proxy: {proxy:?}: {why}, without a scheme."));
        }
        if let Some(file) = &chain.certificate
            && !file.is_file()
        {
            found.push(format!("chain.certificate: there is no file {}.", file.display()));
        }
    }

    fn check_money(&self, found: &mut Vec<String>) {
        let fees = &self.fees;
        let (buyer, seller) = (fees.desk_fee_buyer_bp, fees.desk_fee_seller_bp);
        if buyer.saturating_add(seller) > DESK_FEE_BP_MAX {
            found.push(format!(
                "fees.desk_fee_buyer_bp is {buyer} and fees.desk_fee_seller_bp is {seller}: together more than \
                 {DESK_FEE_BP_MAX} (5 %). The unit is basis points: 100 is 1 %."
            ));
        }
        if fees.arbitrator_fee_bp > ARBITRATOR_FEE_BP_MAX {
            found.push(format!(
                "fees.arbitrator_fee_bp is {}, more than {ARBITRATOR_FEE_BP_MAX} (2 %).",
                fees.arbitrator_fee_bp
            ));
        }
        let some_fee = fees.desk_fee_buyer_bp > 0 || fees.desk_fee_seller_bp > 0 || fees.arbitrator_fee_bp > 0;
        if some_fee && fees.desk_fee_xpub.is_none() {
            found.push(
                "fees.desk_fee_xpub is missing, and a fee is not zero: the desk would not know where to send it."
                    .to_owned(),
            );
        }
        if let Some(why) = fees.desk_fee_xpub.as_deref().and_then(|text| wrong_account(text, self.chain.network)) {
            found.push(format!("fees.desk_fee_xpub {why}"));
        }
        if fees.miner_fee_cap_sat == 0 || fees.miner_fee_cap_sat > MINER_FEE_CAP_SAT_MAX {
            found.push(format!("fees.miner_fee_cap_sat is outside 1 to {MINER_FEE_CAP_SAT_MAX} sat."));
        }
        let depth = &self.confirmations;
        if depth.two_from_sat > depth.three_from_sat || depth.three_from_sat > depth.six_from_sat {
            found.push("confirmations: two_from_sat, three_from_sat and six_from_sat must not fall.".to_owned());
        }
        let windows = &self.windows;
        let needed = [
            ("signing", windows.signing_minutes),
            ("deposit", windows.deposit_minutes),
            ("confirmation", windows.confirmation_minutes),
            ("answer", windows.answer_minutes),
            ("ruling", windows.ruling_minutes),
            ("cosign", windows.cosign_minutes),
            ("rate_max_age", windows.rate_max_age_minutes),
        ];
        for (name, _) in needed.iter().filter(|(_, minutes)| *minutes == 0) {
            found.push(format!("windows.{name}_minutes is 0. Nobody could ever be in time."));
        }
    }
}

/// Why fees cannot be sent to this account, in words without the text itself: it may be a secret.
fn wrong_account(text: &str, network: Network) -> Option<String> {
    let wanted = if network == Network::Bitcoin { "xpub" } else { "tpub" };
    if let Ok(account) = text.parse::<Xpub>() {
        let fits = account.network == NetworkKind::from(network);
        return (!fits).then(|| {
            format!("is of another network than chain.network, \"{network}\". There it begins with {wanted}.")
        });
    }
    let (begins, is_descriptor) = (text.get(..4).unwrap_or_default(), text.contains(['(', '[', '/']));
    Some(match begins {
        _ if begins.ends_with("prv") || (is_descriptor && text.contains("prv")) => format!(
            "is a private key: whoever reads these settings can spend what it holds. Take it out, and name the public \
             {wanted} of another account that nobody else has seen."
        ),
        "ypub" | "zpub" | "upub" | "vpub" | "Ypub" | "Zpub" | "Upub" | "Vpub" => format!(
            "begins with {begins}, a form of some wallets only. Let the wallet show the same account as {wanted}."
        ),
        _ if is_descriptor => {
            format!("is a descriptor or has a path. Name only the key in it, from {wanted} to its last letter.")
        }
        _ => format!("is no account that can be read. It begins with {wanted} and has 111 letters."),
    })
}

#[cfg(test)]
pub(super) mod tests;
