use super::super::scene::tests::scene;
use super::*;

fn link(place: &str) -> String {
    format!("<a href=\"/trades/7KQ2M4XN/{place}\">x</a>")
}

fn button(place: &str) -> String {
    format!("<form action=\"/trades/7KQ2M4XN/{place}\"></form>")
}

#[test]
fn a_partner_says_what_it_does_before_it_does_it() {
    let cases = [
        (
            "proposed",
            "buyer",
            link("contract-signature") + "<i class=\"key seller in\">",
            HELLO,
            Deed::Sign("contract-signature"),
        ),
        ("awaiting_deposit", "seller", "<form action=\"/practice/deposit\">".into(), I_LOCK, Deed::Deposit),
        ("funded", "buyer", link("payment"), I_SEND, Deed::Sign("payment")),
        ("funded", "seller", link("unpaid"), I_CLOSE, Deed::Sign("unpaid")),
        ("payment_sent", "seller", link("release"), I_RELEASE, Deed::Sign("release")),
        ("refund_due", "seller", link("refund"), I_REFUND, Deed::Sign("refund")),
    ];
    for (stage, role, inner, words, deed) in cases {
        assert_eq!(next(&scene(stage, role, &inner, &[])), Some(Deed::Say(words)), "{stage} {role}");
        assert_eq!(next(&scene(stage, role, &inner, &[("me", words)])), Some(deed), "{stage} {role}");
    }
}

#[test]
fn a_partner_waits_for_others() {
    for (stage, role) in
        [("proposed", "seller"), ("awaiting_deposit", "buyer"), ("awaiting_deposit", "seller"), ("refund_due", "buyer")]
    {
        assert_eq!(next(&scene(stage, role, "", &[("me", HELLO)])), None, "{stage} {role}");
    }
    let unsigned = link("contract-signature") + "<i class=\"key seller\"><i class=\"key buyer in\">";
    assert_eq!(next(&scene("proposed", "buyer", &unsigned, &[("me", HELLO)])), None, "the other signs first");
    for stage in ["paying_out", "completed", "cancelled"] {
        let everything = link("release") + &link("refund") + &button("cancel");
        assert_eq!(next(&scene(stage, "seller", &everything, &[("other", "please cancel")])), None, "{stage}");
    }
}

#[test]
fn payment_and_release_wait_when_asked_to_until_they_may_go_on() {
    for (stage, role, place, wish, answer) in [
        ("funded", "buyer", "payment", "please do not pay", WAITS_TO_PAY),
        ("payment_sent", "seller", "release", "please do not release", WAITS_TO_RELEASE),
    ] {
        let inner = link(place);
        let at = |said: &[(&str, &str)]| next(&scene(stage, role, &inner, said));
        assert_eq!(at(&[("other", wish)]), Some(Deed::Say(answer)));
        assert_eq!(at(&[("other", wish), ("me", answer)]), SETTLE, "{stage}");
        let mut said = vec![("other", wish), ("me", answer), ("other", "Please go on.")];
        assert_eq!(at(&said), Some(Deed::Say(GOES_ON)));
        said.push(("me", GOES_ON));
        assert!(matches!(at(&said), Some(Deed::Say(_))), "goes on with its own sentence first");
        said.push(("me", if place == "payment" { I_SEND } else { I_RELEASE }));
        assert_eq!(at(&said), Some(Deed::Sign(place)));
        // And it can be asked to wait again.
        said.push(("other", wish));
        assert_eq!(at(&said), Some(Deed::Say(answer)));
    }
}

#[test]
fn a_partner_cancels_by_what_the_page_offers_and_says_so_when_it_cannot() {
    let asked = [("other", "please cancel")];
    let answered = [("other", "please cancel"), ("me", CANCELS)];
    for (stage, role, inner, deed) in [
        ("proposed", "seller", button("decline"), Deed::Press("decline")),
        ("awaiting_deposit", "buyer", button("cancel"), Deed::Press("cancel")),
        ("funded", "buyer", link("payment") + &link("cancellation"), Deed::Sign("cancellation")),
        ("disputed", "seller", link("refund"), Deed::Sign("refund")),
    ] {
        assert_eq!(next(&scene(stage, role, &inner, &asked)), Some(Deed::Say(CANCELS)), "{stage}");
        assert_eq!(next(&scene(stage, role, &inner, &answered)), Some(deed), "{stage}");
    }
    assert_eq!(next(&scene("funded", "seller", "", &asked)), Some(Deed::Say(CANNOT_CANCEL)));
    assert_eq!(next(&scene("funded", "seller", "", &[asked[0], ("me", CANNOT_CANCEL)])), SETTLE);
    // Done: it goes on like in any refund.
    assert_eq!(next(&scene("refund_due", "buyer", "", &answered)), None);
}

#[test]
fn a_partner_disputes_and_settles_when_asked_to() {
    let said = [("other", "please open a dispute")];
    assert_eq!(next(&scene("funded", "buyer", "", &said)), Some(Deed::Say(CANNOT_DISPUTE)));
    assert_eq!(next(&scene("payment_sent", "buyer", "", &said)), Some(Deed::Say(DISPUTES)));
    assert_eq!(next(&scene("payment_sent", "buyer", "", &[said[0], ("me", DISPUTES)])), Some(Deed::OpenDispute));
    assert_eq!(
        next(&scene("disputed", "buyer", "", &[said[0], ("me", DISPUTES)])),
        Some(Deed::Speak { propose: false })
    );

    let said = [("other", "please propose a settlement"), ("me", PROPOSES)];
    assert_eq!(next(&scene("payment_sent", "seller", &link("release"), &said)), Some(Deed::Settle { propose: true }));
    assert_eq!(next(&scene("disputed", "seller", "", &said)), Some(Deed::Speak { propose: true }));
    let accepted = link("settlement/completion");
    assert_eq!(next(&scene("payment_sent", "seller", &accepted, &said)), Some(Deed::Sign("settlement/completion")));
}

#[test]
fn what_is_for_the_arbitrator_is_not_for_a_partner() {
    let said = [("other", "please rule for me")];
    assert_eq!(next(&scene("payment_sent", "buyer", "", &said)), SETTLE);
}
