//! Greets.

const WORD: &str = include!(concat!(env!("OUT_DIR"), "/word.rs"));

/// What to say to `name`.
///
/// ```
/// assert_eq!(greeting::greeting("world"), "hello, world");
/// ```
pub fn greeting(name: &str) -> String {
    format!("{WORD}, {name}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn greets_nobody() {
        assert_eq!(super::greeting(""), "hello, ");
    }
}
