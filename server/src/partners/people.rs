//! Who plays: names and roles, and the secrets that are theirs alone, kept in a folder that the server never opens.

use std::{fs, path::Path};

use anyhow::{Context, anyhow};
use bip39::Language;
use bitcoin::Network;
use serde::{Deserialize, Serialize};

use super::keys::Wallet;

/// Words of 11 bits each: 44 bits for a play password, 66 for a signing passphrase (the browser asks for no less).
const PASSWORD_WORDS: usize = 4;
const PASSPHRASE_WORDS: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Buyer,
    Seller,
    Arbitrator,
    Operator,
}

impl Part {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Seller => "seller",
            Self::Arbitrator => "arbitrator",
            Self::Operator => "operator",
        }
    }
}

/// The cast of every practice desk. The operator's words are where the desk's fees go.
const CAST: [(&str, Part); 7] = [
    ("anna-k", Part::Buyer),
    ("miro", Part::Seller),
    ("sable", Part::Arbitrator),
    ("lena-m", Part::Seller),
    ("tomas", Part::Seller),
    ("dara", Part::Seller),
    ("odile", Part::Operator),
];

/// One of them. Everything here but the name is secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct Person {
    pub name: String,
    pub part: Part,
    pub password: String,
    /// Encrypts the words in the browser; never sent.
    pub passphrase: String,
    pub words: String,
    /// What the desk has of them already.
    #[serde(default)]
    pub done: Vec<String>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person").field("name", &self.name).field("part", &self.part).finish_non_exhaustive()
    }
}

impl Person {
    fn new(name: &str, part: Part, network: Network) -> anyhow::Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            part,
            password: random_words(PASSWORD_WORDS, "-")?,
            passphrase: random_words(PASSPHRASE_WORDS, " ")?,
            words: Wallet::new(network)?.words(),
            done: Vec::new(),
        })
    }

    pub fn wallet(&self, network: Network) -> anyhow::Result<Wallet> {
        Wallet::from_words(&self.words, network)
    }

    /// Whether the desk has this of them.
    pub fn has_done(&self, step: &str) -> bool {
        self.done.iter().any(|done| done == step)
    }
}

/// Writes a file that nobody else can read, whole or not at all.
pub type Keep = fn(&Path, &str) -> anyhow::Result<()>;

/// The cast as kept in `file`; who is missing there is made. Nobody but the owner of the folder can read it.
pub fn cast(file: &Path, network: Network, write: Keep) -> anyhow::Result<Vec<Person>> {
    let mut people = if file.exists() { read(file)? } else { Vec::new() };
    let known = people.len();
    for (name, part) in CAST {
        if !people.iter().any(|person| person.name == name) {
            people.push(Person::new(name, part, network)?);
        }
    }
    if people.len() > known {
        keep(&people, file, write)?;
    }
    Ok(people)
}

/// Who is in the file, and how far they are.
pub fn read(file: &Path) -> anyhow::Result<Vec<Person>> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
}

/// Writes down where everyone is.
pub fn keep(people: &[Person], file: &Path, write: Keep) -> anyhow::Result<()> {
    write(file, &serde_json::to_string_pretty(people)?)
}

fn random_words(count: usize, between: &str) -> anyhow::Result<String> {
    let list = Language::English.word_list();
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes).map_err(|e| anyhow!("no randomness: {e}"))?;
        // 2048 words divide 65536 evenly, so each is as likely as any other.
        let place = usize::from(u16::from_le_bytes(bytes)) % list.len();
        words.push(*list.get(place).context("the list has 2048 words")?);
    }
    Ok(words.join(between))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cast_is_made_once_and_read_back() {
        let file = std::env::temp_dir().join(format!("trine-cast-{}.json", uuid::Uuid::new_v4().simple()));
        let first = cast(&file, Network::Regtest, |path, text| Ok(fs::write(path, text)?)).unwrap();
        let again = cast(&file, Network::Regtest, |_, _| panic!("made twice")).unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(first.len(), CAST.len());
        for (one, other) in first.iter().zip(&again) {
            assert_eq!((&one.name, &one.password, &one.words), (&other.name, &other.password, &other.words));
            assert!(!format!("{one:?}").contains(&one.password));
        }
    }

    #[test]
    fn every_play_name_is_a_name_the_desk_takes() {
        for (name, _) in CAST {
            assert!(crate::domain::AccountName::parse(name).is_ok(), "{name}");
        }
    }
}
