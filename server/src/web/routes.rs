//! The one URL map. Each line says who may call; a test calls each as everybody else.

use actix_web::web::{self, ServiceConfig};

use super::{
    account, accounts, amendments, appearance, arbitration, board, calendar, conduct, disputes, drill, health, help,
    hours, keys, live, log, notices, offer, offers, operator, payment_accounts, people, practice, recovery,
    reinstatement, room, settlements, static_files, take, tour, trades,
};

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
    /// An operator of the desk.
    Operator,
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
    get "/board/news" Anyone board::news;
    get "/people/{name}" Anyone people::show;
    post "/people/{name}/block" Trader conduct::block;
    post "/people/{name}/unblock" Trader conduct::unblock;

    get "/payment-accounts" Trader payment_accounts::list;
    get "/payment-accounts/new" Trader payment_accounts::new;
    post "/payment-accounts" Trader payment_accounts::add;
    post "/payment-accounts/{id}/removal" Owner payment_accounts::remove;

    get "/my/offers" Trader offers::mine;
    get "/offers/new" Trader offers::new;
    post "/offers" Trader offers::post;
    get "/offers/{reference}" Anyone offer::show;
    get "/offers/{reference}/take" Trader take::form;
    post "/offers/{reference}/take" Trader take::take;
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
    get "/recover/key" Anyone recovery::form;
    post "/recover/key" Anyone recovery::challenge;
    post "/recover/key/signature" Anyone recovery::sign;

    get "/account" SignedIn account::page;
    get "/account/hours" SignedIn hours::form;
    post "/account/hours" SignedIn hours::set;
    get "/account/calendar" SignedIn calendar::page;
    post "/account/calendar" SignedIn calendar::make;
    post "/account/calendar/end" SignedIn calendar::end;
    get "/calendar/{token}" Anyone calendar::at_address;
    get "/account/notices" SignedIn notices::page;
    post "/account/notices/feed" SignedIn notices::make_feed;
    post "/account/notices/mail" SignedIn notices::set_mail;
    post "/account/notices/hook" SignedIn notices::set_hook;
    post "/account/notices/test" SignedIn notices::test;
    post "/account/notices/again" SignedIn notices::send_again;
    post "/account/notices/end" SignedIn notices::end;
    post "/account/notices/kinds" SignedIn notices::set_kinds;
    get "/feed/{token}" Anyone notices::feed;
    get "/notices/confirm/{token}" Anyone notices::confirm_form;
    post "/notices/confirm/{token}" Anyone notices::confirm;
    post "/account/presence" SignedIn account::set_presence;
    post "/account/password" SignedIn account::change_password;
    post "/account/exclusions" Trader account::set_exclusions;
    post "/account/recovery-code" SignedIn account::renew_recovery_code;
    post "/account/sessions/{id}/end" SignedIn account::end_session;
    post "/account/sessions/end" SignedIn account::end_other_sessions;

    get "/keys" SignedIn keys::list;
    get "/keys/browser" SignedIn keys::browser;
    post "/keys/browser" SignedIn keys::register_browser;
    get "/keys/restore" SignedIn keys::restore_form;
    post "/keys/restore" SignedIn keys::restore;
    get "/keys/wallet" SignedIn keys::wallet;
    post "/keys/wallet" SignedIn keys::register_wallet;
    get "/keys/drill" Arbitrator drill::page;
    get "/keys/drill/psbt" Arbitrator drill::psbt;
    post "/keys/drill" Arbitrator drill::sign;
    get "/keys/{id}/file" Owner keys::file;
    post "/keys/{id}/retirement" Owner keys::retire;
    post "/keys/{id}/return" Owner keys::take_back;

    get "/log" Anyone log::page;
    get "/help" Anyone help::page;
    get "/appearance" Anyone appearance::page;
    post "/theme" Anyone appearance::set_theme;
    post "/unit" Anyone appearance::set_unit;
    post "/zone" Anyone appearance::set_zone;


    get "/waiting" SignedIn live::waiting;
    get "/trades" SignedIn trades::list;
    get "/trades/{reference}" Party trades::show;
    get "/trades/{reference}/deadlines.ics" Party calendar::of_trade;
    get "/trades/{reference}/contract.json" Party trades::contract_file;
    get "/trades/{reference}/contract-signatures.json" Party trades::contract_signatures;
    get "/trades/{reference}/contracts" Party amendments::history;
    get "/trades/{reference}/contracts/{number}" Party amendments::contract_file;
    get "/trades/{reference}/contracts/{number}/signatures" Party amendments::signatures_file;
    get "/trades/{reference}/amendment" Party amendments::page;
    post "/trades/{reference}/amendment" Party amendments::propose;
    post "/trades/{reference}/amendment/withdrawal" Party amendments::withdraw;
    get "/trades/{reference}/amendment/signature" Party amendments::signature_form;
    post "/trades/{reference}/amendment/signature" Party amendments::sign;
    get "/trades/{reference}/amendment/signature/files/{number}" Party amendments::signature_psbt;
    get "/trades/{reference}/reinstatement" Party reinstatement::page;
    post "/trades/{reference}/reinstatement" Party reinstatement::agree;
    post "/trades/{reference}/reinstatement/withdrawal" Party reinstatement::take_back;
    get "/trades/{reference}/funding" Party trades::funding;
    get "/trades/{reference}/contract-signature" Party trades::contract_form;
    post "/trades/{reference}/contract-signature" Party trades::sign_contract;
    get "/trades/{reference}/contract-signature/files/{number}" Party trades::contract_psbt;
    post "/trades/{reference}/decline" Party trades::decline;
    post "/trades/{reference}/withdrawal" Party trades::withdraw;
    post "/trades/{reference}/cancel" Party trades::cancel;
    get "/trades/{reference}/payment" Party trades::payment_form;
    post "/trades/{reference}/payment" Party trades::mark_payment;
    post "/trades/{reference}/payment/answer" Party trades::answer_payment;
    get "/trades/{reference}/payment/files/{number}" Party trades::payment_psbt;
    post "/trades/{reference}/payment/undo" Party trades::undo_payment;
    post "/trades/{reference}/payment-seen" Party trades::see_payment;
    get "/trades/{reference}/payment-release" Party trades::payment_release_form;
    post "/trades/{reference}/payment-release" Party trades::sign_payment_release;
    get "/trades/{reference}/payment-release/files/{number}" Party trades::payment_release_psbt;
    get "/trades/{reference}/release" Party trades::release_form;
    post "/trades/{reference}/release" Party trades::release;
    get "/trades/{reference}/release/files/{number}" Party trades::release_psbt;
    get "/trades/{reference}/cancellation" Party trades::cancellation_form;
    post "/trades/{reference}/cancellation" Party trades::cancel_purchase;
    get "/trades/{reference}/cancellation/files/{number}" Party trades::cancellation_psbt;
    get "/trades/{reference}/unpaid" Party trades::unpaid_form;
    post "/trades/{reference}/unpaid" Party trades::close_unpaid;
    get "/trades/{reference}/unpaid/files/{number}" Party trades::unpaid_psbt;
    get "/trades/{reference}/refund" Party trades::refund_form;
    post "/trades/{reference}/refund" Party trades::sign_refund;
    get "/trades/{reference}/refund/files/{number}" Party trades::refund_psbt;
    get "/trades/{reference}/strays/{txid}" Party trades::stray_form;
    post "/trades/{reference}/strays/{txid}" Party trades::sign_stray;
    get "/trades/{reference}/strays/{txid}/files/{number}" Party trades::stray_psbt;
    get "/trades/{reference}/payout" Party trades::payout;
    post "/trades/{reference}/payout/fee" Party trades::raise_fee;
    post "/trades/{reference}/payout/fees" Party trades::make_further;
    get "/trades/{reference}/payout/signature" Party trades::further_form;
    post "/trades/{reference}/payout/signature" Party trades::sign_further;
    get "/trades/{reference}/payout/signature/files/{number}" Party trades::further_psbt;
    get "/trades/{reference}/payout/child" Party trades::child;
    post "/trades/{reference}/payout/child" Party trades::bring_child;
    get "/trades/{reference}/payout/child/files/{number}" Party trades::child_psbt;
    get "/trades/{reference}/stream" Party live::stream;
    post "/trades/{reference}/reads" Party live::read;
    post "/trades/{reference}/messages" Party room::say;
    get "/trades/{reference}/attachments/{id}" Party room::picture;
    get "/trades/{reference}/room.txt" Party room::export;

    get "/trades/{reference}/conduct" Party conduct::page;
    post "/trades/{reference}/feedback" Party conduct::feed_back;
    post "/trades/{reference}/report" Party conduct::report;

    get "/trades/{reference}/settlement" Party settlements::page;
    post "/trades/{reference}/settlement" Party settlements::propose;
    post "/trades/{reference}/settlement/withdrawal" Party settlements::withdraw;
    get "/trades/{reference}/settlement/acceptance" Party settlements::acceptance_form;
    post "/trades/{reference}/settlement/acceptance" Party settlements::accept;
    get "/trades/{reference}/settlement/acceptance/files/{number}" Party settlements::acceptance_psbt;
    get "/trades/{reference}/settlement/completion" Party settlements::completion_form;
    post "/trades/{reference}/settlement/completion" Party settlements::complete;
    get "/trades/{reference}/settlement/completion/files/{number}" Party settlements::completion_psbt;
    get "/trades/{reference}/dispute" Party disputes::page;
    post "/trades/{reference}/dispute" Party disputes::open;
    post "/trades/{reference}/dispute/statements" Party disputes::speak;
    get "/trades/{reference}/ruling" Party disputes::ruling;
    get "/trades/{reference}/ruling.json" Party disputes::ruling_file;
    post "/trades/{reference}/ruling/acceptance" Party disputes::accept_ruling;
    post "/trades/{reference}/ruling/objection" Party disputes::object;
    get "/trades/{reference}/ruling/cosignature" Party disputes::cosignature_form;
    post "/trades/{reference}/ruling/cosignature" Party disputes::cosign;
    get "/trades/{reference}/ruling/cosignature/files/{number}" Party disputes::cosignature_psbt;

    get "/arbitration" Arbitrator arbitration::queue;
    get "/arbitration/rulings" Arbitrator arbitration::archive;
    get "/arbitration/{reference}" Arbitrator arbitration::workplace;
    get "/arbitration/{reference}/conflict" Arbitrator arbitration::conflict_form;
    post "/arbitration/{reference}/conflict" Arbitrator arbitration::declare;
    post "/arbitration/{reference}/ruling" Arbitrator arbitration::draft;
    post "/arbitration/{reference}/ruling/withdrawal" Arbitrator arbitration::withdraw;
    get "/arbitration/{reference}/rulings/{id}" Arbitrator arbitration::drafted;
    get "/arbitration/{reference}/rulings/{id}/signature" Arbitrator arbitration::signature_form;
    post "/arbitration/{reference}/rulings/{id}/signature" Arbitrator arbitration::sign;
    get "/arbitration/{reference}/rulings/{id}/signature/files/{number}" Arbitrator arbitration::signature_psbt;
    get "/arbitration/{reference}/payout" Arbitrator arbitration::payout_form;
    post "/arbitration/{reference}/payout" Arbitrator arbitration::sign_payout;
    get "/arbitration/{reference}/payout/files/{number}" Arbitrator arbitration::payout_psbt;

    get "/operator" Operator operator::overview;
    post "/operator/pause" Operator operator::pause;
    post "/operator/resumption" Operator operator::resume;
    post "/operator/rates" Operator operator::set_rate;
    post "/operator/reports/{number}/end" Operator operator::close_report;
    post "/operator/jobs/{number}/retry" Operator operator::try_again;
    get "/operator/accounts" Operator operator::accounts;
    get "/operator/accounts/{name}" Operator operator::account;
    post "/operator/accounts/{name}/suspension" Operator operator::suspend;
    post "/operator/accounts/{name}/restoration" Operator operator::restore;
    get "/operator/arbitrators" Operator operator::arbitrators;
    post "/operator/arbitrators" Operator operator::appoint;
    post "/operator/arbitrators/{name}/dismissal" Operator operator::dismiss;
    get "/operator/invitations" Operator operator::invitations;
    post "/operator/invitations" Operator operator::invite;
    post "/operator/invitations/{number}/withdrawal" Operator operator::withdraw_invitation;
    get "/operator/trades/{reference}" Operator operator::trade;
    get "/operator/acts" Operator operator::acts;

    get "/tour" Anyone tour::page;
    post "/tour/strip" Practice tour::put_away;
    post "/practice/wishes" Practice practice::wish;
    post "/practice/blocks" Practice practice::mine;
    post "/practice/deposit" Practice practice::deposit;
}
