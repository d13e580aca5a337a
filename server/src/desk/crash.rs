//! Named points at which a test lets the process die as by `kill -9`: between two things that a crash could tear apart.
//!
//! A build without debug assertions has none of this: [`point`] is empty there.

/// The variable that names the point to die at.
pub const VARIABLE: &str = "TRINE_CRASH_AT";

/// The second signature of a payout is verified and written, not committed.
pub const PAYOUT_BEFORE_COMMIT: &str = "payout_before_commit";
/// It is committed; nobody has been told, and the payout has not left the building.
pub const PAYOUT_AFTER_COMMIT: &str = "payout_after_commit";
/// The payout is with the chain; its job is not marked as done.
pub const AFTER_BROADCAST: &str = "after_broadcast";
/// The watcher has written down what it saw, and has not told the trades.
pub const NOTED_BEFORE_JUDGED: &str = "noted_before_judged";
/// The arbitrator's signature of the ruling is verified and written, not committed.
pub const RULING_BEFORE_COMMIT: &str = "ruling_before_commit";
/// The ruling is committed; nobody has been told.
pub const RULING_AFTER_COMMIT: &str = "ruling_after_commit";

/// A batch of takes is held, read and decided; what is written and its commit have not gone out.
pub const TAKES_BEFORE_COMMIT: &str = "takes_before_commit";
/// It is committed; nobody has been told.
pub const TAKES_AFTER_COMMIT: &str = "takes_after_commit";
/// A reminder is written down, not committed.
pub const REMINDER_BEFORE_COMMIT: &str = "reminder_before_commit";
/// It is committed.
pub const REMINDER_AFTER_COMMIT: &str = "reminder_after_commit";
/// A mail or a webhook is taken up; nothing of it has gone out.
pub const BEFORE_SENDING: &str = "before_sending";
/// A mail or a webhook has arrived; that it has is not written down.
pub const AFTER_SENDING: &str = "after_sending";

/// Dies here if this is the point that [`VARIABLE`] names: no destructor runs, nothing is flushed.
#[cfg(debug_assertions)]
pub(super) fn point(name: &str) {
    use rustix::process::{Signal, getpid, kill_process};
    static AT: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    if AT.get_or_init(|| std::env::var(VARIABLE).ok()).as_deref() == Some(name) {
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

#[cfg(not(debug_assertions))]
pub(super) const fn point(_: &str) {}
