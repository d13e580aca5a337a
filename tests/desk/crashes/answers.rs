//! What a desk has acknowledged while it was killed, to be read back when all is over.

use std::sync::Mutex;

use trine::domain::PublicRef;

use crate::harness::site::Sql;

/// What was done, and the question whether the database has it.
#[derive(Debug, Default)]
pub struct Answers(Mutex<Vec<(String, String)>>);

impl Answers {
    pub fn took(&self, trade: PublicRef) {
        let is_there = format!("SELECT count(*) = 1 FROM trades WHERE reference = '{trade}'");
        self.add(format!("the take of {trade}"), is_there);
    }

    /// A signing page of the trade was answered: there is a line of the log, and the signature.
    pub fn signed(&self, trade: PublicRef, party: &str, place: &str) {
        let (act, kind) = match place {
            "contract-signature" => ("sign_contract", None),
            "payment" => ("mark_paid", Some("release")),
            "release" | "refund" => ("sign_payout", Some(place)),
            "ruling/payout" => ("sign_payout", Some("ruling")),
            other => panic!("nobody signs {other} here"),
        };
        let signature = match kind {
            None => format!("FROM contract_signatures s WHERE s.trade = t.id AND s.party = '{party}'"),
            Some(kind) => format!(
                "FROM signatures s JOIN payouts p ON p.id = s.payout
                  WHERE p.trade = t.id AND p.kind = '{kind}' AND s.party = '{party}'"
            ),
        };
        let line = format!(
            "FROM trade_events e WHERE e.trade = t.id AND e.actor = '{party}' AND e.act::jsonb ->> 'act' = '{act}'"
        );
        let is_there = format!(
            "SELECT count(*) = 1 FROM trades t
              WHERE t.reference = '{trade}' AND EXISTS (SELECT {signature}) AND EXISTS (SELECT {line})"
        );
        self.add(format!("{place} of {trade} by the {party}"), is_there);
    }

    /// The arbitrator was called.
    pub fn disputed(&self, trade: PublicRef) {
        let is_there = format!(
            "SELECT count(*) = 1 FROM disputes d JOIN trades t ON t.id = d.trade WHERE t.reference = '{trade}'"
        );
        self.add(format!("the dispute over {trade}"), is_there);
    }

    /// The arbitrator's signature of his text was taken: one ruling is in force, and in the log.
    pub fn ruled(&self, trade: PublicRef) {
        let is_there = format!(
            "SELECT count(*) = 1 FROM trades t JOIN rulings r ON r.trade = t.id
               JOIN trade_events e ON e.trade = t.id AND e.act::jsonb ->> 'act' = 'rule'
              WHERE t.reference = '{trade}' AND r.signed_at IS NOT NULL AND r.withdrawn_at IS NULL"
        );
        self.add(format!("the ruling on {trade}"), is_there);
    }

    /// Play money was sent to the escrow once more.
    pub fn deposited(&self, trade: PublicRef) {
        let what = format!("a deposit of {trade}");
        let mut all = self.0.lock().unwrap();
        let number = all.iter().filter(|(other, _)| *other == what).count() + 1;
        let is_there = format!(
            "SELECT count(*) >= {number} FROM deposits d JOIN trades t ON t.id = d.trade WHERE t.reference = '{trade}'"
        );
        all.push((what, is_there));
    }

    /// Somebody said something in the room that nobody says twice.
    pub fn said(&self, trade: PublicRef, text: &str) {
        let is_there = format!(
            "SELECT count(*) = 1 FROM messages m JOIN trades t ON t.id = m.trade
              WHERE t.reference = '{trade}' AND m.body = '{text}'"
        );
        self.add(format!("“{text}”"), is_there);
    }

    fn add(&self, what: String, is_there: String) {
        self.0.lock().unwrap().push((what, is_there));
    }

    /// Everything that was acknowledged is there; how much that is.
    pub async fn read_back(&self, sql: &Sql) -> usize {
        let all = self.0.lock().unwrap().clone();
        for (what, is_there) in &all {
            assert!(sql.one::<bool>(is_there).await, "{what} was acknowledged and is not there, or is there twice");
        }
        all.len()
    }
}
