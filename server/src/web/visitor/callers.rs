//! Who may call a handler, said in its signature: anyone signed in, or an account of one role.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::{Account, Asked, Visitor};
use crate::domain::{Refusal, RefusalKind, Role};
use crate::web::error::Trouble;

/// A signed-in account; anyone else is asked to sign in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub account: Account,
    pub visitor: Visitor,
}

impl FromRequest for SignedIn {
    type Error = actix_web::Error;
    type Future = Asked<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visitor = Visitor::from_request(request, payload);
        Box::pin(async move {
            let visitor = visitor.await?;
            let account = visitor.signed_in().map_err(Trouble::from)?.clone();
            Ok(Self { account, visitor })
        })
    }
}

/// Whoever is signed in, if the role fits.
fn of_role<T: 'static>(
    request: &HttpRequest,
    payload: &mut Payload,
    fits: fn(SignedIn) -> Result<T, Refusal>,
) -> Asked<T> {
    let signed_in = SignedIn::from_request(request, payload);
    Box::pin(async move { Ok(fits(signed_in.await?).map_err(Trouble::from)?) })
}

/// A signed-in account that may trade: not an arbitrator.
#[derive(Debug, Clone)]
pub struct Trader {
    pub account: Account,
    pub visitor: Visitor,
}

impl FromRequest for Trader {
    type Error = actix_web::Error;
    type Future = Asked<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        of_role(request, payload, |SignedIn { account, visitor }| {
            if account.role == Role::Arbitrator {
                let words = "An arbitrator cannot trade on the desk. Use an account of your own for trading elsewhere.";
                return Err(Refusal::new(RefusalKind::Forbidden, words));
            }
            Ok(Self { account, visitor })
        })
    }
}

/// A signed-in arbitrator; for everybody else there is nothing here.
#[derive(Debug, Clone)]
pub struct Arbitrator {
    pub account: Account,
    pub visitor: Visitor,
}

impl FromRequest for Arbitrator {
    type Error = actix_web::Error;
    type Future = Asked<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        of_role(request, payload, |SignedIn { account, visitor }| {
            if account.role != Role::Arbitrator {
                return Err(Refusal::not_found());
            }
            Ok(Self { account, visitor })
        })
    }
}

/// A signed-in operator; for everybody else there is nothing here.
#[derive(Debug, Clone)]
pub struct Operator {
    pub account: Account,
    pub visitor: Visitor,
}

impl FromRequest for Operator {
    type Error = actix_web::Error;
    type Future = Asked<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        of_role(request, payload, |SignedIn { account, visitor }| {
            if account.role != Role::Operator {
                return Err(Refusal::not_found());
            }
            if account.suspended_why.is_some() {
                let words = "This account is suspended, and does not run the desk meanwhile.";
                return Err(Refusal::new(RefusalKind::Forbidden, words));
            }
            Ok(Self { account, visitor })
        })
    }
}
