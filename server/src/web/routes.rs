//! The one URL map. Each line says who may call; a test calls each as everybody else.

use actix_web::web::{self, ServiceConfig};

use super::{account, accounts, appearance, board, health, offers, payment_accounts, people, room, static_files};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Anyone,
    /// Any signed-in account.
    SignedIn,
    /// An account that may trade.
    Trader,
    /// A trader of this very trade; its arbitrator where the page says so.
    Party,
    /// The arbitrator of this very trade, or an arbitrator for his own things.
    Arbitrator,
    /// The owner of the thing.
    Owner,
    /// Anyone, on a practice desk only.
    Practice,
}

/// One line of the map.
#[derive(Debug, Clone, Copy)]
pub struct RouteLine {
    pub method: &'static str,
    pub path: &'static str,
    pub who: Who,
}

macro_rules! routes {
    ($($method:ident $path:literal $who:ident $handler:path;)*) => {
        /// The map as data, for the walls.
        pub const ROUTES: &[RouteLine] = &[$(RouteLine { method: stringify!($method), path: $path, who: Who::$who }),*];

        pub fn configure(config: &mut ServiceConfig) {
            $(config.route($path, web::$method().to($handler));)*
        }
    };
}

routes! {
    get "/healthz" Anyone health::healthz;
    get "/readyz" Anyone health::readyz;
    get "/static/{path:.*}" Anyone static_files::file;

    get "/" Anyone board::show;
    get "/people/{name}" Anyone people::show;

    get "/payment-accounts" Trader payment_accounts::list;
    get "/payment-accounts/new" Trader payment_accounts::new;
    post "/payment-accounts" Trader payment_accounts::add;
    post "/payment-accounts/{id}/removal" Owner payment_accounts::remove;

    get "/my/offers" Trader offers::mine;
    get "/offers/new" Trader offers::new;
    post "/offers" Trader offers::post;
    get "/offers/{reference}/edit" Owner offers::edit_form;
    post "/offers/{reference}/edit" Owner offers::edit;
    post "/offers/{reference}/pause" Owner offers::pause;
    post "/offers/{reference}/resumption" Owner offers::resume;
    post "/offers/{reference}/withdrawal" Owner offers::withdraw;

    get "/register" Anyone accounts::register_form;
    post "/register" Anyone accounts::register;
    get "/sign-in" Anyone accounts::sign_in_form;
    post "/sign-in" Anyone accounts::sign_in;
    post "/sign-out" SignedIn accounts::sign_out;
    get "/recover" Anyone accounts::recover_form;
    post "/recover" Anyone accounts::recover;

    get "/account" SignedIn account::page;
    post "/account/password" SignedIn account::change_password;
    post "/account/recovery-code" SignedIn account::renew_recovery_code;
    post "/account/sessions/{id}/end" SignedIn account::end_session;
    post "/account/sessions/end" SignedIn account::end_other_sessions;

    get "/appearance" Anyone appearance::page;
    post "/theme" Anyone appearance::set_theme;
    post "/unit" SignedIn appearance::set_unit;

    post "/trades/{reference}/messages" Party room::say;
    get "/trades/{reference}/attachments/{id}" Party room::picture;
    get "/trades/{reference}/room.txt" Party room::export;
}
