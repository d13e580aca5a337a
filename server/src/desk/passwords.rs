//! Sign-in passwords: Argon2id, never more at once than the machine has breath for, and none that is easily guessed.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::error::{Done, Error};
use crate::domain::{Refusal, RefusalKind};

/// OWASP's first choice for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes at the same time: 19 MiB and a core each. Others wait their turn.
static BREATH: Semaphore = Semaphore::const_new(4);
/// So many may wait; more are told to come back.
const WAITING_MAX: usize = 64;
static WAITING: Semaphore = Semaphore::const_new(WAITING_MAX);

/// Longer than any password that is typed; no reason to hash novels.
pub const PASSWORD_CHARS_MAX: usize = 200;
/// What the strength of a password is judged by: its beginning. Judging takes time by length.
const JUDGED_CHARS: usize = 80;

/// What a name without an account is checked against, so that it takes as long: the same parameters, no known password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlzIQ$ZHVzdCBhbmQgc2hhZG93LCBub3RoaW5nIG1vcmUuLi4";

fn argon2() -> Done<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|e| Error::broken(format!("argon2: {e}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The PHC text of a new password.
pub async fn hash(password: &str) -> Done<String> {
    let password = password.to_owned();
    breathe(move || {
        let hash = argon2()?.hash_password(password.as_bytes());
        Ok(hash.map_err(|e| Error::broken(format!("argon2: {e}")))?.to_string())
    })
    .await
}

/// Exactly one Argon2 run, whether or not there is a hash to compare with.
pub async fn verify(password: &str, hash: Option<&str>) -> Done<bool> {
    let (password, known) = (password.to_owned(), hash.is_some());
    let hash = hash.unwrap_or(NOBODY).to_owned();
    breathe(move || {
        let parsed = argon2::PasswordHash::new(&hash).map_err(|e| Error::broken(format!("a password hash: {e}")))?;
        let password: String = password.chars().take(PASSWORD_CHARS_MAX + 1).collect();
        Ok(argon2()?.verify_password(password.as_bytes(), &parsed).is_ok() && known)
    })
    .await
}

/// Whether a new password is hard enough to guess; `about` are words an attacker would try first.
pub async fn judge(password: &str, about: &[&str]) -> Done<Result<(), String>> {
    if password.is_empty() {
        return Ok(Err("Choose a password.".into()));
    }
    if password.chars().count() > PASSWORD_CHARS_MAX {
        return Ok(Err(format!("A password has at most {PASSWORD_CHARS_MAX} characters.")));
    }
    let password: String = password.chars().take(JUDGED_CHARS).collect();
    let about: Vec<String> = about.iter().map(|&word| word.to_owned()).collect();
    Ok(spawn_blocking(move || guessable(&password, &about)).await?)
}

fn guessable(password: &str, about: &[String]) -> Result<(), String> {
    let about: Vec<&str> = about.iter().map(String::as_str).chain(["trine", "bitcoin", "escrow", "desk"]).collect();
    let judged = zxcvbn::zxcvbn(password, &about);
    if judged.score() >= zxcvbn::Score::Three {
        return Ok(());
    }
    let why = judged.feedback().and_then(|f| f.warning()).map(|warning| format!(" {warning}")).unwrap_or_default();
    Err(format!("This is too easy to guess.{why} Four words that have nothing to do with each other do well."))
}

/// Runs something heavy, a few at a time, off the threads that answer requests.
async fn breathe<T: Send + 'static>(work: impl FnOnce() -> Done<T> + Send + 'static) -> Done<T> {
    let busy = || {
        Refusal::new(
            RefusalKind::Unavailable,
            "The desk is very busy. Nothing was changed; please try again in a moment.",
        )
    };
    let _place = WAITING.try_acquire().map_err(|_| busy())?;
    let permit = BREATH.acquire().await.map_err(|_| busy())?;
    let done = spawn_blocking(work).await?;
    drop(permit);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_verifies_and_nobody_has_none() {
        let hash = hash("correct horse battery staple").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify("correct horse battery staple", Some(&hash)).await.unwrap());
        assert!(!verify("correct horse battery stapl", Some(&hash)).await.unwrap());
        assert!(!verify("anything", None).await.unwrap());
    }

    #[tokio::test]
    async fn a_name_without_an_account_costs_as_much_as_one_with() {
        let parameters = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parameters(NOBODY), parameters(&hash("orbit maple quiet lantern").await.unwrap()));
        assert!(argon2::PasswordHash::new(NOBODY).unwrap().hash.is_some_and(|hash| hash.len() == 32));
    }

    #[tokio::test]
    async fn easy_passwords_are_refused_in_words() {
        for easy in ["", "password", "anna-k-2026", "trine1234", "qwertyuiop"] {
            let words = judge(easy, &["anna-k"]).await.unwrap().unwrap_err();
            assert!(words.ends_with('.'), "{words}");
        }
        assert!(judge(&"x".repeat(201), &[]).await.unwrap().is_err());
        assert_eq!(judge("orbit maple quiet lantern", &["anna-k"]).await.unwrap(), Ok(()));
    }
}
