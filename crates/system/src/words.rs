//! Splits a command into words as a shell does: at blanks, but not within quotes or after a backslash
//! (POSIX.1 Shell Command Language §2.2). Nothing is expanded.

/// Why a text is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WordsError {
    #[error("there is no word in it")]
    Empty,
    #[error("the quote {0} is not closed")]
    OpenQuote(char),
    #[error("nothing follows the `\\`")]
    LoneBackslash,
}

/// The words, at least one.
pub(crate) fn split(text: &str) -> Result<Vec<String>, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => word.get_or_insert_default().push_str(&single_quoted(&mut chars)?),
            '"' => word.get_or_insert_default().push_str(&double_quoted(&mut chars)?),
            '\\' => {
                word.get_or_insert_default().push(chars.next().ok_or(WordsError::LoneBackslash)?);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if words.is_empty() { Err(WordsError::Empty) } else { Ok(words) }
}

fn single_quoted(chars: &mut impl Iterator<Item = char>) -> Result<String, WordsError> {
    let mut text = String::new();
    for c in chars {
        if c == '\'' {
            return Ok(text);
        }
        text.push(c);
    }
    Err(WordsError::OpenQuote('\''))
}

/// Within double quotes a backslash is only special before `$`, `` ` ``, `"` and itself.
fn double_quoted(chars: &mut impl Iterator<Item = char>) -> Result<String, WordsError> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(text),
            '\\' => match chars.next().ok_or(WordsError::OpenQuote('"'))? {
                c @ ('$' | '`' | '"' | '\\') => text.push(c),
                c => text.extend(['\\', c]),
            },
            c => text.push(c),
        }
    }
    Err(WordsError::OpenQuote('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_a_shell_does() {
        assert_eq!(split("a  b\tc").unwrap(), ["a", "b", "c"]);
        assert_eq!(
            split(r#"sh -c 'echo "$A"' x\ y "q\"\z" ''"#).unwrap(),
            ["sh", "-c", "echo \"$A\"", "x y", "q\"\\z", ""]
        );
        assert_eq!(split("a'b'\"c\"").unwrap(), ["abc"]);
    }

    #[test]
    fn says_why_a_text_is_no_command() {
        assert_eq!(split("  "), Err(WordsError::Empty));
        assert_eq!(split("a 'b"), Err(WordsError::OpenQuote('\'')));
        assert_eq!(split("a \"b\\"), Err(WordsError::OpenQuote('"')));
        assert_eq!(split("a \\"), Err(WordsError::LoneBackslash));
    }
}
