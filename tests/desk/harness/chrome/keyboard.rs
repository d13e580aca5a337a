//! The page by keyboard alone: Tab, arrows, Enter and blank.

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use super::Chrome;

/// Focusable things of a page, with room to spare: more presses of Tab than this mean that something is not reached.
const TABS_MAX: usize = 300;

impl Chrome {
    pub(super) async fn activate_by_keys(&self, element: &WebElement, what: &str) -> WebDriverResult<()> {
        let (tag, kind) = (element.tag_name().await?, element.attr("type").await?.unwrap_or_default());
        match (tag.as_str(), kind.as_str()) {
            // In an open list the first letters choose.
            ("option", _) => {
                let list = element.find(By::XPath("./ancestor::select")).await?;
                self.tabs_to(&list, what).await;
                list.send_keys(element.text().await?).await?;
            }
            // Tab leads to a group, arrows lead through it.
            ("input", "radio") => {
                let name = element.attr("name").await?.unwrap();
                self.tabs_until(&format!("document.activeElement.name === {}", json!(name)), what).await;
                for _ in 0..TABS_MAX {
                    if self.has_focus(element).await {
                        self.key(" ").await;
                        return Ok(());
                    }
                    self.key(Key::Down).await;
                }
                panic!("no arrow leads to {what}");
            }
            ("input", "checkbox") => {
                self.tabs_to(element, what).await;
                self.key(" ").await;
            }
            _ => {
                self.tabs_to(element, what).await;
                self.key(Key::Enter).await;
            }
        }
        Ok(())
    }

    pub(super) async fn key(&self, key: impl Into<TypingData>) {
        self.driver().active_element().await.unwrap().send_keys(key).await.unwrap();
    }

    async fn has_focus(&self, element: &WebElement) -> bool {
        self.driver().active_element().await.unwrap() == *element
    }

    pub(super) async fn tabs_to(&self, element: &WebElement, what: &str) {
        for _ in 0..TABS_MAX {
            if self.has_focus(element).await {
                return;
            }
            self.key(Key::Tab).await;
        }
        panic!("Tab does not lead to {what} at {}", self.path().await);
    }

    async fn tabs_until(&self, condition: &str, what: &str) {
        for _ in 0..TABS_MAX {
            if self.run(&format!("return {condition}")).await == Value::Bool(true) {
                return;
            }
            self.key(Key::Tab).await;
        }
        panic!("Tab does not lead to {what} at {}", self.path().await);
    }
}
