//! An estimate for a terminal.

use super::PromptEstimate;
use crate::Amount;
use crate::terminal_text::table;

/// Lines for a terminal.
pub fn terminal(found: &PromptEstimate) -> String {
    let (output, calls) = (found.output_tokens, found.calls_per_month);
    let mut text = format!(
        "About {} tokens of prompt, {output} of answer, {calls} calls a month; US dollars, prices now in force.\n\n",
        found.input_tokens
    );
    let head = ["provider", "model", "a call", "from the cache", "a month", "a cache saves at most"].map(str::to_owned);
    let money = |amount: Option<Amount>| amount.map_or_else(|| "-".to_owned(), Amount::short);
    let row = |model: &super::ModelEstimate| {
        let [call, month] = [model.call, model.month].map(Amount::short);
        [model.provider.clone(), model.model.clone(), call, money(model.cached_call), month, money(model.cache_saving)]
    };
    text += &table(&std::iter::once(head).chain(found.models.iter().map(row)).collect::<Vec<_>>(), 2..6);
    if output == 0 {
        text += "\nNote: answers are not in it: --output-tokens.\n";
    }
    if found.unpriced > 0 {
        text += &format!("\nNote: {} models have no price for what is asked and are not listed.\n", found.unpriced);
    }
    text + "\nNote: an estimate without a tokenizer, fitted to OpenAI's o200k_base. On texts it was not fitted to, half were within 4 % and nine of ten within about 10 %, the worst 24 % off; tokenizers of Anthropic, Google and others were not measured (docs/REPORTS.md).\n"
}
