//! Hears a stream of server-sent events as a browser does: fields, blank lines, the id of the last event.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::Browser;

/// The whole suite runs beside it.
const PATIENCE: Duration = Duration::from_secs(30);

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    pub data: Value,
    /// The last id there was, its own or an earlier one's.
    pub id: String,
}

/// An open stream; it is closed when it is dropped.
pub struct Ear {
    answer: reqwest::Response,
    unread: Vec<u8>,
    /// As the browser would name it when it comes again.
    pub last_id: String,
    /// Comments since it was opened.
    pub heartbeats: usize,
}

impl Ear {
    /// Opens a stream where a page was made.
    pub async fn open(browser: &Browser, path: &str) -> Self {
        Self::try_open(browser, path, None).await.unwrap_or_else(|status| panic!("{path}: {status}"))
    }

    /// Comes again with the id of the last event.
    pub async fn resume(browser: &Browser, path: &str, last_id: &str) -> Self {
        Self::try_open(browser, path, Some(last_id)).await.unwrap_or_else(|status| panic!("{path}: {status}"))
    }

    /// The status where there is no stream; 0 where there is no desk.
    pub async fn try_open(browser: &Browser, path: &str, last_id: Option<&str>) -> Result<Self, u16> {
        let mut request = browser.http().get(browser.url(path)).header("accept", "text/event-stream");
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let answer = request.header("accept-encoding", "gzip, br").send().await.map_err(|_| 0_u16)?;
        if answer.status() != 200 {
            return Err(answer.status().as_u16());
        }
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        Ok(Self { answer, unread: Vec::new(), last_id: last_id.unwrap_or_default().to_owned(), heartbeats: 0 })
    }

    /// The next event; none at the end of the stream.
    pub async fn next(&mut self) -> Option<Event> {
        timeout(PATIENCE, self.wait()).await.expect("nothing is heard")
    }

    /// The next event if one comes in this time.
    pub async fn within(&mut self, time: Duration) -> Option<Event> {
        timeout(time, self.wait()).await.ok().flatten()
    }

    /// Goes on to the next event of this name.
    pub async fn until(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {name}"));
            if event.name == name {
                return event;
            }
        }
    }

    /// Goes on until an event has these words in its data.
    pub async fn hears(&mut self, words: &str) -> Event {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {words:?}"));
            if event.data.to_string().contains(words) {
                return event;
            }
        }
    }

    async fn wait(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                if let Some(event) = self.event(std::str::from_utf8(&block).unwrap()) {
                    return Some(event);
                }
            }
            let chunk = self.answer.chunk().await.ok().flatten()?;
            self.unread.extend_from_slice(&chunk);
        }
    }

    fn event(&mut self, block: &str) -> Option<Event> {
        let (mut name, mut data) = (String::new(), Vec::new());
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => self.heartbeats += 1,
                "event" => value.clone_into(&mut name),
                "data" => data.push(value),
                "id" => value.clone_into(&mut self.last_id),
                "retry" => assert!(value.parse::<u64>().is_ok(), "{line}"),
                _ => panic!("no such field: {line}"),
            }
        }
        if data.is_empty() {
            return None;
        }
        let data = serde_json::from_str(&data.join("\n")).unwrap();
        Some(Event { name, data, id: self.last_id.clone() })
    }
}
