//! A page is a struct with the name of its template; its fields are ready to be shown.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use serde::Serialize;
use tera::Context;

use super::error::{Answer, Trouble};
use super::headers::SignerPage;
use super::site::Site;
use super::times;
use super::visitor::Visitor;

pub trait Page: Serialize {
    /// The template's path below `templates/`; the struct is `OfferPage` for `offers/offer.html`.
    const TEMPLATE: &'static str;

    /// The page for this visitor.
    fn answer(&self, site: &Site, visitor: &Visitor) -> Answer
    where
        Self: Sized,
    {
        self.answer_with(StatusCode::OK, site, visitor)
    }

    fn answer_with(&self, status: StatusCode, site: &Site, visitor: &Visitor) -> Answer
    where
        Self: Sized,
    {
        Ok(visitor.shown(site, status, self.html(site, visitor)?))
    }

    /// The page with the policy of pages that make or use a key.
    fn answer_as_signer(&self, status: StatusCode, site: &Site, visitor: &Visitor) -> Answer
    where
        Self: Sized,
    {
        let mut answer = self.answer_with(status, site, visitor)?;
        answer.extensions_mut().insert(SignerPage);
        Ok(answer)
    }

    fn html(&self, site: &Site, visitor: &Visitor) -> Result<String, Trouble>
    where
        Self: Sized,
    {
        let mut context = Context::from_serialize(self).map_err(anyhow::Error::from)?;
        context.insert("chrome", &visitor.chrome(site));
        let html = site.tera.render(Self::TEMPLATE, &context).map_err(anyhow::Error::from)?;
        Ok(match visitor.zone() {
            Some(zone) => times::in_zone(&html, zone),
            None => html,
        })
    }
}

/// The path to go on to, if it is one of this desk; `otherwise` if it leads elsewhere.
pub fn local_path<'a>(asked: &'a str, otherwise: &'a str) -> &'a str {
    let local = asked.starts_with('/')
        && !asked.starts_with("//")
        && asked.len() <= 500
        && asked.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if local { asked } else { otherwise }
}

/// JSON for a `<script type="application/json">`: nothing in it can end the element or open another.
pub fn in_script(json: &serde_json::Value) -> String {
    json.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// After a change: look at the thing.
pub fn see_other(path: impl AsRef<str>) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path.as_ref())).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_a_page_stays_json() {
        let json = serde_json::json!({ "note": "</script><!-- & " });
        let text = in_script(&json);
        assert!(!text.contains(['<', '>', '&']));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), json);
    }

    #[test]
    fn nobody_is_sent_away_from_the_desk() {
        assert_eq!(local_path("/offers/7KQ2M4XN?amount=5", "/"), "/offers/7KQ2M4XN?amount=5");
        for away in ["", "https://evil.example", "//evil.example", "/\\evil.example", "/a\r\nb", "/\t/evil", "evil"] {
            assert_eq!(local_path(away, "/trades"), "/trades", "{away}");
        }
    }
}
