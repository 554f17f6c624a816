//! The words of a statement, as far as the front must know them.
//!
//! A lexer in the sense of ClickHouse's `Lexer.cpp`, reduced to what tells code from text: strings, quoted names, comments and
//! heredocs are stepped over whole, so that a `;` or a `FORMAT` inside them is never mistaken for a clause.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword, a bare name or a number.
    Word,
    /// A string, a quoted name or a heredoc.
    Quoted,
    /// One character of punctuation.
    Symbol(u8),
}

/// One token, its place, and how many brackets are open around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) depth: usize,
}

impl Token {
    /// Whether the token is this keyword, in any case.
    pub(crate) fn is(&self, text: &[u8], keyword: &str) -> bool {
        self.kind == Kind::Word && text[self.start..self.end].eq_ignore_ascii_case(keyword.as_bytes())
    }
}

/// Yields the tokens of a text one by one, so that the data behind an `INSERT` is never looked at.
pub(crate) struct Tokens<'text> {
    text: &'text [u8],
    position: usize,
    depth: usize,
}

impl<'text> Tokens<'text> {
    pub(crate) fn new(text: &'text [u8]) -> Self {
        Self { text, position: 0, depth: 0 }
    }

    /// Steps over white space and comments.
    fn skip_blanks(&mut self) {
        while let Some(&byte) = self.text.get(self.position) {
            let rest = &self.text[self.position..];
            if byte.is_ascii_whitespace() || byte == 0x0b {
                self.position += 1;
            } else if rest.starts_with(b"--") || rest.starts_with(b"# ") || rest.starts_with(b"#!") {
                self.position += find(rest, b"\n").unwrap_or(rest.len());
            } else if rest.starts_with(b"/*") {
                self.position += find(&rest[2..], b"*/").map_or(rest.len(), |end| end + 4);
            } else {
                return;
            }
        }
    }

    /// The length of the quoted text that `rest` begins with, its quotes included.
    fn quoted_length(rest: &[u8], quote: u8) -> usize {
        let mut index = 1;
        while let Some(&byte) = rest.get(index) {
            if byte == b'\\' {
                index += 2;
            } else if byte == quote {
                if rest.get(index + 1) != Some(&quote) {
                    return index + 1;
                }
                index += 2;
            } else {
                index += 1;
            }
        }
        rest.len()
    }

    /// The length of the heredoc (`$tag$ ... $tag$`) that `rest` begins with, if it does.
    fn heredoc_length(rest: &[u8]) -> Option<usize> {
        let tag_end = 1 + rest.get(1..)?.iter().position(|&byte| byte == b'$')?;
        if !rest[1..tag_end].iter().all(|byte| is_word(*byte)) {
            return None;
        }
        let tag = &rest[..=tag_end];
        find(&rest[tag.len()..], tag).map(|end| end + 2 * tag.len())
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks();
        let rest = &self.text[self.position.min(self.text.len())..];
        let &first = rest.first()?;
        let (kind, length) = match first {
            b'\'' | b'"' | b'`' => (Kind::Quoted, Self::quoted_length(rest, first)),
            b'$' if Self::heredoc_length(rest).is_some() => (Kind::Quoted, Self::heredoc_length(rest).unwrap_or(1)),
            byte if is_word(byte) => (Kind::Word, rest.iter().take_while(|byte| is_word(**byte)).count()),
            byte => (Kind::Symbol(byte), 1),
        };
        if matches!(kind, Kind::Symbol(b')' | b']' | b'}')) {
            self.depth = self.depth.saturating_sub(1);
        }
        let token = Token { kind, start: self.position, end: self.position + length, depth: self.depth };
        if matches!(kind, Kind::Symbol(b'(' | b'[' | b'{')) {
            self.depth += 1;
        }
        self.position = token.end;
        Some(token)
    }
}

/// Letters, digits, `_` and everything beyond ASCII belong to a word.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len()).position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        Tokens::new(text.as_bytes()).map(|token| &text[token.start..token.end]).collect()
    }

    #[test]
    fn strings_comments_and_heredocs_are_stepped_over() {
        let text = "SELECT 'a;''\\'b', `x;y` -- c ; d\n /* ; */ # z\n, $t$ ; $t$ FROM \"t\"";
        assert_eq!(words(text), ["SELECT", "'a;''\\'b'", ",", "`x;y`", ",", "$t$ ; $t$", "FROM", "\"t\""]);
    }

    #[test]
    fn unterminated_texts_end_with_the_text() {
        for text in ["'", "'\\", "/*", "--", "`a", "$a$ b", "\"\"\""] {
            assert!(Tokens::new(text.as_bytes()).all(|token| token.start < token.end), "{text}");
        }
    }

    #[test]
    fn depth_counts_the_open_brackets() {
        let depths: Vec<usize> = Tokens::new(b"a(b[c])d").map(|token| token.depth).collect();
        assert_eq!(depths, [0, 0, 1, 1, 2, 1, 0, 0]);
    }
}
