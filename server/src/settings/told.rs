//! What is told of a settings file that cannot be read.

/// What is wrong with a settings file, and where, without what stands there: it may be a secret.
pub fn without_values(told: &str) -> String {
    // `12 | data_key = …`, and the line with the arrow below it.
    let quoted =
        |line: &&str| line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|');
    told.lines().filter(|line| !quoted(line)).map(without_value).collect::<Vec<_>>().join("\n")
}

/// `invalid type: integer `1234`, expected a string` without the number.
fn without_value(line: &str) -> String {
    let parts =
        line.rsplit_once(", expected").and_then(|(found, expected)| Some((found.split_once("invalid ")?, expected)));
    match parts {
        Some(((before, found), expected)) => {
            let kind = found.split(['`', '"']).next().unwrap_or_default().trim_end();
            format!("{before}invalid {kind}, expected{expected}")
        }
        None => line.to_owned(),
    }
}
