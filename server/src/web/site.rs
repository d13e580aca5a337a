//! What every handler shares: the desk, the templates, and how the outside reaches us.

use std::net::IpAddr;
use std::sync::Arc;

use rust_embed::RustEmbed;
use tera::{Kwargs, State, Tera, TeraResult};

use super::static_files;

use super::{board, live};
use crate::desk::Desk;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/templates"]
struct Templates;

/// How the outside reaches this server.
#[derive(Debug, Clone)]
pub struct Outside {
    /// Public origins, like `https://desk.example`; the first is the desk's own name.
    pub origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpAddr>,
    /// Whether addresses are throttled; behind an onion service everyone has the same one.
    pub throttle_addresses: bool,
    /// Whether the desk can be reached as an onion service.
    pub onion: bool,
}

impl Outside {
    /// Where the desk's pages are for the outside.
    pub fn home(&self) -> &str {
        self.origins.first().map_or("", |origin| origin.trim_end_matches('/'))
    }
}

#[derive(Debug)]
pub struct Site {
    pub desk: Arc<Desk>,
    pub tera: Tera,
    pub outside: Outside,
    /// Boards that are ready for visitors.
    pub board: board::Cache,
    /// What open pages share.
    pub live: live::Shared,
}

impl Site {
    pub fn new(desk: Arc<Desk>, outside: Outside) -> anyhow::Result<Self> {
        Ok(Self { desk, tera: templates()?, outside, board: board::Cache::default(), live: live::Shared::default() })
    }

    /// Cookies are marked `Secure` and take the `__Host-` prefix when the desk is reached by https.
    pub fn https(&self) -> bool {
        self.outside.origins.first().is_some_and(|origin| origin.starts_with("https://"))
    }
}

/// All templates, parsed; every name in them is checked.
pub fn templates() -> anyhow::Result<Tera> {
    let mut tera = Tera::default();
    tera.register_filter("urlencode", tera_contrib::urlencode::urlencode);
    tera.register_function("integrity", |args: Kwargs, _: &State| -> TeraResult<String> {
        let path: String = args.must_get("path")?;
        Ok(static_files::integrity(&path))
    });
    tera.register_function("sha256_of", |args: Kwargs, _: &State| -> TeraResult<String> {
        let path: String = args.must_get("path")?;
        Ok(static_files::sha256_of(&path))
    });
    let mut sources = Vec::new();
    for name in Templates::iter().filter(|name| name.ends_with(".html")) {
        let Some(file) = Templates::get(&name) else { continue };
        sources.push((name.to_string(), String::from_utf8(file.data.into_owned())?));
    }
    tera.add_raw_templates(sources)?;
    Ok(tera)
}

/// The SHA-256 of the signer's bundle as this server hands it out; a saved copy can be compared with it.
pub fn signer_hash() -> String {
    static_files::sha256_of("signer/dist/signer.js")
}
