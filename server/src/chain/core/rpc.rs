//! JSON-RPC to a Bitcoin Core: one call, or many in one request.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::chain::ChainError;

const CONNECT_SECONDS_MAX: u64 = 5;
/// A full mempool or a large block takes a slow node some seconds.
const ANSWER_SECONDS_MAX: u64 = 60;
/// A pass over all coins, on a slow disk.
const SCAN_SECONDS_MAX: u64 = 900;

/// How the node knows the desk.
#[derive(Debug, Clone)]
pub enum CoreAuth {
    /// The file the node writes anew at each start; it is read at each request.
    Cookie(PathBuf),
    Password {
        user: String,
        password: SecretString,
    },
}

#[derive(Debug)]
pub struct Rpc {
    http: reqwest::Client,
    url: String,
    auth: CoreAuth,
    patience: Duration,
}

/// Why a call gave no result.
#[derive(Debug, Clone)]
pub enum CallError {
    /// The node understood and says no, with a number of its own (`rpc/protocol.h`).
    Refused {
        code: i64,
        message: String,
    },
    Failed(ChainError),
}

/// The node is still loading its chain.
const IN_WARMUP: i64 = -28;

impl From<CallError> for ChainError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused { code: IN_WARMUP, message } => Self::Loading(message),
            CallError::Refused { code, message } => Self::Confused(format!("{message} ({code})")),
            CallError::Failed(error) => error,
        }
    }
}

impl From<ChainError> for CallError {
    fn from(error: ChainError) -> Self {
        Self::Failed(error)
    }
}

#[derive(Debug, Deserialize)]
struct Reply {
    #[serde(default)]
    id: Option<usize>,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error: Option<Fault>,
}

#[derive(Debug, Deserialize)]
struct Fault {
    code: i64,
    message: String,
}

impl Reply {
    fn outcome(self) -> Result<Value, CallError> {
        match self.error {
            Some(Fault { code, message }) => Err(CallError::Refused { code, message }),
            None => Ok(self.result),
        }
    }
}

impl Rpc {
    /// `url` is `http://host:port`; nothing is asked yet.
    pub fn new(url: &str, auth: CoreAuth) -> Result<Self, ChainError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
            .build()
            .map_err(ChainError::confused)?;
        Ok(Self { http, url: url.to_owned(), auth, patience: Duration::from_secs(ANSWER_SECONDS_MAX) })
    }

    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, CallError> {
        let request = json!({ "jsonrpc": "2.0", "id": 0, "method": method, "params": params });
        let reply: Reply = self.post(&request, self.patience).await?;
        read(method, reply.outcome()?)
    }

    /// A call that the node works on for minutes.
    pub async fn patient_call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, CallError> {
        let request = json!({ "jsonrpc": "2.0", "id": 0, "method": method, "params": params });
        let reply: Reply = self.post(&request, Duration::from_secs(SCAN_SECONDS_MAX)).await?;
        read(method, reply.outcome()?)
    }

    /// Calls in one request, answered in the order asked. The node works them off one after the other.
    pub async fn batch(&self, calls: &[(&str, Value)]) -> Result<Vec<Result<Value, CallError>>, ChainError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let numbered = calls.iter().enumerate();
        let requests: Vec<Value> = numbered
            .map(|(id, (method, params))| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .collect();
        let mut replies: Vec<Reply> = self.post(&Value::from(requests), self.patience).await?;
        replies.sort_by_key(|reply| reply.id);
        let in_order = replies.iter().enumerate().all(|(place, reply)| reply.id == Some(place));
        if replies.len() != calls.len() || !in_order {
            return Err(ChainError::confused("the answers do not belong to the questions"));
        }
        Ok(replies.into_iter().map(Reply::outcome).collect())
    }

    async fn post<T: DeserializeOwned>(&self, body: &Value, patience: Duration) -> Result<T, ChainError> {
        let (user, password) = self.credentials()?;
        let request = self.http.post(&self.url).basic_auth(user, Some(password.expose_secret())).json(body);
        let request = request.timeout(patience);
        // The address in the error is the operator's own; the credentials are not part of it.
        let response = request.send().await.map_err(unanswered)?;
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(ChainError::confused("the node does not accept the desk's user, password or address"));
            }
            StatusCode::SERVICE_UNAVAILABLE => return Err(ChainError::unreachable("the node is busy")),
            _ => {}
        }
        let bytes = response.bytes().await.map_err(unanswered)?;
        serde_json::from_slice(&bytes).map_err(|error| ChainError::confused(format!("not JSON-RPC: {error}")))
    }

    fn credentials(&self) -> Result<(String, SecretString), ChainError> {
        match &self.auth {
            CoreAuth::Password { user, password } => Ok((user.clone(), password.clone())),
            CoreAuth::Cookie(path) => {
                // Not there while the node is down.
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ChainError::unreachable(format!("{}: {error}", path.display())))?;
                let (user, password) = text.trim().split_once(':').unwrap_or_default();
                Ok((user.to_owned(), SecretString::from(password)))
            }
        }
    }
}

/// Why nothing came back: nobody there, or somebody who is silent.
fn unanswered(error: reqwest::Error) -> ChainError {
    if error.is_timeout() && !error.is_connect() { ChainError::hanging(error) } else { ChainError::unreachable(error) }
}

/// A result in the shape it should have.
pub fn read<T: DeserializeOwned>(method: &str, value: Value) -> Result<T, CallError> {
    let odd = |error| ChainError::confused(format!("{method}: {error}"));
    serde_json::from_value(value).map_err(|error| CallError::Failed(odd(error)))
}
