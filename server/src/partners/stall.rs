//! A partner's offers: posted, posted anew when they are used up, opened again when the desk paused them.

use anyhow::Context;
use bitcoin::Network;

use super::door::{Door, attribute, tags};
use super::people::Person;
use super::wares::{WARES, Ware};

/// One of a partner's offers, as `/my/offers` shows it.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    reference: String,
    state: String,
    on_board: bool,
}

/// Brings all wares of this person to the board.
pub async fn look_after(person: &Person, door: &Door, network: Network) -> anyhow::Result<()> {
    let page = door.page("/my/offers").await?;
    for (number, ware) in WARES.iter().enumerate().filter(|(_, ware)| ware.owner == person.name) {
        match standing(&page, ware) {
            Some(offer) if offer.state == "open" && offer.on_board => {}
            Some(offer) if offer.state == "open" => {
                press(door, &offer, "withdrawal").await?;
                post(ware, number, person, door, network).await?;
            }
            Some(offer) => press(door, &offer, "resumption").await?,
            None => post(ware, number, person, door, network).await?,
        }
    }
    Ok(())
}

/// Of several offers alike the one that is on the board counts.
fn standing(page: &str, ware: &Ware) -> Option<Standing> {
    let wanted = format!("{} {}", ware.side, ware.currency);
    let alike =
        tags(page, "data-offer").into_iter().filter(|(tag, _)| attribute(tag, "data-offer").as_ref() == Some(&wanted));
    let read = |(tag, rest): (&str, &str)| {
        let (_, rest) = rest.split_once("href=\"/offers/")?;
        let (reference, _) = rest.split_once('"')?;
        let on_board = attribute(tag, "data-on-board")? == "true";
        Some(Standing { reference: reference.to_owned(), state: attribute(tag, "data-state")?, on_board })
    };
    alike.filter_map(read).max_by_key(|offer| (offer.state == "open", offer.on_board))
}

async fn press(door: &Door, offer: &Standing, place: &str) -> anyhow::Result<()> {
    let action = format!("/offers/{}/{place}", offer.reference);
    let form = door.form("/my/offers", &action).await?;
    door.send(&form).await.map(drop)
}

async fn post(ware: &Ware, number: usize, person: &Person, door: &Door, network: Network) -> anyhow::Result<()> {
    let address = person.wallet(network)?.receiving_address(u32::try_from(number)?)?;
    let page = format!("/offers/new?side={}&currency={}", ware.side, ware.currency);
    let form = door.form(&page, "/offers").await?.ticked("accounts");
    let (pricing, price) = ware.price;
    let form = form
        .with("pricing", pricing)
        .with(if pricing == "fixed" { "price" } else { "percent" }, price)
        .with("total", ware.total)
        .with("min", ware.min)
        .with("max", ware.max)
        .with("terms", format!("{}{}", ware.terms, super::wares::PRACTICE_TERMS).trim_start())
        .with("address", address.to_string());
    door.send(&form)
        .await
        .map(drop)
        .with_context(|| format!("the offer to {} {} was not posted", ware.side, ware.currency))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offer_that_is_on_the_board_counts() {
        let line = |state: &str, board: bool, reference: &str| {
            format!(
                "<li class=\"row offer\" data-offer=\"sell EUR\" data-state=\"{state}\" data-on-board=\"{board}\">\n<a href=\"/offers/{reference}\">x</a></li>"
            )
        };
        let ware = WARES.iter().find(|ware| (ware.side, ware.currency) == ("sell", "EUR")).unwrap();
        let page =
            line("paused", true, "AAAAAAAA") + &line("open", true, "BBBBBBBB") + &line("open", false, "CCCCCCCC");
        assert_eq!(standing(&page, ware).unwrap().reference, "BBBBBBBB");
        let page = line("paused", true, "AAAAAAAA") + &line("open", false, "CCCCCCCC");
        assert_eq!(standing(&page, ware).unwrap().reference, "CCCCCCCC");
        let other = WARES.iter().find(|ware| (ware.side, ware.currency) == ("buy", "EUR")).unwrap();
        assert_eq!(standing(&page, other), None);
    }
}
