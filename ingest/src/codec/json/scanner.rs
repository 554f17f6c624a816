//! Takes values off a JSON text, one after another.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use schemas::Reason;

use super::super::MAX_DEPTH;
use super::super::canonical::Node;
use super::super::refusal::{Refused, payload, quoted};
use super::string::{StringFault, special, unescape};

/// A value without its inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`, as text.
    Boolean(&'a str),
    /// The literal.
    Number(&'a str),
    /// With escapes resolved.
    Text(&'a str),
    /// The scanner stands at the `[`.
    Array,
    /// The scanner stands at the `{`.
    Object,
}

/// A position in a text that is valid UTF-8.
pub(in super::super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    arena: &'a Bump,
}

impl<'a> Scanner<'a> {
    /// At the beginning of `payload`.
    pub(in super::super) fn new(bytes: &'a [u8], arena: &'a Bump) -> Result<Self, Refused> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Scanner { text, at: 0, arena }),
            Err(error) => Err(payload(Reason::InvalidUtf8, format!("byte {} is not valid UTF-8; send JSON in UTF-8", error.valid_up_to()))),
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space.
    #[inline]
    pub(in super::super) fn next_token(&mut self) -> Option<u8> {
        loop {
            match self.peek() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other,
            }
        }
    }

    /// Takes `{` and says whether a key follows (else the `}` is taken too).
    #[inline]
    pub(in super::super) fn open_object(&mut self) -> Result<bool, Refused> {
        self.open(b'{', b'}')
    }

    fn open(&mut self, open: u8, close: u8) -> Result<bool, Refused> {
        if self.next_token() != Some(open) {
            return Err(self.unexpected());
        }
        self.at += 1;
        let is_empty = self.next_token() == Some(close);
        self.at += usize::from(is_empty);
        Ok(!is_empty)
    }

    /// After a member: is there another one? Takes the `,` or the `}`.
    #[inline]
    pub(in super::super) fn more_members(&mut self) -> Result<bool, Refused> {
        self.more(b'}')
    }

    #[inline]
    fn more(&mut self, close: u8) -> Result<bool, Refused> {
        match self.next_token() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// A key and its `:`.
    #[inline]
    pub(in super::super) fn key(&mut self) -> Result<&'a str, Refused> {
        if self.next_token() != Some(b'"') {
            return Err(self.unexpected());
        }
        let key = self.string()?;
        if self.next_token() != Some(b':') {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(key)
    }

    /// The next value; the inside of an array or object is left to be taken.
    #[inline]
    pub(in super::super) fn value(&mut self) -> Result<Value<'a>, Refused> {
        match self.next_token() {
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => Ok(Value::Number(self.number()?)),
            Some(b'{') => Ok(Value::Object),
            Some(b'[') => Ok(Value::Array),
            Some(b'n') => self.word("null").map(|_| Value::Null),
            Some(b't') => self.word("true").map(Value::Boolean),
            Some(b'f') => self.word("false").map(Value::Boolean),
            _ => Err(self.unexpected()),
        }
    }

    /// Takes the inside of `value`, whose own level is `depth`.
    pub(in super::super) fn node(&mut self, value: Value<'a>, depth: usize) -> Result<Node<'a>, Refused> {
        let is_nested = matches!(value, Value::Array | Value::Object);
        if is_nested && depth > MAX_DEPTH {
            return Err(payload(Reason::TooDeep, format!("byte {}: deeper than {MAX_DEPTH} levels; send flatter attributes", self.at)));
        }
        match value {
            Value::Null => Ok(Node::Null),
            Value::Boolean(text) | Value::Number(text) => Ok(Node::Literal(text)),
            Value::Text(text) => Ok(Node::Text(text)),
            Value::Array => {
                let mut items = ArenaVec::new_in(self.arena);
                let mut more = self.open(b'[', b']')?;
                while more {
                    let item = self.value()?;
                    items.push(self.node(item, depth + 1)?);
                    more = self.more(b']')?;
                }
                Ok(Node::Array(items.into_bump_slice()))
            }
            Value::Object => {
                let mut fields = ArenaVec::new_in(self.arena);
                let mut more = self.open_object()?;
                while more {
                    let key = self.key()?;
                    let value = self.value()?;
                    fields.push((key, self.node(value, depth + 1)?));
                    more = self.more_members()?;
                }
                Ok(Node::object(fields))
            }
        }
    }

    /// Takes the inside of `value`, whose own level is `depth`, as the text of an attribute.
    pub(in super::super) fn text_of(&mut self, value: Value<'a>, depth: usize) -> Result<&'a str, Refused> {
        self.node(value, depth)?.into_text(self.arena)
    }

    /// Refuses what follows the value.
    pub(in super::super) fn end(&mut self) -> Result<(), Refused> {
        match self.next_token() {
            None => Ok(()),
            Some(_) => Err(payload(
                Reason::TrailingBytes,
                format!("byte {}: found {} after the end of the event; send one event per message", self.at, self.context()),
            )),
        }
    }

    #[inline]
    fn word(&mut self, word: &'static str) -> Result<&'a str, Refused> {
        match self.text.get(self.at..self.at + word.len()) {
            Some(found) if found == word => {
                self.at += word.len();
                Ok(found)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`
    #[inline]
    fn number(&mut self) -> Result<&'a str, Refused> {
        let from = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let leads_with_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (leads_with_zero && whole > 1) {
            return Err(self.unexpected());
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.unexpected());
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err(self.unexpected());
            }
        }
        Ok(&self.text[from..self.at])
    }

    /// How many digits were taken.
    #[inline]
    fn digits(&mut self) -> usize {
        let from = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - from
    }

    /// The string whose `"` is next.
    #[inline]
    fn string(&mut self) -> Result<&'a str, Refused> {
        let from = self.at + 1;
        let length = special(self.text.as_bytes().get(from..).unwrap_or_default());
        if self.text.as_bytes().get(from + length) == Some(&b'"') {
            self.at = from + length + 1;
            return Ok(&self.text[from..from + length]);
        }
        self.string_with_escapes(from, from + length)
    }

    fn string_with_escapes(&mut self, from: usize, mut at: usize) -> Result<&'a str, Refused> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    self.at = at + 1;
                    let raw = &self.text[from..at];
                    return unescape(raw, self.arena).map_err(|fault| self.bad_string(raw, fault));
                }
                b'\\' => at += 2,
                _ => {
                    self.at = at;
                    return Err(self.unexpected());
                }
            }
            at += special(bytes.get(at..).unwrap_or_default());
        }
        self.at = bytes.len();
        Err(self.unexpected())
    }

    #[cold]
    fn bad_string(&self, raw: &str, fault: StringFault) -> Refused {
        match fault {
            StringFault::Syntax => {
                payload(Reason::NotJson, format!("before byte {}: {} holds an escape that JSON does not know", self.at, quoted(raw)))
            }
            StringFault::LoneSurrogate => payload(
                Reason::InvalidUtf8,
                format!("before byte {}: {} holds half of a surrogate pair; send whole characters", self.at, quoted(raw)),
            ),
        }
    }

    #[cold]
    fn unexpected(&self) -> Refused {
        payload(Reason::NotJson, format!("byte {}: found {}, which is no JSON here; send one JSON object", self.at, self.context()))
    }

    /// What stands here, for people.
    fn context(&self) -> String {
        let from = self.text.floor_char_boundary(self.at);
        let rest = &self.text[from..];
        if rest.is_empty() {
            return "the end".to_owned();
        }
        quoted(&rest[..rest.floor_char_boundary(20)])
    }
}
