//! The guided tour of a practice desk: a page with four lessons, and a slim strip over each page that says what is next.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::error::Answer;
use super::page::{Page, local_path};
use super::posted::Posted;
use super::site::Site;
use super::visitor::{Account, SignedIn, TOUR_COOKIE, Visitor};
use crate::desk::tour as desk;
use crate::domain::tour::{Facts, Lesson, Progress, Step, progress};
use crate::domain::{PublicRef, Refusal, Role};

/// A step of a lesson.
#[derive(Debug, Serialize)]
pub struct StepShown {
    pub words: &'static str,
    /// What to know about it.
    pub more: &'static str,
    pub href: String,
    pub done: bool,
    pub now: bool,
    pub waits: bool,
}

#[derive(Debug, Serialize)]
pub struct LessonShown {
    pub id: &'static str,
    pub title: &'static str,
    pub words: &'static str,
    pub done: bool,
    pub now: bool,
    /// The trade it is done in.
    pub trade: Option<String>,
    pub steps: Vec<StepShown>,
}

/// What is next, in one line.
#[derive(Debug, Clone, Serialize)]
pub struct Strip {
    pub lesson: &'static str,
    pub number: usize,
    pub count: usize,
    pub words: &'static str,
    pub href: String,
    pub waits: bool,
}

#[derive(Debug, Serialize)]
pub struct TourPage {
    pub lessons: Vec<LessonShown>,
    pub finished: bool,
    /// The strip is put away in this browser.
    pub away: bool,
}

impl Page for TourPage {
    const TEMPLATE: &'static str = "tour/tour.html";
}

pub async fn page(site: web::Data<Site>, visitor: Visitor) -> Answer {
    let account = visitor.account.as_ref().map(|account| account.id);
    let progress = desk::of(&site.desk, account).await?;
    TourPage::new(&progress, visitor.tour_is_away()).answer(&site, &visitor)
}

/// Puts the strip away in this browser, or brings it back.
pub async fn put_away(site: web::Data<Site>, _who: SignedIn, posted: Posted) -> Answer {
    if !site.desk.rules.practice {
        return Err(Refusal::not_found().into());
    }
    let mut cookie = Cookie::build(TOUR_COOKIE, "away")
        .path("/")
        .http_only(true)
        .secure(site.https())
        .same_site(SameSite::Lax)
        .max_age(Duration::days(365))
        .finish();
    if posted.fields.text("strip") != "away" {
        cookie.make_removal();
    }
    let next = local_path(posted.fields.text("next"), "/tour").to_owned();
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, next)).cookie(cookie).finish())
}

impl TourPage {
    pub fn new(progress: &[Progress], away: bool) -> Self {
        let now = progress.iter().position(|lesson| !lesson.is_done());
        let shown = |(place, lesson): (usize, &Progress)| LessonShown::new(lesson, now == Some(place));
        Self { lessons: progress.iter().enumerate().map(shown).collect(), finished: now.is_none(), away }
    }
}

impl Strip {
    /// What is next for a trader. A strip that cannot be made takes no page from anybody.
    pub async fn for_account(site: &Site, account: Option<&Account>) -> Option<Self> {
        let account = account.filter(|account| site.desk.rules.practice && account.role == Role::Trader)?;
        match desk::of(&site.desk, Some(account.id)).await {
            Ok(progress) => Self::of(&progress),
            Err(error) => {
                tracing::warn!(%error, "the tour's strip");
                None
            }
        }
    }

    /// Visitors have all of it before them.
    pub fn for_visitors(site: &Site) -> Option<Self> {
        Self::of(&progress(&Facts::default())).filter(|_| site.desk.rules.practice)
    }

    /// Nothing when all lessons are done.
    pub fn of(progress: &[Progress]) -> Option<Self> {
        let lesson = progress.iter().find(|lesson| !lesson.is_done())?;
        let (number, step) = lesson.next()?;
        Some(Self {
            lesson: title(lesson.lesson),
            number,
            count: lesson.steps.len(),
            words: words(step, lesson.lesson).0,
            href: href(step, lesson.lesson, lesson.trade),
            waits: step.waits(),
        })
    }
}

impl LessonShown {
    fn new(progress: &Progress, now: bool) -> Self {
        let next = progress.next().map(|(_, step)| step).filter(|_| now);
        let lesson = progress.lesson;
        let step = |(step, done): &(Step, bool)| {
            let (words, more) = words(*step, lesson);
            let now = !*done && next == Some(*step);
            StepShown { words, more, href: href(*step, lesson, progress.trade), done: *done, now, waits: step.waits() }
        };
        Self {
            id: lesson.as_str(),
            title: title(lesson),
            words: purpose(lesson),
            done: progress.is_done(),
            now,
            trade: progress.trade.map(|trade| trade.to_string()),
            steps: progress.steps.iter().map(step).collect(),
        }
    }
}

fn title(lesson: Lesson) -> &'static str {
    match lesson {
        Lesson::Purchase => "Buy bitcoin",
        Lesson::Sale => "Sell bitcoin",
        Lesson::Refund => "Get a trade undone",
        Lesson::Dispute => "Win a dispute",
    }
}

fn purpose(lesson: Lesson) -> &'static str {
    match lesson {
        Lesson::Purchase => "The ordinary way, from a new account to coins of your own.",
        Lesson::Sale => "The same from the other side: you lock the coins and release them.",
        Lesson::Refund => "Plans change. Before paying, a buyer can send the coins back.",
        Lesson::Dispute => "The seller does not release although you paid. The arbitrator decides.",
    }
}

/// What to do, and what to know about it.
fn words(step: Step, lesson: Lesson) -> (&'static str, &'static str) {
    match step {
        Step::Register => ("Register", "A name and a password; no e-mail."),
        Step::MakeKey => (
            "Make a signing key in your browser",
            "Twelve words for paper, three of them asked back, and a passphrase. The desk never sees them.",
        ),
        Step::AddWay => ("Add a way to pay", "The link fills in a play account that fits the partners' offers."),
        Step::Take if lesson == Lesson::Sale => {
            ("Take an offer of somebody who buys", "Choose one, say how much, press “Use a practice address”, confirm.")
        }
        Step::Take => (
            "Take an offer of somebody who sells",
            "Choose one, say how much, press “Use a practice address”, confirm.",
        ),
        Step::Sign => {
            ("Read and sign the contract", "It fixes price, fees, keys and addresses. Your partner signs too.")
        }
        Step::Locked => ("Your partner locks the coins", "You do not pay before they are confirmed in the escrow."),
        Step::Mark => (
            "Say that you have paid",
            "There is nothing to pay on a practice desk: tick the box as if you had. Your signature goes with it.",
        ),
        Step::Arrives => ("Your partner releases; the coins arrive", "A block is mined every few seconds here."),
        Step::Lock => ("Lock the coins", "On the trade's page press “Pay … from the practice purse”."),
        Step::Paid => ("Your partner pays", "In a real trade you now look into your own bank."),
        Step::Release => ("Release the coins", "Only when the money is there. This cannot be undone."),
        Step::Over => ("The payout is confirmed", "A block is mined every few seconds here."),
        Step::Cancel => ("Cancel the purchase", "You sign the coins back, and never pay in this trade again."),
        Step::Returned => ("Your partner signs too; the coins are back", "Two of three keys, as always."),
        Step::Hold => (
            "Ask your partner not to release",
            "On the trade's page press “please do not release”. Practice partners understand such sentences.",
        ),
        Step::Dispute => ("Open a dispute", "Say what happened and how it should end. Your partner answers at once."),
        Step::AskToRule => (
            "Ask the arbitrator to rule for you",
            "On the trade's page press “please rule for me”. Real arbitrators look at the evidence instead.",
        ),
        Step::Ruled => ("The arbitrator rules", "With reasons, signed; you read them on the trade's page."),
        Step::Cosign => ("Co-sign the payout", "The arbitrator's signature and yours: two of three keys."),
    }
}

fn href(step: Step, lesson: Lesson, trade: Option<PublicRef>) -> String {
    let place = |place: &str| trade.map_or("/trades".to_owned(), |trade| format!("/trades/{trade}{place}"));
    match step {
        Step::Register => "/register".into(),
        Step::MakeKey => "/keys/browser".into(),
        Step::AddWay => "/payment-accounts/new?method=sepa_instant&name=Nora+Newcomer&iban=FR1420041010050500013M02606&label=Practice+account&next=/tour".into(),
        Step::Take if lesson == Lesson::Sale => "/?side=sell&currency=EUR&amount=200".into(),
        Step::Take => "/?currency=EUR&amount=200".into(),
        Step::Sign => place("/contract-signature"),
        Step::Mark => place("/payment"),
        Step::Release => place("/release"),
        Step::Cancel => place("/cancellation"),
        Step::Dispute => place("/dispute"),
        Step::Cosign => place("/ruling/cosignature"),
        Step::Locked
        | Step::Arrives
        | Step::Lock
        | Step::Paid
        | Step::Over
        | Step::Returned
        | Step::Hold
        | Step::AskToRule
        | Step::Ruled => place(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_is_told_to_register_and_every_step_has_words() {
        let all = progress(&Facts::default());
        let strip = Strip::of(&all).unwrap();
        assert_eq!((strip.number, strip.count, strip.words, strip.href.as_str()), (1, 8, "Register", "/register"));
        let page = TourPage::new(&all, false);
        assert!(
            page.lessons
                .iter()
                .flat_map(|lesson| &lesson.steps)
                .all(|step| !step.words.is_empty() && !step.more.is_empty())
        );
        assert_eq!(page.lessons.iter().filter(|lesson| lesson.now).count(), 1);
    }

    #[test]
    fn who_has_a_key_is_led_on() {
        let facts = Facts { registered: true, has_key: true, ..Facts::default() };
        let strip = Strip::of(&progress(&facts)).unwrap();
        assert!(strip.number == 3 && strip.href.starts_with("/payment-accounts/new?method=sepa_instant"));
    }
}
