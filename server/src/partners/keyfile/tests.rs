use bitcoin::Network;

use super::*;

const PASSPHRASE: &str = "orbit maple quiet lantern sugar window";

fn sealed() -> (Wallet, KeyFile) {
    let wallet = Wallet::new(Network::Regtest).unwrap();
    let file = seal(&wallet, 0, "anna-k", PASSPHRASE).unwrap();
    (wallet, file)
}

#[test]
fn a_key_file_opens_with_its_passphrase_and_in_its_account_only() {
    let (wallet, file) = sealed();
    let read: KeyFile = serde_json::from_str(&serde_json::to_string(&file).unwrap()).unwrap();
    assert_eq!(read, file);
    assert_eq!(open(&read, PASSPHRASE).unwrap(), wallet.words());
    assert!(open(&read, "orbit maple").is_err());
    assert!(open(&KeyFile { account: "mallory".into(), ..file.clone() }, PASSPHRASE).is_err());
    assert!(open(&KeyFile { network: "signet".into(), ..file }, PASSPHRASE).is_err());
}

#[test]
fn the_words_length_does_not_show() {
    let (_, file) = sealed();
    assert_eq!(BASE64.decode(file.ciphertext.as_bytes()).unwrap().len(), PLAIN_BYTES + 16);
}

#[test]
fn weaker_parameters_are_refused() {
    let (_, mut file) = sealed();
    file.kdf.m_kib = 8;
    assert!(open(&file, PASSPHRASE).unwrap_err().to_string().contains("other encryption parameters"));
}

#[test]
fn a_file_made_by_the_browser_opens_here() {
    let vector: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/vectors/key-file.json")).unwrap();
    let file: KeyFile = serde_json::from_value(vector["file"].clone()).unwrap();
    let words = vector["words"].as_str().unwrap();
    assert_eq!(open(&file, vector["passphrase"].as_str().unwrap()).unwrap(), words);
    let wallet = Wallet::from_words(words, Network::Regtest).unwrap();
    assert_eq!((wallet.origin(0).unwrap(), wallet.xpub(0).unwrap().to_string()), (file.origin, file.xpub));
}
