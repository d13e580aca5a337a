//! Doors that servers stand behind, and doors that nobody stands behind: a dead one, a silent one, one that plays a
//! server, a SOCKS proxy, TLS, and one whose keeper changes what is said.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Network};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::bitcoind::Folder;

/// Nobody listens there.
pub async fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Takes every connection and never says a word.
pub async fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    address
}

/// Plays an HTTP server: what it is asked, the first line and the body, and what is said to that.
pub async fn plays(says: impl Fn(&str) -> String + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let says = Arc::new(says);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(play(stream, says.clone()));
        }
    });
    address
}

async fn play(stream: TcpStream, says: Arc<impl Fn(&str) -> String + Send + Sync + 'static>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut asked = String::new();
        if stream.read_line(&mut asked).await? == 0 {
            return Ok(());
        }
        let mut length: usize = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = number.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        asked.push_str(&String::from_utf8(body).unwrap());
        let said = says(&asked);
        let length = said.len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(format!("{head}{said}").as_bytes()).await?;
    }
}

/// A Bitcoin Core that says this of its chain, which began with that network's first block.
pub fn of_chain(asked: &str, info: &Value, network: Network) -> String {
    if asked.contains("getblockhash") {
        json!({ "result": genesis_block(network).block_hash() }).to_string()
    } else {
        info.to_string()
    }
}

/// What a Bitcoin Core says of a chain that it calls so.
pub fn named(chain: &str) -> Value {
    json!({ "result": { "chain": chain, "blocks": 3, "bestblockhash": BlockHash::all_zeros(), "time": 1_631_333_672,
        "initialblockdownload": false, "chainwork": "00".repeat(32) } })
}

/// A SOCKS5 proxy, and the hosts that were asked of it.
pub async fn socks() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(one_socks(stream, seen.clone()));
        }
    });
    (address, asked)
}

async fn one_socks(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut hello = [0; 3];
    stream.read_exact(&mut hello).await?;
    assert_eq!(hello, [5, 1, 0], "version 5, one method: no password");
    stream.write_all(&[5, 0]).await?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let host = match head {
        [5, 1, 0, 1] => {
            let mut octets = [0; 4];
            stream.read_exact(&mut octets).await?;
            std::net::Ipv4Addr::from(octets).to_string()
        }
        [5, 1, 0, 3] => {
            let mut name = vec![0; usize::from(stream.read_u8().await?)];
            stream.read_exact(&mut name).await?;
            String::from_utf8(name).unwrap()
        }
        other => panic!("not asked like this: {other:?}"),
    };
    let port = stream.read_u16().await?;
    seen.lock().unwrap().push(host.clone());
    let Ok(mut onward) = TcpStream::connect((host.as_str(), port)).await else {
        return stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    };
    stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
    copy_bidirectional(&mut stream, &mut onward).await.map(drop)
}

/// Certificates and keys of `vectors/tls.json`, as files.
pub struct Papers {
    folder: Folder,
    all: Value,
}

impl Papers {
    pub fn new() -> Self {
        let all = serde_json::from_str(include_str!("../../vectors/tls.json")).unwrap();
        Self { folder: Folder::new(), all }
    }

    pub fn text(&self, who: &str, what: &str) -> &str {
        self.all[who][what].as_str().unwrap()
    }

    /// The certificate as the operator's file.
    pub fn certificate(&self, who: &str) -> PathBuf {
        let path = self.folder.0.join(format!("{who}.pem"));
        std::fs::write(&path, self.text(who, "certificate")).unwrap();
        path
    }

    /// A door with TLS, showing that certificate, before a plain server.
    pub async fn door(&self, who: &str, before: SocketAddr) -> SocketAddr {
        let certificate = CertificateDer::from_pem_slice(self.text(who, "certificate").as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.text(who, "key").as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut inside) = acceptor.accept(stream).await else { return };
                    let mut onward = TcpStream::connect(before).await.unwrap();
                    let _ = copy_bidirectional(&mut inside, &mut onward).await;
                });
            }
        });
        address
    }
}

/// What is made of a line.
pub type Change = fn(String) -> String;

/// Every line a server says is changed before it is passed on.
pub async fn liar(before: SocketAddr, change: Change) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut asks, mut hears) = stream.into_split();
                let (says, mut listens) = TcpStream::connect(before).await.unwrap().into_split();
                tokio::spawn(async move { tokio::io::copy(&mut asks, &mut listens).await });
                let mut lines = BufReader::new(says).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let changed = change(line) + "\n";
                    if hears.write_all(changed.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
