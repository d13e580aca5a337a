use super::super::trade::tests::taken;
use super::*;

fn seen(side: Side, change: impl Fn(&mut Trade)) -> Seen {
    let mut state = taken();
    change(&mut state);
    Seen { reference: "7KQ2M4XN".parse().unwrap(), side, state, wishes: Vec::new() }
}

fn over(outcome: Outcome) -> impl Fn(&mut Trade) {
    move |trade| (trade.stage, trade.outcome) = (Stage::Completed, Some(outcome))
}

fn facts(trades: Vec<Seen>) -> Facts {
    Facts { registered: true, has_key: true, has_way: true, trades }
}

fn next(facts: &Facts) -> Option<(Lesson, Step)> {
    let lesson = progress(facts).into_iter().find(|lesson| !lesson.is_done())?;
    Some((lesson.lesson, lesson.next()?.1))
}

#[test]
fn steps_are_ticked_off_by_what_is_so() {
    assert_eq!(next(&Facts::default()), Some((Lesson::Purchase, Step::Register)));
    assert_eq!(next(&Facts { registered: true, ..Facts::default() }), Some((Lesson::Purchase, Step::MakeKey)));
    assert_eq!(next(&facts(Vec::new())), Some((Lesson::Purchase, Step::Take)));
    let at = |change: fn(&mut Trade)| next(&facts(vec![seen(Side::Buyer, change)])).unwrap().1;
    assert_eq!(at(|_| ()), Step::Sign);
    assert_eq!(at(|trade| trade.buyer_agreed = true), Step::Locked);
    let funded = |trade: &mut Trade| (trade.buyer_agreed, trade.ever_funded, trade.stage) = (true, true, Stage::Funded);
    assert_eq!(next(&facts(vec![seen(Side::Buyer, funded)])).unwrap().1, Step::Mark);
    let paid = |trade: &mut Trade| {
        funded(trade);
        (trade.stage, trade.paid_at) = (Stage::PaymentSent, Some(trade.created_at));
    };
    assert_eq!(next(&facts(vec![seen(Side::Buyer, paid)])).unwrap().1, Step::Arrives);
}

#[test]
fn what_was_asked_for_is_not_asked_for_again() {
    let asked = |wishes: &[Wish]| Seen { wishes: wishes.to_vec(), ..seen(Side::Buyer, |_| ()) };
    let (nothing, held) = (asked(&[]), asked(&[Wish::DoNotRelease]));
    let done = |step, seen: &Seen| is_done(step, &Facts::default(), Some(seen));
    assert_eq!((done(Step::Hold, &nothing), done(Step::Hold, &held)), (false, true));
    assert_eq!((done(Step::AskToRule, &nothing), done(Step::AskToRule, &held)), (false, false));
    for wish in [Wish::RuleForMe, Wish::RuleAgainstMe, Wish::SplitIt] {
        let seen = asked(&[Wish::DoNotRelease, wish]);
        assert_eq!((done(Step::AskToRule, &seen), done(Step::Ruled, &seen)), (true, false), "he has not ruled yet");
    }
}

#[test]
fn a_lesson_is_done_by_how_a_trade_ended_and_a_trade_of_another_kind_is_none() {
    let bought = seen(Side::Buyer, over(Outcome::Released));
    assert_eq!(next(&facts(vec![bought.clone()])), Some((Lesson::Sale, Step::Take)));
    // A cancelled one was no lesson, and a sale is no purchase.
    let cancelled = seen(Side::Buyer, |trade| trade.stage = Stage::Cancelled);
    assert_eq!(next(&facts(vec![cancelled])), Some((Lesson::Purchase, Step::Take)));
    let sold = seen(Side::Seller, over(Outcome::Released));
    assert_eq!(next(&facts(vec![sold.clone()])), Some((Lesson::Purchase, Step::Take)));
    assert_eq!(next(&facts(vec![sold.clone(), bought.clone()])), Some((Lesson::Refund, Step::Take)));
    let refunded = seen(Side::Buyer, over(Outcome::Refunded));
    assert_eq!(next(&facts(vec![refunded, sold, bought])), Some((Lesson::Dispute, Step::Take)));
}

#[test]
fn only_the_lesson_that_is_next_shows_the_running_trade() {
    let all = progress(&facts(vec![seen(Side::Buyer, |_| ())]));
    let with_trade: Vec<_> = all.iter().filter(|lesson| lesson.trade.is_some()).map(|lesson| lesson.lesson).collect();
    assert_eq!(with_trade, [Lesson::Purchase]);
}
