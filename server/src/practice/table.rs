//! The table of who plays, printed at each start.

use crate::partners::people::{Part, Person};

/// Everyone with name, part and password, then the signing secrets of those who sign.
pub fn of(people: &[Person]) -> String {
    let width = |text: fn(&Person) -> &str| people.iter().map(|person| text(person).len()).max().unwrap_or(0);
    let (names, passwords) = (width(|p| &p.name), width(|p| &p.password));
    let mut lines = vec!["\nWho plays here (use one browser profile each):\n".to_owned()];
    for person in people {
        let part = person.part.as_str();
        lines.push(
            format!("  {:names$}  {part:10}  password {:passwords$}", person.name, person.password)
                .trim_end()
                .to_owned(),
        );
        if person.part != Part::Operator {
            lines.push(format!("  {:names$}  signing passphrase   {}", "", person.passphrase));
            lines.push(format!("  {:names$}  words                {}", "", person.words));
        }
    }
    lines.push(
        "\nThe words and passphrases are known to this terminal and the people's own folder, not to the server."
            .to_owned(),
    );
    lines.join("\n")
}
