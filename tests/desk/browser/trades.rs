//! Whole trades, from registering to coins that have arrived.

use super::play::Play;

impl Play {
    /// The buyer says the highest of the miner fees that the page offers; all of them, lowest first.
    async fn the_highest_fee_is_chosen(&self) -> Vec<u64> {
        let script = "return [...document.querySelectorAll('#signing input[name=fee]')].map((one) => one.value)";
        let offered = self.buyer.chrome.run(script).await;
        let offered = offered.as_array().unwrap().iter().map(|one| one.as_str().unwrap());
        // The first one leaves it to the desk.
        let fees: Vec<u64> = offered.filter(|fee| !fee.is_empty()).map(|fee| fee.parse().unwrap()).collect();
        assert!(fees.is_sorted() && fees.len() == 3, "{fees:?}");
        self.buyer.chrome.tick(&format!("#fee-{}", fees[2])).await;
        fees
    }

    /// The miner fees of those payouts of a kind that the buyer has signed, lowest first.
    async fn fees_signed_by_the_buyer(&self, kind: &str) -> Vec<u64> {
        let signed = "SELECT fee_sat FROM payouts JOIN signatures ON payout = id
                       WHERE kind = $1 AND party = 'buyer' ORDER BY fee_sat";
        let rows = self.site.sql().await.query(signed, &[&kind]).await.unwrap();
        rows.iter().map(|row| row.get::<_, i64>(0).try_into().unwrap()).collect()
    }
}

#[tokio::test]
async fn a_purchase_from_an_offer_to_sell() {
    let play = Play::start().await;
    let trade = play.funded_sale().await;
    play.payment_is_about_to_be_marked(&trade).await;
    let fees = play.the_highest_fee_is_chosen().await;
    // The passphrase is typed once.
    play.buyer.signs().await;
    play.buyer.chrome.reads("Waiting for sol-sells to release").await;
    assert_eq!(play.fees_signed_by_the_buyer("release").await, fees, "one entry signs every fee");
    play.is_released(&trade).await;
    play.is_completed(&trade).await;
    let paid = "SELECT fee_sat FROM payouts JOIN trades ON trades.id = trade WHERE txid = payout_txid";
    let paid: i64 = play.site.sql().await.one(paid).await;
    assert_eq!(u64::try_from(paid).unwrap(), fees[2], "not the lowest, which the desk would take");
    let got = play.got(&play.buyer).await;
    assert!((990_000..1_000_000).contains(&got), "the buyer got {got} sat");

    // What the desk keeps of a browser key is sealed with the prescribed effort.
    let sql = play.site.sql().await;
    let files = sql.query("SELECT key_file FROM signing_keys", &[]).await.unwrap();
    assert_eq!(files.len(), 3);
    for file in files {
        let file: serde_json::Value = serde_json::from_str(file.get(0)).unwrap();
        assert_eq!(file["kdf"]["name"], "argon2id");
        assert_eq!(
            (&file["kdf"]["m_kib"], &file["kdf"]["t"], &file["kdf"]["p"]),
            (&65_536.into(), &3.into(), &1.into())
        );
        assert_eq!(file["cipher"], "aes-256-gcm");
    }
}

#[tokio::test]
async fn a_sale_to_an_offer_to_buy() {
    let play = Play::start().await;
    let trade = play.purchase().await;
    play.both_sign_the_contract(&trade).await;
    play.is_funded(&trade).await;
    play.payment_is_marked(&trade).await;
    play.is_released(&trade).await;
    play.is_completed(&trade).await;
    assert!((990_000..1_000_000).contains(&play.got(&play.buyer).await));
}

#[tokio::test]
async fn a_refund_by_the_buyers_cancellation() {
    let play = Play::start().await;
    let trade = play.funded_sale().await;
    play.buyer.opens(&trade).await;
    play.buyer.chrome.press("Cancel the purchase").await;
    play.buyer.ticks(&["not_paid"]).await;
    play.buyer.signs().await;
    play.buyer.chrome.reads("Never pay in this trade any more").await;
    play.seller.opens(&trade).await;
    play.seller.chrome.press("Sign the refund").await;
    play.seller.signs().await;
    play.is_completed(&trade).await;
    assert!(play.got(&play.seller).await > 990_000);
}

#[tokio::test]
async fn a_short_deposit_is_changed_together_and_a_late_one_taken_up_again() {
    let play = Play::start().await;
    let (buyer, seller) = (&play.buyer, &play.seller);
    let trade = play.sale().await;
    play.both_sign_the_contract(&trade).await;
    play.comes(&trade, 400_000).await;
    seller.opens(&trade).await;
    seller.chrome.press("Send the missing part").await;
    seller.chrome.find("[data-signer=address][data-checked=yes]").await;
    let missing = 600_000 + 210 * play.contract(&trade).await["feerate"].as_u64().unwrap();
    let link = seller.chrome.property("[data-signer=bip21]", "href").await;
    assert!(link.ends_with(&format!("amount=0.00{missing}")), "{link} does not ask for {missing} sat");

    play.scaling_down_is_proposed(&trade).await;
    assert!(seller.chrome.words("#signer-facts").await.contains("500.00 EUR → 200.00 EUR"));
    seller.signs().await;
    buyer.opens(&trade).await;
    buyer.chrome.press("See what changes and sign").await;
    buyer.chrome.press("Sign the changed contract").await;
    buyer.signs().await;
    play.work().await;
    assert_eq!(play.stage(&trade).await, "funded");
    buyer.opens(&trade).await;
    buyer.chrome.press("I have sent 200.00 EUR").await;
    buyer.ticks(&["sent"]).await;
    buyer.signs().await;
    buyer.chrome.reads("Waiting for sol-sells to release").await;
    play.is_released(&trade).await;
    play.is_completed(&trade).await;
    assert!((390_000..400_000).contains(&play.got(buyer).await));

    let late = play.sale().await;
    play.both_sign_the_contract(&late).await;
    play.later(181).await;
    play.comes(&late, 1_000_000).await;
    for who in [seller, buyer] {
        who.opens(&late).await;
        let label = if who.name == seller.name { "Take the trade up again" } else { "Look at it and decide" };
        who.chrome.press(label).await;
        who.chrome.press("Take it up again for 500.00 EUR").await;
        who.chrome.arrives(&format!("/trades/{late}")).await;
        play.work().await;
    }
    assert_eq!(play.stage(&late).await, "funded");
    buyer.opens(&late).await;
    buyer.chrome.reads("Send 500.00 EUR").await;
}

#[tokio::test]
async fn an_unpaid_trade_is_closed() {
    let play = Play::start().await;
    let trade = play.funded_sale().await;
    play.seller.opens(&trade).await;
    play.seller.chrome.reads("Waiting for bea-buys to pay").await;
    play.later(60 * 24 * 8).await;
    play.seller.opens(&trade).await;
    play.seller.chrome.press("Close as unpaid").await;
    play.seller.signs().await;
    play.buyer.opens(&trade).await;
    play.buyer.chrome.press("Sign the refund").await;
    play.buyer.signs().await;
    play.is_completed(&trade).await;
    assert!(play.got(&play.seller).await > 990_000);
}
