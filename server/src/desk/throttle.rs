//! How often somebody may try: token buckets per address and per account.
//!
//! Addresses are kept as keyed hashes only. Behind an onion service there are none, and accounts alone are counted.

use std::net::IpAddr;
use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::Desk;
use super::error::Done;
use crate::domain::{Refusal, RefusalKind};
use crate::store::GenericClient;
use crate::store::throttles::{self, Bucket};

/// What is counted, and how much of it is human.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    name: &'static str,
    /// At once, after a quiet time.
    burst: u32,
    /// One more after so many seconds.
    refill_seconds: u32,
}

/// Wrong passwords for one name from one address: ten at once, then one in two minutes.
const SIGN_IN_NEAR: Limit = Limit { name: "sign-in name", burst: 10, refill_seconds: 120 };
/// And from everywhere: few for who guesses, too many for who only wants to keep somebody out.
const SIGN_IN_ANYWHERE: Limit = Limit { name: "sign-in name anywhere", burst: 60, refill_seconds: 20 };
pub const SIGN_IN: OnName = OnName { near: SIGN_IN_NEAR, anywhere: SIGN_IN_ANYWHERE };
/// Wrong passwords of somebody who is signed in.
pub const OWN_PASSWORD: Limit = Limit { name: "own password", burst: 10, refill_seconds: 120 };
/// Attempts from one address; an office may share it.
pub const SIGN_IN_ADDRESS: Limit = Limit { name: "sign-in address", burst: 30, refill_seconds: 20 };
pub const REGISTER_ADDRESS: Limit = Limit { name: "register address", burst: 10, refill_seconds: 600 };
/// A recovery code has 160 bits: this is against noise, not against guessing.
pub const RECOVER: OnName = OnName {
    near: Limit { name: "recover name", burst: 5, refill_seconds: 600 },
    anywhere: Limit { name: "recover name anywhere", burst: 60, refill_seconds: 20 },
};
pub const RECOVER_ADDRESS: Limit = Limit { name: "recover address", burst: 20, refill_seconds: 60 };
/// Keys registered by one account; each is compared with everybody's.
pub const KEYS_ACCOUNT: Limit = Limit { name: "keys", burst: 20, refill_seconds: 300 };
/// Chat: as fast as two people type at each other.
pub const MESSAGES_ACCOUNT: Limit = Limit { name: "messages", burst: 20, refill_seconds: 6 };
/// Each costs a second of a core.
pub const PICTURES_ACCOUNT: Limit = Limit { name: "pictures", burst: 8, refill_seconds: 30 };
/// Mails that somebody causes by hand: links that confirm, tests.
pub const MAILS_ACCOUNT: Limit = Limit { name: "mails", burst: 6, refill_seconds: 300 };
/// Links sent to one address, whoever asks for them.
pub const MAIL_ADDRESS: Limit = Limit { name: "mail address", burst: 3, refill_seconds: 3600 };
pub const HOOKS_ACCOUNT: Limit = Limit { name: "hooks", burst: 10, refill_seconds: 120 };
pub const AGAIN_ACCOUNT: Limit = Limit { name: "sent again", burst: 20, refill_seconds: 60 };

/// Attempts on one name: of one address, where addresses count, and of all of them together.
#[derive(Debug, Clone, Copy)]
pub struct OnName {
    near: Limit,
    anywhere: Limit,
}

/// Longer than the slowest bucket takes to fill.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);

impl Limit {
    fn bucket(self) -> Bucket {
        Bucket { capacity: f64::from(self.burst), tokens_per_second: 1.0 / f64::from(self.refill_seconds) }
    }

    fn refusal(self) -> Refusal {
        let minutes = self.refill_seconds.div_ceil(60);
        let wait = if minutes == 1 { "a minute".to_owned() } else { format!("{minutes} minutes") };
        Refusal::new(RefusalKind::TooMany, format!("Too many attempts. Wait {wait}, then try again."))
    }
}

/// Takes a token for an address, where addresses count.
///
/// Asked with the connection that the caller has: who waits for a second one while he holds the first can wait for
/// ever, with everybody else.
pub async fn by_address(
    desk: &Desk,
    client: &impl GenericClient,
    limit: Limit,
    address: Option<IpAddr>,
    now: Timestamp,
) -> Done<()> {
    match address {
        Some(address) => by_name(desk, client, limit, &network_of(address), now).await,
        None => Ok(()),
    }
}

/// Takes a token for a name or an account.
pub async fn by_name(desk: &Desk, client: &impl GenericClient, limit: Limit, name: &str, now: Timestamp) -> Done<()> {
    if throttles::take(client, &bucket_name(desk, limit, name), limit.bucket(), now).await? {
        Ok(())
    } else {
        Err(limit.refusal().into())
    }
}

/// Takes a token for an attempt on somebody's name.
pub async fn on_name(
    desk: &Desk,
    client: &impl GenericClient,
    limits: OnName,
    (name, address): (&str, Option<IpAddr>),
    now: Timestamp,
) -> Done<()> {
    if let Some(address) = address {
        by_name(desk, client, limits.near, &near(name, address), now).await?;
    }
    by_name(desk, client, limits.anywhere, name, now).await
}

/// Gives the tokens of [`on_name`] back: the attempt was right.
pub async fn right_name(
    desk: &Desk,
    client: &impl GenericClient,
    limits: OnName,
    (name, address): (&str, Option<IpAddr>),
) -> Done<()> {
    if let Some(address) = address {
        give_back(desk, client, limits.near, &near(name, address)).await?;
    }
    give_back(desk, client, limits.anywhere, name).await
}

fn near(name: &str, address: IpAddr) -> String {
    format!("{name} {}", network_of(address))
}

/// Gives the token back: the attempt was right.
pub async fn give_back(desk: &Desk, client: &impl GenericClient, limit: Limit, name: &str) -> Done<()> {
    Ok(throttles::give_back(client, &bucket_name(desk, limit, name), limit.bucket()).await?)
}

/// Forgets buckets that are full again.
pub async fn sweep(desk: &Desk) -> Done<()> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    throttles::sweep(&client, now.checked_sub(FORGET_AFTER).unwrap_or(now)).await?;
    Ok(())
}

fn bucket_name(desk: &Desk, limit: Limit, name: &str) -> String {
    let [a, b, c, d, e, f, g, h, ..] = desk.secrets.mac(limit.name, name.as_bytes());
    format!("{}: {}", limit.name, HEXLOWER.encode(&[a, b, c, d, e, f, g, h]))
}

/// One household has a /64 of IPv6 addresses.
fn network_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => {
                let [a, b, c, d, ..] = v6.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}/64")
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_is_one_address() {
        let of = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
    }

    #[test]
    fn waiting_is_said_in_minutes() {
        assert!(SIGN_IN_NEAR.refusal().words.contains("2 minutes"));
        assert!(SIGN_IN_ADDRESS.refusal().words.contains("a minute"));
    }
}
