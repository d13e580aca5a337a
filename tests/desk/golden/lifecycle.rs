//! The lifecycle, printed over all stages × events × actors.

use trine::domain::{Actor, Event, Stage, next_stage};

use super::assert_golden;

#[test]
fn the_lifecycle_is_as_printed() {
    let (stages, events, actors) = (Stage::ALL.len(), Event::ALL.len(), Actor::ALL.len());
    let mut text = format!(
        "# The life of a trade: every step that is allowed, of {stages} stages × {events} events × {actors} actors.\n\
         # Whatever is not listed here is refused.\n\
         # from | event | by | to\n"
    );
    for stage in Stage::ALL {
        for event in Event::ALL {
            for actor in Actor::ALL {
                if let Some(next) = next_stage(stage, event, actor) {
                    text.push_str(&format!("{stage} | {event} | {actor} | {next}\n"));
                }
            }
        }
    }
    assert_golden("lifecycle.txt", &text);
}

#[test]
fn every_word_of_the_lifecycle_reads_back() {
    assert!(Stage::ALL.into_iter().all(|stage| Stage::from_word(stage.as_str()) == Some(stage)));
    assert!(Event::ALL.into_iter().all(|event| Event::from_word(event.as_str()) == Some(event)));
    assert!(Actor::ALL.into_iter().all(|actor| Actor::from_word(actor.as_str()) == Some(actor)));
}
