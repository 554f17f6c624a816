//! What a middling company calls: products, models and cloud services. Invented, but with the names of product.md.

use crate::trace::Origin;

/// A product feature and who pays for it.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) source: &'static str,
    pub(crate) feature: &'static str,
    pub(crate) task_type: &'static str,
    pub(crate) route: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) team: &'static str,
    pub(crate) project: &'static str,
    pub(crate) cost_center: &'static str,
    pub(crate) owner: &'static str,
    pub(crate) origin: Origin,
}

/// A model, how often it is called (of 100) and what it does beside input and output.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) provider: &'static str,
    pub(crate) name: &'static str,
    pub(crate) weight: u64,
    pub(crate) has_cache: bool,
    pub(crate) has_reasoning: bool,
}

macro_rules! workloads {
    ($($source:literal $feature:literal $task:literal $route:literal $operation:literal $team:literal $project:literal $center:literal $owner:literal $origin:ident),* $(,)?) => {
        pub(crate) const WORKLOADS: [Workload; [$($source),*].len()] = [$(Workload {
            source: $source, feature: $feature, task_type: $task, route: $route, operation: $operation, team: $team, project: $project,
            cost_center: $center, owner: $owner, origin: Origin::$origin,
        }),*];
    };
}

workloads! {
    "strategy-api" "strategy_generation" "analyst" "/v1/analyze" "chat" "core" "helios" "rnd" "ada@example.org" LongContext,
    "strategy-api" "backtest" "analyst" "/v1/backtest" "chat" "core" "helios" "rnd" "ada@example.org" Code,
    "checkout-api" "fraud_check" "guardian" "/v1/checkout" "chat" "payments" "hermes" "operations" "grace@example.org" Conversation,
    "tutor-web" "tutor" "chatbot" "/v1/tutor" "chat" "learning" "athena" "product" "edsger@example.org" Conversation,
    "support-bot" "support_chat" "chatbot" "/v1/chat" "chat" "support" "hermes" "operations" "barbara@example.org" Conversation,
    "review-bot" "code_review" "guardian" "/v1/review" "chat" "platform" "argus" "rnd" "barbara@example.org" Code,
    "search-api" "document_search" "retrieval" "/v1/embed" "embeddings" "platform" "argus" "product" "edsger@example.org" LongContext,
}

const fn model(provider: &'static str, name: &'static str, weight: u64, has_cache: bool, has_reasoning: bool) -> Model {
    Model { provider, name, weight, has_cache, has_reasoning }
}

/// Weights add up to 100. All are in `prices/public.toml`.
pub(crate) const MODELS: [Model; 11] = [
    model("anthropic", "claude-haiku-4-5", 24, true, true),
    model("anthropic", "claude-haiku-4-5-20251001", 4, true, false),
    model("anthropic", "claude-3-haiku", 14, true, false),
    model("anthropic", "claude-3-sonnet", 6, false, false),
    model("anthropic", "claude-3-opus", 1, true, false),
    model("openai", "gpt-3.5-turbo", 22, false, false),
    model("openai", "gpt-4-turbo", 6, false, false),
    model("openai", "gpt-4", 2, false, false),
    model("OpenAI", "GPT-4-0613", 1, false, false),
    model("openai", "o3-mini", 8, true, true),
    model("google", "gemini-pro", 12, false, true),
];

/// In no price book.
pub(crate) const UNPRICED_MODEL: Model = model("inhouse", "llm-internal-7b", 0, true, true);
/// What embeds; it puts out no tokens.
pub(crate) const EMBEDDING_MODEL: Model = model("openai", "text-embedding-3-small", 0, false, false);
/// For malformed events: a provider whose default convention is `inclusive`.
pub(crate) const PLAIN_MODEL: Model = model("openai", "gpt-4", 0, false, false);

/// Cloud services with the share of their lines (of 100) and a typical amount in thousandths of a currency unit.
pub(crate) const SERVICES: [(&str, u64, u64); 5] =
    [("Bedrock", 40, 900), ("ECS", 25, 700), ("RDS", 15, 250), ("S3", 12, 60), ("CloudWatch", 8, 20)];

/// Currencies of cloud lines with units per dollar, roughly, in hundredths.
pub(crate) const CURRENCIES: [(&str, u64, u64); 3] = [("USD", 80, 100), ("EUR", 12, 92), ("KRW", 8, 138_050)];

/// A currency that no rates file of ours has.
pub(crate) const CURRENCY_WITHOUT_RATE: &str = "CHF";

pub(crate) const ENVIRONMENTS: [&str; 6] = ["production", "production", "production", "production", "staging", "development"];
pub(crate) const REGIONS: [&str; 4] = ["eu-central-1", "eu-west-1", "us-east-1", "ap-northeast-2"];
/// Kept as attributes: text that must be escaped in JSON.
pub(crate) const NOTES: [&str; 3] = ["naïve \"quoted\" \\ back", "line one\nline two\ttab", "rocket 🚀 한국어"];
