//! The policy on every answer.

use crate::harness::Site;

#[tokio::test]
async fn every_page_carries_the_strict_headers_and_policy() {
    let site = Site::start().await;
    let anna = site.trader("anna-k").await;
    let pages = [
        "/",
        "/register",
        "/sign-in",
        "/recover",
        "/help",
        "/log",
        "/appearance",
        "/account",
        "/keys",
        "/nothing/here",
    ];
    for page in pages {
        let seen = anna.get(page).await;
        assert_eq!(seen.status == 404, page == "/nothing/here", "{page}");
        let policy = seen.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{page}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"), "{page}");
        assert_eq!(seen.header("cross-origin-opener-policy"), "same-origin", "{page}");
        assert_eq!(seen.header("referrer-policy"), "same-origin", "{page}");
        assert_eq!(seen.header("x-content-type-options"), "nosniff", "{page}");
        assert!(!seen.body.contains("<style") && !seen.body.contains(" onclick="), "{page}");
    }
    for page in ["/keys/browser", "/keys/wallet", "/keys/restore", "/recover/key"] {
        let seen = anna.get(page).await;
        let policy = seen.header("content-security-policy");
        assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval'"), "{page}: {policy}");
        assert!(policy.contains("connect-src 'none'"), "{page}: {policy}");
        let code: Vec<&str> =
            seen.body.split("<script").skip(1).filter(|tag| !tag.starts_with(" type=\"application/json\"")).collect();
        assert_eq!(code.len(), 1, "{page}: one script");
        assert!(code[0].contains("integrity=\"sha256-"), "{page}: with its hash");
    }
}
