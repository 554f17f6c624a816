//! How many tokens a text has, about, without any tokenizer's table.
//!
//! Every kind of character counts with a weight, fitted to `o200k_base` (OpenAI's GPT-4o and later): a word with one token and a little for what is longer than six
//! letters, digits by threes as tokenizers cut them, ideographs one by one. `scripts/calibrate-tokens.py` fits the weights and measures them on texts that it did
//! not fit them to; `docs/REPORTS.md` has the errors. Other tokenizers were measured only where that table says so.

/// Hundredths of a token.
const WORD: u64 = 87;
const LETTER_BEYOND_SIXTH: u64 = 16;
const ACCENTED: u64 = 163;
const THREE_DIGITS: u64 = 171;
const LINES: u64 = 94;
const INDENT: u64 = 9;
const PUNCTUATION_RUN: u64 = 40;
const PUNCTUATION: u64 = 34;
const KANA: u64 = 58;
const HANGUL: u64 = 62;
const HAN: u64 = 79;
const CYRILLIC: u64 = 28;
const OTHER_LETTER: u64 = 33;
const OTHER: u64 = 39;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Latin,
    Digit,
    LineEnd,
    Space,
    Punctuation,
    /// Counts alone, with its weight.
    Single(u64),
}

/// About how many tokens; 0 of nothing.
///
/// ```
/// use report::estimate::tokens;
/// assert_eq!(tokens("The quick brown fox jumps over the lazy dog."), 9);
/// ```
pub fn tokens(text: &str) -> u64 {
    let (mut hundredths, mut before, mut run, mut is_after_lower) = (0_u64, None, 0_u32, false);
    for character in text.chars() {
        let kind = kind(character);
        let is_same = before == Some(kind);
        match kind {
            Kind::Latin => {
                // camelCase is two words.
                let is_new = !is_same || (character.is_uppercase() && is_after_lower);
                run = if is_new { 1 } else { run.saturating_add(1) };
                hundredths += if is_new { WORD } else { 0 };
                hundredths += if run > 6 { LETTER_BEYOND_SIXTH } else { 0 };
                hundredths += if character.is_ascii() { 0 } else { ACCENTED };
                is_after_lower = character.is_lowercase();
            }
            Kind::Digit => {
                run = if is_same { run % 3 + 1 } else { 1 };
                hundredths += if run == 1 { THREE_DIGITS } else { 0 };
            }
            Kind::LineEnd => hundredths += if is_same { 0 } else { LINES },
            Kind::Space => {
                run = if is_same { run.saturating_add(1) } else { 1 };
                hundredths += if run == 2 { INDENT } else { 0 };
            }
            Kind::Punctuation => hundredths += if is_same { PUNCTUATION } else { PUNCTUATION_RUN + PUNCTUATION },
            Kind::Single(weight) => hundredths += weight,
        }
        before = Some(kind);
    }
    hundredths.div_ceil(100)
}

fn kind(character: char) -> Kind {
    match character {
        '\n' => Kind::LineEnd,
        _ if character.is_whitespace() => Kind::Space,
        '0'..='9' => Kind::Digit,
        'A'..='Z' | 'a'..='z' => Kind::Latin,
        _ if character.is_ascii() => Kind::Punctuation,
        '\u{3040}'..='\u{30ff}' => Kind::Single(KANA),
        '\u{ac00}'..='\u{d7a3}' => Kind::Single(HANGUL),
        '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}' => Kind::Single(HAN),
        _ if !character.is_alphabetic() => Kind::Single(OTHER),
        _ if character < '\u{250}' => Kind::Latin,
        '\u{400}'..='\u{52f}' => Kind::Single(CYRILLIC),
        _ => Kind::Single(OTHER_LETTER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_many_kinds_are_near_what_o200k_base_makes_of_them() {
        for (text, counted) in [
            (
                "You are a careful assistant. Read the customer's message below, decide which department should answer it, and reply with the name of the department and one sentence that says why. If you are not sure, say so: a wrong department costs more than a question.",
                52_u64,
            ),
            (
                "Bitte lies die folgende Nachricht des Kunden, entscheide, welche Abteilung sie beantworten soll, und nenne den Grund in einem Satz. Wenn du nicht sicher bist, frage lieber noch einmal nach.",
                40,
            ),
            (
                "고객의 메시지를 읽고 어느 부서에서 답변해야 하는지 결정한 다음, 그 이유를 한 문장으로 설명해 주세요. 확실하지 않으면 다시 물어보세요.",
                42,
            ),
            ("请阅读下面的客户留言，判断应该由哪个部门回复，并用一句话说明理由。如果不确定，请再次询问客户。", 28),
            ("以下のお客様のメッセージを読み、どの部署が回答すべきかを判断し、その理由を一文で説明してください。", 32),
            (
                "fn main() {\n    let total: u64 = items.iter().map(|item| item.price * item.count).sum();\n    println!(\"total: {total}\");\n    if total > 1_000_000 {\n        return Err(BudgetError::Exceeded { limit: 1_000_000, total });\n    }\n}\n",
                68,
            ),
            (
                r#"{"event_id":"req-7f3a","occurred_at":"2026-11-22T10:15:03.123456Z","kind":"llm","provider":"anthropic","input_tokens":1200,"output_tokens":300,"tags":{"region":"eu"}}"#,
                59,
            ),
        ] {
            let estimated = tokens(text);
            assert!(estimated.abs_diff(counted) * 100 <= counted * 30, "{estimated}, counted {counted}: {text}");
        }
    }

    #[test]
    fn nothing_has_no_tokens_and_long_runs_do_not_overflow() {
        assert_eq!((tokens(""), tokens("a"), tokens("1234")), (0, 1, 4));
        assert!(tokens(&"a".repeat(100_000)) > 10_000);
    }
}
