//! The few words of SOCKS5 (RFC 1928) that ask a proxy for a connection: no password, names left to the proxy.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Place;
use crate::chain::ChainError;

const VERSION: u8 = 5;
const NO_PASSWORD: u8 = 0;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// What a proxy says instead of yes (RFC 1928, section 6).
const REFUSALS: [&str; 9] = [
    "",
    "it failed",
    "its rules do not allow it",
    "the network cannot be reached",
    "the host cannot be reached",
    "the host refuses",
    "it took too long",
    "it cannot do that",
    "it does not know such an address",
];

/// Asks for a connection to that place; from then on the stream leads there.
pub async fn ask(stream: &mut TcpStream, place: &Place) -> Result<(), ChainError> {
    let lost = |error: std::io::Error| ChainError::unreachable(format!("the SOCKS proxy: {error}"));
    let confused = || ChainError::unreachable("what should be a SOCKS5 proxy speaks something else");
    stream.write_all(&[VERSION, 1, NO_PASSWORD]).await.map_err(lost)?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).await.map_err(lost)?;
    match chosen {
        [VERSION, NO_PASSWORD] => {}
        [VERSION, _] => return Err(ChainError::unreachable("the SOCKS proxy wants a password")),
        _ => return Err(confused()),
    }
    stream.write_all(&request(place)?).await.map_err(lost)?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.map_err(lost)?;
    let [VERSION, answer, _, kind] = head else { return Err(confused()) };
    if answer != 0 {
        let why = REFUSALS.get(usize::from(answer)).copied().unwrap_or("it does not say why");
        return Err(ChainError::unreachable(format!("the SOCKS proxy does not reach {place}: {why}")));
    }
    // Where the proxy itself speaks from; nobody needs it, and it has to be read.
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(stream.read_u8().await.map_err(lost)?),
        _ => return Err(confused()),
    };
    let mut rest = vec![0; length.saturating_add(2)];
    stream.read_exact(&mut rest).await.map_err(lost)?;
    Ok(())
}

fn request(place: &Place) -> Result<Vec<u8>, ChainError> {
    let mut bytes = vec![VERSION, CONNECT, 0];
    match place.host.parse() {
        Ok(IpAddr::V4(address)) => {
            bytes.push(IPV4);
            bytes.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            bytes.push(IPV6);
            bytes.extend(address.octets());
        }
        Err(_) => {
            let length = u8::try_from(place.host.len())
                .map_err(|_| ChainError::confused(format!("the name {} is too long for SOCKS", place.host)))?;
            bytes.extend([NAME, length]);
            bytes.extend(place.host.as_bytes());
        }
    }
    bytes.extend(place.port.to_be_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_left_to_the_proxy() {
        let onion: Place = "abc.onion:50001".parse().unwrap();
        assert_eq!(request(&onion).unwrap(), [&[5, 1, 0, 3, 9][..], b"abc.onion", &[0xc3, 0x51]].concat());
        let address: Place = "127.0.0.1:80".parse().unwrap();
        assert_eq!(request(&address).unwrap(), [5, 1, 0, 1, 127, 0, 0, 1, 0, 80]);
        let long = Place { host: "a".repeat(300), port: 1 };
        assert!(request(&long).is_err());
    }
}
