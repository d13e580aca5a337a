//! Stories in Chromium, with keys made in the browser. Left out, by this module's name, of `script/test --fast`.

mod actor;
mod disputes;
mod hostile;
mod keys;
mod live;
mod odd;
mod pages;
mod play;
mod real_node;
mod secrets;
mod tour;
mod trades;
mod walk;
mod ways;
