use std::io::Write;

use super::*;

pub(in crate::settings) fn read(text: &str) -> anyhow::Result<Settings> {
    let path = std::env::temp_dir().join(format!("trine-settings-{}.toml", uuid::Uuid::new_v4()));
    std::fs::File::create(&path)?.write_all(text.as_bytes())?;
    let settings = Settings::read(Some(&path));
    std::fs::remove_file(&path)?;
    settings
}

pub(in crate::settings) fn good() -> String {
    let key = |digit: &str| digit.repeat(32);
    format!(
        "[server]\norigins = [\"https://desk.example:8443\"]\n[chain]\ncookie = \"/x/.cookie\"\n[secrets]\nsession_key = \"{}\"\ndata_key = \"{}\"\n",
        key("1a"),
        key("2b")
    )
    // One byte over and over is refused, so the keys end differently.
    .replace("1a\"", "10\"")
    .replace("2b\"", "20\"")
}

#[test]
fn good_settings_have_no_problems() {
    let settings = read(&good()).unwrap();
    assert_eq!(settings.problems(), Vec::<String>::new());
    assert_eq!(settings.desk_host(), "desk.example");
    assert!(settings.is_https());
}

#[test]
fn default_secrets_are_refused_by_name() {
    let words = read("").unwrap().problems().join("\n");
    for name in ["session_key", "data_key"] {
        assert!(words.contains(&format!("secrets.{name} is still the default")), "{words}");
    }
}

#[test]
fn weak_and_equal_secrets_are_refused() {
    let words = |text: String| read(&text).unwrap().problems().join("\n");
    assert!(words(good().replace("10\"", "1a\"")).contains("one byte over and over"));
    assert!(words(good().replace("2b", "1a").replace("20\"", "10\"")).contains("the two secrets are the same"));
    assert!(words(good().replace("2b", "zz")).contains("not 32 bytes"));
}

#[test]
fn a_play_chain_is_refused_on_a_network_of_worth() {
    let words = read(&good().replace("[chain]", "[chain]\nbackend = \"practice\"")).unwrap().problems().join("\n");
    assert!(words.contains("play chain"), "{words}");
}

#[test]
fn a_fee_without_an_address_and_a_fee_beyond_limits_are_refused() {
    let words =
        read(&(good() + "[fees]\ndesk_fee_buyer_bp = 5000\narbitrator_fee_bp = 201\n")).unwrap().problems().join("\n");
    for expected in ["desk_fee_xpub is missing", "desk_fee_buyer_bp is 5000", "arbitrator_fee_bp is 201"] {
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn origins_with_paths_or_plain_http_are_refused() {
    let words =
        read(&good().replace("https://desk.example:8443", "https://desk.example/")).unwrap().problems().join("\n");
    assert!(words.contains("is no origin"), "{words}");
    let words =
        read(&good().replace("https://desk.example:8443", "http://desk.example")).unwrap().problems().join("\n");
    assert!(words.contains("Use https"), "{words}");
}

#[test]
fn a_misspelt_setting_is_refused() {
    assert!(read("[server]\nlissten = \"1.2.3.4:1\"\n").is_err());
}

#[test]
fn the_template_is_itself_a_settings_file() {
    let template = Settings::template();
    assert!(template.contains("#listen = \"127.0.0.1:8080\""), "{template}");
    read(&template).unwrap();
}

#[test]
fn secrets_are_not_in_the_debug_output() {
    let settings = read(&good()).unwrap();
    assert!(!format!("{settings:?}").contains("1a1a"));
}

/// A change of one without the other would give the tests another desk than the operators.
#[test]
fn the_defaults_are_those_of_the_rules() {
    let settings = read("[server]\nregistration = \"open\"\n[chain]\nnetwork = \"regtest\"\nbackend = \"practice\"\n[fees]\ndesk_fee_buyer_bp = 50\n").unwrap();
    assert_eq!(format!("{:?}", settings.rules()), format!("{:?}", crate::desk::Rules::default()));
}

#[test]
fn a_fee_rate_to_fall_back_on_is_one_that_could_be() {
    for (rate, fits) in [(0, false), (1, true), (500, true), (501, false)] {
        let mut settings = read(&good()).unwrap();
        settings.chain.fallback_sat_per_vb = rate;
        let told = settings.problems().iter().any(|problem| problem.contains("fallback_sat_per_vb"));
        assert_eq!(told, !fits, "{rate}");
    }
}

#[test]
fn servers_that_cannot_be_asked_are_refused_with_what_to_write() {
    let words = |chain: &str| {
        let text = good().replace("cookie = \"/x/.cookie\"", chain);
        read(&text).unwrap().problems().join("\n")
    };
    assert_eq!(words("backend = \"electrum\"\nservers = [\"tls://electrum.example:50002\"]"), "");
    assert_eq!(words("backend = \"esplora\"\nservers = [\"https://a.example/api\", \"http://127.0.0.1:3002\"]"), "");
    assert!(words("backend = \"electrum\"").contains("chain.servers is empty"));
    let swapped = words("backend = \"electrum\"\nservers = [\"https://a.example/api\"]");
    assert!(swapped.contains("an Electrum server is written as tcp://host:port or tls://host:port"), "{swapped}");
    let onion = "backend = \"esplora\"\nservers = [\"http://abc.onion/api\"]";
    assert!(words(onion).contains("chain.proxy is missing"));
    assert_eq!(words(&format!("{onion}\nproxy = \"127.0.0.1:9050\"")), "");
    assert!(words(&format!("{onion}\nproxy = \"socks5://127.0.0.1:9050\"")).contains("written as host:port"));
    let pinned = words("backend = \"electrum\"\nservers = [\"tls://a.example:1\"]\ncertificate = \"/nowhere.pem\"");
    assert!(pinned.contains("there is no file /nowhere.pem"), "{pinned}");
}

#[test]
fn an_account_for_fees_that_cannot_be_used_is_refused_with_what_to_write() {
    use bitcoin::bip32::{Xpriv, Xpub};
    let key = |network: bitcoin::NetworkKind| {
        let private = Xpriv::new_master(network, &[7; 32]).unwrap();
        (private.to_string(), Xpub::from_priv(&bitcoin::secp256k1::Secp256k1::new(), &private).to_string())
    };
    let words = |account: &str| {
        let text = good() + &format!("[fees]\ndesk_fee_buyer_bp = 50\ndesk_fee_xpub = \"{account}\"\n");
        read(&text).unwrap().problems().join("\n")
    };
    let (private, public) = key(bitcoin::NetworkKind::Main);
    assert_eq!(words(&public), "");
    for (account, expected) in [
        (key(bitcoin::NetworkKind::Test).1, "another network than chain.network, \"bitcoin\""),
        (private.clone(), "is a private key"),
        (format!("wpkh([01234567/84h/0h/0h]{private}/0/*)"), "is a private key"),
        (format!("z{}", &public[1..]), "begins with zpub"),
        (format!("wpkh({public}/0/*)#abcdefgh"), "is a descriptor or has a path"),
        (public[..100].to_owned(), "no account that can be read"),
    ] {
        let said = words(&account);
        assert!(said.contains(expected), "{account}: {said}");
        assert!(!said.contains(&private[4..20]), "a private key is repeated");
    }
}

#[test]
fn a_database_without_a_host_is_the_one_of_this_machine_and_one_that_cannot_be_read_is_refused() {
    let words = |url: &str| {
        let text = good() + &format!("[database]\nurl = \"{url}\"\n");
        read(&text).unwrap().problems().join("\n")
    };
    for fits in ["postgresql:///trine", "postgresql://a:b@c.example/trine", "host=/run/postgresql dbname=trine"] {
        assert_eq!(words(fits), "", "{fits}");
    }
    for unreadable in ["postgresql://trine:se%cret@127.0.0.1:x/trine", "trine", "postgresql:///trine?sslfoo=1"] {
        let said = words(unreadable);
        assert!(said.contains("database.url cannot be read") && !said.contains("cret@"), "{unreadable}: {said}");
    }
}

#[test]
fn a_database_that_wants_tls_is_refused() {
    let text = good() + "[database]\nurl = \"postgresql://a:b@c.example/trine?sslmode=require\"\n";
    let said = read(&text).unwrap().problems().join("\n");
    assert!(said.contains("asks for TLS") && said.contains("tunnel"), "{said}");
}

#[test]
fn what_is_wrong_with_a_file_is_told_without_what_stands_there() {
    let secret = "d8f0a1c25be94e07";
    for (wrong, told) in [
        (format!("[mail]\npassword = \"{secret}\n"), "line 2"),
        (format!("[secrets]\ndata_key = {secret}\n"), "line 2"),
        (format!("[server]\ndata_key = \"{secret}\"\n"), "unknown field `data_key`"),
        ("[secrets]\ndata_key = 31415926\n".to_owned(), "invalid type: integer, expected a string"),
        (format!("[server]\nworkers = \"{secret}\"\n"), "invalid type: string, expected"),
    ] {
        let said = format!("{:#}", read(&wrong).unwrap_err());
        assert!(said.contains("do not fit") && said.contains(told), "{said}");
        assert!(!said.contains(&secret[..6]) && !said.contains("3141"), "{said}");
    }
}
