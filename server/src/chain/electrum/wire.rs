//! Lines of JSON-RPC to one Electrum server: questions in bundles, answers in any order, news in between.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::chain::ChainError;
use crate::chain::link::Stream;
use crate::chain::trouble::is_warming_up;

/// More in one bundle, and both sides could wait for the other to read.
const CALLS_PER_BUNDLE: usize = 100;
/// Twice the hexadecimal of a block full of one transaction.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Of a longer line so much of each end is looked at, to see what it answers.
const END_BYTES: usize = 100;
/// The protocol this speaks; 1.6 answers some questions in another form.
const PROTOCOL: [&str; 2] = ["1.4", "1.4.3"];

pub struct Wire {
    stream: BufReader<Box<dyn Stream>>,
    /// A bundle of questions is answered within this, or the server hangs.
    patience: Duration,
    next_id: u64,
    /// Scripts whose history changed, with their new status.
    news: Vec<(String, Option<String>)>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a wire after {} questions", self.next_id)
    }
}

/// The server understood and says no.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Absent where a server answers with a text only.
    pub code: Option<i64>,
    pub message: String,
}

/// ElectrumX: this connection asked for too much; the question took too long.
const BUSY: [i64; 2] = [-101, -102];
/// Something broke in the server. Some servers give this number to whatever goes wrong, a node's verdict too.
const INTERNAL_ERROR: i64 = -32603;

impl Fault {
    fn read(error: &Value) -> Self {
        // Some servers answer with an object, some with a text.
        let message = error.get("message").and_then(Value::as_str).or_else(|| error.as_str());
        let message = message.map_or_else(|| error.to_string(), str::to_owned);
        Self { code: error.get("code").and_then(Value::as_i64), message }
    }

    /// The trouble is the server's or its node's own: the same question may be answered later.
    pub fn is_trouble(&self) -> bool {
        let broken = self.code == Some(INTERNAL_ERROR) && !self.message.contains("RPC error");
        let busy = self.code.is_some_and(|code| BUSY.contains(&code));
        busy || broken || self.is_node_away() || is_warming_up(&self.message)
    }

    /// Each server says it in its own words, most in Bitcoin Core's.
    pub fn is_not_found(&self) -> bool {
        let words = ["No such mempool or blockchain transaction", "No such mempool transaction", "missing transaction"];
        words.iter().any(|known| self.message.contains(known)) || self.message.contains("not found")
    }

    /// electrs, when its own node does not answer.
    fn is_node_away(&self) -> bool {
        self.message.contains("failed to broadcast transaction") || self.message.contains("unavailable index")
    }
}

impl From<Fault> for ChainError {
    fn from(fault: Fault) -> Self {
        // electrs, while it puts its index in order after a first reading.
        if fault.message.contains("unavailable index") || is_warming_up(&fault.message) {
            return Self::Loading(fault.message);
        }
        if fault.is_trouble() { Self::Unreachable(fault.message) } else { Self::Confused(fault.message) }
    }
}

#[derive(Debug, Deserialize)]
struct Reply {
    id: Option<u64>,
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    result: Value,
    error: Option<Value>,
}

/// A line that is too long to be kept, with the number of the question it answers, if that was found.
#[derive(Debug)]
struct TooLong(Option<u64>);

impl Wire {
    /// Says hello; a server that speaks no protocol of ours is told apart from one that is away.
    pub async fn greet(stream: Box<dyn Stream>, patience: Duration, name: &str) -> Result<Self, ChainError> {
        let mut wire = Self { stream: BufReader::new(stream), patience, next_id: 0, news: Vec::new() };
        let mut answers = wire.call("server.version", vec![json!(["Trine", PROTOCOL])]).await?;
        match answers.pop() {
            Some(Ok(_)) => Ok(wire),
            Some(Err(fault)) => Err(ChainError::confused(format!("{name} speaks another protocol: {}", fault.message))),
            None => Err(ChainError::confused(format!("{name} says nothing"))),
        }
    }

    /// The same question with each of these parameters, answered in their order.
    pub async fn call(&mut self, method: &str, params: Vec<Value>) -> Result<Vec<Result<Value, Fault>>, ChainError> {
        let mut answers = Vec::with_capacity(params.len());
        for bundle in params.chunks(CALLS_PER_BUNDLE) {
            let answered = tokio::time::timeout(self.patience, self.bundle(method, bundle)).await;
            let silent = |_| Err(ChainError::hanging(format!("{method}: no answer in {:?}", self.patience)));
            answers.extend(answered.unwrap_or_else(silent)?);
        }
        Ok(answers)
    }

    /// What the server told unasked since the last time.
    pub fn take_news(&mut self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.news)
    }

    async fn bundle(&mut self, method: &str, params: &[Value]) -> Result<Vec<Result<Value, Fault>>, ChainError> {
        let first = self.next_id;
        let mut lines = String::new();
        for one in params {
            let request = json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": one });
            lines.push_str(&request.to_string());
            lines.push('\n');
            self.next_id = self.next_id.wrapping_add(1);
        }
        self.stream.write_all(lines.as_bytes()).await.map_err(ChainError::unreachable)?;
        self.stream.flush().await.map_err(ChainError::unreachable)?;
        let mut answers: HashMap<u64, Result<Value, Fault>> = HashMap::new();
        while answers.len() < params.len() {
            let reply = match self.line().await? {
                Ok(reply) => reply,
                Err(TooLong(Some(id))) if (first..self.next_id).contains(&id) => {
                    answers.insert(id, Err(Fault { code: None, message: "the answer is too long".to_owned() }));
                    continue;
                }
                Err(TooLong(_)) => return Err(ChainError::confused("a line that is too long")),
            };
            match (reply.id, reply.method) {
                (Some(id), None) if (first..self.next_id).contains(&id) => {
                    let answer = match reply.error.filter(|error| !error.is_null()) {
                        Some(error) => Err(Fault::read(&error)),
                        None => Ok(reply.result),
                    };
                    answers.insert(id, answer);
                }
                (None, Some(about)) => self.note(&about, &reply.params),
                _ => return Err(ChainError::confused("an answer that nobody asked for")),
            }
        }
        Ok((first..self.next_id).filter_map(|id| answers.remove(&id)).collect())
    }

    fn note(&mut self, about: &str, params: &Value) {
        if about != "blockchain.scripthash.subscribe" {
            return;
        }
        if let Some(script) = params.get(0).and_then(Value::as_str) {
            let status = params.get(1).and_then(Value::as_str).map(str::to_owned);
            self.news.push((script.to_owned(), status));
        }
    }

    async fn line(&mut self) -> Result<Result<Reply, TooLong>, ChainError> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(u64::try_from(LINE_BYTES_MAX).map_err(ChainError::confused)?);
        let read = limited.read_until(b'\n', &mut line).await.map_err(ChainError::unreachable)?;
        if read == 0 {
            return Err(hung_up());
        }
        if read == LINE_BYTES_MAX && !line.ends_with(b"\n") {
            line.truncate(END_BYTES);
            let end = self.skip_line().await?;
            return Ok(Err(TooLong(id_in(&line).or_else(|| id_in(&end)))));
        }
        let odd = |error| ChainError::confused(format!("not Electrum's protocol: {error}"));
        serde_json::from_slice(&line).map(Ok).map_err(odd)
    }

    /// The end of a line whose rest nobody wants.
    async fn skip_line(&mut self) -> Result<Vec<u8>, ChainError> {
        let mut end = Vec::new();
        loop {
            let some = self.stream.fill_buf().await.map_err(ChainError::unreachable)?;
            if some.is_empty() {
                return Err(hung_up());
            }
            let newline = some.iter().position(|byte| *byte == b'\n');
            let used = newline.map_or(some.len(), |place| place.saturating_add(1));
            end.extend(some.iter().take(used));
            end.drain(..end.len().saturating_sub(END_BYTES));
            self.stream.consume(used);
            if newline.is_some() {
                return Ok(end);
            }
        }
    }
}

fn hung_up() -> ChainError {
    ChainError::unreachable("the server has hung up")
}

/// The number of the question, in one end of its answer.
fn id_in(part: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(part);
    let (_, rest) = text.split_once("\"id\":")?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// A result in the shape it should have.
pub fn read<T: DeserializeOwned>(method: &str, value: Value) -> Result<T, ChainError> {
    serde_json::from_value(value).map_err(|error| ChainError::confused(format!("{method}: {error}")))
}
