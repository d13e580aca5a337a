//! A look at page after page, at both widths and in both themes. With TRINE_SCREENSHOTS=folder each is pictured there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use trine::web::routes::ROUTES;

use super::actor::Actor;
use crate::harness::chrome::{Chrome, THEMES, WIDTHS};

/// Answers that are no pages: files, and what only machines read.
const NO_PAGES: &[&str] = &[
    "/healthz",
    "/readyz",
    "/static/{path:.*}",
    "/keys/drill/psbt",
    "/keys/{id}/file",
    "/trades/{reference}/contracts/{number}",
    "/trades/{reference}/contracts/{number}/signatures",
    "/trades/{reference}/contract.json",
    "/trades/{reference}/contract-signatures.json",
    "/trades/{reference}/room.txt",
    "/trades/{reference}/attachments/{id}",
    "/trades/{reference}/ruling.json",
    "/trades/{reference}/deadlines.ics",
    "/calendar/{token}",
    "/feed/{token}",
    "/board/news",
    "/waiting",
    "/trades/{reference}/stream",
];

/// A look at each page, and all that was found wrong.
pub struct Walk {
    pictures: Option<PathBuf>,
    seen: BTreeSet<String>,
    faults: BTreeSet<String>,
    number: u32,
}

impl Walk {
    /// Its pictures are numbered above this: those of several walks lie in one folder.
    pub fn above(number: u32) -> Self {
        let pictures = std::env::var_os("TRINE_SCREENSHOTS").map(PathBuf::from);
        Self { pictures, seen: BTreeSet::new(), faults: BTreeSet::new(), number }
    }

    pub async fn visit(&mut self, chrome: &Chrome, name: &str, paths: &[&str]) {
        for path in paths {
            chrome.goto(path).await;
            let name = format!("{name} {}", path.trim_matches('/').replace(['/', '?', '=', '&'], "-"));
            self.look(chrome, name.trim()).await;
        }
    }

    /// At the page as it stands: nothing is loaded again.
    pub async fn look(&mut self, chrome: &Chrome, name: &str) {
        chrome.settles().await;
        self.seen.insert(chrome.path().await);
        self.number += 1;
        for width in WIDTHS {
            chrome.width(width).await;
            let overhang = chrome.overhang().await;
            if !chrome.has("noscript").await {
                self.faults.insert(format!("{name} says nothing to those without JavaScript"));
            }
            if overhang > 0 {
                self.faults.insert(format!("{name}, {width} px: {overhang} px wider than the window"));
            }
            for theme in THEMES {
                chrome.theme(theme).await;
                if let Some(folder) = &self.pictures {
                    let file = format!("{:03} {name} {width} {theme}.png", self.number).replace(' ', "-");
                    chrome.picture(&folder.join(file)).await;
                } else {
                    let faults = chrome.faults().await;
                    self.faults.extend(faults.iter().map(|fault| format!("{name}, {width} px, {theme}: {fault}")));
                }
            }
        }
        chrome.width(WIDTHS[0]).await;
    }

    /// On a phone, with JavaScript off.
    pub async fn without_script(&mut self, who: &Actor, name: &str, path: &str) {
        who.chrome.without_script(true).await;
        who.chrome.goto(path).await;
        who.chrome.width(WIDTHS[1]).await;
        self.number += 1;
        let overhang = who.chrome.overhang().await;
        if overhang > 0 {
            self.faults.insert(format!("{name} without script: {overhang} px wider than the window"));
        }
        if let Some(folder) = &self.pictures {
            let file = format!("{:03} without script {name}.png", self.number).replace(' ', "-");
            who.chrome.picture(&folder.join(file)).await;
        }
        who.chrome.without_script(false).await;
        who.chrome.width(WIDTHS[0]).await;
    }

    /// Pages of a trade, named by what stands behind its reference; nothing there is the trade's own page.
    pub async fn of_a_trade(&mut self, who: &Actor, stage: &str, trade: &str, places: &[&str]) {
        let role = who.name.split('-').next().unwrap();
        self.of_a_trade_by(&who.chrome, role, stage, trade, places).await;
    }

    pub async fn of_a_trade_by(&mut self, chrome: &Chrome, role: &str, stage: &str, trade: &str, places: &[&str]) {
        for place in places {
            chrome.goto(&format!("/trades/{trade}{place}")).await;
            let name = format!("trade {stage} {role} {}", place.trim_matches('/').replace('/', "-"));
            self.look(chrome, &name).await;
        }
    }

    pub fn found_nothing(&self) {
        let faults: Vec<_> = self.faults.iter().cloned().collect();
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }

    pub fn left_nothing_out(&self) {
        let missed = self.missed();
        assert!(missed.is_empty(), "nobody looked at {missed:?}");
    }

    /// The routes of pages that nobody has looked at.
    fn missed(&self) -> Vec<&'static str> {
        let pages = ROUTES.iter().filter(|route| route.method == "get" && !route.path.contains("/files/"));
        let pages = pages.map(|route| route.path).filter(|path| !NO_PAGES.contains(path));
        pages.filter(|route| !self.seen.iter().any(|path| fits(route, path))).collect()
    }
}

/// Whether a path is one of this route.
fn fits(route: &str, path: &str) -> bool {
    let (route, path): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    route.len() == path.len() && route.iter().zip(&path).all(|(part, have)| part.starts_with('{') || part == have)
}
