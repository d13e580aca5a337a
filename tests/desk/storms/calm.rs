//! After a storm: blocks come, days pass, and three sensible people do what the pages ask them to.

use trine::desk::{audit, books};
use trine::domain::Stage;
use trine::domain::trade::NOTHING_BELOW_SAT;

use super::{Storm, people};
use crate::harness::Dice;

/// So many days at most until all is over.
const DAYS: usize = 40;

/// What ends a trade, where it is offered; each with what its page's path has in it.
const WAYS: [&str; 10] = [
    "/strays/",
    "/refund",
    "/payment-release",
    "/release",
    "/cancellation",
    "/unpaid",
    "/settlement/completion",
    "/ruling/cosignature",
    "/payout",
    "/signature",
];

impl Storm {
    pub(super) async fn calms_down(&mut self) {
        self.tells("it is calm".into());
        for day in 0..DAYS {
            self.sky.world.mine(1).await;
            self.sky.works().await;
            if self.is_over().await {
                self.adds_up().await;
                return;
            }
            self.everybody_ends_it(day).await;
            self.sky.mines(6).await;
            self.sky.story.later(24 * 60 + 1).await;
            self.is_true().await;
        }
        let row = self.sky.row(self.trade).await;
        let mut pages = Vec::new();
        for who in self.everybody() {
            pages.push(format!("{}: {}", who.name, self.sky.page(who, self.trade).await));
        }
        panic!("{} for ever: {:?}\n{}", row.state.stage, row.state, pages.join("\n"));
    }

    /// The trade has ended, and nothing is left at its address that is worth a transaction.
    async fn is_over(&self) -> bool {
        let row = self.sky.row(self.trade).await;
        if !matches!(row.state.stage, Stage::Completed | Stage::Cancelled) {
            return false;
        }
        let held = self.held().await;
        held.values().filter(|one| one.spent.is_none()).all(|one| one.value.to_sat() < 2 * NOTHING_BELOW_SAT)
    }

    async fn adds_up(&self) {
        let desk = &self.sky.story.site.desk;
        assert_eq!(books::check(desk).await.unwrap().problems, Vec::<String>::new());
        assert_eq!(audit::audit(desk).await.unwrap().differences, Vec::<String>::new());
    }

    /// Each does everything that the pages offer to end it.
    async fn everybody_ends_it(&mut self, day: usize) {
        for who in 0..3 {
            for way in WAYS {
                self.tries(who, |action| action.contains(way) && !action.contains("/amendment")).await;
            }
            if self.sky.state(self.trade).await.stage == Stage::Disputed {
                self.tries(who, |action| action.starts_with("/arbitration/") && action.ends_with("/ruling")).await;
                self.tries(who, |action| action.contains("/rulings/")).await;
            }
            if day > 1 {
                self.tries(who, |action| action.ends_with("/dispute")).await;
            }
        }
    }

    /// Somebody sends the first form that leads there, if there is one.
    async fn tries(&mut self, who: usize, leads_there: impl Fn(&str) -> bool) {
        let trade = self.trade;
        let person = self.everybody()[who];
        let name = person.name;
        let forms = people::forms(people::pages(person, trade).await, trade);
        let mut told = Vec::new();
        for (_, page, form) in forms.iter().filter(|(_, _, form)| leads_there(&form.action)) {
            let Some(fields) = people::filled(person, page, form, &mut Dice(0)) else { continue };
            let answer = people::send(person, form, &fields).await;
            let why = if answer.status == 303 { String::new() } else { answer.words() };
            told.push(format!("{name} sends {}: {} {why}", form.action, answer.status));
            self.sky.works().await;
        }
        told.into_iter().for_each(|one| self.tells(one));
    }
}
